package provider

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are the gateway's, under the names that OpenFaaS dashboards read, in a registry of their own.
type metrics struct {
	registry *prometheus.Registry
	calls    *prometheus.CounterVec
	started  *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	replicas *prometheus.GaugeVec
	requests *prometheus.CounterVec   // of what is not a call of a function
	took     *prometheus.HistogramVec // likewise
	lost     prometheus.Counter
}

func newMetrics() *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	m.calls = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gateway_function_invocation_total", Help: "Calls of functions by status code.",
	}, []string{"function_name", "code"})
	m.started = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gateway_function_invocation_started", Help: "Calls of functions that began.",
	}, []string{"function_name"})
	m.seconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "gateway_functions_seconds", Help: "Seconds until a function answered.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
	}, []string{"function_name", "code"})
	m.replicas = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "gateway_service_count", Help: "Running instances of functions.",
	}, []string{"function_name"})
	routes := []string{"method", "path", "status"}
	m.requests = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "http_requests_total", Help: "Requests of /system and /async-function.",
	}, routes)
	m.took = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "http_request_duration_seconds", Help: "Seconds per request of /system and /async-function.",
	}, routes)
	m.lost = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "hearth_trace_spans_dropped_total", Help: "Spans that were not exported.",
	})
	m.registry.MustRegister(m.calls, m.started, m.seconds, m.replicas, m.requests, m.took, m.lost)
	return m
}

// handler shows them, with what the functions inside this process count.
func (m *metrics) handler(inside prometheus.Gatherer) http.Handler {
	return promhttp.HandlerFor(prometheus.Gatherers{m.registry, inside}, promhttp.HandlerOpts{})
}

// functionMetrics are the metrics of one function. Its label is name.namespace, as OpenFaaS has it.
type functionMetrics struct {
	calls    *prometheus.CounterVec
	seconds  prometheus.ObserverVec
	started  prometheus.Counter
	replicas prometheus.Gauge
}

func (m *metrics) of(name string) functionMetrics {
	label := prometheus.Labels{"function_name": name + "." + Namespace}
	return functionMetrics{
		calls: m.calls.MustCurryWith(label), seconds: m.seconds.MustCurryWith(label),
		started: m.started.With(label), replicas: m.replicas.With(label),
	}
}

func (m functionMetrics) ended(code int, took time.Duration) {
	text := strconv.Itoa(code)
	m.calls.WithLabelValues(text).Inc()
	m.seconds.WithLabelValues(text).Observe(took.Seconds())
}

// methods are those that a label may name: callers choose methods freely.
var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete}

// request counts a request that is no call of a function. The path is that of its route.
func (m *metrics) request(method, path string, code int, took time.Duration) {
	if !slices.Contains(methods, method) {
		method = "other"
	}
	status := strconv.Itoa(code)
	m.requests.WithLabelValues(method, path, status).Inc()
	m.took.WithLabelValues(method, path, status).Observe(took.Seconds())
}
