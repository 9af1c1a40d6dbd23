package webhook_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/webhook"
)

// The example of the specification: its secret, id, time, body and signature.
const (
	secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	id     = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	stamp  = 1614265330
	body   = `{"test": 2432232314}`
	signed = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

func keys(t *testing.T, secret string) webhook.Keys {
	t.Helper()
	k, err := webhook.ParseKeys("webhook-secret", secret)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSignature(t *testing.T) {
	h, now := http.Header{}, time.Unix(stamp, 0)
	keys(t, secret).Sign(h, id, []byte(body), now)
	if got := h.Get(webhook.SignatureHeader); got != signed || h.Get(webhook.TimeHeader) != "1614265330" || h.Get(webhook.IDHeader) != id {
		t.Fatalf("signed as %v", h)
	}
	other := webhook.NewSecret()
	for name, c := range map[string]struct {
		secret string
		at     time.Time
		body   string
		ok     bool
	}{
		"now":                 {secret, now, body, true},
		"the last second":     {secret, now.Add(5 * time.Minute), body, true},
		"while a key changes": {other + " " + secret, now, body, true},
		"too old":             {secret, now.Add(5*time.Minute + time.Second), body, false},
		"from the future":     {secret, now.Add(-5*time.Minute - time.Second), body, false},
		"another body":        {secret, now, body + " ", false},
		"another key":         {other, now, body, false},
	} {
		got, err := keys(t, c.secret).Verify(h, []byte(c.body), c.at)
		if c.ok && (err != nil || got != id) || !c.ok && !fault.Is(err, fault.Unauthorized) {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
	for name, change := range map[string]func(h http.Header){
		"no id":           func(h http.Header) { h.Del(webhook.IDHeader) },
		"a long id":       func(h http.Header) { h.Set(webhook.IDHeader, strings.Repeat("x", 257)) },
		"another id":      func(h http.Header) { h.Set(webhook.IDHeader, "msg_2") },
		"no time":         func(h http.Header) { h.Del(webhook.TimeHeader) },
		"another time":    func(h http.Header) { h.Set(webhook.TimeHeader, "1614265331") },
		"no signature":    func(h http.Header) { h.Del(webhook.SignatureHeader) },
		"another version": func(h http.Header) { h.Set(webhook.SignatureHeader, "v2"+signed[2:]) },
	} {
		changed := h.Clone()
		change(changed)
		if _, err := keys(t, secret).Verify(changed, []byte(body), now); !fault.Is(err, fault.Unauthorized) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// While a key changes, a receiver that has either takes what both signed.
func TestEveryKeySigns(t *testing.T) {
	one, two, h, now := webhook.NewSecret(), webhook.NewSecret(), http.Header{}, time.Unix(stamp, 0)
	keys(t, one+"\n"+two).Sign(h, id, []byte(body), now)
	for _, secret := range []string{one, two} {
		if _, err := keys(t, secret).Verify(h, []byte(body), now); err != nil {
			t.Error(err)
		}
	}
}

func TestDamagedSecret(t *testing.T) {
	for _, bad := range []string{"", " ", "whsec_", "whsec_?", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", secret + " whsec_?", "whsec_" + strings.Repeat("A", 88)} {
		if k, err := webhook.ParseKeys("webhook-secret", bad); !fault.Is(err, fault.Unauthorized) || len(k) > 0 {
			t.Errorf("%q: %d keys, %v", bad, len(k), err)
		}
	}
}
