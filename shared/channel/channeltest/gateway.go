package channeltest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/vault"
)

// process is the functions of a house from a start to its end. It is the gateway between them.
type process struct {
	house  *House
	env    *fn.Env
	ctx    context.Context
	cancel context.CancelFunc
	hosts  map[string]http.Handler

	working sync.WaitGroup
	mu      sync.Mutex
	ended   bool
	busy    int           // calls that are not answered yet
	rested  chan struct{} // closed when busy comes down to 0
}

// start starts the functions.
func (h *House) start() {
	h.t.Helper()
	p := &process{house: h, env: fntest.Env(h.t, nil), hosts: map[string]http.Handler{}, rested: make(chan struct{})}
	known := p.env.Lookup
	p.env.Lookup = func(name string) (string, bool) {
		if value, ok := h.lookup(name); ok {
			return value, true
		}
		return known(name)
	}
	p.env.Now, p.env.Transport, p.env.Secrets = h.Now, p, h.secrets
	p.ctx, p.cancel = context.WithCancel(context.Background())
	for _, f := range append([]fn.Function{h.adapter}, h.others...) {
		host, err := fn.NewHost(p.ctx, f, p.env)
		if err != nil {
			p.cancel()
			h.t.Fatalf("start %s: %v", f.Name, err)
		}
		p.hosts[f.Name] = host
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.process, h.Env = p, p.env
}

// end cuts off what is under way. The store goes first, as it does for who is killed: nothing can be written
// down any more.
func (p *process) end() {
	_ = p.env.Close() // the test closes it again, and looks
	p.cancel()
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	p.working.Wait()
}

// Restart kills the functions in the middle of whatever they do, and starts them again.
func (h *House) Restart() {
	h.t.Helper()
	h.now().end()
	h.start()
}

// now is the process that runs.
func (h *House) now() *process {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.process
}

// webhook is the adapter's door for the platform.
func (h *House) webhook(w http.ResponseWriter, r *http.Request) {
	p := h.now()
	ctx, done := p.work(r.Context())
	defer done()
	p.hosts[h.adapter.Name].ServeHTTP(w, r.WithContext(ctx))
}

// work counts a call as under way until done, and ends its context with the process.
func (p *process) work(ctx context.Context) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancel(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		cancel()
		return ctx, cancel
	}
	p.working.Add(1)
	p.busy++
	stop := context.AfterFunc(p.ctx, cancel)
	return ctx, func() {
		stop()
		cancel()
		p.mu.Lock()
		if p.busy--; p.busy == 0 {
			close(p.rested)
			p.rested = make(chan struct{})
		}
		p.mu.Unlock()
		p.working.Done()
	}
}

// idle returns a channel that is closed once no call is under way; nil if none is.
func (p *process) idle() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy == 0 {
		return nil
	}
	return p.rested
}

// RoundTrip is the gateway.
func (p *process) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	rec := httptest.NewRecorder()
	_, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	name, path, _ := strings.Cut(rest, "/")
	host := p.hosts[name]
	switch {
	case r.URL.Path == "/system/functions":
		fn.Reply(rec, http.StatusOK, p.house.plugins())
	case p.house.isAway(name):
		fault.Write(rec, fault.New(fault.Unavailable, "the store is away"))
	case host == nil:
		p.house.note(rec, r.URL.Path, body)
	case strings.HasPrefix(r.URL.Path, "/async-function/"):
		ctx, done := p.work(context.WithoutCancel(r.Context()))
		go func() {
			defer done()
			host.ServeHTTP(httptest.NewRecorder(), to(ctx, r, path, body))
		}()
		rec.WriteHeader(http.StatusAccepted)
	default:
		ctx, done := p.work(r.Context())
		defer done()
		host.ServeHTTP(rec, to(ctx, r, path, body))
		if err := ctx.Err(); err != nil {
			return nil, err // who waits no longer hears nothing
		}
	}
	return rec.Result(), nil
}

// to is a request as the function at path sees it.
func to(ctx context.Context, r *http.Request, path string, body []byte) *http.Request {
	out := r.Clone(ctx)
	out.URL.Path, out.RequestURI, out.Body = "/"+path, "", io.NopCloser(bytes.NewReader(body))
	return out
}

// plugins is the gateway's list.
func (h *House) plugins() []gateway.Function {
	list := []gateway.Function{}
	for _, f := range h.others {
		if f.Manifest == nil {
			continue
		}
		text, err := json.Marshal(f.Manifest())
		if err != nil {
			panic(err) // our own types
		}
		list = append(list, gateway.Function{Name: f.Name, Annotations: map[string]string{manifest.Annotation: string(text)}})
	}
	return list
}

func (h *House) isAway(function string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.away[function]--
	return h.away[function] >= 0
}

// note stands in for a function that is not deployed.
func (h *House) note(w http.ResponseWriter, path string, body []byte) {
	if !strings.HasPrefix(path, "/function/") {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	h.mu.Lock()
	h.asked = append(h.asked, path+" "+string(body))
	h.mu.Unlock()
	fn.Reply(w, http.StatusOK, map[string]any{"id": TheRun, "title": "Report"})
}

// As calls a function as somebody who is signed in, as "hearth" and the page do.
func (h *House) As(user, role, function, body string) (int, string) {
	h.t.Helper()
	name, path, _ := strings.Cut(function, "/")
	token := vault.Token{For: "user", ID: user, Role: role, Expires: h.Now().Add(time.Hour).Unix()}
	v, err := h.Env.Vault()
	if err != nil {
		h.t.Fatal(err)
	}
	p := h.now()
	ctx, done := p.work(context.Background())
	defer done()
	req := httptest.NewRequestWithContext(ctx, http.MethodPost, "/"+path, strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+v.Issue(token))
	rec := httptest.NewRecorder()
	p.hosts[name].ServeHTTP(rec, req)
	return rec.Code, rec.Body.String()
}

const (
	patience = time.Minute // real time that nothing takes which works
	step     = time.Second // of the clock, while nobody does anything
	steps    = 900
)

// Await returns when done is true. Time passes only while no call is under way: the clock goes on by a second,
// and the pump rings for what is due by then.
func (h *House) Await(what string, done func() bool) {
	h.t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for range steps {
		for rested := h.now().idle(); rested != nil; rested = h.now().idle() {
			select {
			case <-rested:
			case <-limit.C:
				h.t.Fatalf("waited in vain for %s: a call does not end", what)
			}
		}
		if done() {
			return
		}
		h.Later(step)
		h.pump()
	}
	h.t.Fatalf("waited in vain for %s", what)
}

// pump does one round of system-pump, where it is deployed.
func (h *House) pump() {
	p := h.now()
	if !slices.ContainsFunc(h.others, func(f fn.Function) bool { return f.Name == "system-pump" }) {
		return
	}
	ctx, done := p.work(context.Background())
	defer done()
	p.hosts["system-pump"].ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodPost, "/", http.NoBody))
}
