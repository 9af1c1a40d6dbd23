package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hearthfaas/hearth/shared/manifest"
)

// maxBody bounds what the gateway carries.
const maxBody = 16 << 20

// mostQueued is how many queued calls run side by side, as OpenFaaS bounds them.
const mostQueued = 128

// gateway is the part of the OpenFaaS API that functions use: calls, queued calls and the list. It keeps
// nothing: a queued call is lost with it, and when its function dies, as OpenFaaS CE loses it.
type gateway struct {
	replicas map[string][]*Replica
	manifest map[string]string // of plugins, by function
	password string
	hook     Hook
	next     atomic.Uint64
	queue    chan struct{}
	queued   sync.WaitGroup
	closing  chan struct{}
}

func newGateway(password string, hook Hook) *gateway {
	return &gateway{
		replicas: map[string][]*Replica{}, manifest: map[string]string{}, password: password, hook: hook,
		queue: make(chan struct{}, mostQueued), closing: make(chan struct{}),
	}
}

// ServeHTTP serves the gateway.
func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch _, rest, _ := strings.Cut(r.URL.Path, "/"); {
	case strings.HasPrefix(rest, "function/"):
		g.call(w, r, strings.TrimPrefix(rest, "function/"))
	case strings.HasPrefix(rest, "async-function/"):
		g.enqueue(w, r, strings.TrimPrefix(rest, "async-function/"))
	case rest == "system/functions":
		g.list(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (g *gateway) list(w http.ResponseWriter, r *http.Request) {
	if _, password, _ := r.BasicAuth(); password != g.password {
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	type function struct {
		Name        string            `json:"name"`
		Annotations map[string]string `json:"annotations"`
	}
	var all []function
	for name := range g.replicas {
		f := function{Name: name, Annotations: map[string]string{}}
		if m := g.manifest[name]; m != "" {
			f.Annotations[manifest.Annotation] = m
		}
		all = append(all, f)
	}
	_ = json.NewEncoder(w).Encode(all) // who asked may be gone
}

// enqueue accepts a call for later.
func (g *gateway) enqueue(w http.ResponseWriter, r *http.Request, path string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "the body broke off", http.StatusBadRequest)
		return
	}
	header, method := r.Header.Clone(), r.Method
	g.queued.Go(func() {
		select {
		case g.queue <- struct{}{}:
		case <-g.closing:
			return
		}
		defer func() { <-g.queue }()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		if resp, _, err := g.forward(ctx, method, path, "", header, body); err == nil {
			resp.Body.Close()
		}
	})
	w.WriteHeader(http.StatusAccepted)
}

// call passes a call on and its answer back, both whole.
func (g *gateway) call(w http.ResponseWriter, r *http.Request, path string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "the body broke off", http.StatusBadRequest)
		return
	}
	resp, answer, err := g.forward(r.Context(), r.Method, path, r.URL.RawQuery, r.Header, body)
	if err != nil {
		http.Error(w, "the function broke off", http.StatusBadGateway)
		return
	}
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = w.Write(answer) // who asked may be gone
}

// forward makes a call at the next replica.
func (g *gateway) forward(ctx context.Context, method, path, query string, header http.Header, body []byte) (*http.Response, []byte, error) {
	name, rest, _ := strings.Cut(path, "/")
	r := g.pick(name)
	if r == nil {
		return nil, nil, errCut
	}
	p := Point{Name: name, Replica: r, Lanes: lanesIn(string(body))}
	if err := g.hook(p); err != nil {
		return nil, nil, err
	}
	addr, client := r.at()
	url := "http://" + addr + "/" + rest
	if query != "" {
		url += "?" + query
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	req.Header = header.Clone()
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return nil, nil, err
	}
	p.After = true
	return resp, answer, g.hook(p)
}

// pick takes turns among the replicas that answer probes, or else any.
func (g *gateway) pick(name string) *Replica {
	all := g.replicas[name]
	if len(all) == 0 {
		return nil
	}
	n := int(g.next.Add(1) % uint64(len(all)))
	for i := range all {
		if r := all[(n+i)%len(all)]; r.takes() {
			return r
		}
	}
	return all[n]
}

// close lets queued calls that did not begin be lost, and waits for the others.
func (g *gateway) close() {
	close(g.closing)
	g.queued.Wait()
}
