// Package telegram is the adapter for Telegram bots (core.telegram.org/bots/api). With the secret
// telegram-webhook-secret, Telegram calls us; with only telegram-bot-token, a link polls Telegram.
package telegram

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/message"
)

// Function is adapter-telegram.
var Function = channel.Define("telegram", Open)

// secretHeader carries the token that was given to setWebhook.
const secretHeader = "X-Telegram-Bot-Api-Secret-Token"

// adapter is Telegram. It holds nothing: everything is in the account.
type adapter struct{}

var (
	_ channel.Adapter      = adapter{}
	_ channel.Introducer   = adapter{}
	_ channel.Acknowledger = adapter{}
	_ channel.Typer        = adapter{}
	_ channel.Poller       = adapter{}
)

// Open returns the adapter.
func Open(*fn.Env) (channel.Adapter, error) { return adapter{}, nil }

// Caps says what Telegram can do.
func (adapter) Caps() channel.Caps {
	return channel.Caps{
		API: "https://api.telegram.org", MaxText: maxText, Unit: message.UTF16,
		Buttons: true, Edits: true, Quotes: true, Threads: true, Pace: pace,
	}
}

// pace follows the Bots FAQ ("My bot is hitting limits"): one message a second to a person, 20 a minute to
// a group, whose ids are negative. Edits count too.
func pace(to message.Address) channel.Pace {
	if strings.HasPrefix(to.Chat, "-") {
		return channel.Pace{Every: 3 * time.Second, Burst: 5, Draft: 4 * time.Second}
	}
	return channel.Pace{Every: time.Second, Burst: 3, Draft: time.Second}
}

// Verify compares the webhook's secret token.
func (adapter) Verify(a channel.Account, r channel.Request) ([]byte, error) {
	secret, err := a.Secret("webhook-secret")
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare([]byte(r.Header.Get(secretHeader)), []byte(secret)) != 1 {
		return nil, fault.New(fault.Unauthorized, "%s is not the webhook's secret", secretHeader)
	}
	return r.Body, nil
}

// Introduce asks for the bot's own name.
func (adapter) Introduce(a channel.Account) (channel.Call, error) {
	return method(a, "getMe", struct{}{})
}

// Introduced reads the answer.
func (adapter) Introduced(answer channel.Answer) (message.Sender, error) {
	result, err := resultOf(answer)
	if err != nil {
		return message.Sender{}, err
	}
	var me user
	if err := json.Unmarshal(result, &me); err != nil || me.ID == 0 {
		return message.Sender{}, fault.As(fault.Unavailable, err, "Telegram does not say who we are")
	}
	return message.Sender{ID: me.ID.String(), Name: me.Username, Bot: true}, nil
}

// Acknowledge ends the waiting state of a pressed button.
func (adapter) Acknowledge(a channel.Account, press message.Press, text string) (channel.Call, error) {
	return method(a, "answerCallbackQuery", struct {
		ID   string `json:"callback_query_id"`
		Text string `json:"text,omitempty"`
	}{press.ID, text})
}

// Typing shows for five seconds that the bot is typing.
func (adapter) Typing(a channel.Account, to message.Address) (channel.Call, error) {
	chat, thread, err := target(to)
	if err != nil {
		return channel.Call{}, err
	}
	return method(a, "sendChatAction", struct {
		Chat   any    `json:"chat_id"`
		Thread int64  `json:"message_thread_id,omitempty"`
		Action string `json:"action"`
	}{chat, thread, "typing"})
}

// method prepares a call of the Bot API. The token is part of the path.
func method(a channel.Account, name string, params any) (channel.Call, error) {
	token, err := a.Secret("bot-token")
	if err != nil {
		return channel.Call{}, fault.As(fault.Unavailable, err, "Telegram is not set up").
			Try("put the bot's token into the secret telegram-bot-token").In(unset)
	}
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(params); err != nil {
		return channel.Call{}, fault.As(fault.Internal, err, "encode %s", name)
	}
	return channel.Call{
		Path: "/bot" + token + "/" + name, Body: bytes.TrimSpace(body.Bytes()),
		Header: http.Header{"Content-Type": {"application/json"}},
	}, nil
}
