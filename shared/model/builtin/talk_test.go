package builtin_test

import (
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/shared/model/builtin"
)

func TestReply(t *testing.T) {
	const honestZh, honestEn = "我不是语言模型", "I am not a language model"
	for _, c := range []struct {
		text  string
		wants []string
	}{
		{"你好", []string{"你好！我是 Hearth。", honestZh, "OPENAI_BASE_URL=http://localhost:11434/v1", "MODEL_PATH=", "发送邮件", "“邮件"}},
		{"您好！", []string{"你好！", honestZh}},
		{"在吗？", []string{"你好！", honestZh}},
		{"hello", []string{"Hello! I am Hearth.", honestEn, "OPENAI_BASE_URL=http://localhost:11434/v1", "MODEL_PATH=", "Send email", "mail"}},
		{"Hi there!", []string{"Hello!", honestEn}},
		{"你是谁？", []string{"我是 Hearth", honestZh, "OPENAI_BASE_URL"}},
		{"你好，你是谁", []string{"我是 Hearth", honestZh}},
		{"who are you", []string{"I am Hearth", honestEn, "OPENAI_BASE_URL"}},
		{"Are you ChatGPT?", []string{"I am Hearth", honestEn}},
		{"你能做什么？", []string{"查询数据", "生成表格", "发送邮件", honestZh, "MODEL_PATH"}},
		{"help", []string{"Query data", "Make a spreadsheet", "Send email", honestEn, "MODEL_PATH"}},
		{"What can you do?", []string{"Query data", honestEn}},
		{"谢谢！", []string{"不客气"}},
		{"thanks a lot", []string{"You are welcome"}},
		{"bye", []string{"Goodbye"}},
		{"算了", []string{"放下"}},
		{"write a poem about the sea", []string{"recognised nothing", honestEn, "OPENAI_BASE_URL", "MODEL_PATH", "Query data"}},
		{"怎么发邮件？", []string{"只认出了：发送邮件", honestZh, "OPENAI_BASE_URL"}},
		{"how do I send a report", []string{"only recognised: Query data, Make a spreadsheet, Send email", honestEn}},
		{"help生成报表", []string{"只认出了：生成表格"}},
		{"给我看看测试数据", []string{"只认出了：查询数据"}},
	} {
		got := builtin.Reply(builtin.Request{Text: c.text, Tools: tools()})
		for _, want := range c.wants {
			if !strings.Contains(got, strings.TrimPrefix(want, "“")) {
				t.Errorf("%s: no %q in\n%s", c.text, want, got)
			}
		}
	}
}

func TestReplyWithoutTools(t *testing.T) {
	got := builtin.Reply(builtin.Request{Text: "你能做什么"})
	if !strings.Contains(got, "还没有可供你使用的插件") || !strings.Contains(got, "我不是语言模型") {
		t.Fatal(got)
	}
}

func TestReplyFollowsTheLanguageAskedFor(t *testing.T) {
	if got := builtin.Reply(builtin.Request{Text: "你好", Lang: "en"}); !strings.HasPrefix(got, "Hello!") {
		t.Fatal(got)
	}
	if got := builtin.Reply(builtin.Request{Text: "ok?", Lang: "zh"}); !strings.HasPrefix(got, "不客气") {
		t.Fatal(got)
	}
}
