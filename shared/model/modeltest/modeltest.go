// Package modeltest is a model server for tests and benchmarks. It speaks the OpenAI API in the dialects
// of vLLM, llama-server and Ollama, answers by script, misbehaves on request, and remembers what it was
// asked.
package modeltest

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

// Runtime is whose dialect the server speaks.
type Runtime string

// The dialects.
const (
	VLLM        Runtime = "vllm"
	LlamaServer Runtime = "llamacpp"
	Ollama      Runtime = "library"
)

// Model is what the server lists. Its zero value is a VLLM model with a context of 8192 tokens.
type Model struct {
	ID      string
	Runtime Runtime
	Context int // tokens
}

// Request is a request that the server got.
type Request struct {
	Path   string
	Header http.Header
	Body   json.RawMessage
	Fields map[string]json.RawMessage // of Body
}

// Messages returns the roles and texts of a chat request.
func (r Request) Messages() []Message {
	var out []Message
	_ = json.Unmarshal(r.Fields["messages"], &out) // whoever asks for none gets none
	return out
}

// Message is a message of a chat request with a plain text.
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// Server is the model server. Its zero value is one that answers "ok" to every chat; it is an
// http.Handler, so that a benchmark can serve it as it likes.
type Server struct {
	Model Model
	Pace  func(ctx context.Context) error // called before each token; an error ends the connection

	mu       sync.Mutex
	script   []Reply
	answer   func(Request) Reply
	requests []Request
	arrived  chan struct{} // closed and renewed with each request
	left     int           // clients that went away in the middle of an answer
}

// Start serves a Server on a loopback port until the test ends. URL is the address for OPENAI_BASE_URL.
func Start(t testing.TB, s *Server) (url string) {
	t.Helper()
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	return h.URL + "/v1"
}

// Pipe serves a Server in memory until the test ends: for tests in a testing/synctest bubble, where all
// waiting takes no time. The address is any one with the host "model".
func Pipe(t testing.TB, s http.Handler) http.RoundTripper {
	t.Helper()
	l := &listener{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: s}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	transport := &http.Transport{DialContext: l.dial}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
		<-served
	})
	return transport
}

// listener hands one end of each net.Pipe to the server.
type listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *listener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case l.conns <- there:
		return here, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return &net.TCPAddr{} }

// Script appends replies to the next chat requests, one each.
func (s *Server) Script(replies ...Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = append(s.script, replies...)
}

// Answer sets what chat requests get that no script is left for.
func (s *Server) Answer(f func(Request) Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

// Requests returns the requests with a body so far, oldest first.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Wait returns once n requests with a body have come.
func (s *Server) Wait(ctx context.Context, n int) error {
	for {
		s.mu.Lock()
		if s.arrived == nil {
			s.arrived = make(chan struct{})
		}
		enough, arrived := len(s.requests) >= n, s.arrived
		s.mu.Unlock()
		if enough {
			return nil
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Left returns how many clients went away in the middle of an answer.
func (s *Server) Left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.left
}

// Every is a Pace: so long before each token.
func Every(d time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Gate is a Pace: a token for each value sent to c.
func Gate(c <-chan struct{}) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-c:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/v1/models":
		reply(w, s.list())
	case "/health", "/ping":
		w.WriteHeader(http.StatusOK)
	case "/props":
		s.only(w, r, LlamaServer, map[string]any{"default_generation_settings": map[string]any{"n_ctx": s.model().Context}})
	case "/api/tags":
		s.only(w, r, Ollama, map[string]any{"models": []any{map[string]any{"name": s.model().ID, "model": s.model().ID}}})
	case "/api/ps":
		s.only(w, r, Ollama, map[string]any{"models": []any{map[string]any{"name": s.model().ID, "context_length": s.model().Context}}})
	case "/v1/chat/completions":
		if request, ok := s.record(w, r); ok {
			s.next(request).serve(w, r, s)
		}
	case "/v1/embeddings":
		if request, ok := s.record(w, r); ok {
			embeddings(w, request)
		}
	default:
		http.Error(w, `{"detail":"Not Found"}`, http.StatusNotFound)
	}
}

func (s *Server) model() Model {
	m := s.Model
	if m.ID == "" {
		m.ID = "test-7b"
	}
	if m.Runtime == "" {
		m.Runtime = VLLM
	}
	if m.Context == 0 {
		m.Context = 8192
	}
	return m
}

// list is /v1/models as the runtimes write it.
func (s *Server) list() any {
	m := s.model()
	entry := map[string]any{"id": m.ID, "object": "model", "created": 1, "owned_by": m.Runtime}
	switch m.Runtime {
	case VLLM:
		entry["max_model_len"], entry["root"] = m.Context, m.ID
	case LlamaServer:
		entry["meta"] = map[string]any{"n_ctx_train": 131072, "n_vocab": 152064}
	}
	return map[string]any{"object": "list", "data": []any{entry}}
}

// only answers as one runtime does; the others do not know the path.
func (s *Server) only(w http.ResponseWriter, r *http.Request, runtime Runtime, body any) {
	if s.model().Runtime != runtime {
		http.NotFound(w, r)
		return
	}
	reply(w, body)
}

func reply(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}

// record keeps a request. It reports whether it is one.
func (s *Server) record(w http.ResponseWriter, r *http.Request) (Request, bool) {
	raw, err := io.ReadAll(r.Body)
	request := Request{Path: r.URL.Path, Header: r.Header.Clone(), Body: raw}
	if err != nil || json.Unmarshal(raw, &request.Fields) != nil {
		http.Error(w, `{"detail":[{"loc":["body"],"msg":"JSON decode error"}]}`, http.StatusUnprocessableEntity)
		return request, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, request)
	if s.arrived != nil {
		close(s.arrived)
	}
	s.arrived = make(chan struct{})
	return request, true
}

func (s *Server) next(request Request) Reply {
	s.mu.Lock()
	if len(s.script) > 0 {
		next := s.script[0]
		s.script = s.script[1:]
		s.mu.Unlock()
		return next
	}
	answer := s.answer
	s.mu.Unlock()
	if answer == nil {
		return Say("ok")
	}
	return answer(request)
}

func (s *Server) gone() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left++
}

// embeddings gives each text a vector of its length in bytes and in characters, last text first.
func embeddings(w http.ResponseWriter, request Request) {
	var input []string
	if err := json.Unmarshal(request.Fields["input"], &input); err != nil {
		http.Error(w, `{"error":{"message":"input should be a list","type":"BadRequestError","code":400}}`, http.StatusBadRequest)
		return
	}
	data := []any{}
	for i, text := range slices.Backward(input) {
		data = append(data, map[string]any{"object": "embedding", "index": i, "embedding": []int{len(text), len([]rune(text))}})
	}
	reply(w, map[string]any{"object": "list", "data": data, "model": "test", "usage": map[string]int{"prompt_tokens": 1}})
}
