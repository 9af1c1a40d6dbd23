package intent_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/model/modeltest"
	"github.com/hearthfaas/hearth/shared/policy"
)

func planned(to string) modeltest.Reply {
	return modeltest.Choice(map[string]any{
		"reasoning": "a mail", "ask": "",
		"steps": []any{map[string]any{"id": "m", "plugin": "mail", "params": map[string]any{"to": to}}},
	})
}

func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		reply modeltest.Reply
		want  string
		never string
	}{
		"in words":              {"how are you?", modeltest.Say("Well, thank you."), "Well, thank you.", ""},
		"a claim of an effect":  {"hello there", modeltest.Say("Sure. I have sent the mail to Bo."), "None of that has happened", "I have sent"},
		"a claim in Chinese":    {"你好", modeltest.Say("好的。我已经发送了邮件。"), "并没有执行", "已经发送"},
		"nothing to read":       {"  ", modeltest.Say("?"), "text only", "?"},
		"a model that refuses":  {"how are you?", modeltest.Refuse(http.StatusBadRequest, `{"error":{"message":"bad sampler"}}`), "The model does not answer: ", ""},
		"and the same, Chinese": {"你好吗", modeltest.Refuse(http.StatusBadRequest, `{"error":{"message":"bad sampler"}}`), "模型没有回应：", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, &modeltest.Server{})
			b.model.Script(c.reply)
			out := b.say(c.text)
			if out == nil || !strings.Contains(out.Markdown, c.want) || c.never != "" && strings.Contains(out.Markdown, c.never) || out.Run != "" {
				t.Fatalf("%+v", out)
			}
			if b.runs() != 0 || out.Key != string(b.lane)+"/m1" {
				t.Errorf("%d runs, key %s", b.runs(), out.Key)
			}
		})
	}
}

func TestThePlanWordBecomesARun(t *testing.T) {
	b := open(t, &modeltest.Server{})
	b.model.Script(modeltest.Say("PLAN"), planned("bo@other.example"))
	out := b.say("let bo@other.example know that I am late")
	if out == nil || out.Run == "" || b.runs() != 1 {
		t.Fatalf("%+v", out)
	}
	for _, part := range []string{"**Plan", "bo@other.example", "outside", "0 of 1 steps", out.Run} {
		if !strings.Contains(out.Markdown, part) {
			t.Errorf("the card misses %q:\n%s", part, out.Markdown)
		}
	}
	run, err := journal.Load(t.Context(), b.ledger, ledger.Lane(out.Run))
	if err != nil || !run.Approve || run.User != "ann" || run.Origin != journal.FromChat || run.Session != string(b.lane) {
		t.Fatalf("%+v %v", run, err)
	}
	wantButtons(t, out, "a:"+out.Run+":"+run.Digest[:12], "d:"+out.Run+":"+run.Digest[:12])
	if len(b.rings) != 1 || b.rings[0] != "planner-execute "+out.Run {
		t.Errorf("rings: %v", b.rings)
	}
}

func wantButtons(t *testing.T, out *message.Outbound, values ...string) {
	t.Helper()
	var got []string
	for _, row := range out.Buttons {
		for _, button := range row {
			got = append(got, button.Value)
			if len(button.Value) > message.MaxButtonValue {
				t.Errorf("%d bytes: %s", len(button.Value), button.Value)
			}
		}
	}
	if strings.Join(got, " ") != strings.Join(values, " ") {
		t.Errorf("buttons %v, want %v", got, values)
	}
}

// TestAPlanIsRepaired gives the model the validator's words, and gives up after three drafts.
func TestAPlanIsRepaired(t *testing.T) {
	bad := modeltest.Choice(map[string]any{"reasoning": "", "ask": "", "steps": []any{
		map[string]any{"id": "m", "plugin": "mail", "params": map[string]any{"to": "{{steps.gone.x}}"}},
	}})
	b := open(t, &modeltest.Server{})
	b.model.Script(modeltest.Say("PLAN"), bad, planned("bo@other.example"))
	if out := b.say("let bo@other.example know"); out == nil || out.Run == "" {
		t.Fatalf("%+v", out)
	}
	all := b.model.Requests()
	if last := string(all[len(all)-1].Body); !strings.Contains(last, "refused") || !strings.Contains(last, "gone") {
		t.Errorf("the model did not hear what was wrong: %s", last)
	}
	b.model.Script(modeltest.Say("PLAN"), bad, bad, bad)
	if out := b.say("let bo@other.example know again"); out == nil || out.Run != "" || !strings.Contains(out.Markdown, "could not make a plan that holds") {
		t.Errorf("%+v", out)
	}
	if b.runs() != 1 {
		t.Errorf("%d runs", b.runs())
	}
}

func TestGuestsOnlyTalk(t *testing.T) {
	for _, reply := range []string{"Hello, stranger.", "PLAN"} {
		b := open(t, &modeltest.Server{})
		b.from, b.pair = policy.Principal{Role: policy.Guest}, "ABCD2345"
		b.model.Answer(func(modeltest.Request) modeltest.Reply { return modeltest.Say(reply) })
		out := b.say("send a mail to bo@other.example")
		if out == nil || out.Run != "" || len(out.Buttons) > 0 || b.runs() != 0 {
			t.Fatalf("%s: %+v", reply, out)
		}
		if reply != "PLAN" && !strings.Contains(out.Markdown, "hearth pair ABCD2345") {
			t.Errorf("no code: %s", out.Markdown)
		}
		for _, r := range b.model.Requests() {
			if strings.Contains(string(r.Body), "Sends a mail") {
				t.Errorf("the model of a guest hears of tools: %s", r.Body)
			}
		}
	}
}

func TestAModelThatIsDown(t *testing.T) {
	b := open(t, &modeltest.Server{})
	b.model.Answer(func(modeltest.Request) modeltest.Reply {
		return modeltest.Reply{Status: http.StatusServiceUnavailable, Body: `{"error":{"message":"loading"}}`, Header: http.Header{"Retry-After": {"60"}}}
	})
	out := b.say("how are you?")
	for try := range 3 {
		if out != nil {
			t.Fatalf("try %d: %+v", try, out)
		}
		b.advance(time.Minute)
		out = b.ring()
	}
	if out == nil || !strings.Contains(out.Markdown, "The model does not answer: ") {
		t.Fatalf("%+v", out)
	}
	b.model.Answer(nil)
	b.advance(time.Minute)
	if out := b.say("and now?"); out == nil || out.Markdown != "ok" {
		t.Errorf("%+v", out)
	}
}

// TestAModelWithoutAWord is asked again, and then people hear of it: a message without an answer would be one
// too few.
func TestAModelWithoutAWord(t *testing.T) {
	b := open(t, &modeltest.Server{})
	b.model.Answer(func(modeltest.Request) modeltest.Reply { return modeltest.Say(" \n") })
	out := b.say("how are you?")
	for try := range 3 {
		if out != nil {
			t.Fatalf("try %d: %+v", try, out)
		}
		b.advance(time.Minute)
		out = b.ring()
	}
	if out == nil || !strings.Contains(out.Markdown, "The model does not answer: ") || !strings.Contains(out.Markdown, "without a word") {
		t.Fatalf("%+v", out)
	}
}

// TestWithoutAModel asks for what is missing, and keeps to the language of the conversation when the
// answer is an address only.
func TestWithoutAModel(t *testing.T) {
	for text, want := range map[string][2]string{
		"帮我发邮件":              {"发到哪个地址？", "计划"},
		"please send a mail": {"To which address?", "Plan"},
	} {
		b := open(t, nil)
		if out := b.say(text); out == nil || out.Markdown != want[0] || b.runs() != 0 {
			t.Fatalf("%s: %+v", text, out)
		}
		out := b.say("bo@home.example")
		if out == nil || out.Run == "" || !strings.HasPrefix(out.Markdown, "**"+want[1]) || strings.Contains(out.Markdown, "outside") {
			t.Errorf("%s: %+v", text, out)
		}
	}
}
