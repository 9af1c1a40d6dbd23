package webhook_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/functions/adapters/webhook"
	"github.com/hearthfaas/hearth/functions/adapters/webhook/webhooktest"
	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/channel/channeltest"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/message"
)

// house is the adapter between a program and a gateway without other functions.
type house struct {
	*channeltest.House
	t        *testing.T
	receiver *webhooktest.Receiver
}

func start(t *testing.T, settings map[string]string) *house {
	t.Helper()
	b := &house{t: t}
	b.receiver = webhooktest.New(t, webhooktest.Secret, func() time.Time { return b.Now() })
	all := map[string]string{"WEBHOOK_SECRET": webhooktest.Secret, "WEBHOOK_URL": b.receiver.URL}
	maps.Copy(all, settings)
	b.House = channeltest.Open(t, webhook.Function, all)
	return b
}

// say posts a body as the program does, and returns the status and what it heard.
func (b *house) say(path, secret, id, body string) (int, string) {
	b.t.Helper()
	return b.sayAt(path, secret, id, body, b.Now())
}

func (b *house) sayAt(path, secret, id, body string, at time.Time) (int, string) {
	b.t.Helper()
	r := channel.Request{Method: http.MethodPost, Header: http.Header{}, Body: []byte(body)}
	webhooktest.Sign(r.Header, secret, id, r.Body, at)
	return b.Request(path, r)
}

var orders = message.Address{Platform: "webhook", Chat: "orders-42"}

const hello = `{"session":"orders-42","sender":{"id":"erp","name":"ERP"},"text":"hello 世界"}`

func TestMessagesAreTakenOnce(t *testing.T) {
	b := start(t, nil)
	for range 3 { // a sender that did not hear us sends the same id again, at a later time
		if status, said := b.say("/", webhooktest.Secret, "msg_1", hello); status != 200 {
			t.Fatalf("%d %s", status, said)
		}
		b.Later(time.Minute)
	}
	if status, _ := b.say("/", webhooktest.Secret, "msg_2", strings.Replace(hello, "hello", "again", 1)); status != 200 {
		t.Fatal(status)
	}
	if got := b.Heard(orders); got != "hello 世界|again 世界" {
		t.Errorf("accepted %q", got)
	}
	if status, said := b.say("/", webhooktest.Secret, "msg_3", strings.Replace(hello, "text", "txt", 1)); status != 400 || !strings.Contains(said, "txt") {
		t.Errorf("a wrong field: %d %s", status, said)
	}
}

func TestForgeriesAreRefused(t *testing.T) {
	b := start(t, nil)
	if status, _ := b.sayAt("/", webhooktest.Secret, "msg_1", hello, b.Now().Add(-6*time.Minute)); status != 401 {
		t.Errorf("an old request: %d", status)
	}
	for _, secret := range []string{"whsec_", "whsec_c2hvcnQ="} {
		b := start(t, map[string]string{"WEBHOOK_SECRET": secret})
		for _, key := range []string{"", secret, webhooktest.Secret} {
			if status, _ := b.say("/", key, "msg_1", hello); status != 401 {
				t.Errorf("secret %q, signed with %q: %d", secret, key, status)
			}
		}
	}
	if got := b.Heard(orders); got != "" {
		t.Errorf("accepted %q", got)
	}
}

func TestAnotherAccount(t *testing.T) {
	b := start(t, nil)
	const secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
	b.Secret("webhook.crm-secret", secret)
	if status, _ := b.say("/crm", webhooktest.Secret, "msg_1", hello); status != 401 {
		t.Errorf("with the secret of the default account: %d", status)
	}
	if status, _ := b.say("/crm", secret, "msg_1", hello); status != 200 {
		t.Errorf("with its own: %d", status)
	}
	crm := orders
	crm.Account = "crm"
	if b.Heard(crm) != "hello 世界" || b.Heard(orders) != "" {
		t.Errorf("crm accepted %q, the default account %q", b.Heard(crm), b.Heard(orders))
	}
	if _, err := b.Send(message.Outbound{Key: "k", Address: crm, Markdown: "x"}); !fault.Is(err, fault.Unavailable) || !strings.Contains(fault.Text(err), "webhook-url") {
		t.Errorf("an account without a URL: %v", err)
	}
}

func TestOrders(t *testing.T) {
	b := start(t, nil)
	const press = `{"session":"orders-42","sender":{"id":"erp"},"action":"s:r3f-abcdefghij"}`
	for range 2 {
		if status, said := b.say("/", webhooktest.Secret, "msg_1", press); status != 200 {
			t.Fatalf("%d %s", status, said)
		}
	}
	if got := b.Asked(); got != `/function/system-tasks/stop {"run":"r3f-abcdefghij"}` {
		t.Errorf("system-tasks heard %q", got)
	}
	if taken := b.receiver.Taken(); len(taken) != 1 || taken[0].Data.Text != "Stopped: `r3f-abcdefghij`" {
		t.Errorf("the program was told %+v", taken)
	}
}

func TestRepliesAreKnownByTheirID(t *testing.T) {
	b := start(t, nil)
	out := message.Outbound{
		Key: "s/m1", Address: orders, Markdown: "# Plan\n\n**Bold** [no](javascript:x). " + strings.Repeat("And a sentence. ", 1500), ReplyTo: "m7",
		Buttons: [][]message.Button{{{Label: "Yes", Value: "a:x", Style: "primary"}}},
	}
	b.receiver.Fail(webhooktest.Failure{Call: 2, Drop: true}) // the second part arrives, and its answer is lost
	if _, err := b.Send(out); !fault.Is(err, fault.Unknown) {
		t.Fatalf("a lost answer: %v", err)
	}
	out.Repeated = true
	b.receiver.Fail(webhooktest.Failure{Lose: true}) // and once more, without arriving
	if _, err := b.Send(out); !fault.Is(err, fault.Unknown) {
		t.Fatalf("a lost reply: %v", err)
	}
	receipt, err := b.Send(out)
	if err != nil {
		t.Fatal(err)
	}
	taken := b.receiver.Taken()
	if len(taken) != 2 || len(b.receiver.Attempts()) != 4 || taken[0].ID == taken[1].ID {
		t.Fatalf("%d taken in %v", len(taken), b.receiver.Attempts())
	}
	for i, r := range taken {
		if receipt.IDs[i] != r.ID || r.Type != "message" || r.Data.Session != "orders-42" || r.Data.Part != i+1 || r.Data.Parts != 2 || r.Data.ReplyTo != "m7" || (len(r.Data.Buttons) == 1) != (i == 1) {
			t.Errorf("part %d: %+v", i, r)
		}
		if strings.Contains(r.Data.Text, "javascript") {
			t.Errorf("part %d says …%q", i, r.Data.Text[len(r.Data.Text)-80:])
		}
	}
}

// A reply that may have arrived looks the same when it is sent again: the receiver knows it by its id.
func TestRepliesAreNotMarkedAsRepeated(t *testing.T) {
	b := start(t, nil)
	if _, err := b.Send(message.Outbound{Key: "s/m1", Address: orders, Markdown: "hello", Repeated: true}); err != nil {
		t.Fatal(err)
	}
	if taken := b.receiver.Taken(); len(taken) != 1 || taken[0].Data.Text != "hello" {
		t.Errorf("taken %+v", taken)
	}
}

func TestRepliesAreSignedByBothSecrets(t *testing.T) {
	b := start(t, map[string]string{"WEBHOOK_SECRET": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD " + webhooktest.Secret})
	if _, err := b.Send(message.Outbound{Key: "s/m1", Address: orders, Markdown: "hello"}); err != nil {
		t.Errorf("a receiver with the second secret: %v", err)
	}
}

func TestRepliesSurviveTheReceiver(t *testing.T) {
	tests := []struct {
		name    string
		failure webhooktest.Failure
		kind    fault.Kind // of the first attempt
		after   time.Duration
		again   int // requests after a second attempt
	}{
		{"away", webhooktest.Failure{Status: 503, RetryAfter: 300}, fault.Unavailable, 5 * time.Minute, 2},
		{"broken", webhooktest.Failure{Status: 500}, fault.Unavailable, 5 * time.Second, 2},
		{"too many, for a moment", webhooktest.Failure{Status: 429, RetryAfter: 1}, "", 0, 3},
		{"too many, for long", webhooktest.Failure{Status: 429, RetryAfter: 300}, fault.Limited, 5 * time.Minute, 1},
		{"redirected", webhooktest.Failure{Status: 307}, fault.Unavailable, time.Minute, 2},
		{"gone", webhooktest.Failure{Status: 410}, fault.Forbidden, 0, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := start(t, nil)
			out := message.Outbound{Key: "s/m1", Address: orders, Markdown: "hello"}
			b.receiver.Fail(tt.failure)
			_, err := b.Send(out)
			if (err == nil) != (tt.kind == "") || err != nil && fault.KindOf(err) != tt.kind || fault.After(err) < tt.after-time.Second {
				t.Fatalf("%v (%s, after %v)", err, fault.KindOf(err), fault.After(err))
			}
			_, _ = b.Send(out) // what came of it shows at the receiver
			if got := b.receiver.Attempts(); len(got) != tt.again {
				t.Errorf("%d requests, want %d", len(got), tt.again)
			}
		})
	}
}

func TestAnAddressThatIsGoneIsTriedAgainMuchLater(t *testing.T) {
	b := start(t, nil)
	out := message.Outbound{Key: "s/m1", Address: orders, Markdown: "hello"}
	b.receiver.Fail(webhooktest.Failure{Status: 410})
	for range 3 {
		if _, err := b.Send(out); !fault.Is(err, fault.Forbidden) {
			t.Errorf("gone: %v", err)
		}
		b.Later(29 * time.Minute)
	}
	if _, err := b.Send(out); err != nil || len(b.receiver.Taken()) != 1 || len(b.receiver.Attempts()) != 2 {
		t.Errorf("%v, %d requests", err, len(b.receiver.Attempts()))
	}
}

func TestAPIURLReplacesTheHost(t *testing.T) {
	b := start(t, nil)
	host, path, _ := strings.Cut(b.receiver.URL, "/hooks")
	for name, settings := range map[string]map[string]string{
		"with a URL":    {"WEBHOOK_URL": "https://erp.invalid/hooks" + path, "WEBHOOK_API_URL": host + "/"},
		"without a URL": {"WEBHOOK_URL": "", "WEBHOOK_API_URL": b.receiver.URL},
	} {
		other := start(t, settings)
		if _, err := other.Send(message.Outbound{Key: name, Address: orders, Markdown: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if taken := b.receiver.Taken(); len(taken) != 2 {
		t.Errorf("taken %+v", taken)
	}
	for _, address := range []string{"ftp://erp.invalid/", "erp.invalid", "https:///x"} {
		b := start(t, map[string]string{"WEBHOOK_URL": address})
		if _, err := b.Send(message.Outbound{Key: "k", Address: orders, Markdown: "x"}); !fault.Is(err, fault.Unavailable) || strings.Contains(err.Error(), "invalid/") {
			t.Errorf("%s: %v", address, err)
		}
	}
}
