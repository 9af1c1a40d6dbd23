package lambda_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait for the process.
const patience = 20 * time.Second

// runtime is Lambda around one process: the runtime API and the extensions API of version 2018-06-01 and
// 2020-01-01, as docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html and runtimes-extensions-api.html
// describe them. An invocation is over when the process asks for the next one.
type runtime struct {
	t        *testing.T
	process  *exec.Cmd
	ended    chan struct{}
	said     *strings.Builder
	next     chan invocation
	asked    chan struct{}        // a token each time the process asks for the next invocation
	outcomes map[string]chan done // by request id
	refusals chan done
	seen     chan string // what the function told the witness

	mu         sync.Mutex
	registered bool
	released   chan struct{}
	n          int
}

type invocation struct {
	id, event string
	deadline  time.Time
}

// done is what the process answered.
type done struct {
	path    string
	header  http.Header
	body    []byte
	rest    *bufio.Reader // what has not been read of it
	trailer *http.Header  // filled at the end
	closed  chan struct{} // closed by whoever has read the rest
}

// start starts the test binary as the program of a Lambda function.
func start(t *testing.T, settings ...string) *runtime {
	t.Helper()
	r := &runtime{
		t: t, ended: make(chan struct{}), said: &strings.Builder{}, next: make(chan invocation), asked: make(chan struct{}, 16),
		outcomes: map[string]chan done{}, refusals: make(chan done, 1), seen: make(chan string, 64), released: make(chan struct{}),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", r.serveNext)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/{verb}", r.serveOutcome)
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", r.serveRefusal)
	mux.HandleFunc("POST /2020-01-01/extension/register", r.serveRegister)
	mux.HandleFunc("GET /2020-01-01/extension/event/next", func(_ http.ResponseWriter, q *http.Request) { <-q.Context().Done() })
	mux.HandleFunc("POST /witness", r.serveWitness)
	mux.HandleFunc("GET /wait", r.serveWait)
	server := httptest.NewServer(mux)
	address := strings.TrimPrefix(server.URL, "http://")
	r.process = exec.Command(os.Args[0])
	r.process.Env = append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + address, "_HANDLER=fn.test-echo", childSetting + "=1", "WITNESS=" + server.URL,
		"AWS_LAMBDA_FUNCTION_NAME=test",
	}, settings...)
	r.process.Stdout, r.process.Stderr = r.said, r.said
	if err := r.process.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = r.process.Wait() // ProcessState has it
		close(r.ended)
	}()
	t.Cleanup(func() {
		_ = r.process.Process.Kill() // most have ended
		<-r.ended
		server.CloseClientConnections()
		server.Close()
		if t.Failed() {
			t.Logf("the process said:\n%s", r.said)
		}
	})
	return r
}

func (r *runtime) serveNext(w http.ResponseWriter, q *http.Request) {
	r.asked <- struct{}{}
	select {
	case <-q.Context().Done():
	case i := <-r.next:
		h := w.Header()
		h.Set("Lambda-Runtime-Aws-Request-Id", i.id)
		h.Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(i.deadline.UnixMilli()))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-central-1:123456789012:function:test")
		h.Set("Lambda-Runtime-Trace-Id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1")
		_, _ = io.WriteString(w, i.event) // the process may have been ended
	}
}

func (r *runtime) serveOutcome(w http.ResponseWriter, q *http.Request) {
	d := done{path: q.PathValue("verb"), header: q.Header.Clone(), rest: bufio.NewReader(q.Body), trailer: &q.Trailer, closed: make(chan struct{})}
	r.mu.Lock()
	outcome := r.outcomes[q.PathValue("id")]
	r.mu.Unlock()
	if outcome == nil || d.path != "response" && d.path != "error" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	outcome <- d
	<-d.closed
	w.Header().Set("Connection", "close") // without it, the server would wait for what was not read
	w.WriteHeader(http.StatusAccepted)
}

func (r *runtime) serveRefusal(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		r.t.Error(err)
	}
	r.refusals <- done{header: q.Header.Clone(), body: body}
	w.WriteHeader(http.StatusAccepted)
}

func (r *runtime) serveRegister(w http.ResponseWriter, _ *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.registered = true
	w.Header().Set("Lambda-Extension-Identifier", "0000")
}

// serveWitness takes what the function wants the test to know.
func (r *runtime) serveWitness(_ http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		r.t.Error(err)
	}
	r.seen <- string(body)
}

// serveWait holds the function until the test releases it.
func (r *runtime) serveWait(_ http.ResponseWriter, q *http.Request) {
	select {
	case <-r.released:
	case <-q.Context().Done():
	}
}

// send gives the process an event, and returns how it begins to answer.
func (r *runtime) send(event string, deadline time.Time) done {
	r.t.Helper()
	await(r, "a call for the next invocation", r.asked)
	r.n++
	id := fmt.Sprintf("request-%d", r.n)
	outcome := make(chan done, 1)
	r.mu.Lock()
	r.outcomes[id] = outcome
	r.mu.Unlock()
	select {
	case r.next <- invocation{id, event, deadline}:
	case <-r.ended:
		r.t.Fatal("the process has ended")
	}
	return await(r, "an answer", outcome)
}

// invoke gives the process an event, and returns its whole answer.
func (r *runtime) invoke(event string) done {
	r.t.Helper()
	return r.all(r.send(event, time.Now().Add(patience)))
}

// all reads the rest of an answer.
func (r *runtime) all(d done) done {
	r.t.Helper()
	defer close(d.closed)
	var err error
	if d.body, err = io.ReadAll(d.rest); err != nil {
		r.t.Fatal(err)
	}
	return d
}

// witnessed returns the next thing that the function told.
func (r *runtime) witnessed() string {
	r.t.Helper()
	return await(r, "word of the function", r.seen)
}

// stop ends the process as Lambda does when it needs it no more.
func (r *runtime) stop() int {
	r.t.Helper()
	if err := r.process.Process.Signal(syscall.SIGTERM); err != nil {
		r.t.Fatal(err)
	}
	return r.exit()
}

func (r *runtime) exit() int {
	r.t.Helper()
	await(r, "its end", r.ended)
	return r.process.ProcessState.ExitCode()
}

func await[T any](r *runtime, what string, c <-chan T) T {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	var none T
	select {
	case v := <-c:
		return v
	case <-ctx.Done():
		r.t.Fatalf("the process does not give %s:\n%s", what, r.said)
		return none
	}
}

// decode reads an answer of the runtime.
func (d done) decode(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal(d.body, v); err != nil {
		t.Fatalf("%v: %.500s", err, d.body)
	}
}
