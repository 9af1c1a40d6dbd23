package alert

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"github.com/hearthfaas/hearth/shared/address"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/webhook"
)

// HookSetting names where alerts are posted to.
const HookSetting = "HEARTH_ALERT_URL"

// SecretName is the secret that posts are signed with, as Standard Webhooks has it.
const SecretName = "alert-webhook-secret"

// Patience with the receiver.
const (
	hookTime   = 10 * time.Second // of one post
	firstPause = 5 * time.Second  // after the first that failed; doubles
	longPause  = time.Hour
	giveUp     = 24 * time.Hour // an alert so old is no news
)

func (t *Teller) hook() string { return t.env.Setting(HookSetting, "") }

// event is the body of a post.
type event struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      Alert     `json:"data"`
}

// post posts what was told and not posted yet. Where the receiver is away, the rest waits for the next round.
func (t *Teller) post(ctx context.Context, docs []ledger.Doc) error {
	now := t.env.Now()
	for _, doc := range docs {
		if doc.ID == "" {
			continue
		}
		p, err := read[pending](doc)
		if err != nil {
			return err
		}
		if !p.Told || p.Next.After(now) {
			continue
		}
		failure := t.send(ctx, p.Alert)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case failure == nil:
			err = t.drop(ctx, doc)
		case now.Sub(p.Alert.At) >= giveUp:
			t.env.Log.Error("an alert is not posted any more", "id", p.Alert.ID, "attempts", p.Attempts+1, "err", failure)
			err = t.drop(ctx, doc)
		default:
			if p.Attempts == 0 {
				t.env.Log.Warn("an alert could not be posted", "id", p.Alert.ID, "err", failure)
			}
			p.Next = now.Add(min(firstPause<<min(p.Attempts, 16), longPause))
			p.Attempts++
			_, err = put(ctx, t.ledger, newSpace, doc, p, keepFor)
		}
		if err != nil || failure != nil {
			return err
		}
	}
	return nil
}

// send makes one post.
func (t *Teller) send(ctx context.Context, a Alert) error {
	secret, err := t.env.Secret(SecretName)
	if err != nil {
		return err
	}
	keys, err := webhook.ParseKeys(SecretName, secret)
	if err != nil {
		return err
	}
	body, err := encode(event{"alert", a.At, a})
	if err != nil {
		return err
	}
	target, err := checkHook(t.hook())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, hookTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return fault.As(fault.Invalid, err, "no address to post to").At(HookSetting)
	}
	r.Header.Set("Content-Type", "application/json")
	keys.Sign(r.Header, a.ID, body, t.env.Now())
	resp, err := t.http.Do(r)
	if err != nil {
		return fault.As(fault.Unavailable, err, "the receiver of alerts does not answer")
	}
	defer resp.Body.Close()
	return fault.Read(resp) // a redirect is an error too: its target was not checked
}

func checkHook(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", fault.New(fault.Invalid, "want an http:// or https:// address").At(HookSetting)
	}
	return u.String(), nil
}

// hookClient posts to public addresses, and to a private one where the setting names it by its address: a name
// that leads into our network may have been led there by somebody else.
func hookClient() *http.Client {
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &http.Client{CheckRedirect: stay, Transport: &http.Transport{DisableKeepAlives: true, DialContext: dialHook}}
}

func dialHook(ctx context.Context, network, to string) (net.Conn, error) {
	d := net.Dialer{Timeout: hookTime / 2, Control: func(_, there string, _ syscall.RawConn) error {
		if at, err := netip.ParseAddrPort(there); err != nil || !address.Public(at.Addr()) {
			return fault.New(fault.Forbidden, "%s leads to %s, which is not on the public internet: name it by its address", to, there).At(HookSetting)
		}
		return nil
	}}
	if _, err := netip.ParseAddrPort(to); err == nil {
		d.Control = nil // said by the one who runs this
	}
	return d.DialContext(ctx, network, to)
}
