// Package slack is the adapter for Slack apps (docs.slack.dev). With the secret slack-app-token a link opens
// Socket Mode connections; without it, Slack calls us, and slack-signing-secret proves that it is Slack.
package slack

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/message"
)

// Function is adapter-slack.
var Function = channel.Define("slack", Open)

// The proof of a request ("Verifying requests from Slack").
const (
	signatureHeader = "X-Slack-Signature"
	timeHeader      = "X-Slack-Request-Timestamp"
	tolerance       = 5 * time.Minute
)

// adapter is Slack. It holds nothing: everything is in the account.
type adapter struct{}

var (
	_ channel.Adapter    = adapter{}
	_ channel.Introducer = adapter{}
	_ channel.Listener   = adapter{}
)

// Open returns the adapter.
func Open(*fn.Env) (channel.Adapter, error) { return adapter{}, nil }

// Caps says what Slack can do. It does not know a message that it got before.
func (adapter) Caps() channel.Caps {
	return channel.Caps{
		API: "https://slack.com/api", MaxText: maxText, Unit: message.UTF16,
		Buttons: true, Edits: true, Threads: true, Pace: pace,
	}
}

// pace follows "Rate limits": one message a second to a channel, short bursts allowed. chat.update is of tier
// 3: a workspace takes 50 a minute of an app, whatever the channel. A burst of 6 and one each 1.4 s are at
// most 48 in any minute.
func pace(message.Address) channel.Pace {
	return channel.Pace{
		Every: time.Second, Burst: 3, Draft: 1200 * time.Millisecond,
		Edits: channel.Rate{Every: 1400 * time.Millisecond, Burst: 6},
	}
}

// Verify recomputes the signature of the raw body, version v0, which is good for five minutes.
func (adapter) Verify(a channel.Account, r channel.Request) ([]byte, error) {
	secret, err := a.Secret("signing-secret")
	if err != nil {
		return nil, err
	}
	stamp := r.Header.Get(timeHeader)
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return nil, fault.As(fault.Unauthorized, err, "%s is not a time", timeHeader)
	}
	if age := a.Now().Sub(time.Unix(seconds, 0)).Abs(); age > tolerance {
		return nil, fault.New(fault.Unauthorized, "%s is %v off", timeHeader, age)
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("v0:" + stamp + ":"))
	mac.Write(r.Body)
	want := "v0=" + hex.EncodeToString(mac.Sum(nil))
	if !hmac.Equal([]byte(r.Header.Get(signatureHeader)), []byte(want)) {
		return nil, fault.New(fault.Unauthorized, "%s is not that of the signing secret", signatureHeader)
	}
	return r.Body, nil
}

// Introduce asks for the bot's own user.
func (adapter) Introduce(a channel.Account) (channel.Call, error) {
	return method(a, "bot-token", "auth.test", struct{}{})
}

// Introduced reads the answer.
func (adapter) Introduced(answer channel.Answer) (message.Sender, error) {
	if _, err := read(answer); err != nil {
		return message.Sender{}, err
	}
	var me struct {
		ID   string `json:"user_id"`
		Name string `json:"user"`
	}
	if err := json.Unmarshal(answer.Body, &me); err != nil || me.ID == "" {
		return message.Sender{}, fault.As(fault.Unavailable, err, "Slack does not say who we are")
	}
	return message.Sender{ID: me.ID, Name: me.Name, Bot: true}, nil
}

// method prepares a call of the Web API with the token in a secret's field.
func method(a channel.Account, field, name string, params any) (channel.Call, error) {
	token, err := a.Secret(field)
	if err != nil {
		return channel.Call{}, fault.As(fault.Unavailable, err, "Slack is not set up").
			Try("put the app's token into the secret slack-" + field).In(unset)
	}
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(params); err != nil {
		return channel.Call{}, fault.As(fault.Internal, err, "encode %s", name)
	}
	return channel.Call{
		Path: "/" + name, Body: bytes.TrimSpace(body.Bytes()),
		Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}, "Authorization": {"Bearer " + token}},
	}, nil
}
