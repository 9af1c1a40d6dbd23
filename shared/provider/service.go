package provider

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
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
	// sweep frees what has not been used for the idle time, or starts what is kept and does not run.
	sweep(now time.Time)
	// drain ends the function's streams: they never end by themselves.
	drain()
	// close ends the function for good. Calls in flight get stopGrace to finish.
	close()
}

// service is a deployed function.
type service struct {
	deployment Deployment
	function   fn.Function // of the running executable; for other images only its limits
	place      place
	queue      *queue
	metrics    functionMetrics
	provider   *Provider
	created    time.Time
	calls      atomic.Uint64
	inflight   atomic.Int64
}

// serve runs one call.
func (s *service) serve(w http.ResponseWriter, r *http.Request) {
	start, err := s.enter()
	if err != nil {
		fault.Write(w, err)
		return
	}
	out := &answer{ResponseWriter: w}
	defer func() { s.leave(start, out.code()) }()
	s.place.ServeHTTP(out, r)
}

// roundTrip runs one call from another function. An error of the place comes back as the answer that its
// gateway would give, unless the caller is gone.
func (s *service) roundTrip(r *http.Request) (*http.Response, error) {
	start, err := s.enter()
	if err != nil {
		return refusal(r, err), nil
	}
	resp, err := s.place.RoundTrip(r)
	if err != nil {
		resp = refusal(r, err)
	}
	s.leave(start, resp.StatusCode)
	if cause := context.Cause(r.Context()); cause != nil && err != nil {
		return nil, cause
	}
	return resp, nil
}

// enter counts a call in. The error is Limited when too many are in flight.
func (s *service) enter() (time.Time, error) {
	limit := int64(maxCalls)
	if s.function.Streams {
		limit = maxStreams
	}
	if s.inflight.Add(1) > limit {
		s.inflight.Add(-1)
		return time.Time{}, fault.New(fault.Limited, "%d calls of %s are in flight", limit, s.deployment.Name).In(time.Second)
	}
	s.calls.Add(1)
	s.metrics.started.Inc()
	return s.provider.env.Now(), nil
}

func (s *service) leave(start time.Time, code int) {
	s.inflight.Add(-1)
	s.metrics.ended(code, s.provider.env.Now().Sub(start))
}

// Bounds of a call id from outside.
const maxCallID = 128

// stamp gives a call its id and start time where it has none that can be used.
func (s *service) stamp(h http.Header) {
	if id := h.Get("X-Call-Id"); id == "" || len(id) > maxCallID || !printable(id) {
		h.Set("X-Call-Id", fn.NewID())
	}
	h.Set("X-Start-Time", strconv.FormatInt(s.provider.env.Now().UnixNano(), 10))
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
