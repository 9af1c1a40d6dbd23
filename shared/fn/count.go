package fn

import "github.com/prometheus/client_golang/prometheus"

// Metrics returns what the functions of a process count together. Each of them shows it at /metrics, and so does
// the gateway that they run in.
func Metrics(e *Env) prometheus.Gatherer { return e.registry() }

func (e *Env) registry() *prometheus.Registry {
	r, _ := Share(e, "metrics", func() (*prometheus.Registry, error) { return prometheus.NewRegistry(), nil }) // never fails
	return r
}

// Count adds one to the counter name, under a value of its one label. Values come from a small set of ours: what
// strangers say is no label.
func (e *Env) Count(name, help, label, value string) {
	counter, _ := Share(e, "metric/"+name, func() (*prometheus.CounterVec, error) { // never fails
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
		e.registry().MustRegister(c)
		return c, nil
	})
	counter.WithLabelValues(value).Inc()
}
