package lambda_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/fn/lambda"
)

// childSetting makes the test binary the program of a Lambda function.
const childSetting = "HEARTH_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childSetting) != "" {
		os.Exit(child())
	}
	os.Exit(m.Run())
}

// child is main of the Lambda function.
func child() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	env := fn.OSEnv(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err := lambda.Main(ctx, fn.Function{Name: "test-echo", New: newEcho, MaxBody: 1 << 20}, env); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// call is what the function saw of a request.
type call struct {
	Starts                          int
	Method, Path, URI, Host, Remote string
	Body                            []byte
	Header                          http.Header
	Deadline                        bool
	Cookies                         []string
	Closed, Ended                   bool
}

// starts counts how often the function was started.
var starts int

type witness struct{ url string }

func (w witness) tell(what any) {
	raw, err := json.Marshal(what)
	if err != nil {
		panic(err)
	}
	resp, err := http.Post(w.url+"/witness", "application/json", bytes.NewReader(raw))
	if err != nil {
		panic(err)
	}
	resp.Body.Close()
}

// Close tells that the environment was closed.
func (w witness) Close() error {
	w.tell(call{Closed: true})
	return nil
}

func newEcho(_ context.Context, env *fn.Env) (http.Handler, error) {
	if env.Setting("BROKEN", "") != "" {
		return nil, fault.New(fault.Invalid, "no store").At("REDIS_URL")
	}
	starts++
	w := witness{env.Setting("WITNESS", "")}
	if _, err := fn.Share(env, "witness", func() (witness, error) { return w, nil }); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/echo/", echo)
	mux.HandleFunc("POST /{$}", w.queued)
	mux.HandleFunc("GET /answer", answer)
	mux.HandleFunc("GET /bytes", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Query().Get("n"))
		_, _ = w.Write(bytes.Repeat([]byte(r.URL.Query().Get("of")), n)) // what is too large is refused
	})
	mux.HandleFunc("GET /abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	mux.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) { panic("secret detail") })
	mux.HandleFunc("GET /slow", func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		fault.Write(w, r.Context().Err())
	})
	mux.HandleFunc("GET /stream", w.stream)
	return mux, nil
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, err := fn.ReadBody(r)
	if err != nil {
		fault.Write(w, err)
		return
	}
	c := call{
		Starts: starts, Method: r.Method, Path: r.URL.Path, URI: r.RequestURI, Host: r.Host, Remote: r.RemoteAddr, Body: body, Header: r.Header,
	}
	_, c.Deadline = r.Context().Deadline()
	for _, cookie := range r.Cookies() {
		c.Cookies = append(c.Cookies, cookie.String())
	}
	fn.Reply(w, http.StatusOK, c)
}

func answer(w http.ResponseWriter, _ *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: "a", Value: "1"})
	http.SetCookie(w, &http.Cookie{Name: "b", Value: "2", HttpOnly: true})
	w.Header().Add("X-Many", "one")
	w.Header().Add("X-Many", "two")
	w.WriteHeader(http.StatusEarlyHints)
	w.WriteHeader(http.StatusTeapot)
	w.Header().Set("X-Late", "no")
	_, _ = io.WriteString(w, "<p>茶 & 咖啡") // the answer is kept
}

// queued is what queues and schedules call.
func (w witness) queued(rw http.ResponseWriter, r *http.Request) {
	body, err := fn.ReadBody(r)
	if err != nil {
		fault.Write(rw, err)
		return
	}
	w.tell(call{Body: body, Header: r.Header, URI: r.RequestURI})
	if text, fails := strings.CutPrefix(string(body), "fail"); fails {
		fault.Write(rw, fault.New(fault.Unavailable, "not now%s", text))
	}
}

// stream writes one part, waits until it was read, and goes on until the client is gone.
func (w witness) stream(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("Content-Type", "text/event-stream")
	http.SetCookie(rw, &http.Cookie{Name: "a", Value: "1"})
	if err := http.NewResponseController(rw).Flush(); err != nil {
		panic(err)
	}
	fmt.Fprint(rw, "data: 1\n\n")
	resp, err := http.Get(w.url + "/wait")
	if err != nil {
		panic(err)
	}
	resp.Body.Close()
	fmt.Fprint(rw, "data: 2\n\n")
	switch r.URL.Query().Get("then") {
	case "abort":
		panic(http.ErrAbortHandler)
	case "stay":
		<-r.Context().Done()
		w.tell(call{Ended: true})
	}
}

// request is an event of a Function URL.
func request(method, path, query, body string, more ...func(e *events.APIGatewayV2HTTPRequest)) string {
	e := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: "$default", RawPath: path, RawQueryString: query, Body: body,
		Headers: map[string]string{"host": "abc.lambda-url.eu-central-1.on.aws", "content-type": "application/json"},
		RequestContext: events.APIGatewayV2HTTPRequestContext{
			Stage: "$default", DomainName: "abc.lambda-url.eu-central-1.on.aws", RequestID: "e1506fd5",
			HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{Method: method, Path: path, SourceIP: "203.0.113.7", Protocol: "HTTP/1.1"},
		},
	}
	for _, change := range more {
		change(&e)
	}
	raw, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// stage makes it an event of an HTTP API.
func stage(name string) func(e *events.APIGatewayV2HTTPRequest) {
	return func(e *events.APIGatewayV2HTTPRequest) {
		e.RequestContext.DomainName, e.RequestContext.Stage = "api.execute-api.eu-central-1.amazonaws.com", name
	}
}

func (r *runtime) http(event string) events.APIGatewayV2HTTPResponse {
	r.t.Helper()
	var out events.APIGatewayV2HTTPResponse
	d := r.invoke(event)
	if d.path != "response" {
		r.t.Fatalf("%s: %s", d.path, d.body)
	}
	d.decode(r.t, &out)
	return out
}

// echo returns what the function saw.
func (r *runtime) echo(event string) call {
	r.t.Helper()
	var c call
	out := r.http(event)
	if err := json.Unmarshal([]byte(out.Body), &c); err != nil || out.StatusCode != 200 {
		r.t.Fatalf("%d %v %s", out.StatusCode, err, out.Body)
	}
	return c
}

func TestRequests(t *testing.T) {
	r := start(t)
	c := r.echo(request("PUT", "/echo/a%20b/c", "x=1&x=2&y=%2F", `{"k":1}`, func(e *events.APIGatewayV2HTTPRequest) {
		e.Cookies = []string{"s=1", "t=2"}
		e.Headers["accept"] = "text/html, application/json"
		e.Headers["x-forwarded-host"] = "evil.example"
	}))
	if c.Method != "PUT" || c.Path != "/echo/a b/c" || c.URI != "/echo/a%20b/c?x=1&x=2&y=%2F" || string(c.Body) != `{"k":1}` {
		t.Errorf("%+v", c)
	}
	if c.Host != "abc.lambda-url.eu-central-1.on.aws" || c.Remote != "203.0.113.7:0" || !slices.Equal(c.Cookies, []string{"s=1", "t=2"}) {
		t.Errorf("%+v", c)
	}
	if c.Header.Get("X-Call-Id") != "request-1" || c.Header.Get("Accept") != "text/html, application/json" || c.Header.Get("X-Forwarded-Host") != "" || !c.Deadline {
		t.Errorf("%+v", c)
	}
	c = r.echo(request("POST", "/echo/", "", base64.StdEncoding.EncodeToString([]byte{0, 0xff, 1}), func(e *events.APIGatewayV2HTTPRequest) {
		e.IsBase64Encoded = true
		e.Headers["x-call-id"] = "of the caller"
	}))
	if !bytes.Equal(c.Body, []byte{0, 0xff, 1}) || c.Header.Get("X-Call-Id") != "of the caller" || c.Starts != 1 {
		t.Errorf("%+v", c)
	}
	for path, want := range map[string]string{
		"/function/test-echo/echo/x": "/echo/x", "/prod/echo/x": "/echo/x", "/prod/function/test-echo/echo/x": "/echo/x",
		"/echo/function/test-echo": "/echo/function/test-echo",
	} {
		if c := r.echo(request("GET", path, "", "", stage("prod"))); c.Path != want {
			t.Errorf("%s became %s", path, c.Path)
		}
	}
	if out := r.http(request("GET", "/prodecho/x", "", "", stage("prod"))); out.StatusCode != 404 {
		t.Errorf("a path that only begins like the stage: %d", out.StatusCode)
	}
	if out := r.http(request("POST", "/echo/", "", "*", func(e *events.APIGatewayV2HTTPRequest) { e.IsBase64Encoded = true })); out.StatusCode != 400 {
		t.Errorf("a body that is no base64: %d %s", out.StatusCode, out.Body)
	}
	if out := r.http(request("POST", "/echo/", "", strings.Repeat("x", 1<<20+1))); out.StatusCode != 413 {
		t.Errorf("a body over the function's limit: %d %s", out.StatusCode, out.Body)
	}
}

func TestAnswers(t *testing.T) {
	r := start(t)
	out := r.http(request("GET", "/answer", "", ""))
	if out.StatusCode != 418 || out.Body != "<p>茶 & 咖啡" || out.IsBase64Encoded || out.Headers["X-Many"] != "one, two" || out.Headers["X-Late"] != "" {
		t.Errorf("%+v", out)
	}
	if !slices.Equal(out.Cookies, []string{"a=1", "b=2; HttpOnly"}) || out.Headers["Set-Cookie"] != "" || !strings.HasPrefix(out.Headers["Content-Type"], "text/html") {
		t.Errorf("%+v", out)
	}
	out = r.http(request("GET", "/bytes", "of=%ff&n=3", ""))
	if !out.IsBase64Encoded || out.Body != "////" || out.StatusCode != 200 {
		t.Errorf("%+v", out)
	}
	for query, status := range map[string]int{
		"of=a&n=6000000": 200, "of=a&n=6291456": 413, "of=a&n=7000000": 413, "of=%ff&n=4800000": 413, "of=%01&n=2000000": 413,
	} {
		out := r.http(request("GET", "/bytes", query, ""))
		if out.StatusCode != status || status == 413 && !strings.Contains(out.Body, "RESPONSE_STREAM") {
			t.Errorf("%s: %d %.200s", query, out.StatusCode, out.Body)
		}
	}
}

// TestFailures ends no process: what fails is one invocation.
func TestFailures(t *testing.T) {
	r := start(t)
	if out := r.http(request("GET", "/panic", "", "")); out.StatusCode != 500 || strings.Contains(out.Body, "secret") {
		t.Errorf("a panic: %+v", out)
	}
	for name, event := range map[string]string{
		"aborted": request("GET", "/abort", "", ""), "an API of payload version 1.0": `{"httpMethod":"GET","path":"/echo/"}`,
		"another queue": `{"Records":[{"eventSource":"aws:sns"}]}`, "nothing": `{}`, "no object": `[]`,
	} {
		var failure struct {
			Message string `json:"errorMessage"`
			Type    string `json:"errorType"`
		}
		d := r.invoke(event)
		if d.decode(t, &failure); d.path != "error" || failure.Message == "" {
			t.Errorf("%s: %s %s", name, d.path, d.body)
		}
	}
	d := r.all(r.send(request("GET", "/slow", "", ""), time.Now().Add(time.Second)))
	var out events.APIGatewayV2HTTPResponse
	if d.decode(t, &out); d.path != "response" || out.StatusCode != 504 {
		t.Errorf("without time: %s %s", d.path, d.body)
	}
	if c := r.echo(request("GET", "/echo/", "", "")); c.Starts != 1 {
		t.Errorf("it was started %d times", c.Starts)
	}
}

// batch is an event of a queue.
func batch(queue string, bodies ...string) string {
	var e events.SQSEvent
	call, binary := "signed", []byte("x")
	for i, body := range bodies {
		e.Records = append(e.Records, events.SQSMessage{
			MessageId: fmt.Sprint("m", i), Body: body, EventSource: "aws:sqs", EventSourceARN: "arn:aws:sqs:eu-central-1:123456789012:" + queue,
			MessageAttributes: map[string]events.SQSMessageAttribute{
				"Hearth-Call": {StringValue: &call, DataType: "String"}, "X-Binary": {BinaryValue: binary, DataType: "Binary"},
			},
		})
	}
	raw, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func TestQueues(t *testing.T) {
	for _, tt := range []struct {
		queue  string
		bodies []string
		want   string // what SQS is told
		seen   []string
	}{
		{"calls", []string{"a", "b"}, `{"batchItemFailures":[]}`, []string{"a", "b"}},
		{"calls", []string{"a", "fail", "b", "fail"}, `{"batchItemFailures":[{"itemIdentifier":"m1"},{"itemIdentifier":"m3"}]}`, []string{"a", "fail", "b", "fail"}},
		{"calls.fifo", []string{"a", "fail", "b", "c"}, `{"batchItemFailures":[{"itemIdentifier":"m1"},{"itemIdentifier":"m2"},{"itemIdentifier":"m3"}]}`, []string{"a", "fail"}},
	} {
		t.Run(tt.queue+" "+strings.Join(tt.bodies, " "), func(t *testing.T) {
			r := start(t)
			if d := r.invoke(batch(tt.queue, tt.bodies...)); string(d.body) != tt.want {
				t.Errorf("%s %s", d.path, d.body)
			}
			for i, want := range tt.seen {
				var c call
				if err := json.Unmarshal([]byte(r.witnessed()), &c); err != nil {
					t.Fatal(err)
				}
				if string(c.Body) != want || c.Header.Get("Hearth-Call") != "signed" || c.Header.Get("X-Call-Id") != fmt.Sprint("m", i) || c.Header.Get("X-Binary") != "" || c.URI != "/" {
					t.Errorf("call %d: %s %v", i, c.Body, c.Header)
				}
			}
			if len(r.seen) > 0 {
				t.Errorf("more was called: %s", <-r.seen)
			}
		})
	}
}

// TestQueueOutOfTime gives back what there is no time for.
func TestQueueOutOfTime(t *testing.T) {
	r := start(t)
	d := r.all(r.send(batch("calls", "a", "b"), time.Now().Add(-time.Second)))
	if string(d.body) != `{"batchItemFailures":[{"itemIdentifier":"m0"},{"itemIdentifier":"m1"}]}` || len(r.seen) > 0 {
		t.Errorf("%s %s", d.path, d.body)
	}
}

func TestSchedule(t *testing.T) {
	r := start(t)
	event := `{"version":"0","id":"53dc4d37","detail-type":"Scheduled Event","source":"aws.events","time":"2026-11-22T09:00:00Z","resources":[],"detail":{}}`
	if d := r.invoke(event); d.path != "response" || string(d.body) != "null" {
		t.Errorf("%s %s", d.path, d.body)
	}
	var c call
	if err := json.Unmarshal([]byte(r.witnessed()), &c); err != nil {
		t.Fatal(err)
	}
	if len(c.Body) != 0 || c.Header.Get("X-Topic") != "cron-function" || c.Header.Get("X-Call-Id") != "request-1" {
		t.Errorf("%s %v", c.Body, c.Header)
	}
}

func TestStreams(t *testing.T) {
	prelude := `{"statusCode":200,"headers":{"Content-Type":"text/event-stream"},"cookies":["a=1"]}` + strings.Repeat("\x00", 8)
	begin := func(t *testing.T, then string) (*runtime, done) {
		r := start(t, lambda.StreamSetting+"=stream")
		d := r.send(request("GET", "/stream", "then="+then, ""), time.Now().Add(2*patience))
		first := make([]byte, len(prelude)+len("data: 1\n\n"))
		if _, err := io.ReadFull(d.rest, first); err != nil || string(first) != prelude+"data: 1\n\n" {
			t.Fatalf("%q %v", first, err)
		}
		if d.header.Get("Content-Type") != "application/vnd.awslambda.http-integration-response" {
			t.Errorf("%v", d.header)
		}
		close(r.released) // the first part came while the function was still at work
		return r, d
	}
	t.Run("to its end", func(t *testing.T) {
		r, d := begin(t, "")
		if rest := r.all(d); string(rest.body) != "data: 2\n\n" || rest.trailer.Get("Lambda-Runtime-Function-Error-Type") != "" {
			t.Errorf("%q %v", rest.body, *rest.trailer)
		}
		if out := r.http(request("GET", "/answer", "", "", stage("$default"))); out.StatusCode != 418 {
			t.Errorf("an HTTP API gets no stream: %+v", out)
		}
	})
	t.Run("that breaks", func(t *testing.T) {
		r, d := begin(t, "abort")
		if d = r.all(d); d.trailer.Get("Lambda-Runtime-Function-Error-Type") != "Error" {
			t.Errorf("it ends well: %v", *d.trailer)
		}
		d = r.send(request("GET", "/answer", "", ""), time.Now().Add(patience))
		if whole := r.all(d); !strings.Contains(string(whole.body), "茶") {
			t.Errorf("%q", whole.body)
		}
	})
	t.Run("that nobody wants any more", func(t *testing.T) {
		r, d := begin(t, "stay")
		close(d.closed)
		var c call
		if err := json.Unmarshal([]byte(r.witnessed()), &c); err != nil || !c.Ended {
			t.Errorf("%+v %v", c, err)
		}
	})
	t.Run("whose time is over", func(t *testing.T) {
		r := start(t, lambda.StreamSetting+"=stream")
		close(r.released)
		r.all(r.send(request("GET", "/stream", "then=stay", ""), time.Now().Add(time.Second)))
		var c call
		if err := json.Unmarshal([]byte(r.witnessed()), &c); err != nil || !c.Ended {
			t.Errorf("%+v %v", c, err)
		}
	})
}

func TestShutdown(t *testing.T) {
	r := start(t)
	r.echo(request("GET", "/echo/", "", ""))
	await(r, "a call for the next invocation", r.asked)
	if !r.registered {
		t.Error("Lambda does not know that it is to send SIGTERM")
	}
	if code := r.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	var c call
	if err := json.Unmarshal([]byte(r.witnessed()), &c); err != nil || !c.Closed {
		t.Errorf("what the function shares was not closed: %+v %v", c, err)
	}
}

func TestCannotStart(t *testing.T) {
	for setting, want := range map[string]string{"BROKEN=1": "REDIS_URL: ", lambda.StreamSetting + "=maybe": lambda.StreamSetting} {
		r := start(t, setting)
		d := await(r, "a refusal", r.refusals)
		var refusal struct {
			Message string `json:"errorMessage"`
			Type    string `json:"errorType"`
		}
		d.decode(t, &refusal)
		if !strings.Contains(refusal.Message, want) || refusal.Type != "Hearth.invalid" || d.header.Get("Lambda-Runtime-Function-Error-Type") != "Hearth.invalid" {
			t.Errorf("%s %v", d.body, d.header)
		}
		if code := r.exit(); code != 1 {
			t.Errorf("exit code %d", code)
		}
	}
}

// TestRefusalIsHeardOrNot returns the error in any case.
func TestRefusalIsHeardOrNot(t *testing.T) {
	env := fn.OSEnv(slog.New(slog.DiscardHandler))
	env.Lookup = func(name string) (string, bool) { return "127.0.0.1:1", name == "AWS_LAMBDA_RUNTIME_API" }
	want := errors.New("cannot start")
	if err := lambda.Refuse(t.Context(), env, want); !errors.Is(err, want) || !lambda.Hosts(env) {
		t.Error(err)
	}
}
