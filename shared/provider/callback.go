package provider

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hearthfaas/hearth/shared/address"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/webhook"
)

// CallbackSecret is the secret that callbacks are signed with: "whsec_" and 32 bytes in base64, as Standard
// Webhooks has it. The first callback makes one where there is none.
const CallbackSecret = "callback-signing-key"

// Bounds of callbacks.
const (
	maxCallback     = 16 << 20 // bytes of an answer
	callbackTimeout = 30 * time.Second
	callbackWorkers = 16
)

// delivery is how often a callback is tried: for four minutes.
var delivery = retries{attempts: 8, least: 2 * time.Second, most: 2 * time.Minute}

// outcome is what a callback tells about a call.
type outcome struct {
	ID       string // of the callback, the same in every try
	Status   int
	Header   http.Header
	Body     []byte
	Seconds  float64
	Retry    int // retries that were made
	RetryMax int // and could have been
}

// drop empties an outcome that there is no room for.
func (o *outcome) drop() {
	o.Status, o.Header, o.Body = http.StatusInsufficientStorage, http.Header{}, nil
}

// newCallbacks returns the queue of all callbacks.
func (p *Provider) newCallbacks() *queue {
	q := newQueue(p, "callbacks", func() int { return callbackWorkers })
	q.do = p.callBack
	return q
}

// callBack posts the outcome of a call to its callback URL, and tries again later when nobody took it.
func (p *Provider) callBack(j *job) {
	q := p.callbacks
	call, err := decodeCall(j.payload)
	if err != nil { // it was encoded by us and read back intact
		p.log.Error("a callback is dropped", "err", err)
		p.finish(q, j)
		return
	}
	ctx, stop := context.WithTimeout(p.life, callbackTimeout)
	defer stop()
	if !q.begin(j, stop) {
		return
	}
	asked, again, err := p.post(ctx, call)
	switch {
	case q.ended(j):
	case err != nil && p.life.Err() != nil: // cut short by the end of the provider: it stays in the spool
	case again && j.attempt < delivery.attempts:
		q.later(j, delivery.pause(j.attempt, asked))
	default:
		if err != nil {
			p.log.Warn("a callback failed", "function", call.Function, "call", j.call, "attempts", j.attempt, "err", err)
		}
		p.finish(q, j)
	}
}

// post makes one try. When it fails, again says whether another can succeed, and asked how long the receiver
// wants us to wait for it.
func (p *Provider) post(ctx context.Context, call *queued) (asked time.Duration, again bool, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, call.CallbackURL.String(), bytes.NewReader(call.Outcome.Body))
	if err != nil {
		return 0, false, err
	}
	r.Header = call.headers()
	p.sign(r.Header, call.Outcome)
	resp, err := p.wayTo(call).RoundTrip(r)
	if err != nil {
		return 0, !fault.Is(err, fault.Forbidden), err
	}
	defer resp.Body.Close()
	err = fault.Read(resp) // a redirect is an error too: its target was not checked
	return askedPause(resp.Header, p.env.Now()), err != nil && worthRetrying(resp.StatusCode), err
}

func worthRetrying(status int) bool {
	return status >= 500 || slices.Contains([]int{http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests}, status)
}

// withheldHeaders are those of a function's answer that its callback does not carry: they belong to the
// connection, or would mean something to whoever gets the callback.
var withheldHeaders = []string{
	"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade", "Content-Length", "Authorization", "Cookie", "Host", "X-Callback-Url", internalHeader,
	gateway.LaneHeader,
}

// headers returns the header of the call's callback: that of the function's answer, and OpenFaaS's.
func (c *queued) headers() http.Header {
	h := http.Header{}
	for name, values := range c.Outcome.Header {
		if !slices.Contains(withheldHeaders, name) && !strings.HasPrefix(name, "X-Forwarded-") && !strings.HasPrefix(name, "X-Hearth-") {
			h[name] = values
		}
	}
	for _, name := range []string{"X-Call-Id", "X-Start-Time", "Traceparent", "Tracestate"} {
		if v := c.Header.Get(name); v != "" {
			h.Set(name, v)
		}
	}
	h.Set("X-Function-Name", c.Function)
	h.Set("X-Function-Status", strconv.Itoa(c.Outcome.Status))
	h.Set("X-Duration-Seconds", strconv.FormatFloat(c.Outcome.Seconds, 'f', 6, 64))
	h.Set("X-Retry", strconv.Itoa(c.Outcome.Retry))
	h.Set("X-Retry-Max", strconv.Itoa(c.Outcome.RetryMax))
	return h
}

// sign signs a callback as Standard Webhooks says. What is not covered by that, such as the function's status, is
// as safe as the connection.
func (p *Provider) sign(h http.Header, o *outcome) {
	keys, err := p.callbackKeys()
	if err != nil {
		p.log.Warn("callbacks are not signed", "err", err)
		return
	}
	keys.Sign(h, o.ID, o.Body, p.env.Now())
}

// callbackKeys returns the keys that callbacks are signed with. When there is none, it makes one.
func (p *Provider) callbackKeys() (webhook.Keys, error) {
	p.keyed.Lock()
	defer p.keyed.Unlock()
	text, err := p.env.Secret(CallbackSecret)
	if fault.Is(err, fault.Unauthorized) {
		text = webhook.NewSecret()
		if err = writeDurably(filepath.Join(p.env.Secrets, CallbackSecret), []byte(text)); err != nil {
			err = fault.As(fault.Unavailable, err, "the secret %s cannot be made", CallbackSecret)
		}
	}
	if err != nil {
		return nil, err
	}
	return webhook.ParseKeys(CallbackSecret, text)
}

// callbackOf returns the callback URL of a request, or nil. To have a provider post somewhere is a way past
// firewalls, so it is open by degrees: who knows the password names any http or https URL; who calls from
// this machine without it names a function of ours, or an address of the public internet; all others name
// nothing, for calling a function is open to everybody.
func (p *Provider) callbackOf(r *http.Request, trusted bool) (*url.URL, error) {
	text := r.Header.Get("X-Callback-Url")
	if text == "" {
		return nil, nil
	}
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fault.New(fault.Invalid, "want an http or https URL").At("X-Callback-Url")
	}
	switch ip, err := netip.ParseAddr(u.Hostname()); {
	case p.leadsHere(u) && !toFunction(u):
		return nil, fault.New(fault.Forbidden, "of this gateway only functions can be called back").At("X-Callback-Url").
			Try("name /function/NAME")
	case trusted || p.leadsHere(u) && local(r):
		return u, nil
	case !local(r):
		return nil, needsPassword("callbacks need the basic auth of /system here")
	case err == nil && !address.Public(ip) || hostname(u.Host) == "localhost":
		return nil, needsPassword("callbacks to " + u.Hostname() + " need the basic auth of /system")
	}
	return u, nil
}

func needsPassword(why string) error {
	return fault.New(fault.Forbidden, "%s", why).At("X-Callback-Url").Try("curl -u " + User)
}

// inCluster are the names by which functions know their gateway on OpenFaaS. They mean us on one machine.
var inCluster = []string{"gateway", "gateway.openfaas", "gateway.openfaas.svc.cluster.local"}

// leadsHere reports whether a URL leads to this gateway.
func (p *Provider) leadsHere(u *url.URL) bool {
	name := hostname(u.Host)
	ip := net.ParseIP(name)
	if name != "localhost" && !ip.IsLoopback() && !ip.IsUnspecified() {
		return slices.Contains(inCluster, name) || slices.Contains(p.config.Hosts, name)
	}
	base, err := url.Parse(gateway.Base(p.env))
	return u.Port() == strconv.Itoa(int(p.port.Load())) || err == nil && u.Port() == base.Port()
}

func toFunction(u *url.URL) bool {
	return strings.HasPrefix(u.Path, syncPrefix) || strings.HasPrefix(u.Path, asyncPrefix)
}

// wayTo returns the way that a callback takes. It follows no redirect: the URL was checked, the next would
// not be.
func (p *Provider) wayTo(call *queued) http.RoundTripper {
	switch {
	case p.leadsHere(call.CallbackURL):
		return p.Transport()
	case call.Trusted:
		return anywhere
	default:
		return outside
	}
}

// The ways of callbacks out of this machine. A name is resolved by the dialer, so the address that was
// checked is the one that is called.
var (
	anywhere = callbackTransport(nil)
	outside  = callbackTransport(func(_, there string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(there)
		if err != nil || !address.Public(to.Addr()) {
			return fault.New(fault.Forbidden, "%s is not on the public internet", there)
		}
		return nil
	})
)

func callbackTransport(check func(network, address string, c syscall.RawConn) error) *http.Transport {
	return &http.Transport{
		DialContext: (&net.Dialer{Timeout: 5 * time.Second, Control: check}).DialContext, DisableKeepAlives: true,
	}
}

// local reports whether a request was made on this machine, to an address that only this machine has.
func local(r *http.Request) bool {
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	host := hostname(r.Host)
	return err == nil && net.ParseIP(ip).IsLoopback() && (host == "localhost" || net.ParseIP(host).IsLoopback())
}
