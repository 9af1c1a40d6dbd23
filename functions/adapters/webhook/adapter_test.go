package webhook_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hearthfaas/hearth/functions/adapters/webhook"
	"github.com/hearthfaas/hearth/functions/adapters/webhook/webhooktest"
	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/channel/channeltest"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAdapter(t *testing.T) {
	channeltest.Run(t, channeltest.Suite{
		Platform: "webhook",
		Open:     webhook.Open,
		Secrets:  map[string]string{"secret": webhooktest.Secret, "url": "https://erp.example.com/hooks/hearth?team=7"},
		Address:  message.Address{Platform: "webhook", Chat: "orders-42"},
		Thread:   "t1",
		Message:  "m77",
		Proof:    "secret",
		Prove: func(secret string, r *channel.Request) {
			webhooktest.Sign(r.Header, secret, "msg_1", r.Body, time.Now())
		},
		SignsBody: true,
		AnyBody:   true,
		Text: func(t testing.TB, c channel.Call) string {
			var body webhooktest.Reply
			if err := json.Unmarshal(c.Body, &body); err != nil {
				t.Fatal(err)
			}
			return body.Data.Text
		},
		Answers: []channeltest.Answer{
			{Name: "taken", Status: 204},
			{Name: "taken later", Status: 202, Body: "queued"},
			{Name: "gone", Status: 410, Kind: fault.Forbidden, Is: channel.ErrClosed},
			{Name: "too many", Status: 429, Header: http.Header{"Retry-After": {"7"}}, Kind: fault.Limited, After: 7 * time.Second},
			{Name: "too many, no hint", Status: 429, Kind: fault.Limited, After: time.Second},
			{Name: "away", Status: 503, Header: http.Header{"Retry-After": {"120"}}, Kind: fault.Unavailable, After: 2 * time.Minute},
			{Name: "away until", Status: 503, Header: http.Header{"Retry-After": {"Sun, 22 Nov 2026 10:02:00 GMT"}, "Date": {"Sun, 22 Nov 2026 10:00:00 GMT"}}, Kind: fault.Unavailable, After: 2 * time.Minute},
			{Name: "a strange hint", Status: 503, Header: http.Header{"Retry-After": {"soon"}}, Kind: fault.Unavailable, After: time.Second},
			{Name: "a proxy's page", Status: 502, Body: "<html>", Kind: fault.Unavailable, After: time.Second},
			{Name: "slow", Status: 408, Kind: fault.Unavailable, After: time.Second},
			{Name: "moved", Status: 301, Kind: fault.Unavailable, After: 30 * time.Second},
			{Name: "wrong secret", Status: 401, Kind: fault.Unavailable, After: 30 * time.Second},
			{Name: "wrong path", Status: 404, Kind: fault.Unavailable, After: 30 * time.Second},
			{Name: "bad message", Status: 400, Kind: fault.Failed},
			{Name: "bad message too", Status: 422, Kind: fault.Failed},
			{Name: "too large", Status: 413, Kind: fault.TooLarge},
		},
	})
}

// The example of the specification: its secret, id, time, body and signature.
func TestStandardSignature(t *testing.T) {
	const body, signed = `{"test": 2432232314}`, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	const other = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
	made := time.Unix(1614265330, 0)
	for _, tt := range []struct {
		name      string
		secret    string
		at        time.Time
		id, stamp string
		signature string
		accept    bool
	}{
		{"then", webhooktest.Secret, made, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", signed, true},
		{"among others", webhooktest.Secret, made, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "v1a,xyz v1,AAAA " + signed, true},
		{"while secrets change", other + " " + webhooktest.Secret, made, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", signed, true},
		{"another version", webhooktest.Secret, made, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "v2" + signed[2:], false},
		{"the last second", webhooktest.Secret, made.Add(5 * time.Minute), "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", signed, true},
		{"too old", webhooktest.Secret, made.Add(5*time.Minute + time.Second), "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", signed, false},
		{"from the future", webhooktest.Secret, made.Add(-5*time.Minute - time.Second), "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", signed, false},
		{"another id", webhooktest.Secret, made, "msg_2", "1614265330", signed, false},
		{"another time", webhooktest.Secret, made, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265331", signed, false},
		{"no id", webhooktest.Secret, made, "", "1614265330", signed, false},
		{"no time", webhooktest.Secret, made, "msg_p5jXN8AQM9LWM0D4loKWxJek", "", signed, false},
		{"another secret", other, made, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", signed, false},
		{"a damaged secret beside it", webhooktest.Secret + " whsec_C2FVs!", made, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", signed, false},
		{"not a whsec", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", made, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", signed, false},
		{"a short key", "whsec_c2hvcnQ=", made, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", signed, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env := fntest.Env(t, map[string]string{"WEBHOOK_SECRET": tt.secret})
			env.Now = func() time.Time { return tt.at }
			adapter, err := webhook.Open(env)
			if err != nil {
				t.Fatal(err)
			}
			header := http.Header{}
			header.Set("webhook-id", tt.id)
			header.Set("webhook-timestamp", tt.stamp)
			header.Set("webhook-signature", tt.signature)
			_, err = adapter.Verify(channel.NewAccount(env, "webhook", ""), channel.Request{Body: []byte(body), Header: header})
			if (err == nil) != tt.accept {
				t.Errorf("accepted: %v, %v", err == nil, err)
			}
		})
	}
}
