package fn

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Host serves one function over HTTP: the function itself, /_/health, /_/ready and /metrics. Calls get a
// body limit, a deadline, a logger, X-Call-Id and traceparent; a panic becomes a fault.
type Host struct {
	function Function
	env      *Env
	log      *slog.Logger
	handler  http.Handler
	registry *prometheus.Registry
	calls    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	draining atomic.Bool
}

// NewHost builds the function's handler. It fails when the function cannot start.
func NewHost(ctx context.Context, f Function, env *Env) (*Host, error) {
	var err error
	if f.Timeout, err = timeoutOf(f, env); err != nil {
		return nil, err
	}
	handler, err := f.New(ctx, env)
	if err != nil {
		return nil, fault.Wrap(err, "start %s", f.Name)
	}
	h := &Host{function: f, env: env, log: env.Log.With("function", f.Name), handler: handler, registry: prometheus.NewRegistry()}
	h.calls = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "http_requests_total", Help: "Calls by status code and method.",
	}, []string{"code", "method"})
	h.seconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "http_request_duration_seconds", Help: "Seconds per call.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
	}, []string{"code", "method"})
	h.registry.MustRegister(h.calls, h.seconds)
	return h, nil
}

// ServeHTTP serves the function and its own endpoints.
func (h *Host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/_/health", "/_/ready":
		if h.draining.Load() {
			fault.Write(w, fault.New(fault.Unavailable, "draining"))
			return
		}
		w.WriteHeader(http.StatusOK)
	case "/metrics":
		promhttp.HandlerFor(prometheus.Gatherers{h.registry, Metrics(h.env)}, promhttp.HandlerOpts{}).ServeHTTP(w, r)
	default:
		h.serve(w, r)
	}
}

// Drain makes health and ready answer 503 from now on.
func (h *Host) Drain() { h.draining.Store(true) }

func (h *Host) serve(w http.ResponseWriter, r *http.Request) {
	start := h.env.Now()
	out := &recorder{ResponseWriter: w}
	r, settle := Duplex(w, r)
	if r.Header.Get("X-Call-Id") == "" {
		r.Header.Set("X-Call-Id", NewID())
	}
	if !ValidTrace(r.Header.Get("Traceparent")) {
		r.Header.Set("Traceparent", NewTrace())
		r.Header.Del("Tracestate")
	}
	ctx := withCall(r.Context(), h.log, r.Header)
	if !h.function.Streams {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, h.timeout(r))
		defer cancel()
	}
	limit := h.function.MaxBody
	if limit == 0 {
		limit = DefaultMaxBody
	}
	r = r.WithContext(ctx)
	r.Body = http.MaxBytesReader(out, r.Body, limit)
	defer func() {
		if p := recover(); p != nil {
			h.panicked(out, Logger(ctx, h.log), p)
		}
		settle()
		code := strconv.Itoa(out.code())
		took := h.env.Now().Sub(start).Seconds()
		h.calls.WithLabelValues(code, r.Method).Inc()
		h.seconds.WithLabelValues(code, r.Method).Observe(took)
		if h.log.Enabled(ctx, slog.LevelDebug) {
			Logger(ctx, h.log).Debug("call", "method", r.Method, "code", out.code(), "seconds", took)
		}
	}()
	h.handler.ServeHTTP(out, r)
}

// timeoutOf is the time of one call: the function's, or less where exec_timeout says so (of-watchdog's
// setting: a duration, or seconds).
func timeoutOf(f Function, env *Env) (time.Duration, error) {
	own := cmp.Or(f.Timeout, DefaultTimeout)
	text := env.Setting("exec_timeout", "")
	if text == "" {
		return own, nil
	}
	if _, err := strconv.Atoi(text); err == nil {
		text += "s"
	}
	limit, err := time.ParseDuration(text)
	if err != nil || limit <= 0 {
		return 0, fault.New(fault.Invalid, "want a time such as 60s, not %.100q", text).At("exec_timeout")
	}
	return min(own, limit), nil
}

// timeout is the function's, or less where the caller asks for less with X-Timeout (as of-watchdog does).
func (h *Host) timeout(r *http.Request) time.Duration {
	if asked, err := time.ParseDuration(r.Header.Get("X-Timeout")); err == nil && asked > 0 {
		return min(h.function.Timeout, asked)
	}
	return h.function.Timeout
}

// panicked turns a panic into a fault, unless the answer has begun or the handler asked for an abort.
func (h *Host) panicked(w *recorder, log *slog.Logger, p any) {
	if p == http.ErrAbortHandler {
		panic(p)
	}
	log.Error("panic", "value", fmt.Sprint(p), "stack", string(debug.Stack()))
	if w.status == 0 {
		fault.Write(w, fault.New(fault.Internal, "%s crashed on this call", h.function.Name))
	}
}

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= 200 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach Flush, deadlines and full duplex.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// Flush is for libraries that ask for http.Flusher instead of a ResponseController.
func (r *recorder) Flush() { _ = http.NewResponseController(r.ResponseWriter).Flush() }

// Hijack is for libraries that ask for http.Hijacker, such as WebSocket ones.
func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	r.status = http.StatusSwitchingProtocols
	return http.NewResponseController(r.ResponseWriter).Hijack()
}

func (r *recorder) code() int {
	if r.status == 0 {
		return http.StatusOK
	}
	return r.status
}

// NewID returns 128 random bits as hex.
func NewID() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
