package provider

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
)

// internalHeader marks an answer that is the gateway's own and not a function's, as OpenFaaS does.
const internalHeader = "X-Openfaas-Internal"

// refuse answers a call in the function's place.
func refuse(w http.ResponseWriter, err error) {
	w.Header().Set(internalHeader, "hearth")
	fault.Write(w, err)
}

// stamped are the fields of a call's header that we set ourselves.
var stamped = []string{
	"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Call-Id", "X-Start-Time", "Traceparent", "Tracestate",
}

// answerMargin is how much longer than the function itself we wait for it: its own deadline answers first.
const answerMargin = 2 * time.Second

// newProxy passes calls from outside to the process. It streams: bodies go through as they come, and an
// answer without a known length is flushed at each piece.
func newProxy(c *process) *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			// ReverseProxy drops these as a caller's claims, or where its Connection field names them; here they
			// are our own (see forwarded and stamp).
			for _, name := range stamped {
				if v, ok := r.In.Header[name]; ok {
					r.Out.Header[name] = v
				}
			}
			r.Out.URL.RawQuery = r.In.URL.RawQuery // byte for byte: signatures cover it
			r.Out.Host = r.In.Host
		},
		Transport:  c,
		BufferPool: buffers,
		ModifyResponse: func(resp *http.Response) error {
			resp.Header.Del("X-Call-Id") // the caller has these from us
			resp.Header.Del("X-Start-Time")
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) { refuse(w, err) },
		ErrorLog:     slog.NewLogLogger(c.provider.log.With("function", c.deployment.Name).Handler(), slog.LevelDebug),
	}
}

func (c *process) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.proxy.ServeHTTP(w, r) }

// RoundTrip passes a call to the process, which it starts when there is none. The error is Unavailable when
// the process was not reached, Timeout when it did not answer in time, and Unknown when it broke off.
func (c *process) RoundTrip(r *http.Request) (*http.Response, error) {
	i, err := c.acquire(r.Context())
	if err != nil {
		closeBody(r)
		return nil, err
	}
	ctx, cancel := context.WithCancel(r.Context())
	limit := c.limit(cancel)
	out := r.WithContext(ctx)
	u := *r.URL
	u.Scheme, u.Host = "http", "function"
	out.URL, out.RequestURI = &u, ""
	release := func() {
		limit.Stop()
		cancel()
		c.release(i)
	}
	resp, i, err := c.try(i, out)
	if err != nil {
		defer release()
		return nil, c.unanswered(r.Context(), ctx, err)
	}
	if endless(resp.StatusCode, resp.Header) {
		limit.Stop()
	}
	resp.Body = held(resp.Body, release)
	return resp, nil
}

// try makes a call at an instance. Where that has died and nobody noticed yet, the next one makes it. It returns the
// instance that is to be released.
func (c *process) try(i *instance, r *http.Request) (*http.Response, *instance, error) {
	resp, err := i.client.RoundTrip(r)
	call, ok := errors.AsType[*unheard](err)
	if !ok || !i.over(r.Context()) {
		return resp, i, err
	}
	next, err := c.acquire(r.Context())
	if err != nil {
		return nil, i, err
	}
	c.release(i)
	resp, err = next.client.send(r, call.message)
	return resp, next, err
}

// limit ends a call that takes too long, unless its function is one of streams.
func (c *process) limit(end func()) *time.Timer {
	timer := time.AfterFunc(timeoutOf(c.function)+answerMargin, end)
	if c.function.Streams {
		timer.Stop()
	}
	return timer
}

// streamTypes are the media types of answers that end when somebody leaves.
var streamTypes = []string{"text/event-stream", "application/x-ndjson", "application/ndjson"}

// endless reports whether an answer is a stream, whatever its function says of itself.
func endless(status int, h http.Header) bool {
	kind, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return status == http.StatusSwitchingProtocols || slices.Contains(streamTypes, strings.ToLower(strings.TrimSpace(kind)))
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		r.Body.Close()
	}
}

// unanswered gives a call without an answer its kind.
func (c *process) unanswered(caller, call context.Context, err error) error {
	name := c.deployment.Name
	op, isOp := errors.AsType[*net.OpError](err)
	switch {
	case fault.Is(err, fault.Invalid), fault.Is(err, fault.Unavailable): // the caller's doing; no instance
		return err
	case caller.Err() != nil:
		return fault.As(fault.Timeout, err, "the caller did not wait for %s", name)
	case call.Err() != nil:
		return fault.As(fault.Timeout, err, "%s did not answer in %s", name, timeoutOf(c.function))
	case isOp && op.Op == "dial":
		return fault.As(fault.Unavailable, err, "%s has just ended", name)
	default:
		return fault.As(fault.Unknown, err, "%s ended, or broke the connection, before its answer", name)
	}
}

// held calls done when body is closed. A body that can be written to, which is that of a switched protocol
// (WebSocket), stays so.
func held(body io.ReadCloser, done func()) io.ReadCloser {
	h := &heldBody{ReadCloser: body, done: sync.OnceFunc(done)}
	if w, ok := body.(io.Writer); ok {
		return &heldConn{heldBody: h, Writer: w}
	}
	return h
}

type heldBody struct {
	io.ReadCloser
	done func()
}

func (b *heldBody) Close() error {
	defer b.done()
	return b.ReadCloser.Close()
}

type heldConn struct {
	*heldBody
	io.Writer
}

// buffers are the proxies' copy buffers.
var buffers = &bufferPool{sync.Pool{New: func() any { return new([32 << 10]byte) }}}

type bufferPool struct{ pool sync.Pool }

func (p *bufferPool) Get() []byte { return p.pool.Get().(*[32 << 10]byte)[:] }

func (p *bufferPool) Put(b []byte) { p.pool.Put((*[32 << 10]byte)(b)) }

// lineWriter cuts what a process writes into lines. Lines are cut at maxLine.
type lineWriter struct {
	line func(text string)
	rest []byte
}

func (w *lineWriter) Write(b []byte) (int, error) {
	w.rest = append(w.rest, b...)
	for {
		end := bytes.IndexByte(w.rest, '\n')
		if end < 0 && len(w.rest) < maxLine {
			return len(b), nil
		}
		if end < 0 {
			end = maxLine - 1
		}
		w.emit(w.rest[:end+1])
		w.rest = w.rest[end+1:]
	}
}

// close gives out what came without an end of line. Nothing is written any more.
func (w *lineWriter) close() { w.emit(w.rest) }

func (w *lineWriter) emit(raw []byte) {
	if text := bytes.TrimRight(raw, "\r\n"); len(text) > 0 {
		w.line(string(text))
	}
}
