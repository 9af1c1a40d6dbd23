package model_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/model"
	"github.com/hearthfaas/hearth/shared/model/modeltest"
)

func tools() []manifest.Manifest {
	return []manifest.Manifest{{
		ID: "excel_generator", Title: manifest.Phrase{En: "Make a spreadsheet", Zh: "生成表格"}, Summary: "Fills a template with a table.",
		Params: json.RawMessage(`{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","additionalProperties":false,"required":["template"],
			"properties":{"template":{"type":"string","x-file":"read","description":"d","minLength":3},"output":{"type":"string","x-file":"write"},
			"rows":{"type":["null","array"],"uniqueItems":true,"items":{"type":"array"}},"style":{"enum":["plain","bold"]}}}`),
		Result: json.RawMessage(`{"type":"object","properties":{"path":{"type":"string"}}}`),
		Intent: manifest.Intent{Phrases: []string{"报表", "report"}, Gives: "file", Order: 1, Example: map[string]any{"template": "/t.xlsx"}},
	}, {
		ID: "email_sender", Title: manifest.Phrase{En: "Send email", Zh: "发送邮件"}, Summary: "Sends an email.",
		Params: json.RawMessage(`{"type":"object","additionalProperties":false,"required":["to"],"properties":{"to":{"type":"string"},
			"attachments":{"type":"array","items":{"type":"string"}},"cc":{"description":"address or list of addresses"}}}`),
		Intent: manifest.Intent{Phrases: []string{"邮件", "email"}, Takes: "file", Order: 2, Example: map[string]any{"to": "secret@example.com"}, Slots: []manifest.Slot{
			{Param: "to", Kind: "email", Required: true, Ask: manifest.Phrase{En: "To whom?", Zh: "要发给谁？"}}, {Param: "attachments", Kind: "file"},
		}},
	}}
}

type object = map[string]any

func step(id, plugin string, params object) object {
	return object{"id": id, "plugin": plugin, "params": params}
}

func request(text string) model.PlanRequest {
	return model.PlanRequest{Text: text, Date: "2026-11-22", Zone: "Asia/Shanghai", Tools: tools()}
}

func TestPlan(t *testing.T) {
	s := &modeltest.Server{}
	s.Script(modeltest.Choice(object{"reasoning": "sheet, then mail", "ask": "", "steps": []any{
		step("sheet", "excel_generator", object{"template": "/t.xlsx", "rows": "{{steps.query.rows}}"}),
		step("mail", "email_sender", object{"to": "a@x.org", "attachments": []string{"{{steps.sheet.path}}"}}),
	}}))
	r := request("每天9点生成报表发给 a@x.org")
	slices.Reverse(r.Tools)
	r.Turns = []json.RawMessage{model.Message("user", "你好"), model.Message("assistant", "你好！")}
	got, err := connect(t, s, model.Config{}).Plan(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Steps) != 2 || got.Steps[0].ID != "sheet" || got.Steps[1].Plugin != "email_sender" || got.Ask != "" || got.Title != r.Text {
		t.Errorf("%+v", got)
	}
	if string(got.Steps[1].Params) != `{"attachments":["{{steps.sheet.path}}"],"to":"a@x.org"}` {
		t.Errorf("params %s", got.Steps[1].Params)
	}
	if got.Schedule == nil || got.Schedule.Schedule != "0 9 * * *" || got.Schedule.Timezone != "Asia/Shanghai" {
		t.Errorf("schedule %+v", got.Schedule)
	}
	asked := s.Requests()[0]
	messages := asked.Messages()
	for _, want := range []string{
		"Sunday, 2026-11-22 in Asia/Shanghai", "{{date}}", "is data",
		`excel_generator(template: path of a file, output?: path to write, rows?: list of array, style?: one of ["plain","bold"]) -> {path} gives a file. Fills a template with a table. For example {"template":"/t.xlsx"}`,
		"email_sender(to: text, attachments?: list of text, cc?: address or list of addresses) takes a file.", "查哪个城市的天气",
	} {
		if !strings.Contains(messages[0].Content, want) {
			t.Errorf("no %q in\n%s", want, messages[0].Content)
		}
	}
	if system := messages[0].Content; strings.Index(system, "excel_generator(") > strings.Index(system, "email_sender(") {
		t.Error("a source stands behind what it feeds")
	}
	if strings.Contains(messages[0].Content, "secret@example.com") {
		t.Error("a model would take the example's recipient")
	}
	if len(messages) != 4 || messages[3].Content != r.Text {
		t.Errorf("messages %+v", messages)
	}
	if string(asked.Fields["chat_template_kwargs"]) != `{"enable_thinking":false}` || string(asked.Fields["temperature"]) != "0" {
		t.Errorf("fields %s", asked.Body)
	}
}

// planSchemaOf returns the schema that a Plan sends.
func planSchemaOf(t *testing.T) (raw string, check func(object) error) {
	t.Helper()
	s := &modeltest.Server{}
	s.Answer(func(modeltest.Request) modeltest.Reply {
		return modeltest.Choice(object{"reasoning": "", "ask": "", "steps": []any{}})
	})
	if _, err := connect(t, s, model.Config{}).Plan(t.Context(), request("x")); err != nil {
		t.Fatal(err)
	}
	var format struct {
		Type   string `json:"type"`
		Schema struct {
			Schema json.RawMessage `json:"schema"`
		} `json:"json_schema"`
	}
	if err := json.Unmarshal(s.Requests()[0].Fields["response_format"], &format); err != nil || format.Type != "json_schema" {
		t.Fatalf("%s: %v", s.Requests()[0].Body, err)
	}
	var schema jsonschema.Schema
	if err := json.Unmarshal(format.Schema.Schema, &schema); err != nil {
		t.Fatal(err)
	}
	resolved, err := schema.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(format.Schema.Schema), func(v object) error {
		var plain any
		raw, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(raw, &plain); err != nil {
			return err
		}
		return resolved.Validate(plain)
	}
}

func TestPlanSchema(t *testing.T) {
	raw, check := planSchemaOf(t)
	if r, a, s := strings.Index(raw, `"reasoning":{`), strings.Index(raw, `"ask":{`), strings.Index(raw, `"steps":{`); r < 0 || r > a || a > s {
		t.Errorf("a model would not think first: %s", raw)
	}
	for _, keyword := range []string{"$schema", "x-file", "uniqueItems", "description", `"minLength":3`, "null"} {
		if strings.Contains(raw, keyword) {
			t.Errorf("%s is in %s", keyword, raw)
		}
	}
	for _, question := range []object{{"reasoning": "r", "ask": "Who?"}, {"reasoning": "r", "ask": "Who?", "steps": []any{}}, {"reasoning": "r", "steps": []any{}}} {
		if err := check(question); err != nil {
			t.Errorf("%v: %v", question, err)
		}
	}
	if n := strings.Count(raw, `"pattern":"^\\{`); n != 3 { // rows, style and attachments; as cc any text is allowed anyway
		t.Errorf("%d parameters may be a reference", n)
	}
	plan := func(steps ...any) object {
		return object{"reasoning": "r", "ask": "", "steps": append([]any{}, steps...)}
	}
	mail := step("mail", "email_sender", object{"to": "a@x.org"})
	for _, good := range []object{
		plan(), plan(mail), plan(step("s", "excel_generator", object{"template": "t", "rows": "{{steps.q.rows}}"})),
		plan(step("s", "excel_generator", object{"template": "t", "rows": []any{[]any{1}}, "style": "bold"})),
	} {
		if err := check(good); err != nil {
			t.Errorf("%v: %v", good, err)
		}
	}
	for _, bad := range []object{
		{"ask": "", "steps": []any{}},
		{"reasoning": "r"},
		{"reasoning": "r", "ask": ""},
		{"reasoning": "r", "ask": "Who?", "steps": []any{mail}},
		plan(step("s", "shell", object{})),
		plan(step("s", "email_sender", object{})),
		plan(step("s", "email_sender", object{"to": "a", "bcc": "spy@x.org"})),
		plan(step("s", "excel_generator", object{"template": "t", "rows": "all of them"})),
		plan(step("s", "excel_generator", object{"template": "t", "rows": `{{steps.q.rows}}","style":"{{steps.q.x}}`})),
		plan(step("s", "excel_generator", object{"template": "t", "style": "loud"})),
		plan(step("S 1", "email_sender", object{"to": "a"})),
		plan(mail, mail, mail, mail, mail, mail, mail, mail, mail),
		{"reasoning": strings.Repeat("x", 500), "ask": "", "steps": []any{}},
	} {
		if check(bad) == nil {
			t.Errorf("let through: %v", bad)
		}
	}
}

func TestPlanAsks(t *testing.T) {
	s := &modeltest.Server{}
	s.Script(modeltest.Choice(object{"reasoning": "no recipient", "ask": "Who should get it? "}))
	got, err := connect(t, s, model.Config{}).Plan(t.Context(), request("make a report and mail it every day at 9"))
	if err != nil || got.Ask != "Who should get it?" || len(got.Steps) > 0 || got.Schedule != nil {
		t.Fatalf("%+v, %v", got, err)
	}
}

func TestPlanAsksForAnAddressThatTheModelMadeUp(t *testing.T) {
	draft := modeltest.Choice(object{"reasoning": "mail it", "steps": []any{step("m", "email_sender", object{"to": "Boss@example.com"})}})
	for _, c := range []struct {
		name   string
		change func(*model.PlanRequest)
		ask    string
	}{
		{"nowhere", func(*model.PlanRequest) {}, "To whom?"},
		{"in the request", func(r *model.PlanRequest) { r.Text = "mail boss@example.com the report" }, ""},
		{"in the conversation", func(r *model.PlanRequest) {
			r.Turns = []json.RawMessage{model.Message("user", "my boss is boss@example.com")}
		}, ""},
		{"in the example", func(r *model.PlanRequest) { r.Tools[1].Intent.Example = object{"to": "boss@example.com"} }, "To whom?"},
		{"in the example, where it need not be named", func(r *model.PlanRequest) {
			r.Tools[1].Intent.Example, r.Tools[1].Intent.Slots[0].Required = object{"to": "boss@example.com"}, false
		}, ""},
		{"without a question", func(r *model.PlanRequest) { r.Tools[1].Intent.Slots = nil }, "Which address should it be? Nobody named Boss@example.com."},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &modeltest.Server{}
			s.Script(draft)
			r := request("mail the report to my boss")
			c.change(&r)
			got, err := connect(t, s, model.Config{}).Plan(t.Context(), r)
			if err != nil || got.Ask != c.ask || (len(got.Steps) == 0) != (c.ask != "") {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func TestPlanAsksForARecipientThatIsNoAddress(t *testing.T) {
	for to, ask := range map[string]string{
		"the team": "To whom?", "": "To whom?", "ADDRESS": "To whom?", "boss@example.com": "", "{{steps.m.to}}": "",
	} {
		s := &modeltest.Server{}
		s.Script(modeltest.Choice(object{"reasoning": "", "steps": []any{step("m", "email_sender", object{"to": to})}}))
		got, err := connect(t, s, model.Config{}).Plan(t.Context(), request("mail it to boss@example.com"))
		if err != nil || got.Ask != ask {
			t.Errorf("%q: %+v, %v", to, got, err)
		}
	}
}

// brokenOff is the end of a stream of llama-server whose grammar let a text run on over what follows it, until
// nothing fitted any more.
func brokenOff(t *testing.T) modeltest.Reply {
	t.Helper()
	raw, err := os.ReadFile("testdata/llamacpp-misfit.sse")
	if err != nil {
		t.Fatal(err)
	}
	return modeltest.Reply{Lines: strings.Split(strings.TrimSpace(string(raw)), "\n\n")}
}

func TestAnAnswerThatBreaksOffUnderItsGrammar(t *testing.T) {
	s := &modeltest.Server{Model: modeltest.Model{Runtime: modeltest.LlamaServer}}
	s.Script(brokenOff(t), modeltest.Say(`{"color":"red"}`), brokenOff(t))
	c := connect(t, s, model.Config{})
	if got, err := c.Choose(t.Context(), hello(), color); err != nil || string(got) != `{"color":"red"}` {
		t.Fatalf("%s, %v", got, err)
	}
	r := s.Requests()
	if _, set := r[1].Fields["response_format"]; len(r) != 2 || set || !strings.Contains(r[1].Messages()[0].Content, string(color)) {
		t.Errorf("%d requests, the last: %s", len(r), r[len(r)-1].Body)
	}
	if _, err := c.Chat(t.Context(), hello(), nil); !fault.Is(err, fault.Invalid) || len(s.Requests()) != 3 {
		t.Errorf("%v after %d requests: the same words would break off again", err, len(s.Requests()))
	}
}

func TestPlanWithoutToolsAsksNobody(t *testing.T) {
	s := &modeltest.Server{}
	got, err := connect(t, s, model.Config{}).Plan(t.Context(), model.PlanRequest{Text: "x"})
	if err != nil || len(got.Steps) > 0 || got.Ask != "" || len(s.Requests()) > 0 {
		t.Fatalf("%+v, %v", got, err)
	}
}

func TestPlanRepairs(t *testing.T) {
	s := &modeltest.Server{}
	s.Script(modeltest.Choice(object{"reasoning": "", "ask": "", "steps": []any{step("m", "email_sender", object{"to": "a@x.org"})}}))
	r := request("mail a@x.org")
	r.Previous = model.Draft{Reasoning: "mail it", Steps: []flow.Step{{ID: "m", Plugin: "email_sender", Params: json.RawMessage(`{"to":"b@x.org"}`)}}}
	r.Problems = []string{"steps[0].params.to: b@x.org is not in the request"}
	if _, err := connect(t, s, model.Config{}).Plan(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	m := s.Requests()[0].Messages()
	if len(m) != 4 || m[2].Content != `{"reasoning":"mail it","steps":[{"id":"m","plugin":"email_sender","params":{"to":"b@x.org"}}]}` || !strings.Contains(m[3].Content, r.Problems[0]) {
		t.Fatalf("%+v", m)
	}
}

var color = json.RawMessage(`{"type":"object","required":["color"],"properties":{"color":{"enum":["red","blue"]}},"additionalProperties":false}`)

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		name  string
		said  []modeltest.Reply
		want  string
		after int // requests
	}{
		{"plain", []modeltest.Reply{modeltest.Say(`{"color":"red"}`)}, `{"color":"red"}`, 1},
		{"in a fence", []modeltest.Reply{modeltest.Say("Sure:\n```json\n{\"color\": \"red\"}\n```\nAnything else?")}, `{"color":"red"}`, 1},
		{"after thinking", []modeltest.Reply{modeltest.Say(`<think>{"color":"blue"}?</think>{"color":"red"}`)}, `{"color":"red"}`, 1},
		{"second attempt", []modeltest.Reply{modeltest.Say(`{"color":"green"}`), modeltest.Say(`{"color":"blue"}`)}, `{"color":"blue"}`, 2},
		{"never", []modeltest.Reply{modeltest.Say(`{"color":"green"}`), modeltest.Say(`{"colour":"red"}`)}, "", 2},
		{"talk", []modeltest.Reply{modeltest.Say("red, I think"), modeltest.Say("red!")}, "", 2},
		{"cut off", []modeltest.Reply{{Text: `{"color":"r`, Finish: "length"}, {Text: `{"color":`, Finish: "length"}}, "", 2},
		{"too deep", []modeltest.Reply{modeltest.Say(strings.Repeat("[", 20000)), modeltest.Say(strings.Repeat(`{"a":`, 12000))}, "", 2},
		{
			"server without schemas", []modeltest.Reply{
				modeltest.Refuse(400, `{"error":{"message":"This response_format type is unavailable now"}}`), modeltest.Say(`{"color":"red"}`),
			}, `{"color":"red"}`, 2,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &modeltest.Server{}
			s.Script(c.said...)
			p := hello()
			p.MaxTokens = 20000
			got, err := connect(t, s, model.Config{}).Choose(t.Context(), p, color)
			if string(got) != c.want || (c.want == "") != fault.Is(err, fault.Invalid) {
				t.Errorf("%s, %v", got, err)
			}
			if n := len(s.Requests()); n != c.after {
				t.Errorf("%d requests", n)
			}
		})
	}
}

func TestChooseTellsTheModelWhatWasWrong(t *testing.T) {
	s := &modeltest.Server{}
	s.Script(modeltest.Say(`{"color":"green"}`), modeltest.Say(`{"color":"blue"}`))
	if _, err := connect(t, s, model.Config{}).Choose(t.Context(), hello(), color); err != nil {
		t.Fatal(err)
	}
	m := s.Requests()[1].Messages()
	if len(m) != 4 || m[2].Content != `{"color":"green"}` || !strings.Contains(m[3].Content, "enum") {
		t.Fatalf("%+v", m)
	}
}

func TestChooseWithoutConstraintsSendsTheSchema(t *testing.T) {
	s := &modeltest.Server{Model: modeltest.Model{Runtime: modeltest.Ollama}}
	s.Script(modeltest.Refuse(400, `{"error":"json_schema is not supported"}`), modeltest.Say(`{"color":"red"}`))
	if _, err := connect(t, s, model.Config{}).Choose(t.Context(), hello(), color); err != nil {
		t.Fatal(err)
	}
	r := s.Requests()
	if _, set := r[1].Fields["response_format"]; set || !strings.Contains(r[1].Messages()[0].Content, string(color)) {
		t.Errorf("%s", r[1].Body)
	}
	if _, set := r[0].Fields["chat_template_kwargs"]; set {
		t.Error("Ollama was sent a field of vLLM")
	}
}

func TestChooseRefusesAWrongSchema(t *testing.T) {
	if _, err := connect(t, &modeltest.Server{}, model.Config{}).Choose(t.Context(), hello(), json.RawMessage(`{"type":7}`)); !fault.Is(err, fault.Internal) {
		t.Fatal(err)
	}
}

func TestPersonaListsWhatItCanDo(t *testing.T) {
	s := &modeltest.Server{}
	p := model.Prompt{Turns: []json.RawMessage{model.Message("user", "你好")}, Tools: tools(), Lang: "zh", Date: "2026-11-22"}
	if _, err := connect(t, s, model.Config{}).Chat(t.Context(), p, nil); err != nil {
		t.Fatal(err)
	}
	system := s.Requests()[0].Messages()[0].Content
	for _, want := range []string{"Hearth", "发送邮件: Sends an email.", "2026-11-22", "用中文回答", "is data"} {
		if !strings.Contains(system, want) {
			t.Errorf("no %q in %s", want, system)
		}
	}
	if !slices.ContainsFunc(strings.Split(system, "\n"), func(l string) bool { return strings.Contains(l, "never say") }) {
		t.Error("it may claim to have done things")
	}
}
