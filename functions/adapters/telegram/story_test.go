package telegram_test

import (
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/hearthfaas/hearth/functions/adapters/telegram"
	"github.com/hearthfaas/hearth/functions/adapters/telegram/telegramtest"
	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/channel/channeltest"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/message"
)

const secret = telegramtest.WebhookSecret

// house is the adapter between Telegram and a gateway without other functions.
type house struct {
	*channeltest.House
	t        *testing.T
	telegram *telegramtest.Server
}

func start(t *testing.T, settings map[string]string) *house {
	t.Helper()
	tg := telegramtest.New(t)
	all := map[string]string{"TELEGRAM_API_URL": tg.URL, "TELEGRAM_BOT_TOKEN": telegramtest.Token}
	maps.Copy(all, settings)
	return &house{channeltest.Open(t, telegram.Function, all), t, tg}
}

// api calls the Bot API as an operator would.
func (b *house) api(method, params string) string {
	b.t.Helper()
	resp, err := http.Post(b.telegram.URL+"/bot"+telegramtest.Token+"/"+method, "application/json", strings.NewReader(params))
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(body)
}

var (
	ann     = telegramtest.User{ID: 42, First: "Ann", Lang: "en"}
	private = message.Address{Platform: "telegram", Chat: "42"}
	ops     = telegramtest.Chat{ID: -1001, Type: "supergroup", Title: "Ops", Forum: true}
)

func TestWebhook(t *testing.T) {
	b := start(t, map[string]string{"TELEGRAM_WEBHOOK_SECRET": secret})
	chat, group := b.telegram.Person(ann), b.telegram.Open(ops)
	if got := b.api("setWebhook", `{"url":"`+b.URL+`","secret_token":"`+secret+`"}`); !strings.Contains(got, `"ok":true`) {
		t.Fatal(got)
	}
	b.telegram.Say(chat, ann, "hello 世界")
	b.telegram.Say(group, ann, "not for the bot")
	b.telegram.Say(group, ann, "@hearth_test_bot for the bot", telegramtest.Entity{Type: "mention", Offset: 0, Length: 16})
	b.telegram.Wait(t, "the updates to be taken", func() bool { return b.telegram.Pending() == 0 })
	if got := b.Heard(private); got != "hello 世界" {
		t.Errorf("private: %s", got)
	}
	if got := b.Heard(message.Address{Platform: "telegram", Chat: "-1001"}); got != "for the bot" {
		t.Errorf("group: %s", got)
	}
	if calls := b.telegram.Calls("getMe"); len(calls) != 1 {
		t.Errorf("asked %d times who we are", len(calls))
	}
}

func TestLongPoll(t *testing.T) {
	b := start(t, nil)
	end := b.Link()
	chat := b.telegram.Person(ann)
	b.telegram.Say(chat, ann, "first")
	b.telegram.Say(chat, ann, "second")
	press := b.telegram.Press(telegramtest.Message{ID: 5, Chat: chat, From: telegramtest.Bot}, ann, "s:r3f-abcdefghij")
	b.telegram.Wait(t, "the updates to be taken", func() bool { return b.telegram.Pending() == 0 })
	end()
	if got := b.Heard(private); got != "first|second|s:"+channeltest.TheRun {
		t.Errorf("accepted %s", got)
	}
	if !b.telegram.Acknowledged(press) {
		t.Error("the button still looks busy")
	}
	if got := b.Asked(); got != `/function/system-tasks/stop {"run":"r3f-abcdefghij"}` {
		t.Errorf("system-tasks heard %q", got)
	}
	if said := b.telegram.FromBot(42); len(said) != 1 || !strings.Contains(said[0].Text, "Stopped: r3f-abcdefghij") {
		t.Errorf("said %v", said)
	}
}

func TestAnswers(t *testing.T) {
	b := start(t, nil)
	b.telegram.Open(ops)
	asked := b.telegram.Say(ops, ann, "?")
	topic := message.Address{Platform: "telegram", Chat: "-1001", Thread: "7"}
	receipt, err := b.Send(message.Outbound{
		Key: "s/m1", Address: topic, ReplyTo: "1001", Markdown: "# Plan\n\n" + strings.Repeat("**Bold** & `code` <x>. ", 400),
		Buttons: [][]message.Button{{{Label: "Yes", Value: strings.Repeat("v", 64)}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	said := b.telegram.FromBot(-1001)
	if len(said) < 2 || len(receipt.IDs) != len(said) {
		t.Fatalf("%d messages, receipt %v", len(said), receipt)
	}
	for i, m := range said {
		if !m.InTopic || m.Thread != 7 || (m.Markup != nil) != (i == len(said)-1) || (m.ReplyTo != nil) != (i == 0) {
			t.Errorf("part %d: %+v", i, m)
		}
	}
	if said[0].ReplyTo.ID != asked.ID || !strings.HasPrefix(said[0].Text, "Plan\n\nBold & code <x>.") {
		t.Errorf("first part: %+v", said[0])
	}
	if len(said[0].Entities) == 0 || said[0].Entities[0] != (telegramtest.Entity{Type: "bold", Offset: 0, Length: 4}) {
		t.Errorf("entities: %+v", said[0].Entities)
	}
}

func TestAnswersSurviveTelegram(t *testing.T) {
	channeltest.Troubles(t, telegram.Function, telegramtest.Stage, []channeltest.Trouble{
		{Name: "too many, for a moment", Failure: telegramtest.Failure{Status: 429, RetryAfter: 1}, Said: "hello"},
		{Name: "too many, for long", Failure: telegramtest.Failure{Status: 429, RetryAfter: 300}, Kind: fault.Limited},
		{Name: "markup refused", Failure: telegramtest.Failure{Status: 400, Text: "Bad Request: can't parse entities: x"}, Said: "hello"},
		{Name: "internal error", Failure: telegramtest.Failure{Status: 500, Text: "Internal Server Error"}, Kind: fault.Unknown},
		{Name: "answer lost", Failure: telegramtest.Failure{Drop: true}, Kind: fault.Unknown, Said: "hello"},
		{Name: "no answer", Failure: telegramtest.Failure{Stall: true}, Header: []string{"X-Timeout", "4s"}, Kind: fault.Timeout},
	})
}

func TestNobodyToAnswer(t *testing.T) {
	b := start(t, nil)
	if _, err := b.Send(message.Outbound{Key: "k", Address: private, Markdown: "x"}); !fault.Is(err, fault.NotFound) {
		t.Errorf("no chat: %v", err)
	}
	for _, why := range []string{"bot was blocked by the user", "bot was kicked from the group chat"} {
		b.telegram.Open(telegramtest.Chat{ID: 42, Type: "private", Closed: why})
		if _, err := b.Send(message.Outbound{Key: "k", Address: private, Markdown: "x"}); !fault.Is(err, fault.Forbidden) || fault.Retryable(err) {
			t.Errorf("%s: %v", why, err)
		}
	}
}

func TestTypingIsShown(t *testing.T) {
	b := start(t, nil)
	b.telegram.Person(ann)
	if id := b.Draft(channel.Draft{Address: private, Key: "s/m1"}); id != "" || len(b.telegram.Calls("sendChatAction")) != 1 {
		t.Errorf("typing made %q", id)
	}
}

// An edit that changes nothing is an error of Telegram's, and none of ours.
func TestEditsThatChangeNothing(t *testing.T) {
	b := start(t, nil)
	b.telegram.Person(ann)
	receipt, err := b.Send(message.Outbound{Key: "s/m1", Address: private, Markdown: "One."})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := b.Send(message.Outbound{Key: "s/m2", Address: private, Markdown: "One. **Two.**", Edit: receipt.IDs[0]}); err != nil {
			t.Fatal(err)
		}
	}
	if said := b.telegram.FromBot(42); len(said) != 1 || said[0].Text != "One. Two." || said[0].Edits != 1 || len(b.telegram.Calls("editMessageText")) != 2 {
		t.Errorf("said %+v", said)
	}
}

// Whatever the model writes, Telegram accepts our HTML: nothing ever has to be sent without markup.
func TestMarkupIsAlwaysAccepted(t *testing.T) {
	b := start(t, nil)
	b.telegram.Person(ann)
	pieces := []string{"a ", "中文。", "**", "*", "`", "\n\n", "\n", "- ", "> ", "> > ", "```go\n", "# ", "|a|b|\n|-|-|\n", "1. ", "[x](http://e.org/?a=\"b\"&c=<d>)", "<b>", "&amp;", "~~", "![i](http://e.org)", "  "}
	account := channel.NewAccount(b.Env, "telegram", "")
	adapter, err := telegram.Open(b.Env)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		markdown := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 1, 60).Draw(rt, "pieces"), "") + "end"
		calls, err := adapter.Encode(account, message.Outbound{Address: private, Markdown: markdown})
		if err != nil {
			rt.Fatal(err)
		}
		for _, c := range calls {
			if got := b.api("sendMessage", string(c.Body)); !strings.HasPrefix(got, `{"ok":true`) {
				rt.Fatalf("%s\n%s", got, c.Body)
			}
		}
	})
}
