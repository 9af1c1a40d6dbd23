package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"time"

	"github.com/openfaas/faas-provider/types"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/gateway"
)

// queued is an async call as the spool keeps it: the call, and once it was answered, what the callback tells.
type queued struct {
	types.QueueRequest
	Trusted bool     `json:",omitempty"` // who made the call knew the password
	Outcome *outcome `json:",omitempty"`
}

// serveAsync accepts a call of a function for later. 202 means that it is on disk, or, for a doorbell, that
// the lane will be looked at. DELETE takes calls back.
func (p *Provider) serveAsync(w http.ResponseWriter, r *http.Request, name string) {
	if r.Method == http.MethodDelete {
		p.serveCancel(w, r, name)
		return
	}
	s, err := p.registry.find(name)
	if err == nil {
		s.stamp(r.Header)
		err = p.accept(w, r, s)
	}
	if err != nil {
		refuse(w, err)
		return
	}
	answerStamp(w.Header(), r.Header)
	w.WriteHeader(http.StatusAccepted)
}

func (p *Provider) accept(w http.ResponseWriter, r *http.Request, s *service) error {
	if r.Method != http.MethodPost {
		return fault.New(fault.Invalid, "async calls are made by POST, not %s", r.Method)
	}
	trusted := p.knowsPassword(r)
	callback, err := p.callbackOf(r, trusted)
	if err != nil {
		return err
	}
	if callback != nil && p.callbacks.full(0) {
		return fault.New(fault.Limited, "too many callbacks wait for their receivers").In(time.Second)
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
	call := &queued{Trusted: trusted, QueueRequest: types.QueueRequest{
		Header: r.Header.Clone(), Host: r.Host, Body: body, Method: r.Method, Path: r.URL.EscapedPath(),
		QueryString: r.URL.RawQuery, Function: s.deployment.Name, CallbackURL: callback,
	}}
	call.Header.Del("X-Callback-Url")
	if trusted {
		call.Header.Del("Authorization") // it is for us: neither the disk nor the function needs it
	}
	if lane := r.Header.Get(gateway.LaneHeader); lane != "" {
		return s.queue.ring(lane, call)
	}
	return p.enqueue(s.queue, call)
}

// enqueue puts a call on disk and into its queue.
func (p *Provider) enqueue(q *queue, call *queued) error {
	payload, err := json.Marshal(call)
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
	q.admit(&job{id: id, payload: payload, call: call.Header.Get("X-Call-Id")})
	return nil
}

// requeue queues what an earlier run of the provider accepted and did not finish.
func (p *Provider) requeue(waiting []spooled) {
	for _, w := range waiting {
		call, err := decodeCall(w.payload)
		q := p.callbacks
		if err == nil && call.Outcome == nil {
			var s *service
			if s, err = p.registry.find(call.Function); err == nil {
				q = s.queue
			}
		}
		if err != nil {
			p.log.Error("an async call is dropped", "err", err)
			p.spool.done(w.id)
			continue
		}
		q.force(&job{id: w.id, payload: w.payload, call: call.Header.Get("X-Call-Id")})
	}
}

func decodeCall(payload []byte) (*queued, error) {
	call := &queued{}
	if err := json.Unmarshal(payload, call); err != nil {
		return nil, fault.As(fault.Internal, err, "an async call on disk cannot be read")
	}
	return call, nil
}

// queueOf returns the queue of a function's async calls. It is the same for all versions of the function, and
// stays when the function is removed: its calls are answered then.
func (p *Provider) queueOf(name string) *queue {
	p.queueing.Lock()
	defer p.queueing.Unlock()
	if q := p.queues[name]; q != nil {
		return q
	}
	q := newQueue(p, name, func() int { return p.workersOf(name) })
	p.queues[name] = q
	q.do = func(j *job) { p.call(q, j) }
	q.answer = func(c *queued) { _, _ = p.make(p.life, c, discard{}) } // whoever rang is not waiting
	return q
}

// workersOf returns how many async calls of a function are made at the same time: no more than it takes.
func (p *Provider) workersOf(name string) int {
	s, err := p.registry.find(name)
	if err != nil {
		return 1 // to tell the calls so
	}
	return min(p.config.Inflight, s.limit())
}

// call makes a call from the spool: once, and again later when it should be.
func (p *Provider) call(q *queue, j *job) {
	call, err := decodeCall(j.payload)
	if err != nil { // it was encoded by us and read back intact
		p.log.Error("an async call is dropped", "function", q.name, "err", err)
		p.finish(q, j)
		return
	}
	ctx, stop := context.WithCancel(p.life)
	defer stop()
	if !q.begin(j, stop) {
		return
	}
	start := p.env.Now()
	out := &collector{header: http.Header{}, keep: call.CallbackURL != nil}
	policy, err := p.make(ctx, call, out)
	if err != nil || out.over {
		out.fail(fault.As(fault.Unknown, err, "%s broke off its answer", q.name))
	}
	if q.ended(j) {
		return
	}
	if p.drain.Err() != nil && out.code() >= 500 {
		return // cut short by the end of the provider: it stays in the spool
	}
	if again(policy, out) && j.attempt < policy.attempts {
		q.later(j, policy.pause(j.attempt, askedPause(out.header, p.env.Now())))
		return
	}
	if out.code() >= 400 {
		p.log.Warn("an async call failed", "function", q.name, "call", j.call, "code", out.code(), "attempts", j.attempt)
	}
	if call.CallbackURL == nil {
		p.finish(q, j)
		return
	}
	call.Outcome = &outcome{
		ID: "msg_" + fn.NewID(), Status: out.code(), Header: out.header, Body: out.body.Bytes(),
		Seconds: p.env.Now().Sub(start).Seconds(), Retry: j.attempt - 1, RetryMax: policy.attempts - 1,
	}
	p.handOver(q, j, call)
}

// again reports whether a call with this answer comes again: the function's annotations say so, or the call
// did not get through to the function.
func again(policy retries, out *collector) bool {
	return policy.after(out.code()) || out.header.Get(internalHeader) != "" && ours.after(out.code())
}

// finish takes a job that is done from queue and disk.
func (p *Provider) finish(q *queue, j *job) {
	p.spool.done(j.id)
	q.leave(j)
}

// handOver turns an answered call into a callback, on disk too: from now on the function is not called again.
func (p *Provider) handOver(q *queue, j *job, call *queued) {
	call.Body, call.QueryString, call.Path = nil, "", ""
	defer q.leave(j)
	if p.callbacks.full(len(call.Outcome.Body)) {
		call.Outcome.drop()
	}
	payload, err := json.Marshal(call)
	if err != nil {
		p.log.Error("a callback is dropped", "function", q.name, "call", j.call, "err", err)
		p.spool.done(j.id)
		return
	}
	id, err := p.spool.replace(j.id, payload)
	if err != nil { // what is on disk is the call itself: after a crash it would be made once more
		id = j.id
	}
	p.callbacks.force(&job{id: id, payload: payload, call: j.call})
}

// make makes the call, and returns how the function wants it made again. The error says why the answer broke off.
func (p *Provider) make(ctx context.Context, c *queued, w http.ResponseWriter) (retries, error) {
	s, err := p.registry.find(c.Function)
	if err != nil {
		refuse(w, err)
		return ours, nil
	}
	policy, _ := retriesOf(s.deployment) // what is wrong with it was said when it was deployed
	r, err := c.request(ctx)
	if err != nil {
		return policy, err
	}
	return policy, p.run(http.HandlerFunc(s.serve), w, r)
}

// request returns the request of the call, as a server would get it.
func (c *queued) request(ctx context.Context) (*http.Request, error) {
	ctx = context.WithValue(ctx, http.ServerContextKey, c) // without one, ReverseProxy passes half an answer off as whole
	r, err := http.NewRequestWithContext(ctx, c.Method, "http://function/", bytes.NewReader(c.Body))
	if err != nil {
		return nil, err
	}
	plain, err := url.PathUnescape(c.Path)
	if err != nil {
		plain = c.Path
	}
	r.URL.Path, r.URL.RawPath, r.URL.RawQuery = plain, c.Path, c.QueryString
	r.Header, r.Host, r.RemoteAddr = c.Header.Clone(), c.Host, "127.0.0.1:0"
	r.RequestURI = r.URL.RequestURI()
	return r, nil
}

// serveCancel takes back all that is queued under a call id, callbacks included, and ends what of it runs:
// DELETE /async-function/ID, or /async-function/NAME/ID. 202 means that none of it comes back after a crash.
func (p *Provider) serveCancel(w http.ResponseWriter, r *http.Request, name string) {
	id := name
	if rest := path.Base(r.URL.Path); rest != "/" {
		id = rest
	}
	if err := p.cancel(r, id); err != nil {
		refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

func (p *Provider) cancel(r *http.Request, call string) error {
	if !local(r) && !p.knowsPassword(r) {
		return fault.New(fault.Forbidden, "taking back calls needs the basic auth of /system here")
	}
	ids := p.callbacks.cancel(call)
	for _, q := range p.allQueues() {
		ids = append(ids, q.cancel(call)...)
	}
	if len(ids) == 0 {
		return fault.New(fault.NotFound, "no call %.*q is queued", maxCallID, call)
	}
	return p.spool.forget(ids)
}

func (p *Provider) allQueues() []*queue {
	p.queueing.Lock()
	defer p.queueing.Unlock()
	return slices.Collect(maps.Values(p.queues))
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
	over   bool // the body was larger than a callback may be
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
	if c.over = c.over || c.body.Len()+len(b) > maxCallback; c.over {
		return 0, io.ErrShortWrite
	}
	return c.body.Write(b)
}

// fail replaces an answer that is not whole.
func (c *collector) fail(err error) {
	if c.over {
		err = fault.New(fault.TooLarge, "the answer is over %d bytes", maxCallback)
	}
	c.header, c.status, c.keep, c.over = http.Header{}, 0, true, false
	c.body.Reset()
	refuse(c, err)
}

func (c *collector) code() int {
	if c.status == 0 {
		return http.StatusOK
	}
	return c.status
}
