package provider_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/provider"
)

// TestMain is also the program that the tests run as processes: `provider.test fn NAME`, and the program
// behind an image that is not ours, which serves the function in $role. `provider.test provider DATA` is a
// provider to be killed.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "fn" {
		serveChild(os.Args[2])
	}
	if len(os.Args) == 1 && os.Getenv("HEARTH_LISTEN") != "" {
		serveChild(os.Getenv("role"))
	}
	if len(os.Args) == 3 && os.Args[1] == "provider" {
		serveProvider(os.Args[2])
	}
	goleak.VerifyTestMain(m)
}

func serveChild(name string) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	env := fn.OSEnv(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	l, err := fn.Listen(ctx, env)
	if err == nil {
		i := slices.IndexFunc(functions(), func(f fn.Function) bool { return f.Name == name })
		err = fn.Serve(ctx, functions()[i], env, l)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "the child ends:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// functions are what the tests call, in every placement.
func functions() []fn.Function {
	return []fn.Function{
		handler("echo", echo),
		handler("sink", sink),
		{Name: "stream", Streams: true, New: newStream},
		{Name: "socket", Streams: true, New: constant(http.HandlerFunc(echoSocket))},
		{Name: "block", New: newBlock},
		{Name: "held", Streams: true, New: newBlock}, // a process that cuts its calls as soon as it is asked to end
		handler("crash", func(http.ResponseWriter, *http.Request) { os.Exit(3) }),
		handler("orphan", orphan),
		handler("panic", func(http.ResponseWriter, *http.Request) { panic("on purpose") }),
		handler("abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
		handler("half", half),
		{Name: "broken", New: func(context.Context, *fn.Env) (http.Handler, error) { return nil, errors.New("no legs") }},
		{
			Name: "plugin-probe", Manifest: declaring(manifest.Manifest{ID: "probe", Grants: manifest.Grants{Secrets: []string{"smtp-url", "DATABASE_URL", "DATABASE_*_URL"}}}),
			New: constant(http.HandlerFunc(probe)),
		},
		{
			Name: "plugin-greedy", Manifest: declaring(manifest.Manifest{ID: "greedy", Limits: manifest.Limits{Memory: 32 << 20}}),
			New: constant(http.HandlerFunc(greedy)),
		},
	}
}

func handler(name string, h http.HandlerFunc) fn.Function {
	return fn.Function{Name: name, New: constant(h)}
}

func declaring(m manifest.Manifest) func() *manifest.Manifest {
	return func() *manifest.Manifest { return &m }
}

func constant(h http.Handler) func(context.Context, *fn.Env) (http.Handler, error) {
	return func(context.Context, *fn.Env) (http.Handler, error) { return h, nil }
}

// echo answers with the body as it comes, and with what it saw of the request in the header.
func echo(w http.ResponseWriter, r *http.Request) {
	for _, name := range []string{"X-Call-Id", "X-Start-Time", "Traceparent", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded"} {
		w.Header().Set("Saw-"+name, r.Header.Get(name))
	}
	w.Header().Set("Saw", fmt.Sprintf("%s %s %s pid=%d", r.Method, r.Host, r.URL.RequestURI(), os.Getpid()))
	_ = http.NewResponseController(w).EnableFullDuplex() // what is tested is the provider, not its function's server
	io.Copy(w, r.Body)
}

// sink reads a body and answers with it, as a function that decodes JSON does.
func sink(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Write(body)
}

// orphan dies on the word, and leaves a process behind that holds its output.
func orphan(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if string(body) == "leave" {
		left := exec.Command("/bin/sleep", "10")
		left.Stderr = os.Stderr
		if err := left.Start(); err != nil {
			panic(err)
		}
		os.Exit(3)
	}
	w.Write(body)
}

// half breaks its answer off.
func half(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "8")
	fmt.Fprint(w, "half")
	http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// newStream makes a function whose / streams an event per POST /next until its client leaves, which
// POST /ended waits for.
func newStream(context.Context, *fn.Env) (http.Handler, error) {
	next, ended := make(chan struct{}), make(chan struct{}, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.Header.Get("Accept"))
		http.NewResponseController(w).Flush()
		for n := 1; ; n++ {
			select {
			case <-r.Context().Done():
				ended <- struct{}{}
				return
			case <-next:
				fmt.Fprintf(w, "data: %d\n\n", n)
				http.NewResponseController(w).Flush()
			}
		}
	})
	mux.HandleFunc("POST /next", func(http.ResponseWriter, *http.Request) { next <- struct{}{} })
	mux.HandleFunc("POST /ended", func(http.ResponseWriter, *http.Request) { <-ended })
	return mux, nil
}

func echoSocket(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	for {
		kind, data, err := c.Read(r.Context())
		if err != nil || c.Write(r.Context(), kind, data) != nil {
			return
		}
	}
}

// newBlock makes a function whose POST waits for POST /release or the end of its context. GET /entered
// waits until that has begun.
func newBlock(context.Context, *fn.Env) (http.Handler, error) {
	entered, release := make(chan struct{}, 64), make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{$}", func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		select {
		case <-release:
			fmt.Fprint(w, "released")
		case <-r.Context().Done():
			fmt.Fprint(w, "cancelled")
		}
	})
	mux.HandleFunc("GET /entered", func(http.ResponseWriter, *http.Request) { <-entered })
	mux.HandleFunc("POST /release", func(http.ResponseWriter, *http.Request) { close(release) })
	return mux, nil
}

// probe tells all that a plugin can see.
func probe(w http.ResponseWriter, _ *http.Request) {
	for _, pair := range os.Environ() {
		fmt.Fprintln(w, "env", pair)
	}
	secrets, _ := filepath.Glob(filepath.Join(os.Getenv("HEARTH_SECRETS"), "*"))
	for _, path := range secrets {
		info, _ := os.Stat(path)
		text, _ := os.ReadFile(path)
		fmt.Fprintf(w, "secret %s %s %s\n", filepath.Base(path), info.Mode(), text)
	}
	dir, _ := os.Getwd()
	fmt.Fprintln(w, "dir", dir)
}

// rig is a provider that serves, with a clock and timers in the test's hand.
type rig struct {
	*provider.Provider
	t      testing.TB
	env    *fn.Env
	url    string
	data   string
	end    func()
	mu     sync.Mutex
	now    time.Time
	timers []func()
	waits  []time.Duration
	timer  chan struct{}
}

const password = "pass word"

func start(t testing.TB, change ...func(*provider.Config)) *rig {
	t.Helper()
	return startIn(t, t.TempDir(), change...)
}

func startIn(t testing.TB, data string, change ...func(*provider.Config)) *rig {
	t.Helper()
	r := &rig{t: t, data: data, now: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC), timer: make(chan struct{}, 1000)}
	logs := provider.NewLogs()
	r.env = fntest.Env(t, nil)
	r.env.Log = slog.New(logs.Handler(slog.DiscardHandler))
	r.env.Now = r.Now
	r.secret(provider.PasswordSecret, password)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	config := provider.Config{
		Functions: functions(), Env: r.env, Logs: logs, Inline: true, Data: data, Command: []string{exe, "fn"},
		Environ: []string{"HEARTH_CANARY=bundle", "GORACE=atexit_sleep_ms=0"}, Hosts: []string{"hearth.example"}, TLS: true, Home: "/function/echo/", Version: "test",
		After: r.after,
	}
	for _, f := range change {
		f(&config)
	}
	if r.Provider, err = provider.New(config); err != nil {
		t.Fatal(err)
	}
	r.serve()
	return r
}

func (r *rig) serve() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	r.url = "http://" + l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- r.Serve(ctx, l) }()
	r.end = sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			r.t.Errorf("Serve returned %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	r.t.Cleanup(r.end)
}

// processes is a change for start: no function runs inline.
func processes(c *provider.Config) { c.Inline = false }

// serving is a change for start: only these functions.
func serving(list ...fn.Function) func(*provider.Config) {
	return func(c *provider.Config) { c.Functions = list }
}

func (r *rig) Now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *rig) advance(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

func (r *rig) after(d time.Duration, f func()) func() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.timers = append(r.timers, f)
	r.waits = append(r.waits, d)
	r.timer <- struct{}{}
	return func() bool { return false }
}

// fire waits for the next timer to be set, fires it, and returns its time.
func (r *rig) fire() time.Duration {
	<-r.timer
	r.mu.Lock()
	f, d := r.timers[0], r.waits[0]
	r.timers, r.waits = r.timers[1:], r.waits[1:]
	r.mu.Unlock()
	f()
	return d
}

func (r *rig) secret(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.env.Secrets, name), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// do sends a request to the provider's address. headers are "Name: value"; "Host: …" sets the host.
func (r *rig) do(method, path, body string, headers ...string) *http.Response {
	r.t.Helper()
	req := r.request(method, path, body, headers...)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	r.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func (r *rig) request(method, path, body string, headers ...string) *http.Request {
	r.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			req.Host = value
		}
		req.Header.Set(name, value)
	}
	return req
}

// call is do for the text of the answer.
func (r *rig) call(method, path, body string, headers ...string) (int, string) {
	r.t.Helper()
	resp := r.do(method, path, body, headers...)
	return resp.StatusCode, text(r.t, resp)
}

func text(t testing.TB, resp *http.Response) string {
	t.Helper()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("read the answer: %v", err)
	}
	return string(raw)
}

// background runs f beside the test, which waits for it at its end. The returned channel closes after f.
func background(t testing.TB, f func()) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	t.Cleanup(func() { <-done })
	return done
}
