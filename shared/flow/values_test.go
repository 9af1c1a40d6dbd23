package flow_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
)

func TestPlanParametersAreChecked(t *testing.T) {
	for name, c := range map[string]struct{ raw, place, says string }{
		"a name that is not there": {`{"params":{"to":"a"},"steps":[{"plugin":"p","params":{"x":["a","{{params.too}}"]}}]}`, "steps[0].params.x[1]", "it has: to"},
		"none at all":              {`{"steps":[{"plugin":"p","params":{"x":"{{params.to | default 'b'}}"}}]}`, "steps[0].params.x", "no params.to"},
		"in a condition":           {`{"params":{"n":1},"steps":[{"plugin":"p","if":"params.m > 2"}]}`, "steps[0].if", "no params.m"},
		"in a list":                {`{"params":{"n":1},"steps":[{"plugin":"p","foreach":"params.list"}]}`, "steps[0].foreach", "no params.list"},
		"without a name":           {`{"params":{"n":1},"steps":[{"plugin":"p","params":{"x":"{{params}}"}}]}`, "steps[0].params.x", "as in params.to"},
		"behind a variable":        {`{"params":{"n":1},"steps":[{"plugin":"p","if":"params[date] == 1"}]}`, "steps[0].if", "as in params.to"},
		"a default from a step":    {`{"params":{"n":{"a":"{{steps.q.n}}"}},"steps":[{"id":"q","plugin":"p"}]}`, "params.n.a", "not known before the steps"},
		"a default from outside":   {`{"params":{"n":"{{trigger.body.n}}"},"steps":[{"plugin":"p"}]}`, "params.n", "not known before the steps"},
		"a broken default":         {`{"params":{"n":"{{date"},"steps":[{"plugin":"p"}]}`, "params.n", "without }}"},
		"no name":                  {`{"params":{"a b":1},"steps":[{"plugin":"p"}]}`, "params", "no name"},
	} {
		_, err := flow.Parse([]byte(c.raw))
		if text := fault.Text(err); !fault.Is(err, fault.Invalid) || !strings.HasPrefix(text, c.place+": ") || !strings.Contains(text, c.says) {
			t.Errorf("%s: %v", name, text)
		}
	}
	many := make(map[string]int)
	for i := range 65 {
		many["p"+strings.Repeat("x", i)] = i
	}
	raw, err := json.Marshal(map[string]any{"params": many, "steps": []any{map[string]string{"plugin": "p"}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := flow.Parse(raw); !fault.Is(err, fault.Invalid) {
		t.Errorf("65 parameters: %v", err)
	}
	if flow.Digest(parse(t, `{"params":{"a":1},"steps":[{"plugin":"p"}]}`)) == flow.Digest(parse(t, `{"params":{"a":2},"steps":[{"plugin":"p"}]}`)) {
		t.Error("two plans with other values have one digest")
	}
}

func TestValuesOfARun(t *testing.T) {
	scope := flow.Scope{Now: time.Date(2026, 1, 2, 9, 5, 0, 0, time.UTC), Date: "2026-01-02", Run: "r1"}
	p := parse(t, `{"params":{"to":["a@b.cd"],"file":"/out/{{date}}.xlsx","at":"{{time}}"},
		"steps":[{"plugin":"p","params":{"to":"{{params.to}}","all":"{{params.file}} at {{params.at}}","if":"{{params.to[0]}}"},"if":"len(params.to) == 2"}]}`)
	p, err := p.With(flow.Values{"to": json.RawMessage(`["x@y.z","b@c.de"]`)})
	if err != nil {
		t.Fatal(err)
	}
	if scope.Params, err = p.Resolve(scope); err != nil {
		t.Fatal(err)
	}
	got, err := flow.Expand(p.Steps[0].Params, scope)
	if want := `{"all":"/out/2026-01-02.xlsx at 09:05","if":"x@y.z","to":["x@y.z","b@c.de"]}`; err != nil || string(got) != want {
		t.Errorf("%s %v", got, err)
	}
	if ok, err := flow.Holds(p.Steps[0].If, scope); err != nil || !ok {
		t.Errorf("the condition sees the parameters: %v %v", ok, err)
	}
	if _, err := p.With(flow.Values{"cc": json.RawMessage(`1`)}); !fault.Is(err, fault.Invalid) || !strings.HasPrefix(fault.Text(err), "params.cc: ") {
		t.Errorf("a value that the plan does not have: %v", err)
	}
	if _, err := p.With(flow.Values{"to": json.RawMessage(`"{{steps.x}}"`)}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a value that waits for a step: %v", err)
	}
}

func TestPreview(t *testing.T) {
	scope := flow.Scope{
		Date: "2026-01-02", Params: json.RawMessage(`{"to":"bo"}`), Event: json.RawMessage(`{"n":7}`),
		Steps: map[string]json.RawMessage{"sheet": json.RawMessage(`{"path":"/out/a.xlsx"}`)},
	}
	for raw, c := range map[string]struct {
		want  string
		whole bool
	}{
		`"{{date}}"`:                           {`"2026-01-02"`, true},
		`["to {{params.to}}"]`:                 {`["to bo"]`, true},
		`{"a":{"b":"{{trigger.body.n}}"}}`:     {`{"a":{"b":7}}`, true},
		`"{{steps.sheet.path}}"`:               {`"/out/a.xlsx"`, true},
		`"{{ steps.sheet.rows }} {{date}}"`:    {`"{{ steps.sheet.rows }} 2026-01-02"`, false},
		`"{{steps.sheet.rows | default 'x'}}"`: {`"{{steps.sheet.rows | default 'x'}}"`, false}, // it may have rows yet
		`"{{steps.other.path}}"`:               {`"{{steps.other.path}}"`, false},
		`"{{now}}"`:                            {`"{{now}}"`, false},
		`"{{item.x}}"`:                         {`"{{item.x}}"`, false},
		`12345678901234567890`:                 {`12345678901234567890`, true},
	} {
		got, whole := flow.Preview(json.RawMessage(raw), scope)
		if string(got) != c.want || whole != c.whole {
			t.Errorf("%s: %s, whole %v", raw, got, whole)
		}
	}
	if got, whole := flow.Preview(json.RawMessage(`"{{trigger.body}} {{date}}"`), flow.Scope{}); whole || string(got) != `"{{trigger.body}} {{date}}"` {
		t.Errorf("without an event and a day: %s, whole %v", got, whole)
	}
}

func TestScheduleInWords(t *testing.T) {
	for schedule, want := range map[string][2]string{
		"0 9 * * *":     {"every day at 09:00", "每天 09:00"},
		"30 8 * * 1-5":  {"Monday to Friday at 08:30", "周一至周五 08:30"},
		"0 18 * * 1,5":  {"every Monday and Friday at 18:00", "每周一、五 18:00"},
		"15 7 1 * *":    {"on day 1 of every month at 07:15", "每月 1 日 07:15"},
		"*/15 * * * *":  {"every 15 minutes", "每 15 分钟"},
		"0 * * * *":     {"every hour at minute 0", "每小时的第 0 分"},
		"5 */2 * * *":   {"every 2 hours at minute 5", "每 2 小时的第 5 分"},
		"0 9 * 3 *":     {"by the schedule 0 9 * 3 *", "按计划 0 9 * 3 *"},
		"0 9-17 * * *":  {"by the schedule 0 9-17 * * *", "按计划 0 9-17 * * *"},
		"0 9 1 * 1":     {"by the schedule 0 9 1 * 1", "按计划 0 9 1 * 1"},
		"0 9 * * 1#2":   {"by the schedule 0 9 * * 1#2", "按计划 0 9 * * 1#2"},
		"@daily":        {"by the schedule @daily", "按计划 @daily"},
		"0 9 * * MON":   {"by the schedule 0 9 * * MON", "按计划 0 9 * * MON"},
		"1-5 * * * *":   {"by the schedule 1-5 * * * *", "按计划 1-5 * * * *"},
		"0 9 1,15 * *":  {"by the schedule 0 9 1,15 * *", "按计划 0 9 1,15 * *"},
		"*/15 9 * * *":  {"by the schedule */15 9 * * *", "按计划 */15 9 * * *"},
		"0 */2 * * 1":   {"by the schedule 0 */2 * * 1", "按计划 0 */2 * * 1"},
		"0 9 * * 7":     {"every Sunday at 09:00", "每周日 09:00"},
		"0 9 */2 * 1-5": {"by the schedule 0 9 */2 * 1-5", "按计划 0 9 */2 * 1-5"},
	} {
		trigger := flow.Trigger{Type: flow.Cron, Schedule: schedule}
		if en, zh := trigger.Words("en"), trigger.Words("zh"); en != want[0] || zh != want[1] {
			t.Errorf("%s: %s · %s", schedule, en, zh)
		}
	}
	slots, err := flow.Trigger{Type: flow.Cron, Schedule: "30 8 * * 1-5"}.Slots(time.Date(2026, 1, 2, 9, 0, 0, 0, time.UTC), time.UTC, 3) // a Friday
	if err != nil || len(slots) != 3 || slots[0].Day() != 5 || slots[1].Day() != 6 || slots[2].Day() != 7 {
		t.Errorf("%v %v", slots, err)
	}
	once, err := flow.Trigger{Type: flow.At, Schedule: "2026-01-03 10:00"}.Slots(start.AddDate(-1, 0, 0), time.UTC, 3)
	if err != nil || len(once) != 1 {
		t.Errorf("%v %v", once, err)
	}
}
