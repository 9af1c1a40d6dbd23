package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/message"
)

// platform is the name in the function's name, its secrets and its settings: adapter-example,
// example-signing-secret, EXAMPLE_API_URL.
const platform = "example"

// Function is the adapter. The pipelines around it take messages in durably, deliver answers, and keep to
// the platform's pace.
var Function = channel.Define(platform, open)

func open(*fn.Env) (channel.Adapter, error) { return adapter{}, nil }

// signature is the header with the HMAC-SHA256 of a webhook's body, in hex.
const signature = "X-Example-Signature"

// maxText is the longest text that the platform takes, in characters.
const maxText = 2000

// adapter holds nothing: everything is in the account.
type adapter struct{}

// Caps says what the platform can do. The suite proves each claim.
func (adapter) Caps() channel.Caps {
	return channel.Caps{
		API: "https://api.example.com", MaxText: maxText, Unit: message.Runes, Threads: true,
		Pace: func(message.Address) channel.Pace { return channel.Pace{Every: time.Second, Burst: 5} },
	}
}

// Verify checks the signature over the raw body.
func (adapter) Verify(a channel.Account, r channel.Request) ([]byte, error) {
	secret, err := a.Secret("signing-secret")
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(r.Body)
	got, err := hex.DecodeString(r.Header.Get(signature))
	if err != nil || !hmac.Equal(got, mac.Sum(nil)) {
		return nil, fault.New(fault.Unauthorized, "%s is not the body's signature", signature)
	}
	return r.Body, nil
}

// event is what the platform sends.
type event struct {
	ID     string `json:"id"`
	Chat   string `json:"chat"`
	Thread string `json:"thread"`
	Direct bool   `json:"direct"`
	From   struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"from"`
	Text string    `json:"text"`
	At   time.Time `json:"at"`
}

// Decode reads an event. One without a text is none of ours, and no error: it would come again.
func (adapter) Decode(a channel.Account, r channel.Request) (channel.Batch, error) {
	var e event
	if err := json.Unmarshal(r.Body, &e); err != nil {
		return channel.Batch{}, fault.As(fault.Invalid, err, "the event is not the JSON that the platform sends")
	}
	if e.ID == "" || e.Chat == "" || e.Text == "" {
		return channel.Batch{}, nil
	}
	in := message.Inbound{
		ID: e.ID, Kind: message.Text, ChatKind: message.Group, MessageID: e.ID, Text: e.Text, At: e.At,
		Address: message.Address{Platform: platform, Account: a.Name, Chat: e.Chat, Thread: e.Thread},
		From:    message.Sender{ID: e.From.ID, Name: e.From.Name},
	}
	if e.Direct {
		in.ChatKind, in.Mentioned = message.Direct, true
	}
	return channel.Batch{Events: []message.Inbound{in}}, nil
}

// Encode writes a message as plain text, in parts that the platform takes.
func (adapter) Encode(a channel.Account, out message.Outbound) ([]channel.Call, error) {
	token, err := a.Secret("token")
	if err != nil {
		return nil, fault.As(fault.Unavailable, err, "the platform is not set up").Try("put its token into the secret " + platform + "-token")
	}
	size := func(doc message.Document) int { return message.Runes(message.Plain.Write(doc)) }
	var calls []channel.Call
	for _, part := range message.Split(out.Document(), maxText, size) {
		body, err := json.Marshal(map[string]string{"chat": out.Address.Chat, "thread": out.Address.Thread, "text": message.Plain.Write(part)})
		if err != nil {
			return nil, fault.As(fault.Internal, err, "encode a message")
		}
		header := http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + token}}
		calls = append(calls, channel.Call{Path: "/messages", Header: header, Body: body})
	}
	return calls, nil
}

// Classify reads the platform's answer. The kind of an error tells what happens next: Limited and
// Unavailable are tried again, Unknown may have been delivered.
func (adapter) Classify(answer channel.Answer) (string, error) {
	switch status := answer.Status; {
	case status == http.StatusTooManyRequests:
		return "", fault.New(fault.Limited, "the platform wants fewer messages").In(time.Second)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return "", fault.New(fault.Forbidden, "the platform refuses our token")
	case status == http.StatusServiceUnavailable:
		return "", fault.New(fault.Unavailable, "the platform is away")
	case status >= 500:
		return "", fault.New(fault.Unknown, "the platform answers %d", status)
	case status >= 300:
		return "", fault.New(fault.Failed, "the platform refuses the message: %d", status)
	}
	var sent struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(answer.Body, &sent); err != nil || sent.ID == "" {
		return "", fault.As(fault.Unknown, err, "the platform does not say what it sent")
	}
	return sent.ID, nil
}
