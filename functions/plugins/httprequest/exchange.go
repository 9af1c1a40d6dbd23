package httprequest

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Bounds of a request.
const (
	maxBody       = 1 << 20 // bytes
	maxURL        = 8 << 10
	maxFields     = 64
	maxFieldBytes = 16 << 10 // of all headers together
	maxRedirects  = 5
)

// exchange is one call: a request, and the redirects of one that only reads.
type exchange struct {
	ctx   context.Context
	now   time.Time
	wall  time.Duration
	guard *guard
	wrote atomic.Bool // the request may have reached somebody
}

// ours are headers that the connection or this plugin decides about.
var ours = []string{
	"Host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Upgrade", "Te", "Trailer", "Expect", "Accept-Encoding",
	"Proxy-Authorization", "Proxy-Connection", "Proxy-Authenticate",
}

// harmless are headers that say nothing of who asks, and so may go to another origin.
var harmless = []string{"Accept", "Accept-Encoding", "Accept-Language", "User-Agent"}

// build makes the request, and refuses one that may not be sent.
func (x *exchange) build(m Message, key string) (*http.Request, error) {
	if !slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}, m.Method) {
		return nil, fault.New(fault.Invalid, "want GET, HEAD, POST, PUT, PATCH or DELETE, not %.20q", m.Method).At("params.method")
	}
	u, err := urlOf(m)
	if err != nil {
		return nil, err
	}
	if err := x.guard.check(u); err != nil {
		return nil, err
	}
	body, kind, err := payload(m)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(x.ctx, m.Method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, fault.New(fault.Invalid, "not an address").At("params.url")
	}
	req.Header.Set("User-Agent", "Hearth")
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if !reads(m.Method) {
		req.Header.Set("Idempotency-Key", key)
	}
	if err := setHeaders(req.Header, m.Headers); err != nil {
		return nil, err
	}
	req.Header.Set("Accept-Encoding", "gzip, deflate")
	return req, nil
}

func urlOf(m Message) (*url.URL, error) {
	u, err := url.Parse(m.URL)
	if err != nil || len(m.URL) > maxURL || u.Opaque != "" {
		return nil, fault.New(fault.Invalid, "not an address").At("params.url")
	}
	u.Fragment = ""
	if len(m.Query) == 0 {
		return u, nil
	}
	query := u.Query()
	for name, raw := range m.Query {
		values, err := queryValues(raw)
		if err != nil {
			return nil, fault.As(fault.Invalid, err, "want a text, a number, a boolean or a list of them").At("params.query." + name)
		}
		query[name] = append(query[name], values...)
	}
	if u.RawQuery = query.Encode(); len(u.RawQuery) > maxURL {
		return nil, fault.New(fault.TooLarge, "over %d bytes", maxURL).At("params.query")
	}
	return u, nil
}

func queryValues(raw json.RawMessage) ([]string, error) {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		list = []json.RawMessage{raw}
	}
	values := make([]string, len(list))
	for i, one := range list {
		switch text := strings.TrimSpace(string(one)); {
		case strings.HasPrefix(text, `"`):
			if err := json.Unmarshal(one, &values[i]); err != nil {
				return nil, err
			}
		case text == "null" || strings.ContainsAny(text[:min(1, len(text))], "[{"):
			return nil, errors.New("not one value")
		default:
			values[i] = text
		}
	}
	return values, nil
}

// payload is the body and its type.
func payload(m Message) ([]byte, string, error) {
	body, kind := []byte(m.Body), ""
	switch {
	case len(m.JSON) > 0 && m.Body != "":
		return nil, "", fault.New(fault.Invalid, "give body or json, not both").At("params.body")
	case len(m.JSON) > 0:
		body, kind = m.JSON, "application/json"
	case m.Body != "":
		kind = "text/plain; charset=utf-8"
	}
	if len(body) > 0 && reads(m.Method) {
		return nil, "", fault.New(fault.Invalid, "%s takes no body", m.Method).At("params.body")
	}
	if len(body) > maxBody {
		return nil, "", fault.New(fault.TooLarge, "over %d bytes", maxBody).At("params.body")
	}
	return body, kind, nil
}

func setHeaders(h http.Header, given map[string]string) error {
	size := 0
	for name, value := range given {
		size += len(name) + len(value)
		switch {
		case !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value):
			return fault.New(fault.Invalid, "a header's name is a word, and its value one line").At("params.headers")
		case slices.Contains(ours, http.CanonicalHeaderKey(name)):
			return fault.New(fault.Forbidden, "this header is not the request's to set").At("params.headers." + name)
		}
		h.Set(name, value)
	}
	if len(given) > maxFields || size > maxFieldBytes {
		return fault.New(fault.TooLarge, "over %d headers or %d bytes of them", maxFields, maxFieldBytes).At("params.headers")
	}
	return nil
}

// send makes the exchange. The response is a success, or a redirect of a request that does more than read. The
// caller closes its body.
func (x *exchange) send(req *http.Request) (*http.Response, error) {
	resp, err := x.ask(req)
	if err != nil {
		return nil, err
	}
	if err := x.judge(resp); err != nil {
		resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

// ask sends the request and returns whatever answer comes.
func (x *exchange) ask(req *http.Request) (*http.Response, error) {
	trace := &httptrace.ClientTrace{WroteHeaders: func() { x.wrote.Store(true) }}
	client := &http.Client{Transport: x.guard.transport(), CheckRedirect: x.redirect}
	resp, err := client.Do(req.WithContext(httptrace.WithClientTrace(x.ctx, trace)))
	if err != nil {
		return nil, x.unanswered(req, err)
	}
	return resp, nil
}

// redirect follows what only reads, to where it could have been sent itself. Nothing that was meant for one origin
// goes to another.
func (x *exchange) redirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	if !reads(first.Method) {
		return http.ErrUseLastResponse
	}
	if len(via) > maxRedirects {
		return fault.New(fault.Failed, "over %d redirects", maxRedirects).At("params.url")
	}
	if err := x.guard.check(req.URL); err != nil {
		return fault.Wrap(err, "redirected to %s", req.URL.Redacted())
	}
	if via[len(via)-1].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return fault.New(fault.Forbidden, "redirected from https to %s", req.URL.Redacted()).At("params.url")
	}
	req.Header.Del("Referer")
	for _, hop := range append(via[1:len(via):len(via)], req) {
		if origin(hop.URL) != origin(first.URL) {
			strip(req.Header)
		}
	}
	return nil
}

func strip(h http.Header) {
	for name := range h {
		if !slices.Contains(harmless, name) {
			h.Del(name)
		}
	}
}

// origin is scheme, host and port (RFC 6454).
func origin(u *url.URL) string {
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + strconv.Itoa(int(portOf(u)))
}

// unanswered gives an error without an answer its kind: what reads, and what was never written, had no effect.
func (x *exchange) unanswered(req *http.Request, err error) error {
	if e, ok := errors.AsType[*fault.Error](err); ok {
		return e
	}
	if certificate, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fault.As(fault.Failed, err, "the certificate of %s is not trusted: %v", req.URL.Host, certificate.Err)
	}
	if x.wrote.Load() && !reads(req.Method) {
		return fault.As(fault.Unknown, err, "%s fell silent after the %s was sent; it may have acted", req.URL.Host, req.Method)
	}
	if x.ctx.Err() != nil {
		return fault.As(fault.Unavailable, err, "%s did not answer within %s", req.URL.Host, x.wall)
	}
	return fault.As(fault.Unavailable, err, "%s cannot be reached, or broke off", req.URL.Host)
}
