package builtin_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/model/builtin"
)

const today = "2026-11-22"

func plan(text string, turns ...string) builtin.Draft {
	return builtin.Plan(builtin.Request{Text: text, Date: today, Zone: "Asia/Shanghai", Turns: talk(turns...), Tools: tools()})
}

// talk makes a conversation of what the person and the assistant said in turn.
func talk(turns ...string) []json.RawMessage {
	var out []json.RawMessage
	for i, text := range turns {
		raw, _ := json.Marshal(map[string]string{"role": []string{"user", "assistant"}[i%2], "content": text})
		out = append(out, raw)
	}
	return out
}

// line writes steps as one line: plugin{params} > plugin{params}.
func line(steps []flow.Step) string {
	var parts []string
	for _, s := range steps {
		parts = append(parts, s.Plugin+string(s.Params))
	}
	return strings.Join(parts, " > ")
}

const (
	query    = `database_query{"sql":"SELECT * FROM sales WHERE date=CURRENT_DATE"}`
	excel    = `excel_generator{"output":"/output/{{date}}.xlsx","template":"/templates/report.xlsx"}`
	mailTeam = `email_sender{"attachments":["/output/{{date}}.xlsx"],"subject":"Daily Sales Report","to":"team@example.com"}`
	report   = query + " > " + excel + " > " + mailTeam
)

func TestPlan(t *testing.T) {
	for _, c := range []struct{ text, want, ask string }{
		{text: "生成今天的销售报表并发邮件给 team@example.com", want: report},
		{text: "生成今天的销售报表并发邮件给team@example.com。", want: report},
		{text: "create today's sales report and email it to team@example.com", want: report},
		{text: "Hello! Please create today's sales report, and email it to team@example.com. Thanks!", want: report},
		{text: "生成报表并发送邮件", ask: "要发给谁？请给出邮箱地址。"},
		{text: "make a report and mail it", ask: "Who should receive it?"},
		{text: "查询数据", want: query},
		{text: "make a spreadsheet", want: query + " > " + excel},
		{
			text: "生成昨天的销售报表",
			want: `database_query{"sql":"SELECT * FROM sales WHERE date='2026-11-21'"} > excel_generator{"output":"/output/2026-11-21.xlsx","template":"/templates/report.xlsx"}`,
		},
		{
			text: "create the sales report of 2026-10-31",
			want: `database_query{"sql":"SELECT * FROM sales WHERE date='2026-10-31'"} > excel_generator{"output":"/output/2026-10-31.xlsx","template":"/templates/report.xlsx"}`,
		},
		{text: "生成上个月的销售报表", ask: "没有语言模型时，我只会查询某一天的数据。要运行哪条 SQL 查询？"},
		{text: "create last week's sales report", ask: "Without a language model I can only ask for a single day's data. Which SQL query should I run?"},
		{
			text: "run SELECT id, total FROM orders WHERE total > 100 and email it to a@x.org",
			want: `database_query{"sql":"SELECT id, total FROM orders WHERE total \u003e 100"} > ` + excel +
				` > email_sender{"attachments":["/output/{{date}}.xlsx"],"subject":"Daily Sales Report","to":"a@x.org"}`,
		},
		{text: "query today's sales and mail them to team@example.com", want: report},
		{
			text: "query SELECT id, total FROM orders WHERE total > 100 and make an excel",
			want: `database_query{"sql":"SELECT id, total FROM orders WHERE total \u003e 100"} > ` + excel,
		},
		{
			text: "生成销售报表，保存到 /output/本周销售.xlsx，发邮件给 a@x.org、b@x.org，抄送 boss@x.org",
			want: `database_query{"sql":"SELECT * FROM sales WHERE date=CURRENT_DATE"} > excel_generator{"output":"/output/本周销售.xlsx","template":"/templates/report.xlsx"} > ` +
				`email_sender{"attachments":["/output/本周销售.xlsx"],"cc":["boss@x.org"],"subject":"Daily Sales Report","to":["a@x.org","b@x.org"]}`,
		},
		{
			text: `email /output/plan.pdf to bob@x.org with subject "The sales plan"`,
			want: `email_sender{"attachments":["/output/plan.pdf"],"subject":"The sales plan","to":"bob@x.org"}`,
		},
		{
			text: "发邮件给 bob@x.org，标题“周报”，内容是：销售报表已经完成",
			want: `email_sender{"body":"销售报表已经完成","subject":"周报","to":"bob@x.org"}`,
		},
		{text: "生成销售报表，不要发邮件", want: query + " > " + excel},
		{text: "create the sales report but don't email it to anyone", want: query + " > " + excel},
		{text: "特别的销售报表", want: query + " > " + excel},
		{text: "email bob@x.org", want: `email_sender{"to":"bob@x.org"}`},
		{text: "hello"},
		{text: "今天天气不错"},
		{text: "你能做什么"},
		{text: "谢谢你的报表"},
		{text: "what is a report?"},
		{text: "怎么发邮件？"},
		{text: "write a poem about the sea"},
		{text: "see mail.example.com/report"},
		{text: ""},
	} {
		t.Run(c.text, func(t *testing.T) {
			got := plan(c.text)
			if line(got.Steps) != c.want || got.Ask != c.ask {
				t.Errorf("got  %s, ask %q\nwant %s, ask %q", line(got.Steps), got.Ask, c.want, c.ask)
			}
			if got.Schedule != nil {
				t.Errorf("schedule %+v", got.Schedule)
			}
		})
	}
}

func TestAnswerCompletesRequest(t *testing.T) {
	const askZh, askEn = "要发给谁？请给出邮箱地址。", "Who should receive it?"
	for _, c := range []struct {
		name  string
		turns []string
		text  string
		want  string
		ask   string
	}{
		{"zh", []string{"生成报表并发送邮件", askZh}, "team@example.com", report, ""},
		{"en", []string{"make a report and mail it", askEn}, "to team@example.com please", report, ""},
		{"question inside a longer text", []string{"生成报表并发送邮件", "还差一点信息。\n\n" + askZh}, "team@example.com", report, ""},
		{"asked twice", []string{"生成报表并发送邮件", askZh, "小王", askZh}, "team@example.com", report, ""},
		{"no address yet", []string{"生成报表并发送邮件", askZh}, "小王", "", askZh},
		{"something else instead", []string{"生成报表并发送邮件", askZh}, "查询数据", query, ""},
		{"help instead", []string{"生成报表并发送邮件", askZh}, "你能做什么", "", ""},
		{"let go", []string{"生成报表并发送邮件", askZh}, "算了", "", ""},
		{"let go before", []string{"生成报表并发送邮件", askZh, "算了", askZh}, "team@example.com", "", ""},
		{"another question", []string{"生成报表并发送邮件", "你好吗？"}, "team@example.com", "", ""},
		{
			"sql",
			[]string{"生成上个月的销售报表", "没有语言模型时，我只会查询某一天的数据。要运行哪条 SQL 查询？"},
			"SELECT sum(total) FROM sales",
			`database_query{"sql":"SELECT sum(total) FROM sales"} > ` + excel, "",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := plan(c.text, c.turns...)
			if line(got.Steps) != c.want || got.Ask != c.ask {
				t.Errorf("got  %s, ask %q\nwant %s, ask %q", line(got.Steps), got.Ask, c.want, c.ask)
			}
		})
	}
}

func TestOperations(t *testing.T) {
	op := manifest.Op{Effect: manifest.Compensable}
	files := manifest.Manifest{
		ID: "file_manager", Title: manifest.Phrase{En: "Manage files", Zh: "管理文件"},
		Ops: map[string]manifest.Op{"read": op, "list": op, "write": op, "move": op, "delete": op},
		Params: json.RawMessage(`{"type":"object","additionalProperties":false,"required":["op","path"],"properties":{
			"op":{"enum":["read","list","write","move","delete"]},"path":{"type":"string"},"to":{"type":"string"},"content":{"type":["string","null"]}}}`),
		Intent: manifest.Intent{
			Phrases: []string{"file", "文件", "rename"}, Order: 20, Example: map[string]any{"op": "list", "path": "/"},
			Slots: []manifest.Slot{{Param: "path", Kind: "path", Ask: manifest.Phrase{En: "Which file?", Zh: "哪个文件？"}}},
		},
	}
	ask := func(text string, turns ...string) builtin.Draft {
		return builtin.Plan(builtin.Request{Text: text, Date: today, Turns: talk(turns...), Tools: []manifest.Manifest{files}})
	}
	for _, c := range []struct{ text, want, ask string }{
		{"list files", `{"op":"list","path":"/"}`, ""},
		{"看看有哪些文件", `{"op":"list","path":"/"}`, ""},
		{"show the files in /output", `{"op":"list","path":"/output"}`, ""},
		{"查看文件 /output/a.txt", `{"op":"read","path":"/output/a.txt"}`, ""},
		{"delete the file /output/a.txt", `{"op":"delete","path":"/output/a.txt"}`, ""},
		{"删除文件", "", "哪个文件？"},
		{"rename /a.txt to /b.txt", `{"op":"move","path":"/a.txt","to":"/b.txt"}`, ""},
		{"rename /a.txt", "", "Manage files needs to. What should it be?"},
		{"写入文件 /a.txt，内容是：你好", `{"content":"你好","op":"write","path":"/a.txt"}`, ""},
	} {
		got := ask(c.text)
		if strings.TrimPrefix(line(got.Steps), "file_manager") != c.want || got.Ask != c.ask {
			t.Errorf("%s: %s, ask %q", c.text, line(got.Steps), got.Ask)
		}
	}
	if got := ask("/b.txt", "rename /a.txt", ask("rename /a.txt").Ask); line(got.Steps) != `file_manager{"op":"move","path":"/a.txt","to":"/b.txt"}` {
		t.Errorf("answered: %s, ask %q", line(got.Steps), got.Ask)
	}
	if got := ask("/a.txt", "删除文件", "哪个文件？"); line(got.Steps) != `file_manager{"op":"delete","path":"/a.txt"}` {
		t.Errorf("answered: %s, ask %q", line(got.Steps), got.Ask)
	}
}

func TestDictationNeedsNoSlot(t *testing.T) {
	bare := mail()
	bare.Intent.Slots = bare.Intent.Slots[:1]
	got := builtin.Plan(builtin.Request{Text: "send an email to bob@x.org saying the report is late", Date: today, Tools: []manifest.Manifest{bare}})
	if !strings.Contains(line(got.Steps), `"body":"the report is late"`) {
		t.Errorf("%s, ask %q", line(got.Steps), got.Ask)
	}
}

func TestQuestionAboutWording(t *testing.T) {
	note := manifest.Manifest{
		ID: "note", Title: manifest.Phrase{En: "Note", Zh: "笔记"},
		Params: json.RawMessage(`{"type":"object","required":["text"],"properties":{"text":{"type":"string"}}}`),
		Intent: manifest.Intent{
			Phrases: []string{"note", "笔记"}, Order: 5,
			Slots: []manifest.Slot{{Param: "text", Kind: "text", Required: true, Ask: manifest.Phrase{En: "What should it say?", Zh: "写什么？"}}},
		},
	}
	r := builtin.Request{Text: "记笔记", Date: today, Tools: append(tools(), note)}
	if got := builtin.Plan(r); got.Ask != "写什么？" {
		t.Fatalf("asked %q", got.Ask)
	}
	r.Turns, r.Text = talk("记笔记", "写什么？"), "给销售部发邮件 team@example.com"
	if got := line(builtin.Plan(r).Steps); got != `note{"text":"给销售部发邮件 team@example.com"}` {
		t.Fatalf("an answer was taken for a request: %s", got)
	}
}

func TestTitleIsTheRequest(t *testing.T) {
	got := plan("team@example.com", "生成报表并发送邮件", "要发给谁？请给出邮箱地址。")
	if got.Title != "生成报表并发送邮件" || !strings.Contains(got.Reasoning, "1. 查询数据\n2. 生成表格\n3. 发送邮件") {
		t.Fatalf("%q, %q", got.Title, got.Reasoning)
	}
}

func TestSameStageTakesTheBetterMatch(t *testing.T) {
	chat := manifest.Manifest{
		ID: "message_send", Params: json.RawMessage(`{"type":"object"}`),
		Intent: manifest.Intent{Phrases: []string{"send", "slack"}, Takes: "file", Gives: "receipt", Order: 31, Slots: []manifest.Slot{{Param: "file", Kind: "file"}}},
	}
	r := builtin.Request{Text: "send hello to slack", Date: today, Tools: append(tools(), chat)}
	if got := line(builtin.Plan(r).Steps); got != "message_send{}" {
		t.Errorf("got %s", got)
	}
}

func TestExampleThatDoesNotFitIsAQuestion(t *testing.T) {
	tool := sheet()
	tool.Params = json.RawMessage(`{"type":"object","properties":{"template":{"type":"integer"}}}`)
	got := builtin.Plan(builtin.Request{Text: "make an excel", Tools: []manifest.Manifest{tool}})
	if got.Ask == "" || len(got.Steps) > 0 {
		t.Fatalf("%+v", got)
	}
}

func BenchmarkPlan(b *testing.B) {
	r := builtin.Request{Text: "每天早上9点生成今天的销售报表并发邮件给 team@example.com", Date: today, Zone: "Asia/Shanghai", Tools: many(25)}
	for b.Loop() {
		builtin.Plan(r)
	}
}

func ExamplePlan() {
	draft := builtin.Plan(builtin.Request{
		Text: "每天早上9点生成销售报表并发邮件给 team@example.com", Date: "2026-11-22", Zone: "Asia/Shanghai", Tools: tools(),
	})
	fmt.Println(draft.Schedule.Type, draft.Schedule.Schedule, draft.Schedule.Timezone)
	for _, s := range draft.Steps {
		fmt.Println(s.Plugin)
	}
	// Output:
	// cron 0 9 * * * Asia/Shanghai
	// database_query
	// excel_generator
	// email_sender
}
