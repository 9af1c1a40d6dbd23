package flow_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
)

// full is the task file that the README shows, and shortest the same with everything left out that can be.
const (
	full = `{
  "task_id": "daily_report_gen",
  "trigger": {"type": "cron", "schedule": "0 9 * * *", "timezone": "Asia/Shanghai", "misfire": "once", "grace": "2h", "overlap": "skip"},
  "steps": [
    {"id": "query",  "plugin": "database_query",  "params": {"sql": "SELECT * FROM sales WHERE date=CURRENT_DATE"}},
    {"id": "sheet",  "plugin": "excel_generator", "params": {"template": "/templates/report.xlsx", "output": "/output/{{date}}.xlsx"}},
    {"id": "mail",   "plugin": "email_sender",    "params": {"to": "team@example.com", "subject": "Daily Sales Report", "attachments": ["/output/{{date}}.xlsx"]}}
  ]
}`
	shortest = `{
  "task_id": "daily_report_gen",
  "trigger": {"type": "cron", "schedule": "0 9 * * *"},
  "steps": [
    {"plugin": "database_query", "params": {"sql": "SELECT * FROM sales WHERE date=CURRENT_DATE"}},
    {"plugin": "excel_generator", "params": {"template": "/templates/report.xlsx", "output": "/output/{{date}}.xlsx"}},
    {"plugin": "email_sender", "params": {"to": "team@example.com", "subject": "Daily Sales Report", "attachments": ["/output/{{date}}.xlsx"]}}
  ]
}`
)

func parse(t testing.TB, raw string) flow.Plan {
	t.Helper()
	p, err := flow.Parse([]byte(raw))
	if err != nil {
		t.Fatal(fault.Text(err))
	}
	return p
}

// shape is the steps of a plan with what they need.
func shape(p flow.Plan) string {
	var s []string
	for _, step := range p.Steps {
		s = append(s, step.ID+"<"+strings.Join(step.Needs, ","))
	}
	return strings.Join(s, " ")
}

func TestTaskFiles(t *testing.T) {
	p := flow.Normalize(parse(t, full))
	if got := shape(p); got != "query< sheet<query mail<sheet" {
		t.Error(got)
	}
	if p.Trigger.Timezone != "Asia/Shanghai" || p.Trigger.Grace != "2h" || p.Steps[0].OnError != flow.Rollback {
		t.Errorf("%+v", p)
	}
	p = flow.Normalize(parse(t, shortest))
	if got := shape(p); got != "s1< s2<s1 s3<s2" {
		t.Error(got)
	}
	if want := (flow.Trigger{Type: "cron", Schedule: "0 9 * * *", Misfire: "once", Grace: "1h0m0s", Overlap: "skip"}); *p.Trigger != want {
		t.Errorf("%+v", *p.Trigger)
	}
}

// steps makes a plan of steps given as "id: fields", with params as JSON.
func steps(list ...string) string {
	return `{"steps":[{"plugin":"p",` + strings.Join(list, `},{"plugin":"p",`) + `}]}`
}

func TestNormalize(t *testing.T) {
	for name, c := range map[string]struct{ raw, want string }{
		"one step":              {steps(`"params":{}`), "s1<"},
		"in order":              {steps(`"id":"a"`, `"id":"b"`, `"params":{}`), "a< b<a s3<b"},
		"a diamond":             {steps(`"id":"a"`, `"id":"b","needs":["a"]`, `"id":"c","needs":["a"]`, `"id":"d","needs":["b","c","b"]`), "a< b<a c<a d<b,c"},
		"roots by themselves":   {steps(`"id":"a"`, `"id":"b"`, `"id":"c","needs":["b"]`), "a< b< c<b"},
		"a result is an edge":   {steps(`"id":"a"`, `"id":"b"`, `"id":"c","needs":["a"],"params":{"x":["{{steps.b.y}}"]}`), "a< b< c<a,b"},
		"a condition is one":    {steps(`"id":"a"`, `"id":"b"`, `"id":"c","needs":["a"],"if":"steps.b.y > 1"`), "a< b< c<a,b"},
		"a list is one":         {steps(`"id":"a"`, `"id":"b"`, `"id":"c","needs":["a"],"foreach":"steps.b.rows"`), "a< b< c<a,b"},
		"results back in order": {steps(`"id":"a"`, `"id":"b"`, `"id":"c","params":{"x":"{{steps.a.y}}"}`), "a< b<a c<b,a"},
		"sorted":                {steps(`"id":"c","needs":["b"]`, `"id":"x"`, `"id":"b","needs":["a"]`, `"id":"a"`), "x< a< b<a c<b"},
		"ids of digits":         {steps(`"id":"1st"`, `"id":"2-nd","needs":["1st"],"params":{"x":"{{steps.1st.y}}"}`), "1st< 2-nd<1st"},
		"empty needs":           {steps(`"id":"a","needs":[]`, `"id":"b","needs":[]`), "a< b<a"},
	} {
		t.Run(name, func(t *testing.T) {
			raw := parse(t, c.raw)
			before := fmt.Sprintf("%+v", raw)
			p := flow.Normalize(raw)
			if got := shape(p); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if fmt.Sprintf("%+v", raw) != before {
				t.Error("the plan as written has changed")
			}
			if again := flow.Normalize(p); !reflect.DeepEqual(again, p) {
				t.Errorf("once more gives %s", shape(again))
			}
		})
	}
}

func TestZoneMovesOutOfTheSchedule(t *testing.T) {
	p := flow.Normalize(parse(t, `{"trigger":{"type":"cron","schedule":" CRON_TZ=Asia/Tokyo  0 9 * * * "},"steps":[{"plugin":"p"}]}`))
	if p.Trigger.Timezone != "Asia/Tokyo" || p.Trigger.Schedule != "0 9 * * *" {
		t.Errorf("%+v", *p.Trigger)
	}
}

func TestParseAccepts(t *testing.T) {
	for _, raw := range []string{
		`{"task_id":"t","trigger":{"type":"webhook"},"steps":[{"plugin":"p","params":{"x":"{{trigger.body.a.b}}"}}]}`,
		`{"trigger":{"type":"message","phrase":"日报"},"steps":[{"plugin":"p"}]}`,
		`{"trigger":{"type":"manual","timezone":"Europe/Berlin"},"steps":[{"plugin":"p"}]}`,
		`{"trigger":{"type":"at","schedule":"2026-05-01 09:00"},"steps":[{"plugin":"p"}]}`,
		`{"trigger":{"type":"every","schedule":"15m","overlap":"queue"},"steps":[{"plugin":"p"}]}`,
		`{"trigger":{"type":"cron","schedule":"0 9 * * *","calendar":"cn"},"steps":[{"plugin":"p"}]}`,
		`{"params":{"q":[1,{"a":null}]},"steps":[{"plugin":"p","foreach":"[1,2]","params":{"x":"{{item}} {{index}}","y":"{{params.q}} {{run.id}}"}}]}`,
		steps(`"retry":{"max":10,"wait":"5s","max_wait":"1m"},"timeout":"90s","on_error":"continue","approval":"never"`),
	} {
		if _, err := flow.Parse([]byte(raw)); err != nil {
			t.Errorf("%s: %s", raw, fault.Text(err))
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for name, c := range map[string]struct{ raw, says string }{
		"unknown field":         {"{\n \"steps\": [{\"plugin\": \"p\",\n   \"parms\": {}}]}", `line 3, column 4: unknown field "parms" in steps[0]; known: id, plugin, params, needs`},
		"unknown trigger field": {`{"trigger":{"type":"cron","cron":"0 9 * * *"},"steps":[{"plugin":"p"}]}`, `line 1, column 27: unknown field "cron" in trigger; known: type, schedule`},
		"repeated key":          {steps(`"params":{"to":"a@x.cn","to":"b@x.cn"}`), `"to" appears twice in steps[0].params`},
		"not JSON":              {`steps:`, "line 1, column 1: not JSON"},
		"wrong kind":            {`{"steps":{}}`, "steps has to be a list, not object"},
		"no steps":              {`{"steps":[]}`, "steps: a plan needs at least one step"},
		"nothing":               {`{}`, "steps: a plan needs at least one step"},
		"too many":              {steps(slices.Repeat([]string{`"params":{}`}, 65)...), "steps: 65 steps; at most 64"},
		"too large":             {`{"title":"` + strings.Repeat("x", flow.MaxPlan) + `"}`, "a plan of 256 KiB; at most 256"},
		"too deep":              {steps(`"params":` + strings.Repeat(`{"a":`, 70) + "1" + strings.Repeat("}", 70)), "nested deeper than 64"},
		"task id":               {`{"task_id":"Daily Report","steps":[{"plugin":"p"}]}`, `task_id: "Daily Report" is no id`},
		"title":                 {`{"title":"` + strings.Repeat("题", 201) + `","steps":[{"plugin":"p"}]}`, "title: longer than 200 letters"},
		"step id":               {steps(`"id":"a.b"`), `steps[0].id: "a.b" is no id`},
		"equal ids":             {steps(`"id":"s2"`, `"params":{}`), `steps[1].id: two steps are called "s2"`},
		"no plugin":             {`{"steps":[{"params":{}}]}`, "steps[0].plugin: say which plugin"},
		"plugin's name":         {`{"steps":[{"plugin":"Database-Query"}]}`, `steps[0].plugin: "Database-Query" is no plugin's name`},
		"params":                {steps(`"params":[1]`), "steps[0].params: parameters are an object"},
		"params null":           {steps(`"params":null`), "steps[0].params: parameters are an object"},
		"on_error":              {steps(`"on_error":"ignore"`), `steps[0].on_error: "ignore" is none of rollback, continue, stop`},
		"approval":              {steps(`"approval":"maybe"`), `steps[0].approval: "maybe" is none of required, never`},
		"timeout":               {steps(`"timeout":"soon"`), `steps[0].timeout: "soon" is no duration up to`},
		"long timeout":          {steps(`"timeout":"25h"`), "steps[0].timeout"},
		"retries":               {steps(`"retry":{"max":11}`), "steps[0].retry.max: 11 is not between 0 and 10"},
		"fewer retries":         {steps(`"retry":{"max":-1}`), "steps[0].retry.max"},
		"retry wait":            {steps(`"retry":{"max":1,"max_wait":"0s"}`), `steps[0].retry.max_wait: "0s" is no duration`},
		"unknown need":          {steps(`"id":"a"`, `"id":"b","needs":["x"]`), `steps[1].needs: there is no step "x"`},
		"needs itself":          {steps(`"id":"a","needs":["a"]`), `steps[0].needs: "a" needs itself`},
		"unknown result":        {steps(`"id":"a","params":{"x":"{{steps.b.y}}"}`), `steps[0].params: there is no step "b"`},
		"own result":            {steps(`"id":"a","params":{"x":"{{steps.a.y}}"}`), `steps[0].params: "a" needs itself`},
		"unknown in condition":  {steps(`"id":"a","if":"steps.b.y > 1"`), `steps[0].if: there is no step "b"`},
		"unknown in list":       {steps(`"id":"a","foreach":"steps.b.y"`), `steps[0].foreach: there is no step "b"`},
		"a circle":              {steps(`"id":"a","needs":["c"]`, `"id":"b","needs":["a"]`, `"id":"c","needs":["b"]`), "steps: steps need each other: a needs c needs b needs a"},
		"a circle by a result":  {steps(`"id":"a","params":{"x":"{{steps.b.y}}"}`, `"id":"b"`), "steps: steps need each other: a needs b needs a"},
		"condition":             {steps(`"if":"len(steps"`), "steps[0].if: "},
		"no condition":          {steps(`"if":"1 + 1"`), "steps[0].if: "},
		"list":                  {steps(`"foreach":"foo"`), "steps[0].foreach: "},
		"item in a condition":   {steps(`"foreach":"[1]","if":"item > 1"`), "steps[0].if: item and index are there only once foreach has its list"},
		"item without foreach":  {steps(`"params":{"to":["x","{{item.email}}"]}`), "steps[0].params.to[1]: item exists only in a step with foreach"},
		"unknown name":          {steps(`"params":{"a":{"subject":"Report {{dat}}"}}`), `steps[0].params.a.subject: unknown name "dat"; known: date`},
		"unclosed":              {steps(`"params":{"a":"{{date"}`), "steps[0].params.a: {{ without }}"},
		"unknown filter":        {steps(`"params":{"a":"{{date | shell 'x'}}"}`), `steps[0].params.a: unknown filter "shell"`},
		"no step named":         {steps(`"params":{"a":"{{steps}}"}`), "steps[0].params.a: name the step"},
		"the trigger's head":    {steps(`"params":{"a":"{{trigger.headers}}"}`), "of the trigger there is only trigger.body"},
		"the run's owner":       {steps(`"params":{"a":"{{run.user}}"}`), "of the run there is only run.id"},
		"trigger type":          {`{"trigger":{"type":"daily"},"steps":[{"plugin":"p"}]}`, `trigger.type: "daily" is none of cron, every, at, webhook, message, manual`},
		"schedule":              {`{"trigger":{"type":"cron","schedule":"at nine"},"steps":[{"plugin":"p"}]}`, `trigger.schedule: "at nine" is no cron schedule`},
		"zone":                  {`{"trigger":{"type":"cron","schedule":"0 9 * * *","timezone":"Beijing"},"steps":[{"plugin":"p"}]}`, `trigger.timezone: "Beijing" is no time zone`},
		"zone of a webhook":     {`{"trigger":{"type":"webhook","timezone":"Beijing"},"steps":[{"plugin":"p"}]}`, "trigger.timezone"},
		"misfire":               {`{"trigger":{"type":"cron","schedule":"0 9 * * *","misfire":"never"},"steps":[{"plugin":"p"}]}`, `trigger.misfire: "never" is none of skip, once, all`},
		"overlap":               {`{"trigger":{"type":"cron","schedule":"0 9 * * *","overlap":"kill"},"steps":[{"plugin":"p"}]}`, `trigger.overlap: "kill" is none of skip, queue, allow`},
		"calendar":              {`{"trigger":{"type":"cron","schedule":"0 9 * * *","calendar":"../cn"},"steps":[{"plugin":"p"}]}`, `trigger.calendar: "../cn" is no id`},
		"webhook with schedule": {`{"trigger":{"type":"webhook","schedule":"0 9 * * *"},"steps":[{"plugin":"p"}]}`, "trigger.schedule: a webhook trigger has none"},
		"phrase":                {`{"trigger":{"type":"message"},"steps":[{"plugin":"p"}]}`, "trigger.phrase: say which phrase"},
		"phrase elsewhere":      {`{"trigger":{"type":"manual","phrase":"x"},"steps":[{"plugin":"p"}]}`, "trigger.phrase: a phrase goes with message only"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := flow.Parse([]byte(c.raw))
			if text := fault.Text(err); err == nil || !strings.Contains(text, c.says) {
				t.Errorf("got  %s\nwant %s", text, c.says)
			}
			if kind := fault.KindOf(err); kind != fault.Invalid && kind != fault.TooLarge {
				t.Errorf("kind %s", kind)
			}
		})
	}
}

func TestDigest(t *testing.T) {
	want := flow.Digest(parse(t, full))
	if len(want) != 64 {
		t.Fatal(want)
	}
	var tree any
	if err := json.Unmarshal([]byte(full), &tree); err != nil {
		t.Fatal(err)
	}
	sorted, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	said := strings.NewReplacer(`"email_sender"`, `"email_sender", "on_error": "rollback", "needs": ["sheet"]`, `"excel_generator"`, `"excel_generator", "needs": ["query"]`)
	for name, raw := range map[string]string{
		"keys in another order":    string(sorted),
		"white space":              strings.ReplaceAll(full, ": ", ":\n\t"),
		"escaped letters":          strings.ReplaceAll(full, "team@", `\u0074eam@`),
		"defaults said":            said.Replace(full),
		"what was normalized once": string(flow.Canonical(parse(t, full))),
	} {
		if got := flow.Digest(parse(t, raw)); got != want {
			t.Errorf("%s: another digest, of %s", name, flow.Canonical(parse(t, raw)))
		}
	}
	for name, change := range map[string][2]string{
		"a recipient": {"team@example.com", "team@example.org"}, "a number's type": {`"Daily Sales Report"`, "1"}, "a zone": {"Asia/Shanghai", "Asia/Tokyo"},
		"an id": {`"mail"`, `"post"`}, "a condition": {`"id": "mail"`, `"id": "mail", "if": "false"`},
	} {
		if got := flow.Digest(parse(t, strings.ReplaceAll(full, change[0], change[1]))); got == want {
			t.Errorf("%s does not change the digest", name)
		}
	}
	broken := func(params string) string {
		return flow.Digest(flow.Plan{Steps: []flow.Step{{Plugin: "p", Params: json.RawMessage(params)}}})
	}
	if broken(`{"to":`) == broken(`{"cc":`) {
		t.Error("two broken plans share a digest")
	}
}

// A plan survives being written and read, in its normal form, and has one digest in both.
func TestPlansRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyPlan(t)
		if err := flow.Check(p); err != nil {
			t.Fatal(err)
		}
		normal := flow.Normalize(p)
		again, err := flow.Parse(flow.Canonical(p))
		if err != nil {
			t.Fatalf("%s: %v", flow.Canonical(p), err)
		}
		if flow.Digest(again) != flow.Digest(p) || flow.Digest(normal) != flow.Digest(p) {
			t.Fatal("another digest")
		}
		if shape(flow.Normalize(again)) != shape(normal) {
			t.Fatalf("%s became %s", shape(normal), shape(flow.Normalize(again)))
		}
		placed := map[string]bool{}
		for _, s := range normal.Steps {
			if slices.ContainsFunc(s.Needs, func(id string) bool { return !placed[id] }) {
				t.Fatalf("%s: %s comes before what it needs", shape(normal), s.ID)
			}
			placed[s.ID] = true
		}
	})
}

// anyPlan makes a plan whose steps need only steps of lower numbers, in any order.
func anyPlan(t *rapid.T) flow.Plan {
	n := rapid.IntRange(1, 8).Draw(t, "steps")
	var p flow.Plan
	for i := range n {
		s := flow.Step{ID: fmt.Sprintf("n%d", i), Plugin: "p"}
		for j := range i {
			switch rapid.IntRange(0, 4).Draw(t, "edge") {
			case 0:
				s.Needs = append(s.Needs, fmt.Sprintf("n%d", j))
			case 1:
				s.Params = json.RawMessage(fmt.Sprintf(`{"x":"{{steps.n%d.y}}"}`, j))
			case 2:
				s.If = fmt.Sprintf("steps.n%d.y == %d", j, i)
			}
		}
		p.Steps = append(p.Steps, s)
	}
	if slices.ContainsFunc(p.Steps, func(s flow.Step) bool { return len(s.Needs) > 0 }) { // else the order counts
		p.Steps = rapid.Permutation(p.Steps).Draw(t, "order")
	}
	return p
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte(shortest))
	f.Add([]byte(steps(`"id":"a","needs":["b"]`, `"id":"b","if":"steps.a.y > 1","foreach":"[1]","params":{"x":"{{item}}"}`)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := flow.Parse(raw)
		if err != nil {
			if fault.Is(err, fault.Internal) {
				t.Errorf("%q: %v", raw, err)
			}
			return
		}
		if _, err := flow.Parse(flow.Canonical(p)); err != nil {
			t.Errorf("the canonical form of %q: %v", raw, err)
		}
	})
}
