package telegram_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hearthfaas/hearth/functions/adapters/telegram"
	"github.com/hearthfaas/hearth/functions/adapters/telegram/telegramtest"
	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/ledger/ledgertest"
	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/vault"
)

const secret = "Secret_of-the-webhook-1"

// bundle is the adapter between Telegram and a gateway without other functions.
type bundle struct {
	t        *testing.T
	telegram *telegramtest.Server
	env      *fn.Env
	adapter  *httptest.Server
	ledger   *ledger.Ledger

	mu    sync.Mutex
	tasks []string // the calls of system-tasks
}

func start(t *testing.T, settings map[string]string) *bundle {
	t.Helper()
	b := &bundle{t: t, telegram: telegramtest.New(t)}
	all := map[string]string{"REDIS_URL": ledgertest.URL(t), "TELEGRAM_API_URL": b.telegram.URL, "TELEGRAM_BOT_TOKEN": telegramtest.Token}
	for name, value := range settings {
		all[name] = value
	}
	b.env = fntest.Env(t, all)
	b.env.Transport = b
	b.adapter = fntest.Start(t, telegram.Function, b.env)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	l, err := ledger.Open(t.Context(), b.env)
	if err != nil {
		t.Fatal(err)
	}
	b.ledger = l
	return b
}

// RoundTrip is the gateway.
func (b *bundle) RoundTrip(r *http.Request) (*http.Response, error) {
	if path, ours := strings.CutPrefix(r.URL.Path, "/function/adapter-telegram"); ours {
		out := r.Clone(r.Context())
		target, err := url.Parse(b.adapter.URL + path)
		if err != nil {
			return nil, err
		}
		out.URL, out.Host = target, ""
		return http.DefaultTransport.RoundTrip(out)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	rec := httptest.NewRecorder()
	if strings.HasPrefix(r.URL.Path, "/function/system-tasks") {
		b.mu.Lock()
		b.tasks = append(b.tasks, r.URL.Path+" "+string(body))
		b.mu.Unlock()
		fn.Reply(rec, http.StatusOK, map[string]any{"id": "r3f-abcdefghij", "title": "Report"})
	}
	return rec.Result(), nil
}

// signed calls the adapter as planner-reply does.
func (b *bundle) signed(path string, in, out any, header ...string) error {
	b.t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		b.t.Fatal(err)
	}
	v, err := b.env.Vault()
	if err != nil {
		b.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, b.adapter.URL+path, bytes.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set(vault.CallHeader, v.Sign(vault.Call{From: "planner-reply", To: "adapter-telegram"}, body, time.Now()))
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := fault.Read(resp); err != nil {
		return err
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

func (b *bundle) send(out message.Outbound, header ...string) (message.Receipt, error) {
	b.t.Helper()
	var receipt message.Receipt
	err := b.signed("/_/send", out, &receipt, header...)
	return receipt, err
}

// api calls the Bot API as an operator would.
func (b *bundle) api(method, params string) string {
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

// events returns the log of a conversation.
func (b *bundle) events(a message.Address) string {
	b.t.Helper()
	events, err := b.ledger.Events(context.Background(), channel.Lane(b.ledger, a), "", 0, 100)
	if err != nil {
		b.t.Fatal(err)
	}
	var all strings.Builder
	for _, e := range events {
		all.Write(append(e.Body, '\n'))
	}
	return all.String()
}

var (
	ann     = telegramtest.User{ID: 42, First: "Ann", Lang: "en"}
	private = message.Address{Platform: "telegram", Chat: "42"}
	ops     = telegramtest.Chat{ID: -1001, Type: "supergroup", Title: "Ops", Forum: true}
)

func TestWebhook(t *testing.T) {
	b := start(t, map[string]string{"TELEGRAM_WEBHOOK_SECRET": secret})
	chat, group := b.telegram.Person(ann), b.telegram.Open(ops)
	if got := b.api("setWebhook", `{"url":"`+b.adapter.URL+`","secret_token":"`+secret+`"}`); !strings.Contains(got, `"ok":true`) {
		t.Fatal(got)
	}
	b.telegram.Say(chat, ann, "hello 世界")
	b.telegram.Say(group, ann, "not for the bot")
	b.telegram.Say(group, ann, "@hearth_test_bot for the bot", telegramtest.Entity{Type: "mention", Offset: 0, Length: 16})
	b.telegram.Wait(t, "the updates to be taken", func() bool { return b.telegram.Pending() == 0 })
	if got := b.events(private); !strings.Contains(got, `"text":"hello 世界"`) {
		t.Errorf("private: %s", got)
	}
	got := b.events(message.Address{Platform: "telegram", Chat: "-1001"})
	if !strings.Contains(got, `"text":"for the bot"`) || strings.Contains(got, "not for the bot") {
		t.Errorf("group: %s", got)
	}
	if calls := b.telegram.Calls("getMe"); len(calls) != 1 {
		t.Errorf("asked %d times who we are", len(calls))
	}
}

func TestWebhookWithoutSecretIsClosed(t *testing.T) {
	b := start(t, nil)
	for _, value := range []string{"", " ", secret} {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, b.adapter.URL, strings.NewReader(`{"update_id":1}`))
		req.Header.Set("X-Telegram-Bot-Api-Secret-Token", value)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 401 {
			t.Errorf("secret %q: %d", value, resp.StatusCode)
		}
	}
}

func TestLongPoll(t *testing.T) {
	b := start(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- channel.Link(ctx, b.env, []fn.Function{telegram.Function}) }()
	chat := b.telegram.Person(ann)
	b.telegram.Say(chat, ann, "first")
	b.telegram.Say(chat, ann, "second")
	press := b.telegram.Press(telegramtest.Message{ID: 5, Chat: chat, From: telegramtest.Bot}, ann, "s:r3f-abcdefghij")
	b.telegram.Wait(t, "the updates to be taken", func() bool { return b.telegram.Pending() == 0 })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := b.events(private); !strings.Contains(got, "first") || !strings.Contains(got, "second") {
		t.Errorf("events: %s", got)
	}
	if !b.telegram.Acknowledged(press) {
		t.Error("the button still looks busy")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.tasks) != 1 || b.tasks[0] != `/function/system-tasks/stop {"run":"r3f-abcdefghij"}` {
		t.Errorf("system-tasks heard %q", b.tasks)
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
	receipt, err := b.send(message.Outbound{
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
	hello := message.Outbound{Key: "s/m1", Address: private, Markdown: "**hello**"}
	tests := []struct {
		name    string
		failure telegramtest.Failure
		header  []string
		kind    fault.Kind // of the first attempt
		said    string     // after it
	}{
		{"too many, for a moment", telegramtest.Failure{Status: 429, Text: "Too Many Requests: retry after 1", RetryAfter: 1}, nil, "", "hello"},
		{"too many, for long", telegramtest.Failure{Status: 429, Text: "Too Many Requests: retry after 300", RetryAfter: 300}, nil, fault.Limited, ""},
		{"markup refused", telegramtest.Failure{Status: 400, Text: "Bad Request: can't parse entities: x"}, nil, "", "hello"},
		{"internal error", telegramtest.Failure{Status: 500, Text: "Internal Server Error"}, nil, fault.Unknown, ""},
		{"answer lost", telegramtest.Failure{Drop: true}, nil, fault.Unknown, "hello"},
		{"no answer", telegramtest.Failure{Stall: true}, []string{"X-Timeout", "4s"}, fault.Timeout, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, nil)
			b.telegram.Person(ann)
			tt.failure.Method = "sendMessage"
			b.telegram.Fail(tt.failure)
			_, err := b.send(hello, tt.header...)
			if (err == nil) != (tt.kind == "") || err != nil && fault.KindOf(err) != tt.kind {
				t.Fatalf("%v (%s), want %s", err, fault.KindOf(err), tt.kind)
			}
			if tt.kind == fault.Limited && fault.After(err) < 299*time.Second {
				t.Errorf("come back after %v", fault.After(err))
			}
			texts := ""
			for _, m := range b.telegram.FromBot(42) {
				texts += m.Text
			}
			if texts != tt.said {
				t.Errorf("people see %q, want %q", texts, tt.said)
			}
		})
	}
}

func TestNobodyToAnswer(t *testing.T) {
	b := start(t, nil)
	if _, err := b.send(message.Outbound{Key: "k", Address: private, Markdown: "x"}); !fault.Is(err, fault.NotFound) {
		t.Errorf("no chat: %v", err)
	}
	for _, why := range []string{"bot was blocked by the user", "bot was kicked from the group chat"} {
		b.telegram.Open(telegramtest.Chat{ID: 42, Type: "private", Closed: why})
		if _, err := b.send(message.Outbound{Key: "k", Address: private, Markdown: "x"}); !fault.Is(err, fault.Forbidden) || fault.Retryable(err) {
			t.Errorf("%s: %v", why, err)
		}
	}
}

func TestDraftBecomesTheAnswer(t *testing.T) {
	b := start(t, nil)
	b.telegram.Person(ann)
	now := time.Now()
	b.env.Now = func() time.Time { return now }
	draft := func(text, id string) string {
		t.Helper()
		now = now.Add(2 * time.Second)
		var out channel.Drafted
		if err := b.signed("/_/draft", channel.Draft{Address: private, Key: "s/m1", Text: text, ID: id}, &out); err != nil {
			t.Fatal(err)
		}
		return out.ID
	}
	if id := draft("", ""); id != "" || len(b.telegram.Calls("sendChatAction")) != 1 {
		t.Errorf("typing made %q", id)
	}
	id := draft("One.", "")
	for range 2 { // twice the same is no error
		if draft("One. **Two", id) != id {
			t.Error("another message")
		}
	}
	for range 2 { // the second time, nothing is modified
		receipt, err := b.send(message.Outbound{Key: "s/m1", Address: private, Markdown: "One. **Two.**", Edit: id})
		if err != nil || len(receipt.IDs) != 1 || receipt.IDs[0] != id {
			t.Fatalf("%+v, %v", receipt, err)
		}
	}
	if said := b.telegram.FromBot(42); len(said) != 1 || said[0].Text != "One. Two." || said[0].Edits != 2 {
		t.Errorf("said %+v", said)
	}
	receipt, err := b.send(message.Outbound{Key: "s/m2", Address: private, Markdown: "late", Edit: "99999"})
	if err != nil {
		t.Fatal(err)
	}
	if said := b.telegram.FromBot(42); len(said) != 2 || said[1].Text != "late" || len(receipt.IDs) != 1 {
		t.Errorf("a draft that is gone: %+v", said)
	}
}

// Whatever the model writes, Telegram accepts our HTML: nothing ever has to be sent without markup.
func TestMarkupIsAlwaysAccepted(t *testing.T) {
	b := start(t, nil)
	b.telegram.Person(ann)
	b.env.Now = func() time.Time { return time.Now() }
	pieces := []string{"a ", "中文。", "**", "*", "`", "\n\n", "\n", "- ", "> ", "> > ", "```go\n", "# ", "|a|b|\n|-|-|\n", "1. ", "[x](http://e.org/?a=\"b\"&c=<d>)", "<b>", "&amp;", "~~", "![i](http://e.org)", "  "}
	account := channel.NewAccount(b.env, "telegram", "")
	adapter, err := telegram.Open(b.env)
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
