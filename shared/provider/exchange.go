package provider

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync"

	"github.com/hearthfaas/hearth/shared/fault"
)

// maxBuffer is how much of an answer inside the process is held before its reader gets the first byte.
const maxBuffer = 256 << 10

// maxDepth bounds how deep calls inside the process nest.
const maxDepth = 32

type depthKey struct{}

// exchange runs a handler for a request of this process and returns its answer: complete when the handler
// never flushed, as a stream otherwise. The handler gets a context of its own, which ends with the
// caller's but holds none of its values: what was proven to the caller is not proven to the called.
func (p *Provider) exchange(h http.Handler, r *http.Request) (*http.Response, error) {
	depth, _ := r.Context().Value(depthKey{}).(int)
	if depth >= maxDepth {
		return nil, fault.New(fault.Failed, "functions call each other more than %d deep", maxDepth)
	}
	if p.life.Err() != nil {
		return nil, fault.New(fault.Unavailable, "this gateway has ended")
	}
	ctx, cancel := context.WithCancel(context.WithValue(p.life, depthKey{}, depth+1))
	x := newExchange(cancel)
	stop := context.AfterFunc(r.Context(), func() { x.abandon(context.Cause(r.Context())) })
	p.calls.start(func() {
		defer stop()
		defer cancel()
		defer r.Body.Close()
		x.finish(p.run(h, x, r.WithContext(ctx)))
	})
	select {
	case <-x.ready:
		if err := x.broken(); err != nil {
			return nil, fault.As(fault.Unknown, err, "the call broke before an answer")
		}
		return x.response(r), nil
	case <-r.Context().Done():
		return nil, fault.As(fault.Timeout, context.Cause(r.Context()), "the caller did not wait for %s", r.URL.Path)
	}
}

// run calls the handler and returns what it panicked with, as an error.
func (p *Provider) run(h http.Handler, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		if err, _ = v.(error); !errors.Is(err, http.ErrAbortHandler) {
			p.log.Error("panic", "value", fmt.Sprint(v), "stack", string(debug.Stack()))
			err = fault.New(fault.Internal, "the function crashed on this call")
		}
	}()
	h.ServeHTTP(w, r)
	return nil
}

// exchange is the answer of a call inside the process, on its way from the handler to the caller.
type exchange struct {
	header http.Header // the handler's; snapshot is what it was when the answer began
	cancel context.CancelFunc
	ready  chan struct{} // closed when the response can be made

	mu       sync.Mutex
	snapshot http.Header
	status   int
	buffer   bytes.Buffer
	reader   *io.PipeReader // set once the answer streams
	writer   *io.PipeWriter
	err      error // of the handler, or of a caller that left
}

func newExchange(cancel context.CancelFunc) *exchange {
	return &exchange{header: http.Header{}, ready: make(chan struct{}), cancel: cancel}
}

func (x *exchange) Header() http.Header { return x.header }

func (x *exchange) WriteHeader(status int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.begin(status)
}

func (x *exchange) begin(status int) {
	if x.status == 0 && status >= 200 {
		x.status, x.snapshot = status, x.header.Clone()
	}
}

func (x *exchange) Write(b []byte) (int, error) {
	x.mu.Lock()
	x.begin(http.StatusOK)
	if x.err != nil {
		x.mu.Unlock()
		return 0, x.err
	}
	if x.writer == nil && x.buffer.Len()+len(b) <= maxBuffer {
		defer x.mu.Unlock()
		return x.buffer.Write(b)
	}
	x.stream()
	writer := x.writer
	x.mu.Unlock()
	return writer.Write(b) // waits for the reader, without the lock
}

// FlushError makes the answer a stream. http.ResponseController finds it.
func (x *exchange) FlushError() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.begin(http.StatusOK)
	x.stream()
	return x.err
}

// Flush is FlushError for those who ask for http.Flusher.
func (x *exchange) Flush() { _ = x.FlushError() }

// EnableFullDuplex does nothing: reading and writing never hinder each other here.
func (x *exchange) EnableFullDuplex() error { return nil }

// stream lets the caller begin to read.
func (x *exchange) stream() {
	if x.writer == nil && x.err == nil {
		x.reader, x.writer = io.Pipe()
		close(x.ready)
	}
}

// finish ends the answer. An err cuts it short.
func (x *exchange) finish(err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.begin(http.StatusOK)
	if x.writer != nil {
		x.writer.CloseWithError(err) // nil reads as the end
		return
	}
	if x.err == nil {
		x.err = err
	}
	close(x.ready)
}

// abandon is for a caller that no longer reads: the handler's context ends and its writes fail.
func (x *exchange) abandon(err error) {
	x.cancel()
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.err == nil {
		x.err = err
	}
	if x.reader != nil {
		x.reader.CloseWithError(err)
	}
}

// broken returns why there is no answer, once ready is closed.
func (x *exchange) broken() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.writer != nil {
		return nil // the reader of the stream is told
	}
	return x.err
}

func (x *exchange) response(r *http.Request) *http.Response {
	x.mu.Lock()
	defer x.mu.Unlock()
	resp := &http.Response{
		Status: strconv.Itoa(x.status) + " " + http.StatusText(x.status), StatusCode: x.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: x.snapshot, Request: r, ContentLength: -1,
	}
	if x.writer == nil {
		resp.ContentLength = int64(x.buffer.Len())
		resp.Body = io.NopCloser(&x.buffer)
		return resp
	}
	resp.Body = &streamBody{Reader: io.MultiReader(&x.buffer, x.reader), exchange: x}
	return resp
}

// streamBody is the body of a streamed answer. Closing it ends the handler.
type streamBody struct {
	io.Reader
	exchange *exchange
}

func (b *streamBody) Close() error {
	b.exchange.abandon(io.ErrClosedPipe)
	return nil
}

// refusal returns err as the response of a gateway.
func refusal(r *http.Request, err error) *http.Response {
	x := newExchange(func() {})
	refuse(x, err)
	x.finish(nil)
	return x.response(r)
}
