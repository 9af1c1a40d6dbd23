package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/openfaas/faas-provider/types"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/gateway"
)

// Retries of async calls. A call is made again after the statuses that say "later": 429, 502, 503, 504.
const (
	maxAttempts = 10
	firstRetry  = time.Second
	maxRetry    = 2 * time.Minute
)

// queued is an async call.
type queued struct{ types.QueueRequest }

// serveAsync accepts a call of a function for later. 202 means that it is on disk, or, for a doorbell, that
// the lane will be looked at.
func (p *Provider) serveAsync(w http.ResponseWriter, r *http.Request, name string) {
	s, err := p.registry.find(name)
	if err == nil {
		s.stamp(r.Header)
		err = p.accept(w, r, s)
	}
	if err != nil {
		fault.Write(w, err)
		return
	}
	w.Header().Set("X-Call-Id", r.Header.Get("X-Call-Id"))
	w.WriteHeader(http.StatusAccepted)
}

func (p *Provider) accept(w http.ResponseWriter, r *http.Request, s *service) error {
	if r.Method != http.MethodPost {
		return fault.New(fault.Invalid, "async calls are made by POST, not %s", r.Method)
	}
	callback, err := p.callbackOf(r)
	if err != nil {
		return err
	}
	limit := s.function.MaxBody
	if limit == 0 {
		limit = fn.DefaultMaxBody
	}
	r.Body = http.MaxBytesReader(w, r.Body, min(limit, maxRecord/2)) // base64 in the spool is a third more
	body, err := fn.ReadBody(r)
	if err != nil {
		return err
	}
	call := &queued{types.QueueRequest{
		Header: r.Header.Clone(), Host: r.Host, Body: body, Method: r.Method, Path: r.URL.EscapedPath(),
		QueryString: r.URL.RawQuery, Function: s.deployment.Name, CallbackURL: callback,
	}}
	call.Header.Del("X-Callback-Url")
	if lane := r.Header.Get(gateway.LaneHeader); lane != "" {
		return s.queue.ring(lane, call)
	}
	return p.enqueue(s.queue, call)
}

// enqueue puts a call on disk and into its queue.
func (p *Provider) enqueue(q *queue, call *queued) error {
	payload, err := json.Marshal(call.QueueRequest)
	if err != nil {
		return fault.As(fault.Internal, err, "encode an async call")
	}
	if err := q.reserve(len(payload)); err != nil {
		return err
	}
	id, err := p.spool.add(payload)
	if err != nil {
		q.unreserve(len(payload))
		return err
	}
	q.add(job{id: id, payload: payload})
	return nil
}

// requeue queues what an earlier run of the provider accepted and did not finish.
func (p *Provider) requeue(waiting []spooled) {
	for _, w := range waiting {
		call, err := decodeCall(w.payload)
		var s *service
		if err == nil {
			s, err = p.registry.find(call.Function)
		}
		if err != nil {
			p.log.Error("an async call is dropped", "err", err)
			p.spool.done(w.id)
			continue
		}
		s.queue.mu.Lock()
		s.queue.held++ // accepted before: it has its room, even where that is now too much
		s.queue.bytes += int64(len(w.payload))
		s.queue.mu.Unlock()
		s.queue.add(job{id: w.id, payload: w.payload})
	}
}

func decodeCall(payload []byte) (*queued, error) {
	call := &queued{}
	if err := json.Unmarshal(payload, &call.QueueRequest); err != nil {
		return nil, fault.As(fault.Internal, err, "an async call on disk cannot be read")
	}
	return call, nil
}

// call makes a call from the spool: once, and again later when it should be.
func (q *queue) call(j job) {
	call, err := decodeCall(j.payload)
	if err != nil { // it was encoded by us and read back intact
		q.provider.log.Error("an async call is dropped", "function", q.service.deployment.Name, "err", err)
		q.finish(j)
		return
	}
	start := q.provider.env.Now()
	out := &collector{header: http.Header{}, keep: call.CallbackURL != nil}
	call.make(q.service, out)
	if q.provider.drain.Err() != nil && out.code() >= 500 {
		return // cut short by the end of the provider: it stays in the spool
	}
	j.attempt++
	if retryable(out.code()) && j.attempt < maxAttempts {
		q.later(j, out)
		return
	}
	if out.code() >= 400 {
		q.provider.log.Warn("an async call failed", "function", q.service.deployment.Name, "call", call.Header.Get("X-Call-Id"),
			"code", out.code(), "attempts", j.attempt)
	}
	if call.CallbackURL != nil {
		q.callBack(call, out, q.provider.env.Now().Sub(start))
	}
	q.finish(j)
}

func (q *queue) finish(j job) {
	q.provider.spool.done(j.id)
	q.unreserve(len(j.payload))
}

func retryable(code int) bool {
	switch code {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	default:
		return false
	}
}

// later queues a job again after a pause that doubles, or the one the function asked for. The pause is
// spread, so that calls which failed together do not come back together.
func (q *queue) later(j job, out *collector) {
	pause := min(maxRetry, firstRetry<<min(j.attempt-1, 10))
	pause = pause/2 + rand.N(pause/2+1)
	if asked, err := strconv.Atoi(out.header.Get("Retry-After")); err == nil && asked > 0 {
		pause = max(pause, min(time.Duration(asked)*time.Second, maxRetry))
	}
	q.provider.config.After(pause, func() { q.add(j) })
}

// make runs the call.
func (c *queued) make(s *service, w http.ResponseWriter) {
	ctx, cancel := context.WithCancel(s.provider.life)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, c.Method, "http://function/", bytes.NewReader(c.Body))
	if err != nil {
		fault.Write(w, fault.As(fault.Internal, err, "an async call cannot be made"))
		return
	}
	path, err := url.PathUnescape(c.Path)
	if err != nil {
		path = c.Path
	}
	r.URL.Path, r.URL.RawPath, r.URL.RawQuery = path, c.Path, c.QueryString
	r.Header, r.Host, r.RemoteAddr = c.Header.Clone(), c.Host, "127.0.0.1:0"
	r.RequestURI = r.URL.RequestURI()
	if err := s.provider.run(http.HandlerFunc(s.serve), w, r); err != nil {
		fault.Write(w, fault.As(fault.Unknown, err, "%s broke off its answer", c.Function))
	}
}

// discard is a writer for answers that nobody wants.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

// collector keeps an answer's status and header, and its body when somebody wants it.
type collector struct {
	header http.Header
	status int
	keep   bool
	body   bytes.Buffer
}

func (c *collector) Header() http.Header { return c.header }

func (c *collector) WriteHeader(status int) {
	if c.status == 0 && status >= 200 {
		c.status = status
	}
}

func (c *collector) Write(b []byte) (int, error) {
	c.WriteHeader(http.StatusOK)
	if !c.keep {
		return len(b), nil
	}
	if c.body.Len()+len(b) > maxCallback {
		return 0, io.ErrShortWrite
	}
	return c.body.Write(b)
}

func (c *collector) code() int {
	if c.status == 0 {
		return http.StatusOK
	}
	return c.status
}
