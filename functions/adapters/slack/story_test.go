package slack_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hearthfaas/hearth/functions/adapters/slack"
	"github.com/hearthfaas/hearth/functions/adapters/slack/slacktest"
	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/channel/channeltest"
	"github.com/hearthfaas/hearth/shared/channel/platformtest"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/message"
)

// house is the adapter between Slack and a gateway without other functions.
type house struct {
	*channeltest.House
	t     *testing.T
	slack *slacktest.Server
}

func start(t *testing.T, settings map[string]string) *house {
	t.Helper()
	s := slacktest.New(t)
	all := map[string]string{"SLACK_API_URL": s.URL, "SLACK_BOT_TOKEN": slacktest.Token}
	maps.Copy(all, settings)
	return &house{channeltest.Open(t, slack.Function, all), t, s}
}

// delivered waits until the app was told of everything.
func (b *house) delivered() {
	b.t.Helper()
	b.slack.Wait(b.t, "everything to be delivered", func() bool { all, _ := b.slack.Delivered(); return all })
	if _, lost := b.slack.Delivered(); lost > 0 {
		b.t.Errorf("%d deliveries were never taken", lost)
	}
}

var (
	private = message.Address{Platform: "slack", Chat: "D0ANN"}
	ops     = message.Address{Platform: "slack", Chat: "C0OPS"}
)

// people opens the conversations of these tests.
func (b *house) people() {
	b.slack.Open(slacktest.Channel{ID: "D0ANN"})
	b.slack.Open(slacktest.Channel{ID: "C0OPS"})
}

// talk is a day in a workspace. Both ways to us have to tell the same.
func talk(t *testing.T, b *house) {
	b.slack.Say("D0ANN", "UANN", "hello *世界*", "")
	b.slack.Say("C0OPS", "UANN", "not for the bot", "")
	root := b.slack.Say("C0OPS", "UANN", "<@"+slacktest.Bot+"> for the bot", "")
	b.slack.Say("C0OPS", "UANN", "<@"+slacktest.Bot+"> in a thread", root.TS)
	b.slack.Command("D0ANN", "UANN", "/hearth", "do it")
	if _, err := b.Send(message.Outbound{Key: "k", Address: private, Markdown: "Send it?", Buttons: [][]message.Button{{{Label: "Stop", Value: "s:r3f-abcdefghij"}}}}); err != nil {
		t.Fatal(err)
	}
	b.slack.Press("D0ANN", b.slack.FromBot("D0ANN")[0], "UANN", "s:r3f-abcdefghij")
	b.delivered()
	if got := b.Heard(private); got != "hello **世界**|do it|s:r3f-abcdefghij" {
		t.Errorf("private: %q", got)
	}
	if got := b.Heard(ops); got != "for the bot" {
		t.Errorf("channel: %q", got)
	}
	thread := ops
	thread.Thread = root.TS
	if got := b.Heard(thread); got != "in a thread" {
		t.Errorf("thread: %q", got)
	}
	if got := b.Asked(); got != `/function/system-tasks/stop {"run":"r3f-abcdefghij"}` {
		t.Errorf("system-tasks heard %q", got)
	}
	if said := b.slack.FromBot("D0ANN"); len(said) != 2 || said[1].Text != "Stopped: `r3f-abcdefghij`" {
		t.Errorf("said %v", said)
	}
	if calls := b.slack.Calls("auth.test"); len(calls) != 1 {
		t.Errorf("asked %d times who we are", len(calls))
	}
}

func TestEventsAPI(t *testing.T) {
	b := start(t, map[string]string{"SLACK_SIGNING_SECRET": slacktest.Secret})
	b.people()
	if err := b.slack.Subscribe(b.URL); err != nil {
		t.Fatal(err)
	}
	talk(t, b)
}

func TestSocketMode(t *testing.T) {
	b := start(t, map[string]string{"SLACK_APP_TOKEN": slacktest.AppToken})
	b.people()
	end := b.Link()
	talk(t, b)
	end()
	b.slack.Wait(t, "the connections to end", func() bool { return b.slack.Sockets() == 0 })
}

func TestRetriesOfSlack(t *testing.T) {
	for name, settings := range map[string]map[string]string{
		"events api": {"SLACK_SIGNING_SECRET": slacktest.Secret}, "socket mode": {"SLACK_APP_TOKEN": slacktest.AppToken},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, settings)
			b.people()
			if name == "events api" {
				if err := b.slack.Subscribe(b.URL); err != nil {
					t.Fatal(err)
				}
				b.slack.Fail(slacktest.Failure{Method: "auth.test", Status: 503}) // what comes first cannot be taken
			} else {
				b.Away("adapter-slack", 2)
				b.Link()
			}
			said := b.slack.Say("D0ANN", "UANN", "first", "")
			b.slack.Say("D0ANN", "UANN", "second", "")
			b.slack.Repeat("D0ANN", said)
			b.delivered()
			if got := b.Heard(private); got != "first|second" {
				t.Errorf("accepted %q", got)
			}
		})
	}
}

func TestConnectionsAreRenewed(t *testing.T) {
	b := start(t, map[string]string{"SLACK_APP_TOKEN": slacktest.AppToken})
	b.people()
	b.Link()
	both := func() bool { return b.slack.Sockets() == 2 }
	for _, reason := range []string{"warning", "refresh_requested"} {
		b.slack.Wait(t, "two connections", both)
		b.slack.Disconnect(reason)
		b.slack.Say("D0ANN", "UANN", reason, "") // the other connection has it
	}
	b.slack.Wait(t, "two connections", both)
	b.delivered()
	if got := b.Heard(private); got != "warning|refresh_requested" {
		t.Errorf("accepted %q", got)
	}
	if opened := b.slack.Calls("apps.connections.open"); len(opened) != 4 {
		t.Errorf("opened %d connections", len(opened))
	}
}

func TestAnotherAccount(t *testing.T) {
	b := start(t, nil)
	b.people()
	for field, value := range map[string]string{"bot-token": slacktest.Token, "app-token": slacktest.AppToken} {
		b.Secret("slack.sales-"+field, value)
	}
	b.Link()
	b.slack.Say("D0ANN", "UANN", "hello sales", "")
	b.delivered()
	sales := private
	sales.Account = "sales"
	if got := b.Heard(sales); got != "hello sales" || b.Heard(private) != "" {
		t.Errorf("sales accepted %q, the default account %q", got, b.Heard(private))
	}
}

func TestAnswers(t *testing.T) {
	b := start(t, nil)
	b.people()
	asked := b.slack.Say("C0OPS", "UANN", "?", "")
	thread := message.Address{Platform: "slack", Chat: "C0OPS", Thread: asked.TS}
	receipt, err := b.Send(message.Outbound{
		Key: "s/m1", Address: thread, Markdown: "# Plan\n\n" + strings.Repeat("**Bold** & `code` <x>. ", 200),
		Buttons: [][]message.Button{{{Label: "Yes", Value: strings.Repeat("v", 64), Style: "primary"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	said := b.slack.FromBot("C0OPS")
	if len(said) < 2 || len(receipt.IDs) != len(said) {
		t.Fatalf("%d messages, receipt %v", len(said), receipt)
	}
	for i, m := range said {
		if m.Thread != asked.TS || !m.Mrkdwn || (len(m.Buttons) == 1) != (i == len(said)-1) || receipt.IDs[i] != m.TS {
			t.Errorf("part %d: %+v", i, m)
		}
	}
	if !strings.HasPrefix(said[0].Text, "*Plan*\n\n*Bold* &amp; `code` &lt;x&gt;.") {
		t.Errorf("first part: %.80q", said[0].Text)
	}
}

func TestAnswersSurviveSlack(t *testing.T) {
	channeltest.Troubles(t, slack.Function, slacktest.Stage, []channeltest.Trouble{
		{Name: "too many, for a moment", Failure: slacktest.Failure{Status: 429, RetryAfter: 1}, Said: "*hello*"},
		{Name: "too many, for long", Failure: slacktest.Failure{Status: 429, RetryAfter: 300}, Kind: fault.Limited},
		{Name: "blocks refused", Failure: slacktest.Failure{Text: "invalid_blocks"}, Said: "hello"},
		{Name: "internal error", Failure: slacktest.Failure{Text: "internal_error"}, Kind: fault.Unknown},
		{Name: "token revoked", Failure: slacktest.Failure{Text: "token_revoked"}, Kind: fault.Unavailable},
		{Name: "a proxy's page", Failure: slacktest.Failure{Status: 502}, Kind: fault.Unknown},
		{Name: "answer lost", Failure: slacktest.Failure{Drop: true}, Kind: fault.Unknown, Said: "*hello*"},
		{Name: "no answer", Failure: slacktest.Failure{Stall: true}, Header: []string{"X-Timeout", "4s"}, Kind: fault.Timeout},
	})
}

func TestNobodyToAnswer(t *testing.T) {
	b := start(t, nil)
	b.slack.Open(slacktest.Channel{ID: "C0OLD", Archived: true})
	b.slack.Open(slacktest.Channel{ID: "C0AWAY", Away: true})
	for chat, kind := range map[string]fault.Kind{"C0NONE": fault.NotFound, "C0OLD": fault.Forbidden, "C0AWAY": fault.Forbidden} {
		_, err := b.Send(message.Outbound{Key: "k", Address: message.Address{Platform: "slack", Chat: chat}, Markdown: "x"})
		if !fault.Is(err, kind) || fault.Retryable(err) {
			t.Errorf("%s: %v", chat, err)
		}
	}
}

// An edit replaces the text and the buttons.
func TestButtonsComeAndGo(t *testing.T) {
	b := start(t, nil)
	b.people()
	id := b.Draft(channel.Draft{Address: private, Key: "s/m1", Text: "One."})
	final := message.Outbound{Key: "s/m1", Address: private, Markdown: "One. **Two.**", Edit: id, Buttons: [][]message.Button{{{Label: "Undo", Value: "u:x"}}}}
	for _, buttons := range []int{1, 0} {
		final.Buttons = final.Buttons[:buttons]
		if _, err := b.Send(final); err != nil {
			t.Fatal(err)
		}
		if said := b.slack.FromBot("D0ANN"); len(said) != 1 || said[0].Text != "One. *Two.*" || len(said[0].Buttons) != buttons {
			t.Errorf("said %+v, want %d buttons", said, buttons)
		}
	}
}

// Slack counts the edits of a workspace together, 50 in a minute. However many conversations stream, it refuses
// none, and each answer that is ready replaces its draft at once.
func TestManyConversationsStream(t *testing.T) {
	const conversations, rounds = 20, 40
	b := start(t, nil)
	b.slack.Now = b.Now
	b.slack.Limit("chat.update", platformtest.Rate{}, platformtest.Rate{Calls: 50, Per: time.Minute})
	ids, chats := map[string]string{}, []string{}
	for i := range conversations {
		chats = append(chats, fmt.Sprintf("D%d", 100+i))
		b.slack.Open(slacktest.Channel{ID: chats[i]})
	}
	to := func(chat string) message.Address { return message.Address{Platform: "slack", Chat: chat} }
	for round := range rounds {
		b.Later(1500 * time.Millisecond)
		for _, chat := range chats {
			ids[chat] = b.Draft(channel.Draft{Address: to(chat), Key: chat, Text: "so far", ID: ids[chat]})
		}
		if round%4 == 3 {
			chat := chats[0]
			chats = chats[1:]
			receipt, err := b.Send(message.Outbound{Key: chat, Address: to(chat), Markdown: "final", Edit: ids[chat]}, "X-Timeout", "4s")
			if err != nil || receipt.IDs[0] != ids[chat] || b.slack.FromBot(chat)[0].Text != "final" {
				t.Errorf("the answer in %s: %+v, %v", chat, receipt, err)
			}
		}
	}
	edits := 0
	for chat := range ids {
		edits += b.slack.FromBot(chat)[0].Edits
	}
	if calls := len(b.slack.Calls("chat.update")); calls != edits || edits < rounds*2/3 {
		t.Errorf("%d edits by %d calls", edits, calls)
	}
}

// Whatever the model writes, Slack accepts it as we write it: nothing ever has to be sent without markup.
func TestMarkupIsAlwaysAccepted(t *testing.T) {
	b := start(t, nil)
	b.people()
	pieces := []string{"a ", "中文。", "**", "*", "`", "\n\n", "\n", "- ", "> ", "```go\n", "# ", "|a|b|\n|-|-|\n", "1. ", "[x](http://e.org/?a=\"b\"&c=<d>)", "<!channel>", "&amp;", "~~", "  ", strings.Repeat("<&> ", 400)}
	account := channel.NewAccount(b.Env, "slack", "")
	adapter, err := slack.Open(b.Env)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		markdown := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 1, 60).Draw(rt, "pieces"), "") + "end"
		calls, err := adapter.Encode(account, message.Outbound{Address: private, Markdown: markdown, Buttons: [][]message.Button{{{Label: "x", Value: "v"}}}})
		if err != nil {
			rt.Fatal(err)
		}
		for _, c := range calls {
			for _, form := range []*channel.Call{&c, c.Plain} {
				if got := b.slack.Post("chat.postMessage", form.Body); !strings.Contains(got, `"ok":true`) {
					rt.Fatalf("%s\n%s", got, form.Body)
				}
			}
		}
	})
}
