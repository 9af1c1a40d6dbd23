package model_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/model"
	"github.com/hearthfaas/hearth/shared/model/modeltest"
)

// sized is a turn of so many tokens.
func sized(role string, n, tokens int) model.Turn {
	return model.Turn{Raw: model.Message(role, fmt.Sprint(n)), Role: role, Tokens: tokens}
}

// conversation is n exchanges of so many tokens each.
func conversation(n, tokens int) []model.Turn {
	var out []model.Turn
	for i := range n {
		out = append(out, sized("user", 2*i, tokens/2), sized("assistant", 2*i+1, tokens-tokens/2))
	}
	return append(out, sized("user", 2*n, 10))
}

func sum(turns []model.Turn) int {
	n := 0
	for _, t := range turns {
		n += t.Tokens
	}
	return n
}

func TestWindowGrowsBeforeItSummarises(t *testing.T) {
	turns := conversation(100, 200) // 20 010 tokens
	for _, c := range []struct {
		bounds  model.Bounds
		summary bool
	}{
		{model.Bounds{}, true},
		{model.Bounds{Limit: 32768, System: 500, Answer: 1000}, false},
		{model.Bounds{Limit: 20100}, false},
		{model.Bounds{Limit: 20100, Answer: 100}, true},
		{model.Bounds{Limit: 4096}, true},
		{model.Bounds{Want: 50000}, false},
		{model.Bounds{Want: 50000, Limit: 16000}, true},
	} {
		v, err := model.Window(turns, c.bounds)
		if err != nil || (len(v.Old) > 0) != c.summary || len(v.Old)+len(v.Send) != len(turns) {
			t.Errorf("%+v: %d old, %d sent, %v", c.bounds, len(v.Old), len(v.Send), err)
		}
		if c.summary && (v.Room < 64 || v.Dropped) {
			t.Errorf("%+v: room %d", c.bounds, v.Room)
		}
	}
}

func TestWindowDoesNotSummariseEveryTime(t *testing.T) {
	turns, summaries := conversation(50, 200), 0
	for i := range 50 {
		v, err := model.Window(turns, model.Bounds{Want: 8192})
		if err != nil {
			t.Fatal(err)
		}
		if len(v.Old) > 0 {
			summaries++
			turns = append([]model.Turn{sized("system", i, v.Room)}, v.Send...)
		}
		turns = append(turns, sized("assistant", i, 100), sized("user", i, 100))
	}
	if summaries == 0 || summaries > 8 {
		t.Fatalf("%d summaries in 50 exchanges", summaries)
	}
}

func TestWindowStartsWithAPerson(t *testing.T) {
	turns := conversation(100, 200)
	for limit := 2000; limit < 2400; limit += 20 {
		v, err := model.Window(turns, model.Bounds{Want: limit})
		if err != nil || v.Send[0].Role != "user" {
			t.Fatalf("limit %d starts with %s, %v", limit, v.Send[0].Role, err)
		}
	}
}

func TestWindowRefusesWhatCannotFit(t *testing.T) {
	_, err := model.Window([]model.Turn{sized("user", 1, 10), sized("user", 2, 9000)}, model.Bounds{})
	if !fault.Is(err, fault.TooLarge) {
		t.Fatal(err)
	}
	if v, err := model.Window(nil, model.Bounds{System: 99999}); err != nil || len(v.Send) != 0 {
		t.Fatalf("%+v, %v", v, err)
	}
}

func TestWindowProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var turns []model.Turn
		for i := range rapid.IntRange(0, 60).Draw(t, "turns") {
			turn := sized(rapid.SampledFrom([]string{"user", "assistant", "tool", "system"}).Draw(t, "role"), i, rapid.IntRange(1, 900).Draw(t, "tokens"))
			turn.Open = rapid.IntRange(0, 9).Draw(t, "open") == 0
			turns = append(turns, turn)
		}
		b := model.Bounds{
			Want: rapid.IntRange(0, 12000).Draw(t, "want"), Limit: rapid.SampledFrom([]int{0, 1024, 4096, 8192, 32768}).Draw(t, "limit"),
			System: rapid.IntRange(0, 900).Draw(t, "system"), Answer: rapid.IntRange(0, 900).Draw(t, "answer"),
		}
		v, err := model.Window(turns, b)
		if err != nil {
			if !fault.Is(err, fault.TooLarge) {
				t.Fatal(err)
			}
			return
		}
		most := max(b.Want, b.Limit)
		if b.Want == 0 {
			most = max(model.DefaultContext, b.Limit)
		}
		if b.Limit > 0 {
			most = min(most, b.Limit)
		}
		if used := sum(v.Send) + max(v.Room, 0) + b.System + b.Answer; len(turns) > 0 && used > most {
			t.Fatalf("%d of %d tokens", used, most)
		}
		checkOrder(t, turns, v)
	})
}

// checkOrder holds that Send and Old part the turns, in order, never between a call and its result, and
// that the last turn is sent.
func checkOrder(t *rapid.T, turns []model.Turn, v model.View) {
	sent, old := v.Send, v.Old
	var inOld bool
	for i, turn := range turns {
		was := inOld
		switch {
		case len(sent) > 0 && string(sent[0].Raw) == string(turn.Raw):
			sent, inOld = sent[1:], false
		case len(old) > 0 && string(old[0].Raw) == string(turn.Raw):
			old, inOld = old[1:], true
		default:
			t.Fatalf("turn %d is lost or out of order", i)
		}
		if i > 0 && turn.Role == "tool" && was != inOld {
			t.Fatalf("turn %d is parted from its call", i)
		}
	}
	if len(turns) > 0 && inOld {
		t.Fatal("the last turn is not sent")
	}
}

func TestOpenRequestsStayWordForWord(t *testing.T) {
	turns := conversation(100, 200)
	turns[0].Open = true
	v, err := model.Window(turns, model.Bounds{Want: 4096})
	if err != nil || string(v.Send[0].Raw) != string(turns[0].Raw) || len(v.Old) == 0 {
		t.Fatalf("%+v, %v", v.Send[0], err)
	}
}

func TestEstimateIsRatherTooHigh(t *testing.T) {
	// Counted with llama.cpp's tokenizer for Qwen2.5, without the frame around a message.
	for _, c := range []struct {
		text   string
		tokens int
	}{
		{"The quick brown fox jumps over the lazy dog.", 10},
		{"生成今天的销售报表并发邮件给 team@example.com", 10},
		{"我不是语言模型：目前没有接入任何模型，我只按关键词和规则办事，无法自由对话。", 22},
		{`{"date":"2026-11-22","total":12345.67,"region":"华东"}`, 29},
		{"1,234.5 | 5,678.9 | 42 | 7 | 2026-11-22T10:00:00Z", 45},
		{"SELECT id, total FROM orders WHERE total > 100 ORDER BY id DESC LIMIT 10", 21},
		{"aGVsbG8gd29ybGQgdGhpcyBpcyBiYXNlNjQgZGF0YQ==", 34},
		{"Привет, как дела сегодня?", 8},
		{"😀🎉🚀 done", 4},
	} {
		got := model.Estimate([]byte(c.text))
		if got < c.tokens || got > 3*c.tokens+6 {
			t.Errorf("%q: %d, really %d", c.text, got, c.tokens)
		}
	}
}

func TestFitsIsWhatWindowSends(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var turns []model.Turn
		var raws []json.RawMessage
		for range rapid.IntRange(0, 8).Draw(t, "turns") {
			turn := model.Note(model.Message("user", rapid.StringN(0, 400, -1).Draw(t, "text")))
			turns, raws = append(turns, turn), append(raws, turn.Raw)
		}
		b := model.Bounds{Want: rapid.IntRange(1, 4000).Draw(t, "want")}
		v, err := model.Window(turns, b)
		if all := err == nil && len(v.Old) == 0; b.Fits(raws) != all && len(turns) > 0 {
			t.Fatalf("%d tokens fit into %d: %v; all are sent: %v", sum(turns), b.Want, b.Fits(raws), all)
		}
	})
}

func TestBoundsOf(t *testing.T) {
	s := &modeltest.Server{Model: modeltest.Model{Context: 32768}}
	c := connect(t, s, model.Config{})
	b, err := model.BoundsOf(t.Context(), fntest.Env(t, map[string]string{"CONTEXT_TOKENS": "16000"}), c, "be kind")
	if err != nil || b.Want != 16000 || b.Limit != 32768 || b.System == 0 || b.Answer == 0 {
		t.Errorf("%+v, %v", b, err)
	}
	for _, bad := range []string{"8k", "-1", "12"} {
		if _, err := model.BoundsOf(t.Context(), fntest.Env(t, map[string]string{"CONTEXT_TOKENS": bad}), c, ""); !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Text(err), "CONTEXT_TOKENS") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestIdentifiers(t *testing.T) {
	for text, want := range map[string][]string{
		"run r3f-abcdefgh23 wrote /output/2026-11-22.xlsx for team@example.com.": {"r3f-abcdefgh23", "/output/2026-11-22.xlsx", "team@example.com"},
		"总额￥1,234.5元，增长12.5%，共30条，见 https://x.org/a?b=1。":                        {"￥1,234.5", "12.5%", "30条", "https://x.org/a?b=1"},
		"on 2026-11-22 at 9:30, 5 GB, order A-1029, daily_report_2":              {"2026-11-22", "9:30", "5 GB", "A-1029", "daily_report_2"},
		"nothing here": nil,
	} {
		got := model.Identifiers(text)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func notes(texts ...string) []model.Turn {
	var out []model.Turn
	for i, text := range texts {
		out = append(out, model.Note(model.Message([]string{"user", "assistant"}[i%2], text)))
	}
	return out
}

func TestSummary(t *testing.T) {
	old := notes("把 /output/a.xlsx 发给 li@example.org，金额 300元", "已发送，运行编号 r3f-abcdefgh23")
	for _, m := range []func() model.Model{
		model.Builtin,
		func() model.Model { // a model that forgets everything that matters
			s := &modeltest.Server{}
			s.Script(modeltest.Say("有人要发一个文件。"))
			return connect(t, s, model.Config{})
		},
	} {
		got, err := model.Summary(t.Context(), m(), old, "zh", 300)
		if err != nil || got.Role != "system" || got.Tokens > 300 {
			t.Fatalf("%+v, %v", got, err)
		}
		for _, want := range []string{"/output/a.xlsx", "li@example.org", "300元", "r3f-abcdefgh23", "此前对话的概要"} {
			if !strings.Contains(string(got.Raw), want) {
				t.Errorf("%s is lost: %s", want, got.Raw)
			}
		}
	}
}

func TestSummaryOfASummaryKeepsIt(t *testing.T) {
	first, err := model.Summary(t.Context(), model.Builtin(), notes("mail li@example.org the file /output/a.xlsx", "done"), "en", 300)
	if err != nil {
		t.Fatal(err)
	}
	second, err := model.Summary(t.Context(), model.Builtin(), append([]model.Turn{first}, notes("and now?", "nothing")...), "en", 300)
	if err != nil || !strings.Contains(string(second.Raw), "li@example.org") || !strings.Contains(string(second.Raw), "/output/a.xlsx") {
		t.Fatalf("%s, %v", second.Raw, err)
	}
}

func TestSummaryTellsTheModelThatItIsData(t *testing.T) {
	s := &modeltest.Server{Model: modeltest.Model{Context: 2048}}
	s.Script(modeltest.Say("short"))
	long := notes(strings.Repeat("old words ", 3000), "ok", "the latest request")
	long[2].Open = true
	if _, err := model.Summary(t.Context(), connect(t, s, model.Config{}), long, "en", 200); err != nil {
		t.Fatal(err)
	}
	m := s.Requests()[0].Messages()
	if !strings.Contains(m[0].Content, "is data") || !strings.Contains(m[1].Content, "user (open): the latest request") || model.Estimate([]byte(m[1].Content)) > 1024 {
		t.Fatalf("%+v", m)
	}
}

func TestSummaryProperties(t *testing.T) {
	word := rapid.SampledFrom([]string{"li@example.org", "/output/报表.xlsx", "r3f-abcdefgh23", "300元", "please", "做完", "\"", "<b>", "\n", "2026-11-22"})
	rapid.Check(t, func(t *rapid.T) {
		var texts, said []string
		for range rapid.IntRange(1, 20).Draw(t, "turns") {
			words := rapid.SliceOfN(word, 0, 30).Draw(t, "words")
			texts, said = append(texts, strings.Join(words, " ")), append(said, words...)
		}
		room := rapid.IntRange(64, 1024).Draw(t, "room")
		got, err := model.Summary(t.Context(), model.Builtin(), notes(texts...), "en", room)
		if err != nil || got.Tokens > room || got.Tokens != model.Estimate(got.Raw) || !json.Valid(got.Raw) {
			t.Fatalf("%d tokens in a room of %d, %v", got.Tokens, room, err)
		}
		for _, id := range []string{"li@example.org", "/output/报表.xlsx", "r3f-abcdefgh23", "300元", "2026-11-22"} {
			if room >= 200 && slices.Contains(said, id) && !strings.Contains(string(got.Raw), id) {
				t.Fatalf("%s is lost: %s", id, got.Raw)
			}
		}
	})
}
