package fn

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/hearthfaas/hearth/shared/fault"
)

// drainTime bounds how long a host waits for calls in flight after SIGTERM.
const drainTime = 30 * time.Second

// Host serves one function over HTTP: the function itself, /_/health, /_/ready and /metrics. Calls get a
// body limit, a deadline, a logger, X-Call-Id and traceparent; a panic becomes a fault.
type Host struct {
	function Function
	env      *Env
	handler  http.Handler
	registry *prometheus.Registry
	calls    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	draining atomic.Bool
}

// NewHost builds the function's handler. It fails when the function cannot start.
func NewHost(ctx context.Context, f Function, env *Env) (*Host, error) {
	handler, err := f.New(ctx, env)
	if err != nil {
		return nil, fault.Wrap(err, "start %s", f.Name)
	}
	h := &Host{function: f, env: env, handler: handler, registry: prometheus.NewRegistry()}
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
		promhttp.HandlerFor(h.registry, promhttp.HandlerOpts{}).ServeHTTP(w, r)
	default:
		h.serve(w, r)
	}
}

// Drain makes health and ready answer 503 from now on.
func (h *Host) Drain() { h.draining.Store(true) }

func (h *Host) serve(w http.ResponseWriter, r *http.Request) {
	start := h.env.Now()
	out := &recorder{ResponseWriter: w}
	callID := r.Header.Get("X-Call-Id")
	if callID == "" {
		callID = NewID()
		r.Header.Set("X-Call-Id", callID)
	}
	if r.Header.Get("Traceparent") == "" {
		r.Header.Set("Traceparent", newTraceparent())
	}
	log := h.env.Log.With("function", h.function.Name, "call", callID)
	ctx := context.WithValue(r.Context(), loggerKey{}, log)
	ctx = withTrace(ctx, r.Header)
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
			h.panicked(out, log, p)
		}
		code := strconv.Itoa(out.code())
		took := h.env.Now().Sub(start).Seconds()
		h.calls.WithLabelValues(code, r.Method).Inc()
		h.seconds.WithLabelValues(code, r.Method).Observe(took)
		log.Debug("call", "method", r.Method, "code", out.code(), "seconds", took)
	}()
	h.handler.ServeHTTP(out, r)
}

// timeout is the function's, or less where the caller asks for less with X-Timeout (as of-watchdog does).
func (h *Host) timeout(r *http.Request) time.Duration {
	limit := h.function.Timeout
	if limit == 0 {
		limit = DefaultTimeout
	}
	if asked, err := time.ParseDuration(r.Header.Get("X-Timeout")); err == nil && asked > 0 {
		return min(limit, asked)
	}
	return limit
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

// Main serves f on $port (default 8080) of all interfaces, as a container does, or of the address in
// $HEARTH_LISTEN. It returns after SIGTERM (ctx ends) once the calls in flight are done.
func Main(ctx context.Context, f Function, env *Env) error {
	addr := env.Setting("HEARTH_LISTEN", ":"+env.Setting("port", "8080"))
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return fault.As(fault.Unavailable, err, "cannot listen on %s", addr)
	}
	return Serve(ctx, f, env, l)
}

// Serve is Main on a listener, which it closes.
func Serve(ctx context.Context, f Function, env *Env, l net.Listener) error {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	defer env.Close()
	host, err := NewHost(life, f, env)
	if err != nil {
		l.Close()
		return err
	}
	server := &http.Server{
		Handler: host, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog:    slog.NewLogLogger(env.Log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return life },
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	host.Drain()
	if f.Streams {
		end() // streams never end by themselves
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if err := server.Shutdown(limit); err != nil {
		return errors.Join(err, server.Close())
	}
	return nil
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

// newTraceparent starts a trace (W3C Trace Context, level 1: version-trace-parent-flags).
func newTraceparent() string {
	return "00-" + NewID() + "-" + NewID()[:16] + "-01"
}

type traceKey struct{}

type trace struct{ callID, parent string }

func withTrace(ctx context.Context, h http.Header) context.Context {
	return context.WithValue(ctx, traceKey{}, trace{h.Get("X-Call-Id"), h.Get("Traceparent")})
}

// Propagate puts the call id and the trace of ctx on an outgoing request.
func Propagate(ctx context.Context, h http.Header) {
	t, ok := ctx.Value(traceKey{}).(trace)
	if !ok {
		return
	}
	h.Set("X-Call-Id", t.callID)
	if version, rest, found := strings.Cut(t.parent, "-"); found && len(rest) == 52 {
		h.Set("Traceparent", version+"-"+rest[:32]+"-"+NewID()[:16]+rest[49:])
	}
}
