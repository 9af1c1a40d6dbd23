package provider

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
)

const (
	// maxWhole is the longest body that is read before its call is sent on: that of nearly every call, and far
	// less than a socket takes at once, so that a function that answers unread never keeps us from reading.
	maxWhole = 64 << 10
	// maxHead bounds the header of an answer.
	maxHead = 1 << 20
	// idleTime is how long a connection waits for its next call: less than the five seconds after which
	// Node.js, the most hurried of the servers in use, closes it.
	idleTime = 4 * time.Second
)

// pool is the way to an instance. A call whose body is short is written and its answer read by the caller's own
// goroutine, without those that http.Transport keeps for each connection: on a small machine their wake-ups
// take as long as the function. Whatever else a call may want, the Transport does.
type pool struct {
	socket string
	dialer net.Dialer
	rest   *http.Transport // for calls that are not simple
	now    func() time.Time

	mu     sync.Mutex
	idle   []*conn // the last used is last
	closed bool
}

// newPool returns the way to the function behind a socket. close ends it.
func newPool(socket string, now func() time.Time) *pool {
	p := &pool{socket: socket, now: now}
	p.rest = &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return p.dialer.DialContext(ctx, "unix", socket)
		},
		MaxIdleConnsPerHost: maxCalls, IdleConnTimeout: idleTime, MaxResponseHeaderBytes: maxHead, DisableCompression: true,
	}
	return p
}

// simple reports whether the caller's goroutine alone can make a call: nothing but its answer will come, and
// its body is short enough to be had whole. What needs the other path are bodies of unknown length, waiting
// for 100 (Continue), other protocols, and trailers.
func simple(r *http.Request) bool {
	bodiless := r.Body == nil || r.Body == http.NoBody
	if !bodiless && (r.ContentLength <= 0 || r.ContentLength > maxWhole) || r.Close || r.Method == http.MethodConnect {
		return false
	}
	return len(r.TransferEncoding)+len(r.Trailer)+len(r.Header["Expect"])+len(r.Header["Te"])+len(r.Header["Upgrade"]) == 0
}

// RoundTrip makes a call. Where it is simple, its body is read first; a caller who gives up ends that too, and the
// error is unheard when nobody listens.
//
// A connection that was used before may be closed by the function at any time. Where that was seen, or not a
// byte of the call went into it, another takes its place. Once a byte has, nobody can tell whether the function
// acted on it, and only a call that is safe by its method (RFC 9110 section 9.2.1) is made again.
func (p *pool) RoundTrip(r *http.Request) (*http.Response, error) {
	if !simple(r) {
		return p.rest.RoundTrip(r)
	}
	message := messages.Get().(*bytes.Buffer)
	defer messages.Put(message)
	message.Reset()
	if err := r.Write(message); err != nil { // closes the body
		return nil, fault.As(fault.Invalid, err, "the body of the call did not come")
	}
	return p.send(r, message.Bytes())
}

// send makes a call that reads as message.
func (p *pool) send(r *http.Request, message []byte) (*http.Response, error) {
	if c := p.take(); c != nil {
		resp, err := c.roundTrip(r, message)
		if err == nil || c.heard || c.sent > 0 && !safe(r.Method) || r.Context().Err() != nil {
			return resp, err
		}
	}
	c, err := p.dial(r.Context())
	if err != nil {
		return nil, &unheard{bytes.Clone(message), err}
	}
	return c.roundTrip(r, message)
}

// unheard is the error of a call that another instance may make as well: this one cannot have acted on it.
type unheard struct {
	message []byte
	error
}

func (u *unheard) Unwrap() error { return u.error }

// safe reports whether a method asks for no change.
func safe(method string) bool {
	return slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodOptions}, method)
}

// messages are buffers for calls.
var messages = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// take returns an idle connection that is open, or nil.
func (p *pool) take() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.idle) > 0 {
		c := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		if p.now().Sub(c.parked) < idleTime && c.silent() {
			return c
		}
		c.Close()
	}
	return nil
}

// park keeps a connection for the next call.
func (p *pool) park(c *conn) {
	c.parked = p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle) >= maxCalls {
		c.Close()
		return
	}
	p.idle = append(p.idle, c)
}

// sweep closes what has been idle for too long.
func (p *pool) sweep(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = slices.DeleteFunc(p.idle, func(c *conn) bool {
		old := now.Sub(c.parked) >= idleTime
		if old {
			c.Close()
		}
		return old
	})
}

// close closes the idle connections, and each other once its call is done.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.idle {
		c.Close()
	}
	p.idle, p.closed = nil, true
	p.rest.CloseIdleConnections()
}
