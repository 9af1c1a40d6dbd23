// Package webhook is the adapter for programs of one's own. It speaks Standard Webhooks
// (github.com/standard-webhooks/standard-webhooks) both ways: what reaches us and what we post to the URL in
// the secret webhook-url is signed with the secret webhook-secret. docs/webhook.md has the bodies.
package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/message"
)

// Function is adapter-webhook.
var Function = channel.Define("webhook", Open)

// The headers of Standard Webhooks, and how far a time may be off.
const (
	idHeader        = "Webhook-Id"
	timeHeader      = "Webhook-Timestamp"
	signatureHeader = "Webhook-Signature"
	tolerance       = 5 * time.Minute
)

// Sizes of a key in bytes, before base64.
const (
	minKey = 24
	maxKey = 64
)

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
	id, stamp := r.Header.Get(idHeader), r.Header.Get(timeHeader)
	if id == "" || len(id) > maxID {
		return nil, fault.New(fault.Unauthorized, "%s has 1 to %d bytes, not %d", idHeader, maxID, len(id))
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return nil, fault.As(fault.Unauthorized, err, "%s is not a time", timeHeader)
	}
	if age := a.Now().Sub(time.Unix(seconds, 0)).Abs(); age > tolerance {
		return nil, fault.New(fault.Unauthorized, "%s is %v off", timeHeader, age)
	}
	for _, key := range keys {
		want := signature(key, id, stamp, r.Body)
		for _, got := range strings.Fields(r.Header.Get(signatureHeader)) {
			if hmac.Equal([]byte(got), []byte(want)) {
				return r.Body, nil
			}
		}
	}
	return nil, fault.New(fault.Unauthorized, "%s has no signature of ours", signatureHeader)
}

// Sign puts the time and a signature by each secret on a call, so that a receiver may have either.
func (adapter) Sign(a channel.Account, c channel.Call) (channel.Call, error) {
	keys, err := keysOf(a)
	if err != nil {
		return channel.Call{}, fault.As(fault.Unavailable, err, "replies cannot be signed").
			Try("put whsec_… into the secret webhook-secret").In(unset)
	}
	stamp := strconv.FormatInt(a.Now().Unix(), 10)
	var signatures []string
	for _, key := range keys {
		signatures = append(signatures, signature(key, c.Header.Get(idHeader), stamp, c.Body))
	}
	c.Header = c.Header.Clone()
	c.Header.Set(timeHeader, stamp)
	c.Header.Set(signatureHeader, strings.Join(signatures, " "))
	return c, nil
}

// signature signs id, time and body: version v1.
func signature(key []byte, id, stamp string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + stamp + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// keysOf returns the keys of an account: while a secret is changed, the old and the new one stand in it, with
// a space between. One that is damaged makes all of them useless, so that it is found out at once.
func keysOf(a channel.Account) ([][]byte, error) {
	secret, err := a.Secret("secret")
	if err != nil {
		return nil, err
	}
	var keys [][]byte
	for _, one := range strings.Fields(secret) {
		encoded, found := strings.CutPrefix(one, "whsec_")
		key, err := base64.StdEncoding.DecodeString(encoded)
		if !found || err != nil || len(key) < minKey || len(key) > maxKey {
			return nil, fault.New(fault.Unauthorized, "the secret webhook-secret is not whsec_ and base64 of %d to %d bytes", minKey, maxKey).
				Try("echo whsec_$(head -c 32 /dev/urandom | base64)")
		}
		keys = append(keys, key)
	}
	return keys, nil
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
