package slack_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hearthfaas/hearth/functions/adapters/slack"
	"github.com/hearthfaas/hearth/functions/adapters/slack/slacktest"
	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/ledger/ledgertest"
	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/vault"
)

// bundle is the adapter between Slack and a gateway without other functions.
type bundle struct {
	t       *testing.T
	slack   *slacktest.Server
	env     *fn.Env
	adapter *httptest.Server
	ledger  *ledger.Ledger

	mu    sync.Mutex
	tasks []string // the calls of system-tasks
	away  int      // how many calls of the adapter fail
}

func start(t *testing.T, settings map[string]string) *bundle {
	t.Helper()
	b := &bundle{t: t, slack: slacktest.New(t)}
	all := map[string]string{"REDIS_URL": ledgertest.URL(t), "SLACK_API_URL": b.slack.URL, "SLACK_BOT_TOKEN": slacktest.Token}
	for name, value := range settings {
		all[name] = value
	}
	b.env = fntest.Env(t, all)
	b.env.Transport = b
	b.adapter = fntest.Start(t, slack.Function, b.env)
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
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	rec := httptest.NewRecorder()
	b.mu.Lock()
	defer b.mu.Unlock()
	if path, ours := strings.CutPrefix(r.URL.Path, "/function/adapter-slack"); ours && b.away > 0 {
		b.away--
		fault.Write(rec, fault.New(fault.Unavailable, "the store is away"))
	} else if ours {
		b.mu.Unlock()
		defer b.mu.Lock()
		return b.forward(r, path, body)
	}
	if strings.HasPrefix(r.URL.Path, "/function/system-tasks") {
		b.tasks = append(b.tasks, r.URL.Path+" "+string(body))
		fn.Reply(rec, http.StatusOK, map[string]any{"id": "r3f-abcdefghij", "title": "Report"})
	}
	return rec.Result(), nil
}

func (b *bundle) forward(r *http.Request, path string, body []byte) (*http.Response, error) {
	out := r.Clone(r.Context())
	target, err := url.Parse(b.adapter.URL + path)
	if err != nil {
		return nil, err
	}
	out.URL, out.Host, out.Body = target, "", io.NopCloser(bytes.NewReader(body))
	return http.DefaultTransport.RoundTrip(out)
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
	req.Header.Set(vault.CallHeader, v.Sign(vault.Call{From: "planner-reply", To: "adapter-slack"}, body, b.env.Now()))
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

// link runs the links until the returned function is called.
func (b *bundle) link() (end func()) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- channel.Link(ctx, b.env, []fn.Function{slack.Function}) }()
	end = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			b.t.Error(err)
		}
	})
	b.t.Cleanup(end)
	return end
}

// delivered waits until the app was told of everything.
func (b *bundle) delivered() {
	b.t.Helper()
	b.slack.Wait(b.t, "everything to be delivered", func() bool { all, _ := b.slack.Delivered(); return all })
	if _, lost := b.slack.Delivered(); lost > 0 {
		b.t.Errorf("%d deliveries were never taken", lost)
	}
}

func (b *bundle) asked() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.tasks, "\n")
}

// texts returns what was accepted in a conversation, in order.
func (b *bundle) texts(a message.Address) string {
	b.t.Helper()
	events, err := b.ledger.Events(context.Background(), channel.Lane(b.ledger, a), "", 0, 100)
	if err != nil {
		b.t.Fatal(err)
	}
	var all []string
	for _, e := range events {
		var said channel.Said
		if err := json.Unmarshal(e.Body, &said); err != nil {
			b.t.Fatal(err)
		}
		all = append(all, said.Text)
	}
	return strings.Join(all, "|")
}

var (
	private = message.Address{Platform: "slack", Chat: "D0ANN"}
	ops     = message.Address{Platform: "slack", Chat: "C0OPS"}
)

// people opens the conversations of these tests.
func (b *bundle) people() {
	b.slack.Open(slacktest.Channel{ID: "D0ANN"})
	b.slack.Open(slacktest.Channel{ID: "C0OPS"})
}

// talk is a day in a workspace. Both ways to us have to tell the same.
func talk(t *testing.T, b *bundle) {
	b.slack.Say("D0ANN", "UANN", "hello *世界*", "")
	b.slack.Say("C0OPS", "UANN", "not for the bot", "")
	root := b.slack.Say("C0OPS", "UANN", "<@"+slacktest.Bot+"> for the bot", "")
	b.slack.Say("C0OPS", "UANN", "<@"+slacktest.Bot+"> in a thread", root.TS)
	b.slack.Command("D0ANN", "UANN", "/hearth", "do it")
	if _, err := b.send(message.Outbound{Key: "k", Address: private, Markdown: "Send it?", Buttons: [][]message.Button{{{Label: "Stop", Value: "s:r3f-abcdefghij"}}}}); err != nil {
		t.Fatal(err)
	}
	b.slack.Press("D0ANN", b.slack.FromBot("D0ANN")[0], "UANN", "s:r3f-abcdefghij")
	b.delivered()
	if got := b.texts(private); got != "hello **世界**|do it|s:r3f-abcdefghij" {
		t.Errorf("private: %q", got)
	}
	if got := b.texts(ops); got != "for the bot" {
		t.Errorf("channel: %q", got)
	}
	thread := ops
	thread.Thread = root.TS
	if got := b.texts(thread); got != "in a thread" {
		t.Errorf("thread: %q", got)
	}
	if got := b.asked(); got != `/function/system-tasks/stop {"run":"r3f-abcdefghij"}` {
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
	if err := b.slack.Subscribe(b.adapter.URL); err != nil {
		t.Fatal(err)
	}
	talk(t, b)
}

func TestSocketMode(t *testing.T) {
	b := start(t, map[string]string{"SLACK_APP_TOKEN": slacktest.AppToken})
	b.people()
	end := b.link()
	talk(t, b)
	end()
	b.slack.Wait(t, "the connections to end", func() bool { return b.slack.Sockets() == 0 })
}

func TestWithoutSecretItIsClosed(t *testing.T) {
	for _, secret := range []string{"", " \n"} {
		b := start(t, map[string]string{"SLACK_SIGNING_SECRET": secret})
		for _, key := range []string{"", secret, slacktest.Secret} {
			body := []byte(`{"type":"url_verification","challenge":"x"}`)
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, b.adapter.URL, bytes.NewReader(body))
			slacktest.Sign(req.Header, key, body, time.Now())
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != 401 {
				t.Errorf("secret %q, signed with %q: %d", secret, key, resp.StatusCode)
			}
		}
	}
}

func TestRetriesOfSlack(t *testing.T) {
	for name, settings := range map[string]map[string]string{
		"events api": {"SLACK_SIGNING_SECRET": slacktest.Secret}, "socket mode": {"SLACK_APP_TOKEN": slacktest.AppToken},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, settings)
			b.people()
			if name == "events api" {
				if err := b.slack.Subscribe(b.adapter.URL); err != nil {
					t.Fatal(err)
				}
				b.slack.Fail(slacktest.Failure{Method: "auth.test", Status: 503}) // what comes first cannot be taken
			} else {
				b.away = 2
				b.link()
			}
			said := b.slack.Say("D0ANN", "UANN", "first", "")
			b.slack.Say("D0ANN", "UANN", "second", "")
			b.slack.Repeat("D0ANN", said)
			b.delivered()
			if got := b.texts(private); got != "first|second" {
				t.Errorf("accepted %q", got)
			}
		})
	}
}

func TestConnectionsAreRenewed(t *testing.T) {
	b := start(t, map[string]string{"SLACK_APP_TOKEN": slacktest.AppToken})
	b.people()
	b.link()
	both := func() bool { return b.slack.Sockets() == 2 }
	for _, reason := range []string{"warning", "refresh_requested"} {
		b.slack.Wait(t, "two connections", both)
		b.slack.Disconnect(reason)
		b.slack.Say("D0ANN", "UANN", reason, "") // the other connection has it
	}
	b.slack.Wait(t, "two connections", both)
	b.delivered()
	if got := b.texts(private); got != "warning|refresh_requested" {
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
		if err := os.WriteFile(filepath.Join(b.env.Secrets, "slack.sales-"+field), []byte(value+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b.link()
	b.slack.Say("D0ANN", "UANN", "hello sales", "")
	b.delivered()
	sales := private
	sales.Account = "sales"
	if got := b.texts(sales); got != "hello sales" || b.texts(private) != "" {
		t.Errorf("sales accepted %q, the default account %q", got, b.texts(private))
	}
}

func TestAnswers(t *testing.T) {
	b := start(t, nil)
	b.people()
	asked := b.slack.Say("C0OPS", "UANN", "?", "")
	thread := message.Address{Platform: "slack", Chat: "C0OPS", Thread: asked.TS}
	receipt, err := b.send(message.Outbound{
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
	hello := message.Outbound{Key: "s/m1", Address: private, Markdown: "**hello**", Buttons: [][]message.Button{{{Label: "Yes", Value: "v"}}}}
	tests := []struct {
		name    string
		failure slacktest.Failure
		header  []string
		kind    fault.Kind // of the first attempt
		said    string     // after it
	}{
		{"too many, for a moment", slacktest.Failure{Status: 429, Error: "ratelimited", RetryAfter: 1}, nil, "", "*hello*"},
		{"too many, for long", slacktest.Failure{Status: 429, Error: "ratelimited", RetryAfter: 300}, nil, fault.Limited, ""},
		{"blocks refused", slacktest.Failure{Error: "invalid_blocks"}, nil, "", "hello"},
		{"internal error", slacktest.Failure{Error: "internal_error"}, nil, fault.Unknown, ""},
		{"token revoked", slacktest.Failure{Error: "token_revoked"}, nil, fault.Unavailable, ""},
		{"a proxy's page", slacktest.Failure{Status: 502}, nil, fault.Unknown, ""},
		{"answer lost", slacktest.Failure{Drop: true}, nil, fault.Unknown, "*hello*"},
		{"no answer", slacktest.Failure{Stall: true}, []string{"X-Timeout", "4s"}, fault.Timeout, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, nil)
			b.people()
			tt.failure.Method = "chat.postMessage"
			b.slack.Fail(tt.failure)
			_, err := b.send(hello, tt.header...)
			if (err == nil) != (tt.kind == "") || err != nil && fault.KindOf(err) != tt.kind {
				t.Fatalf("%v (%s), want %s", err, fault.KindOf(err), tt.kind)
			}
			if tt.kind == fault.Limited && fault.After(err) < 299*time.Second {
				t.Errorf("come back after %v", fault.After(err))
			}
			texts := ""
			for _, m := range b.slack.FromBot("D0ANN") {
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
	b.slack.Open(slacktest.Channel{ID: "C0OLD", Archived: true})
	b.slack.Open(slacktest.Channel{ID: "C0AWAY", Away: true})
	for chat, kind := range map[string]fault.Kind{"C0NONE": fault.NotFound, "C0OLD": fault.Forbidden, "C0AWAY": fault.Forbidden} {
		_, err := b.send(message.Outbound{Key: "k", Address: message.Address{Platform: "slack", Chat: chat}, Markdown: "x"})
		if !fault.Is(err, kind) || fault.Retryable(err) {
			t.Errorf("%s: %v", chat, err)
		}
	}
}

func TestDraftBecomesTheAnswer(t *testing.T) {
	b := start(t, nil)
	b.people()
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
	id := draft("One.", "")
	for range 2 { // twice the same is no error
		if draft("One. **Two", id) != id {
			t.Error("another message")
		}
	}
	final := message.Outbound{Key: "s/m1", Address: private, Markdown: "One. **Two.**", Edit: id, Buttons: [][]message.Button{{{Label: "Undo", Value: "u:x"}}}}
	for range 2 { // an answer that is delivered twice is one
		receipt, err := b.send(final)
		if err != nil || len(receipt.IDs) != 1 || receipt.IDs[0] != id {
			t.Fatalf("%+v, %v", receipt, err)
		}
	}
	if said := b.slack.FromBot("D0ANN"); len(said) != 1 || said[0].Text != "One. *Two.*" || len(said[0].Buttons) != 1 {
		t.Errorf("said %+v", said)
	}
	final.Buttons = nil
	if _, err := b.send(final); err != nil {
		t.Fatal(err)
	}
	if said := b.slack.FromBot("D0ANN"); len(said[0].Buttons) != 0 {
		t.Errorf("old buttons stay: %+v", said)
	}
	receipt, err := b.send(message.Outbound{Key: "s/m2", Address: private, Markdown: "late", Edit: "1790009999.000100"})
	if err != nil {
		t.Fatal(err)
	}
	if said := b.slack.FromBot("D0ANN"); len(said) != 2 || said[1].Text != "late" || len(receipt.IDs) != 1 {
		t.Errorf("a draft that is gone: %+v", said)
	}
}

// Whatever the model writes, Slack accepts it as we write it: nothing ever has to be sent without markup.
func TestMarkupIsAlwaysAccepted(t *testing.T) {
	b := start(t, nil)
	b.people()
	pieces := []string{"a ", "中文。", "**", "*", "`", "\n\n", "\n", "- ", "> ", "```go\n", "# ", "|a|b|\n|-|-|\n", "1. ", "[x](http://e.org/?a=\"b\"&c=<d>)", "<!channel>", "&amp;", "~~", "  ", strings.Repeat("<&> ", 400)}
	account := channel.NewAccount(b.env, "slack", "")
	adapter, err := slack.Open(b.env)
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
