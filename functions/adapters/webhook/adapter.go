// Package webhook is the adapter for programs of one's own. It speaks Standard Webhooks
// (github.com/standard-webhooks/standard-webhooks) both ways: what reaches us and what we post to the URL in
// the secret webhook-url is signed with the secret webhook-secret. docs/webhook.md has the bodies.
package webhook

import (
	"net/url"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/message"
	signed "github.com/hearthfaas/hearth/shared/webhook"
)

// Function is adapter-webhook.
var Function = channel.Define("webhook", Open)

// unset is how long to wait for somebody to set a URL that works: nothing is thrown away meanwhile.
const unset = time.Minute

// adapter is the other program. It holds nothing: everything is in the account.
type adapter struct{}

var (
	_ channel.Adapter = adapter{}
	_ channel.Settler = adapter{}
	_ channel.Signer  = adapter{}
)

// Open returns the adapter.
func Open(*fn.Env) (channel.Adapter, error) { return adapter{}, nil }

// Caps says what the format carries. A receiver knows a message that it got before by its webhook-id.
func (adapter) Caps() channel.Caps {
	return channel.Caps{
		MaxText: maxText, Unit: message.Bytes, Buttons: true, Quotes: true, Threads: true, Dedupes: true,
		Pace: func(message.Address) channel.Pace { return channel.Pace{} },
	}
}

// Verify accepts a body that one of the secrets signed, together with its id and a time of now.
func (adapter) Verify(a channel.Account, r channel.Request) ([]byte, error) {
	keys, err := keysOf(a)
	if err != nil {
		return nil, err
	}
	if _, err := keys.Verify(r.Header, r.Body, a.Now()); err != nil {
		return nil, err
	}
	return r.Body, nil
}

// Sign puts the time and the signatures on a call, which has its id already.
func (adapter) Sign(a channel.Account, c channel.Call) (channel.Call, error) {
	keys, err := keysOf(a)
	if err != nil {
		return channel.Call{}, fault.As(fault.Unavailable, err, "replies cannot be signed").
			Try("put whsec_… into the secret webhook-secret").In(unset)
	}
	c.Header = c.Header.Clone()
	keys.Sign(c.Header, c.Header.Get(signed.IDHeader), c.Body, a.Now())
	return c, nil
}

func keysOf(a channel.Account) (signed.Keys, error) {
	secret, err := a.Secret("secret")
	if err != nil {
		return nil, err
	}
	return signed.ParseKeys("webhook-secret", secret)
}

// Home is where replies are posted: scheme and host of the secret webhook-url.
func (adapter) Home(a channel.Account) (string, error) {
	u, err := receiver(a)
	if err != nil {
		return "", err
	}
	return (&url.URL{Scheme: u.Scheme, User: u.User, Host: u.Host}).String(), nil
}

// route is the path below Home. Without a URL of the account's own, WEBHOOK_API_URL is all of the address.
func route(a channel.Account) (string, error) {
	if _, err := a.Secret("url"); fault.Is(err, fault.Unauthorized) {
		return "", nil
	}
	u, err := receiver(a)
	if err != nil {
		return "", err
	}
	return u.RequestURI(), nil
}

func receiver(a channel.Account) (*url.URL, error) {
	address, err := a.Secret("url")
	if fault.Is(err, fault.Unauthorized) {
		return nil, fault.As(fault.Unavailable, err, "there is nowhere to post replies to").
			Try("put the receiver's URL into the secret webhook-url").In(unset)
	}
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fault.New(fault.Unavailable, "the secret webhook-url is not an http or https URL").In(unset)
	}
	return u, nil
}
