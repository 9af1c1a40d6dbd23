package provider

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
)

// How many calls of one function may be in flight, with ends and without: far above what one machine
// gets done, and low enough that a loop of calls ends.
const (
	maxCalls   = 1024
	maxStreams = 16384
)

// place is where a function runs. Calls reach it with the function's prefix already taken off their path.
type place interface {
	// ServeHTTP serves a call from outside or from the queue.
	http.Handler
	// RoundTrip serves a call from another function. Its errors are faults.
	http.RoundTripper
	// available reports whether a call would be taken now.
	available() bool
	// resting reports whether somebody asked for no instance, and no call has come since.
	resting() bool
	// pid returns the process that runs the function alone, 0 where there is none.
	pid() int
	// start brings up an instance and returns when it takes calls, or why it does not.
	start(ctx context.Context) error
	// rest ends the instance once its calls in flight are done. The next call starts another.
	rest()
	// renew gives a running instance the secrets as they are now.
	renew()
	// sweep frees what has not been used for the idle time, or starts what is kept and does not run.
	sweep(now time.Time)
	// drain ends the function's streams: they never end by themselves.
	drain()
	// finish ends the function for good once its calls in flight are done, or limit ends.
	finish(limit context.Context)
	// close ends the function for good. Calls in flight get stopGrace to finish.
	close()
}

// service is a version of a deployed function. The next version takes its place, and then its calls too.
type service struct {
	deployment Deployment
	program    program
	function   fn.Function // of the program
	place      place
	queue      *queue
	metrics    functionMetrics
	meter      meter
	provider   *Provider

	mu       sync.Mutex
	calls    uint64 // so far, with those of the versions before
	inflight int64
	next     *service      // takes the calls from now on
	gone     bool          // takes no calls any more
	idle     chan struct{} // closed when it is gone and its last call is done
}

// serve runs one call.
func (s *service) serve(w http.ResponseWriter, r *http.Request) {
	s, start, err := s.enter()
	if err != nil {
		refuse(w, err)
		return
	}
	out := &answer{ResponseWriter: w}
	span := s.provider.tracer.begin(r, s.deployment.Name)
	defer func() {
		s.leave(start, out.code())
		span.done(out.code())
	}()
	s.place.ServeHTTP(out, r)
}

// roundTrip runs one call from another function. An error of the place comes back as the answer that its
// gateway would give, unless the caller is gone.
func (s *service) roundTrip(r *http.Request) (*http.Response, error) {
	s, start, err := s.enter()
	if err != nil {
		return refusal(r, err), nil
	}
	span := s.provider.tracer.begin(r, s.deployment.Name)
	resp, err := s.place.RoundTrip(r)
	if err != nil {
		resp = refusal(r, err)
	}
	s.leave(start, resp.StatusCode)
	span.done(resp.StatusCode)
	if cause := context.Cause(r.Context()); cause != nil && err != nil {
		return nil, cause
	}
	return resp, nil
}

// enter counts a call in, and returns the version that takes it: whoever holds one that was replaced
// meanwhile gets the newest. The error is Limited when too many are in flight, and NotFound when the
// function was removed.
func (s *service) enter() (*service, time.Time, error) {
	for {
		next, err := s.admit()
		if next == nil {
			return s, s.provider.env.Now(), err
		}
		s = next
	}
}

// admit counts a call in, unless another version takes the calls.
func (s *service) admit() (next *service, err error) {
	limit := int64(s.limit())
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.next != nil:
		return s.next, nil
	case s.gone:
		return nil, unknown(s.deployment.Name)
	case s.inflight >= limit:
		return nil, fault.New(fault.Limited, "%d calls of %s are in flight", limit, s.deployment.Name).In(time.Second)
	}
	s.inflight++
	s.calls++
	s.metrics.started.Inc()
	return nil, nil
}

func (s *service) leave(start time.Time, code int) {
	s.metrics.ended(code, s.provider.env.Now().Sub(start))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inflight--
	s.settle()
}

// settle closes idle when there is nothing left to wait for. The caller holds mu.
func (s *service) settle() {
	if s.gone && s.inflight == 0 {
		close(s.idle)
	}
}

// retire takes the service out of use. Calls go to next, and where that is nil, nowhere.
func (s *service) retire(next *service) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone, s.next = true, next
	if next != nil {
		next.carry(s.calls)
	}
	s.settle()
}

// carry adds the calls of the version before.
func (s *service) carry(calls uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls += calls
}

// invocations returns how often the function was called since the provider started.
func (s *service) invocations() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// limit returns how many calls may be in flight.
func (s *service) limit() int {
	if s.function.Streams {
		return s.deployment.inflight(maxStreams)
	}
	return s.deployment.inflight(maxCalls)
}

// Bounds of a call id from outside.
const maxCallID = 128

// stamp gives a call its id and trace where it has none that can be used, and its start time.
func (s *service) stamp(h http.Header) {
	if id := h.Get("X-Call-Id"); id == "" || len(id) > maxCallID || !printable(id) {
		h.Set("X-Call-Id", fn.NewID())
	}
	if !fn.ValidTrace(h.Get("Traceparent")) {
		h.Set("Traceparent", fn.NewTrace())
		h.Del("Tracestate")
	}
	h.Set("X-Start-Time", strconv.FormatInt(s.provider.env.Now().UnixNano(), 10))
}

// answerStamp tells the caller what the call was stamped with.
func answerStamp(out, in http.Header) {
	out.Set("X-Call-Id", in.Get("X-Call-Id"))
	out.Set("X-Start-Time", in.Get("X-Start-Time"))
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// answer remembers the status of an answer and hides nothing of its writer.
type answer struct {
	http.ResponseWriter
	status int
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= 200 || status == http.StatusSwitchingProtocols {
		a.status = status
	}
	if endless(status, a.Header()) {
		// A body that is still to come is read as long as the answer lasts. Writers inside have no deadline.
		_ = http.NewResponseController(a.ResponseWriter).SetReadDeadline(time.Time{})
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach flush, deadlines and full duplex.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// Flush is for those who ask for http.Flusher instead.
func (a *answer) Flush() { _ = http.NewResponseController(a.ResponseWriter).Flush() }

// Hijack is for those who ask for http.Hijacker instead.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	a.status = http.StatusSwitchingProtocols
	return http.NewResponseController(a.ResponseWriter).Hijack()
}

func (a *answer) code() int {
	if a.status == 0 {
		return http.StatusOK
	}
	return a.status
}
