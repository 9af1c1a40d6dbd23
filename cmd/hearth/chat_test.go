package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
)

// echo answers every message, after some sentences of a draft.
func echo(f *fake, p post) {
	seq := len(f.posts)
	f.say(p.Session, map[string]any{"type": "draft", "seq": seq, "text": "You "})
	f.say(p.Session, answerEvent(seq, "You said: "+p.Text, ""))
}

func TestChatPrintsTheAnswer(t *testing.T) {
	f := newFake(t)
	f.reply = echo
	if got := f.hearth("", nil, "chat", "hello", "there"); got != (result{0, "You said: hello there\n", ""}) {
		t.Errorf("%+v", got)
	}
	if f.posts[0].Session != "cli" {
		t.Errorf("in session %q", f.posts[0].Session)
	}
}

func TestChatAnswersAsJSON(t *testing.T) {
	f := newFake(t)
	f.reply = echo
	got := f.hearth("", nil, "chat", "-o", "json", "--session", "work", "hi")
	var answer chatEvent
	if err := json.Unmarshal([]byte(got.out), &answer); err != nil || answer.Markdown != "You said: hi" || f.posts[0].Session != "work" {
		t.Errorf("%+v %v", got, err)
	}
}

// The answer that counts is the one to our message: not that to another device's, nor a run's result.
func TestChatWaitsForItsOwnAnswer(t *testing.T) {
	f := newFake(t)
	f.say("cli", userEvent("k1", "first"))
	f.say("cli", answerEvent(1, "to the first", ""))
	f.say("cli", userEvent("k2", "from the phone"))
	f.earlier = 2
	f.reply = func(f *fake, p post) {
		f.say(p.Session, map[string]any{"type": "answer", "key": "s00-x/r9", "seq": 0, "markdown": "**Done**: a run", "run": "r00-aaaaaaaaaa"})
		f.say(p.Session, answerEvent(1, "to the first", "")) // repeated
		f.say(p.Session, answerEvent(2, "to the phone", ""))
		f.say(p.Session, map[string]any{"type": "something new", "key": 7})
		f.say(p.Session, answerEvent(3, "to us", ""))
	}
	if got := f.hearth("", nil, "chat", "hello"); got.out != "to us\n" {
		t.Errorf("%+v", got)
	}
}

func TestChatObeysOrders(t *testing.T) {
	f := newFake(t)
	f.say("cli", userEvent("k1", "slow question"))
	f.reply = func(f *fake, p post) {
		f.say(p.Session, map[string]any{"type": "answer", "key": "order/web//" + p.Key, "seq": 0, "markdown": "No runs yet."})
	}
	if got := f.hearth("", nil, "chat", "/runs"); got.out != "No runs yet.\n" {
		t.Errorf("%+v", got)
	}
}

func TestChatSurvivesRestarts(t *testing.T) {
	f := newFake(t)
	f.reply = echo
	away := fault.New(fault.Unavailable, "draining").In(1)
	f.broken[webPath+"messages"] = []error{away}
	f.broken[webPath+"events"] = []error{away, nil, away}
	f.cut = 1
	got := f.hearth("", nil, "chat", "hello")
	if got.code != 0 || got.out != "You said: hello\n" || !strings.Contains(got.err, "draining; trying again") {
		t.Errorf("%+v", got)
	}
	if len(f.posts) != 1 {
		t.Errorf("accepted %v", f.posts)
	}
}

func TestChatGivesUp(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		code int
		says string
	}{
		"refused":   {fault.New(fault.TooLarge, "the message is over 8000 bytes").At("text"), 1, "hearth: text: the message is over 8000 bytes\n"},
		"forbidden": {fault.New(fault.Forbidden, "talk needs the role guest"), 4, "hearth: talk needs the role guest\n"},
		"not ours":  {fault.New(fault.NotFound, "no function adapter-web").Try("hearth up"), 3, "hearth: no function adapter-web (next: hearth up)\n"},
	} {
		f := newFake(t)
		f.broken[webPath+"messages"] = []error{c.err}
		if got := f.hearth("", nil, "chat", "hello"); got.code != c.code || got.err != c.says {
			t.Errorf("%s: %+v", name, got)
		}
	}
	f := newFake(t)
	f.reply = func(*fake, post) {} // no answer ever comes
	got := f.hearth("", nil, "chat", "--timeout", "50ms", "hello")
	if got.code != 124 || !strings.Contains(got.err, "next: hearth chat --session cli") {
		t.Errorf("%+v", got)
	}
}

func TestInterruptsAreQuiet(t *testing.T) {
	for _, args := range [][]string{{"chat", "hello"}, {"chat"}} {
		f := newFake(t)
		ctx, cancel := context.WithCancel(t.Context())
		f.life, f.reply = ctx, func(*fake, post) { cancel() }
		got := f.hearth("hello\n", nil, args...)
		if got.code != 130 || strings.Contains(got.err, "cancel") {
			t.Errorf("%v: %+v", args, got)
		}
	}
}

func TestNobodyAtTheGateway(t *testing.T) {
	f := newFake(t)
	f.Close()
	got := f.hearth("", nil, "runs", "list")
	if got.code != 1 || !strings.Contains(got.err, "no gateway answers at "+f.URL) || !strings.Contains(got.err, "hearth up") {
		t.Errorf("%+v", got)
	}
}

func TestChatWithoutAToken(t *testing.T) {
	f := newFake(t)
	got := f.hearth("", map[string]string{"HEARTH_TOKEN": ""}, "chat", "hello")
	if got.code != 4 || !strings.Contains(got.err, "owner.token") || !strings.Contains(got.err, "hearth user token NAME") {
		t.Errorf("%+v", got)
	}
}

// What a model writes must not move the cursor or turn the line.
func TestTerminalsObeyNobody(t *testing.T) {
	f := newFake(t)
	f.reply = func(f *fake, p post) { f.say(p.Session, answerEvent(1, "a\x1b[2Jb\u202ec\u0085d\n\te", "")) }
	if got := f.hearth("", nil, "chat", "hello"); got.out != "a[2Jbcd\n\te\n" {
		t.Errorf("%q", got.out)
	}
}

func TestConversation(t *testing.T) {
	f := newFake(t)
	f.say("cli", userEvent("k1", "yesterday"))
	f.say("cli", map[string]any{"type": "run", "run": "r00-aaaaaaaaaa", "state": "done"})
	f.say("cli", answerEvent(1, "old news", "")) // on the second page of the past
	f.earlier = 1
	f.cut = 4 // in the middle
	f.reply = func(f *fake, p post) {
		if p.Text == "one" {
			f.say(p.Session, userEvent("phone", "hello from the phone"))
			f.say(p.Session, map[string]any{"type": "answer", "key": "s00-x/r9", "seq": 0, "markdown": "**Done**: a run", "run": "r00-aaaaaaaaaa"})
			f.say(p.Session, answerEvent(2, "first answer", ""))
			f.say(p.Session, answerEvent(9, "answer to the phone", ""))
			return
		}
		f.say(p.Session, answerEvent(3, "second answer", ""))
	}
	got := f.hearth("one\n\n"+strings.Repeat("x", 2000)+"\ntwo", nil, "chat")
	golden(t, "conversation", got)
}

func TestConversationEndsOnQuit(t *testing.T) {
	f := newFake(t)
	if got := f.hearth("/quit\nnever said\n", nil, "chat", "--session", "s"); got.code != 0 || len(f.posts) != 0 {
		t.Errorf("%+v %v", got, f.posts)
	}
}

// plan answers with a report's plan.
func plan(f *fake, p post) {
	v := report("r3f-aaaaaaaaaa")
	f.putRun(v)
	e := answerEvent(1, "**Plan**: the report\n\n1. Query the sales\n\nRun `r3f-aaaaaaaaaa`", v.ID)
	e["buttons"] = [][]map[string]string{{{"label": "Approve", "value": "a:" + v.ID + ":" + v.Digest[:12]}, {"label": "Deny", "value": "d:" + v.ID + ":" + v.Digest[:12]}}}
	f.say(p.Session, e)
}

func TestDo(t *testing.T) {
	for _, c := range []struct {
		name   string
		args   []string
		reply  func(*fake, post)
		script []func(*flow.View)
		asked  string
	}{
		{name: "do", args: []string{"do", "report"}, reply: plan},
		{name: "do-plan", args: []string{"do", "--plan", "report"}, reply: plan},
		{name: "do-plan-json", args: []string{"do", "--plan", "-o", "json", "report"}, reply: plan},
		{name: "do-yes", args: []string{"do", "--yes", "report"}, reply: plan, script: works, asked: "approve"},
		{name: "do-yes-breaks", args: []string{"do", "--yes", "report"}, reply: plan, script: breaks, asked: "approve"},
		{name: "do-question", args: []string{"do", "--yes", "report"}, reply: func(f *fake, p post) {
			f.say(p.Session, answerEvent(1, "To whom shall I send it?", ""))
		}},
		{name: "do-at-once", args: []string{"do", "report"}, script: works, reply: func(f *fake, p post) {
			v := report("r3f-aaaaaaaaaa")
			approved(&v)
			f.putRun(v)
			f.say(p.Session, answerEvent(1, "It is under way.", v.ID))
		}},
		{name: "do-both", args: []string{"do", "--yes", "--plan", "report"}},
		{name: "do-nothing", args: []string{"do"}},
		{name: "chat-plan", args: []string{"chat", "report"}, reply: plan},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			f.reply = c.reply
			f.script["r3f-aaaaaaaaaa"] = c.script
			asked := ""
			f.decided = func(v *flow.View, verb, body string) {
				asked = verb
				if !strings.Contains(body, v.Digest) {
					t.Errorf("approved without the digest: %s", body)
				}
				approved(v)
			}
			golden(t, c.name, f.hearth("y\n", nil, c.args...))
			if asked != c.asked {
				t.Errorf("asked %q", asked)
			}
			if len(f.posts) > 0 && c.name != "chat-plan" && !strings.HasPrefix(f.posts[0].Session, "do-") {
				t.Errorf("in session %q", f.posts[0].Session)
			}
		})
	}
}
