package webhooktest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/channel/channeltest"
	"github.com/hearthfaas/hearth/shared/message"
)

// Stage is a program whose one user is Ann, for the stories that all adapters share.
func Stage(t testing.TB, now func() time.Time) channeltest.Stage {
	const session = "ann-1"
	r := New(t, Secret, now)
	var number atomic.Int64
	request := func(field, value, of string) channel.Request {
		body, err := json.Marshal(map[string]any{
			"session": session, "sender": map[string]string{"id": "ann", "name": "Ann"}, field: value, "reply_to": of,
		})
		if err != nil {
			panic(err) // our own types
		}
		header := http.Header{"Content-Type": {"application/json"}}
		header.Set("webhook-id", fmt.Sprint("msg_", number.Add(1)))
		return channel.Request{Method: http.MethodPost, Header: header, Body: body}
	}
	return channeltest.Stage{
		Base:    r.Base,
		Secrets: map[string]string{"secret": Secret, "url": r.URL},
		Proof:   "secret",
		Rotated: "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
		Prove: func(secret string, r *channel.Request, at time.Time) {
			Sign(r.Header, secret, r.Header.Get("webhook-id"), r.Body, at)
		},
		Chat:  message.Address{Platform: "webhook", Chat: session},
		Say:   func(text string) channel.Request { return request("text", text, "") },
		Press: func(on channeltest.Shown, value string) channel.Request { return request("action", value, on.ID) },
		Shown: func() []channeltest.Shown { return shown(r.Taken()) },
		Post:  "reply",
		Most:  16 << 10,
		Close: func() { r.Fail(Failure{Status: http.StatusGone}) },
	}
}

func shown(taken []Reply) []channeltest.Shown {
	var all []channeltest.Shown
	for _, r := range taken {
		one := channeltest.Shown{ID: r.ID, Text: r.Data.Text}
		for _, row := range r.Data.Buttons {
			for _, b := range row {
				one.Buttons = append(one.Buttons, b.Value)
			}
		}
		all = append(all, one)
	}
	return all
}
