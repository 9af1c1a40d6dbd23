package builtin_test

import (
	"encoding/json"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"pgregory.net/rapid"

	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/model/builtin"
)

// sound reports what is wrong with a draft: it must be a question, or steps that fit their schemas and
// name each other at most backwards, or nothing.
func sound(t interface{ Fatalf(string, ...any) }, d builtin.Draft, tools []manifest.Manifest) {
	if d.Ask != "" && len(d.Steps) > 0 {
		t.Fatalf("asks and acts: %+v", d)
	}
	if len(d.Steps) > 8 {
		t.Fatalf("%d steps", len(d.Steps))
	}
	seen := map[string]bool{}
	for _, step := range d.Steps {
		if step.ID == "" || seen[step.ID] {
			t.Fatalf("step id %q", step.ID)
		}
		seen[step.ID] = true
		for _, tool := range tools {
			if tool.ID == step.Plugin {
				fits(t, tool, step.Params)
				break
			}
		}
	}
}

func fits(t interface{ Fatalf(string, ...any) }, tool manifest.Manifest, params json.RawMessage) {
	var schema jsonschema.Schema
	var value any
	if err := json.Unmarshal(tool.Params, &schema); err != nil {
		t.Fatalf("%s: %v", tool.ID, err)
	}
	resolved, err := schema.Resolve(nil)
	if err != nil {
		t.Fatalf("%s: %v", tool.ID, err)
	}
	if err := json.Unmarshal(params, &value); err != nil {
		t.Fatalf("%s: %v", tool.ID, err)
	}
	if err := resolved.Validate(value); err != nil {
		t.Fatalf("%s: %s does not fit: %v", tool.ID, params, err)
	}
}

var fragments = rapid.SampledFrom([]string{
	"生成", "今天的", "昨天的", "销售", "报表", "并", "发邮件给", " team@example.com ", "每天", "每周一、三", "早上9点", "9:30", "select a from b", "“引用”",
	"/output/a.xlsx", "https://x.org/a", " create ", " today's ", " sales ", " report ", " and ", " email it to ", " every weekday at 8:30 ", " don't ",
	"不要", "cc ", "抄送", "内容是：", " saying ", "上个月", "in 5 minutes", "一点", "\n", "，", "?", "2026-02-30", "2月30日", "💥", "\xff", "25:99", "算了",
})

func TestPlanIsSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := ""
		for _, f := range rapid.SliceOfN(fragments, 0, 12).Draw(t, "text") {
			text += f
		}
		tools := append(tools(), rapid.SliceOfN(rapid.Custom(anyTool), 0, 4).Draw(t, "tools")...)
		r := builtin.Request{
			Text: text, Tools: tools,
			Date: rapid.SampledFrom([]string{today, "", "2026-13-40"}).Draw(t, "date"),
			Lang: rapid.SampledFrom([]string{"", "zh", "en"}).Draw(t, "lang"),
		}
		for range rapid.IntRange(0, 3).Draw(t, "answers") {
			d := builtin.Plan(r)
			sound(t, d, tools)
			builtin.Reply(r)
			r.Turns = append(r.Turns, talk(r.Text, d.Ask)...)
			r.Text = fragments.Draw(t, "answer")
		}
		sound(t, builtin.Plan(r), tools)
	})
}

// anyTool draws manifests as a careless author might write them.
func anyTool(t *rapid.T) manifest.Manifest {
	word := rapid.SampledFrom([]string{"", "报表", "report", "邮件", "x", "send", "销售", "email_sender"})
	kind := rapid.SampledFrom([]string{"", "table", "file", "receipt"})
	slot := rapid.Custom(func(t *rapid.T) manifest.Slot {
		return manifest.Slot{
			Param:    rapid.SampledFrom([]string{"a", "b", "", "nowhere"}).Draw(t, "param"),
			Kind:     rapid.SampledFrom([]string{"email", "path", "text", "date", "sql", "number", "quoted", "file", "table", "url", "", "?"}).Draw(t, "kind"),
			Required: rapid.Bool().Draw(t, "required"),
			Ask:      manifest.Phrase{En: word.Draw(t, "ask"), Zh: word.Draw(t, "ask zh")},
		}
	})
	schema := rapid.SampledFrom([]string{
		`{"type":"object"}`, `{"type":"object","required":["a"],"properties":{"a":{"type":"string"},"b":{"type":"array","items":{"type":"string"}}}}`,
		`{"properties":{"a":{"type":"integer"},"b":{"type":["number","null"]}},"required":["b"]}`, `{"properties":{"a":{"x-file":"write","type":"string"}}}`,
		`{"properties":7}`, `nonsense`, ``, `{"$ref":"#/nowhere"}`, `false`,
	})
	return manifest.Manifest{
		ID: word.Draw(t, "id"), Params: json.RawMessage(schema.Draw(t, "params")), Result: json.RawMessage(schema.Draw(t, "result")),
		Intent: manifest.Intent{
			Phrases: rapid.SliceOfN(word, 0, 3).Draw(t, "phrases"), Takes: kind.Draw(t, "takes"), Gives: kind.Draw(t, "gives"),
			Slots: rapid.SliceOfN(slot, 0, 3).Draw(t, "slots"), Order: rapid.IntRange(-1, 40).Draw(t, "order"),
			Example: rapid.MapOf(rapid.SampledFrom([]string{"a", "b", "c"}), rapid.SampledFrom([]any{"{{date}}", 1, nil, []any{"CURRENT_DATE"}, true})).Draw(t, "example"),
		},
	}
}

func FuzzPlan(f *testing.F) {
	for _, text := range []string{"生成报表并发送邮件", "create today's sales report and email it to team@example.com", "每天9点 select 1 from x \x00", "\"“「"} {
		f.Add(text, "要发给谁？请给出邮箱地址。", "team@example.com")
	}
	f.Fuzz(func(t *testing.T, request, question, answer string) {
		r := builtin.Request{Text: request, Date: today, Zone: "UTC", Tools: tools()}
		sound(t, builtin.Plan(r), r.Tools)
		builtin.Reply(r)
		builtin.Retrieve(request, r.Tools, 2)
		r.Text, r.Turns = answer, talk(request, question)
		sound(t, builtin.Plan(r), r.Tools)
	})
}
