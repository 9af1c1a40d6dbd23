package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/channel/channeltest"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/message"
)

// TestAdapter runs the suite that every adapter passes. What requests mean and how messages go out stands in
// testdata; go test -channeltest.update writes the second half of each file anew.
func TestAdapter(t *testing.T) {
	channeltest.Run(t, channeltest.Suite{
		Platform: platform,
		Open:     open,
		Secrets:  map[string]string{"token": "a-token", "signing-secret": "a-signing-secret"},
		Address:  message.Address{Platform: platform, Chat: "42"},
		Thread:   "7",
		Message:  "m1",
		Proof:    "signing-secret",
		Prove: func(secret string, r *channel.Request) {
			mac := hmac.New(sha256.New, []byte(secret))
			mac.Write(r.Body)
			r.Header.Set(signature, hex.EncodeToString(mac.Sum(nil)))
		},
		SignsBody: true,
		Text: func(t testing.TB, c channel.Call) string {
			var body struct{ Text string }
			if err := json.Unmarshal(c.Body, &body); err != nil {
				t.Fatal(err)
			}
			return body.Text
		},
		Answers: []channeltest.Answer{
			{Name: "sent", Status: 200, Body: `{"id":"m1"}`, ID: "m1"},
			{Name: "sent, but which", Status: 200, Body: `{}`, Kind: fault.Unknown},
			{Name: "refused", Status: 400, Body: `{"error":"no such chat"}`, Kind: fault.Failed},
			{Name: "token revoked", Status: 401, Kind: fault.Forbidden},
			{Name: "too many", Status: 429, Kind: fault.Limited, After: time.Second},
			{Name: "broken", Status: 500, Kind: fault.Unknown},
			{Name: "away", Status: 503, Kind: fault.Unavailable},
		},
	})
}
