package intent_test

import (
	"encoding/json"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/model/modeltest"
)

// recording is what Qwen2.5-Coder-1.5B-Instruct (Q4_K_M, llama.cpp, temperature 0) answered to a request.
type recording struct {
	Request string `json:"request"`
	Answer  string `json:"answer"`
}

func recordings(t *testing.T) map[string]recording {
	t.Helper()
	raw, err := os.ReadFile("testdata/qwen2.5-coder-1.5b.json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]recording
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// office are tools in the manner of those that the recordings are about.
func office() []manifest.Manifest {
	return []manifest.Manifest{{
		ID: "database_query", Title: manifest.Phrase{En: "Query"}, Effect: manifest.Read,
		Params: json.RawMessage(`{"type":"object","additionalProperties":false,"required":["sql"],"properties":{
			"sql":{"type":"string"},"max_rows":{"type":"integer"}}}`),
		Result: json.RawMessage(`{"type":"object","properties":{"columns":{},"rows":{}}}`),
		Intent: manifest.Intent{
			Phrases: []string{"sales", "销售"}, Gives: "table", Order: 10, Slots: []manifest.Slot{{Param: "sql", Kind: "sql"}},
			Example: map[string]any{"sql": "SELECT * FROM sales WHERE date=CURRENT_DATE"},
		},
	}, {
		ID: "excel_generator", Title: manifest.Phrase{En: "Sheet"}, Effect: manifest.Compensable, Undo: true,
		Params: json.RawMessage(`{"type":"object","additionalProperties":false,"required":["output"],"properties":{
			"template":{"type":"string","x-file":"read"},"output":{"type":"string","x-file":"write"},"data":{},
			"sheet":{"type":"string"},"title":{"type":"string"},"chart":{"type":"string"}}}`),
		Result: json.RawMessage(`{"type":"object","properties":{"path":{"type":"string"}}}`),
		Intent: manifest.Intent{
			Phrases: []string{"report", "报表"}, Takes: "table", Gives: "file", Order: 20,
			Example: map[string]any{"template": "/templates/report.xlsx", "output": "/output/{{date}}.xlsx"},
		},
	}, {
		ID: "email_sender", Title: manifest.Phrase{En: "Mail"}, Effect: manifest.Irreversible, Control: []string{"to"},
		Params: json.RawMessage(`{"type":"object","additionalProperties":false,"required":["to"],"properties":{
			"to":{},"subject":{"type":"string"},"attachments":{"type":"array","items":{"type":"string","x-file":"read"}}}}`),
		Intent: manifest.Intent{
			Phrases: []string{"email", "邮件"}, Takes: "file", Gives: "receipt", Order: 90,
			Slots: []manifest.Slot{
				{Param: "to", Kind: "email", Required: true, Ask: manifest.Phrase{En: "To which address?", Zh: "发到哪个地址？"}},
				{Param: "attachments", Kind: "file"},
			},
			Example: map[string]any{"to": "team@example.com", "attachments": []string{"/output/{{date}}.xlsx"}},
		},
	}}
}

// paramsOf are the parameters of a run's steps, by plugin.
func paramsOf(t *testing.T, b *bench, run string) map[string]string {
	t.Helper()
	r, err := journal.Load(t.Context(), b.ledger, ledger.Lane(run))
	if err != nil {
		t.Fatal(err)
	}
	params := map[string]string{}
	for _, s := range r.Plan.Steps {
		params[s.Plugin] = string(s.Params)
	}
	return params
}

var words = map[string]string{
	"database_query":  `{"sql":"SELECT * FROM sales WHERE date=CURRENT_DATE"}`,
	"excel_generator": `{"output":"/output/{{date}}.xlsx","template":"/templates/report.xlsx"}`,
	"email_sender":    `{"attachments":["/output/{{date}}.xlsx"],"to":"team@example.com"}`,
}

// TestAModelsOwnPlan runs plans as a small model wrote them. What it made up is settled by the manifests.
func TestAModelsOwnPlan(t *testing.T) {
	said := recordings(t)
	for name, c := range map[string]struct {
		replies []string
		want    map[string]string
		by      string
		told    []string // what the last request tells the model
	}{
		"english": {
			[]string{said["english"].Answer},
			map[string]string{
				"database_query":  `{"max_rows":1000,"sql":"SELECT * FROM sales WHERE date=CURRENT_DATE"}`,
				"excel_generator": `{"output":"sales_report.xlsx"}`,
				"email_sender":    `{"attachments":["{{steps.draw.path}}"],"to":"team@example.com"}`,
			},
			"The model made this plan. Settled by the tools' own rules: data.", nil,
		},
		"chinese": {
			[]string{said["chinese"].Answer},
			map[string]string{
				"database_query":  `{"max_rows":1000,"sql":"SELECT * FROM sales WHERE date=CURRENT_DATE"}`,
				"excel_generator": `{"data":"{{steps.sales_report.rows}}","output":"报表.xlsx","template":"/templates/report.xlsx","title":"销售报表"}`,
				"email_sender":    `{"attachments":["{{steps.report_generator.path}}"],"to":"team@example.com"}`,
			},
			"此计划由模型制定。由工具自身的规则确定：output, template。", nil,
		},
		"no_source": {
			[]string{said["no_source"].Answer, said["chinese"].Answer},
			map[string]string{
				"database_query":  `{"max_rows":1000,"sql":"SELECT * FROM sales WHERE date=CURRENT_DATE"}`,
				"excel_generator": `{"data":"{{steps.sales_report.rows}}","output":"报表.xlsx","template":"/templates/report.xlsx","title":"销售报表"}`,
				"email_sender":    `{"attachments":["{{steps.report_generator.path}}"],"to":"team@example.com"}`,
			},
			"此计划由模型参照仅由您的文字得出的计划制定。由工具自身的规则确定：output, template。",
			[]string{"excel_generator takes a table, and no step before it gives one; database_query gives one", "leaves out attachments", "{{steps.sales_report.path}}", "take of it what is right"},
		},
		"no_such_field": {
			[]string{said["no_such_field"].Answer, said["no_such_field"].Answer, said["no_such_field"].Answer},
			words, "This plan follows from your words alone: the model's own did not hold.",
			[]string{`there is no step "database_query"`, "take of it what is right"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, &modeltest.Server{Model: modeltest.Model{Runtime: modeltest.LlamaServer}})
			b.tools = office()
			for _, reply := range c.replies {
				b.model.Script(modeltest.Say(reply))
			}
			out := b.say(said[name].Request)
			if out == nil || out.Run == "" {
				t.Fatalf("%+v", out)
			}
			if got := paramsOf(t, b, out.Run); !maps.Equal(got, c.want) {
				t.Errorf("steps %v", got)
			}
			if !strings.HasSuffix(out.Markdown, "\n\n"+c.by) {
				t.Errorf("whose plan is it?\n%s", out.Markdown)
			}
			asked := b.model.Requests()
			if len(asked) != len(c.replies) {
				t.Errorf("%d requests for %d replies", len(asked), len(c.replies))
			}
			last := asked[len(asked)-1].Messages()
			for _, part := range c.told {
				if told := last[len(last)-1].Content; !strings.Contains(told, part) {
					t.Errorf("no %q in what the model was told:\n%s", part, told)
				}
			}
		})
	}
}

// TestAQuestionForWhatWasSaid is not passed on: the model is told, and when it asks again, the request's
// words alone make the plan.
func TestAQuestionForWhatWasSaid(t *testing.T) {
	said := recordings(t)["english"]
	question := modeltest.Choice(map[string]any{"reasoning": "No recipient.", "ask": "Who should get it?"})
	for by, c := range map[string]struct {
		then modeltest.Reply
		to   map[string]string
	}{
		"This plan follows from your words alone: the model's own did not hold.":                                         {question, words},
		"The model made this plan after it was shown what your words alone make. Settled by the tools' own rules: data.": {modeltest.Say(said.Answer), nil},
	} {
		b := open(t, &modeltest.Server{})
		b.tools = office()
		b.model.Script(question, c.then)
		out := b.say(said.Request)
		if out == nil || out.Run == "" || !strings.HasSuffix(out.Markdown, "\n\n"+by) {
			t.Fatalf("%s: %+v", by, out)
		}
		asked := b.model.Requests()
		last := asked[len(asked)-1].Messages()
		told := last[len(last)-2].Content + last[len(last)-1].Content
		if len(asked) != 2 || !strings.Contains(told, "Who should get it?") || !strings.Contains(told, "nothing that the tools need is missing") || !strings.Contains(told, "team@example.com") {
			t.Errorf("%d requests; told: %s", len(asked), told)
		}
		if got := paramsOf(t, b, out.Run); c.to != nil && !maps.Equal(got, c.to) {
			t.Errorf("steps %v", got)
		}
	}
}

// TestARenamedFileIsFound attaches the file under the name that it gets.
func TestARenamedFileIsFound(t *testing.T) {
	said := recordings(t)["no_recipient"]
	answer := strings.ReplaceAll(said.Answer, "地址", "bo@x.example")
	steps := strings.Index(answer, `{"id":"generate"`)
	send := strings.Index(answer, `{"id":"send"`)
	answer = strings.Replace(answer[:steps]+answer[send:], `[{"id":"weather"`, `[{"id":"q","plugin":"database_query","params":{"sql":"SELECT 1"}},{"id":"weather"`, 1)
	answer = strings.Replace(answer, `"to":`, `"subject":"报表","to":`, 1) // a text, not a file
	b := open(t, &modeltest.Server{})
	b.tools = office()
	b.model.Script(modeltest.Say(answer))
	out := b.say("生成报表并发送邮件给 bo@x.example")
	if out == nil || out.Run == "" || !strings.HasSuffix(out.Markdown, "data, output, attachments。") {
		t.Fatalf("%+v", out)
	}
	if got := paramsOf(t, b, out.Run)["email_sender"]; got != `{"attachments":["报表.xlsx"],"subject":"报表","to":"bo@x.example"}` {
		t.Errorf("the mail carries %s", got)
	}
}

// TestARecipientThatNobodyNamed is asked for, whatever the model wrote in its place.
func TestARecipientThatNobodyNamed(t *testing.T) {
	said := recordings(t)["no_recipient"]
	b := open(t, &modeltest.Server{})
	b.tools = office()
	b.model.Script(modeltest.Say(said.Answer))
	if out := b.say(said.Request); out == nil || out.Markdown != "发到哪个地址？" || b.runs() != 0 || len(b.model.Requests()) != 1 {
		t.Fatalf("%+v after %d requests", out, len(b.model.Requests()))
	}
}

// TestAModelThatWritesNoPlan leaves the request to its words, where they are enough.
func TestAModelThatWritesNoPlan(t *testing.T) {
	for text, want := range map[string]string{
		"Generate today's sales report and email it to team@example.com": "This plan follows from your words alone",
		"email the report": "The model does not answer: ",
	} {
		b := open(t, &modeltest.Server{})
		b.tools = office()
		b.model.Answer(func(modeltest.Request) modeltest.Reply { return modeltest.Say("As you wish!") })
		if out := b.say(text); out == nil || !strings.Contains(out.Markdown, want) || (out.Run != "") != strings.HasPrefix(want, "This plan") {
			t.Errorf("%s: %+v", text, out)
		}
	}
}

// TestAPlanIsReviewed takes what a plan may have and finds what it may not.
func TestAPlanIsReviewed(t *testing.T) {
	step := func(id, plugin string, params map[string]any) map[string]any {
		return map[string]any{"id": id, "plugin": plugin, "params": params}
	}
	query := step("q", "database_query", map[string]any{"sql": "SELECT 1"})
	sheet := step("s", "excel_generator", map[string]any{"output": "/a.xlsx"})
	mail := func(params map[string]any) map[string]any {
		params["to"] = "bo@x.example"
		return step("m", "email_sender", params)
	}
	for name, c := range map[string]struct {
		text    string
		steps   []any
		problem string
	}{
		"a whole chain":           {"for bo@x.example", []any{query, sheet, mail(map[string]any{"attachments": []string{"{{steps.s.path}}"}})}, ""},
		"by its path":             {"for bo@x.example", []any{query, sheet, mail(map[string]any{"attachments": []string{"a.xlsx"}})}, ""},
		"a file that was named":   {"send /docs/Plan.pdf to bo@x.example", []any{mail(map[string]any{"attachments": []string{"/docs/plan.pdf"}})}, ""},
		"a table that was said":   {"a sheet", []any{step("s", "excel_generator", map[string]any{"output": "/a.xlsx", "data": []any{map[string]any{"a": 1}}})}, ""},
		"a field of the result":   {"a sheet", []any{query, step("s", "excel_generator", map[string]any{"output": "/a.xlsx", "data": "{{steps.q.rows}}"})}, ""},
		"no such field":           {"a sheet", []any{query, step("s", "excel_generator", map[string]any{"output": "/a.xlsx", "data": "{{steps.q.cells}}"})}, "the result of step \"q\" has no cells; it has columns, rows"},
		"a table from nowhere":    {"a sheet", []any{sheet}, "excel_generator takes a table, and no step before it gives one; database_query gives one"},
		"a file from nowhere":     {"for bo@x.example", []any{mail(map[string]any{"attachments": []string{"/a.xlsx"}})}, "nobody named the file /a.xlsx"},
		"an example's file":       {"for bo@x.example", []any{mail(map[string]any{"attachments": []string{"/output/{{date}}.xlsx"}})}, "nobody named the file /output/{{date}}.xlsx"},
		"a file that is not sent": {"for bo@x.example", []any{query, sheet, mail(map[string]any{})}, "leaves out attachments, and step \"s\" makes a file for it: {{steps.s.path}}"},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, &modeltest.Server{})
			b.tools = office()
			draft := modeltest.Choice(map[string]any{"reasoning": "", "steps": c.steps})
			b.model.Script(modeltest.Say("PLAN"), draft, draft, draft)
			out := b.say("please do it: " + c.text)
			asked := b.model.Requests()
			told := asked[len(asked)-1].Messages()
			last := told[len(told)-1].Content
			if (c.problem == "") != (len(asked) == 2 && out.Run != "") || !strings.Contains(last, c.problem) {
				t.Errorf("%d requests, told %s; then %+v", len(asked), last, out)
			}
		})
	}
}
