package provider

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Bounds of callbacks.
const (
	maxCallback     = 16 << 20 // bytes of an answer
	callbackTimeout = 30 * time.Second
)

// callBack posts the outcome of a call to its callback URL, once.
func (q *queue) callBack(call *queued, out *collector, took time.Duration) {
	ctx, cancel := context.WithTimeout(q.provider.life, callbackTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, call.CallbackURL.String(), bytes.NewReader(out.body.Bytes()))
	if err == nil {
		r.Header = out.header.Clone()
		r.Header.Set("X-Call-Id", call.Header.Get("X-Call-Id"))
		r.Header.Set("X-Function-Name", call.Function)
		r.Header.Set("X-Function-Status", strconv.Itoa(out.code()))
		r.Header.Set("X-Duration-Seconds", strconv.FormatFloat(took.Seconds(), 'f', 6, 64))
		err = post(r)
	}
	if err != nil {
		q.provider.log.Warn("a callback failed", "function", call.Function, "call", call.Header.Get("X-Call-Id"), "err", err)
	}
}

// callbacks is the client of callbacks. It follows no redirect: the URL was checked, the next would not be.
var callbacks = &http.Client{
	Transport:     &http.Transport{DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext, DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func post(r *http.Request) error {
	resp, err := callbacks.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return fault.Read(resp)
}

// callbackOf returns the callback URL of a request, or nil. Who comes by a public name must know the
// password to have us post somewhere: calling a function is open to everybody.
func (p *Provider) callbackOf(r *http.Request) (*url.URL, error) {
	text := r.Header.Get("X-Callback-Url")
	if text == "" {
		return nil, nil
	}
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fault.New(fault.Invalid, "want an http or https URL").At("X-Callback-Url")
	}
	if !local(r) && !p.knowsPassword(r) {
		return nil, fault.New(fault.Forbidden, "callbacks need the basic auth of /system here").At("X-Callback-Url")
	}
	return u, nil
}

// local reports whether a request was made on this machine, to an address that only this machine has.
func local(r *http.Request) bool {
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	host := hostname(r.Host)
	return err == nil && net.ParseIP(ip).IsLoopback() && (host == "localhost" || net.ParseIP(host).IsLoopback())
}
