package provider_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/provider"
)

// seen is what an async function got.
type seen struct{ method, uri, body, callID, lane, callback string }

// recorder is a function that reports its calls, and answers with the next of codes, then with 200.
func recorder(codes ...int) (fn.Function, chan seen) {
	calls := make(chan seen, 10_000)
	var mu sync.Mutex
	return handler("record", func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		mu.Lock()
		code := http.StatusOK
		if len(codes) > 0 {
			code, codes = codes[0], codes[1:]
		}
		mu.Unlock()
		w.Header().Set("Made-By", "record")
		if code == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "100")
		}
		w.WriteHeader(code)
		fmt.Fprint(w, "answer to ", string(raw))
		calls <- seen{r.Method, r.URL.RequestURI(), string(raw), r.Header.Get("X-Call-Id"), r.Header.Get(gateway.LaneHeader), r.Header.Get("X-Callback-Url")}
	}), calls
}

func TestAsync(t *testing.T) {
	f, calls := recorder()
	r := start(t, serving(f))
	resp := r.do("POST", "/async-function/record.openfaas-fn/a%2Fb?c=d", "body", "X-Call-Id: mine")
	if resp.StatusCode != http.StatusAccepted || resp.Header.Get("X-Call-Id") != "mine" {
		t.Errorf("status %d, call %q", resp.StatusCode, resp.Header.Get("X-Call-Id"))
	}
	if got, want := <-calls, (seen{"POST", "/a%2Fb?c=d", "body", "mine", "", ""}); got != want {
		t.Errorf("the function got %+v, want %+v", got, want)
	}
	if id := r.do("POST", "/async-function/record", "").Header.Get("X-Call-Id"); len(id) != 32 || (<-calls).callID != id {
		t.Errorf("the made call id is %q", id)
	}
	if err := fault.Read(r.do("GET", "/async-function/record", "")); !fault.Is(err, fault.Invalid) {
		t.Errorf("GET gave %v", err)
	}
	huge := make([]byte, fn.DefaultMaxBody+1)
	if err := fault.Read(r.do("POST", "/async-function/record", string(huge))); !fault.Is(err, fault.TooLarge) {
		t.Errorf("a huge body gave %v", err)
	}
}

func TestAsyncReachesProcesses(t *testing.T) {
	calls := make(chan string, 1)
	back := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		calls <- string(raw)
	}))
	defer back.Close()
	r := start(t, processes)
	r.do("POST", "/async-function/echo", "hello", "X-Callback-Url: "+back.URL, basic())
	if got := <-calls; got != "hello" {
		t.Errorf("got %q", got)
	}
}

// TestAsyncHalfAnswer is of a call whose answer breaks off: what came of it is not called back as if it were all.
func TestAsyncHalfAnswer(t *testing.T) {
	placed(t, func(t *testing.T, r *rig) {
		back, got := receiver(t)
		r.queueFor(back, "half", "x")
		select {
		case <-r.timer: // it comes again
		case p := <-got:
			t.Errorf("called back with %q: %q", p.header.Get("X-Function-Status"), p.body)
		}
	})
}

func TestAsyncRetries(t *testing.T) {
	f, calls := recorder(503, 429, 502, 504, 500)
	r := start(t, serving(f))
	r.do("POST", "/async-function/record", "again")
	for n, want := range []struct{ least, most time.Duration }{
		{time.Second, 5 * time.Second / 4}, {100 * time.Second, 100 * time.Second}, {4 * time.Second, 5 * time.Second}, {8 * time.Second, 10 * time.Second},
	} {
		<-calls
		if got := r.fire(); got < want.least || got > want.most {
			t.Errorf("pause %d is %s", n+1, got)
		}
	}
	<-calls // 500 is no "later": nothing follows
	r.do("POST", "/async-function/record", "next")
	if got := <-calls; got.body != "next" {
		t.Errorf("after 500 came %+v", got)
	}
}

func TestAsyncGivesUp(t *testing.T) {
	codes := make([]int, 20)
	for n := range codes {
		codes[n] = http.StatusServiceUnavailable
	}
	f, calls := recorder(codes...)
	status := make(chan string, 1)
	back := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { status <- r.Header.Get("X-Function-Status") }))
	defer back.Close()
	r := start(t, serving(f))
	r.do("POST", "/async-function/record", "", "X-Callback-Url: "+back.URL, basic())
	for range 9 {
		r.fire()
	}
	if got := <-status; got != "503" || len(calls) != 10 {
		t.Errorf("after %d calls the callback says %s", len(calls), got)
	}
}

// An accepted call survives the provider: one that waits for a retry, one that waits for a worker, and one
// that is cut short by the end.
func TestAsyncSurvivesRestart(t *testing.T) {
	data := t.TempDir()
	entered := make(chan struct{}, 2)
	hold := handler("hold", func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-r.Context().Done()
		fault.Write(w, fault.New(fault.Unavailable, "cut short"))
	})
	f, calls := recorder(503)
	one := func(c *provider.Config) { c.Inflight, c.Drain = 1, time.Millisecond }
	r := startIn(t, data, serving(f, hold), one)
	r.do("POST", "/async-function/record", "retry")
	<-calls
	<-r.timer
	r.do("POST", "/async-function/hold", "running")
	<-entered
	r.do("POST", "/async-function/hold", "waiting")
	r.end()

	held, bodies := make(chan string, 2), make(chan string, 2)
	hold = handler("hold", func(_ http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		held <- string(raw)
	})
	f = handler("record", func(_ http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		bodies <- string(raw)
	})
	r = startIn(t, data, serving(f, hold), one)
	if a, b, c := <-bodies, <-held, <-held; a != "retry" || b != "running" || c != "waiting" {
		t.Errorf("came back: %q, %q, %q", a, b, c)
	}
	r.end()

	f, calls = recorder()
	r = startIn(t, data, serving(f, hold), one)
	r.do("POST", "/async-function/record", "fresh")
	if got := <-calls; got.body != "fresh" {
		t.Errorf("a call that was done came back: %+v", got)
	}
}

func TestAsyncOfRemovedFunctionIsDropped(t *testing.T) {
	data := t.TempDir()
	f, calls := recorder(503)
	r := startIn(t, data, serving(f))
	r.do("POST", "/async-function/record", "retry")
	<-calls
	<-r.timer
	r.end()
	other, _ := recorder()
	other.Name = "other"
	startIn(t, data, serving(other)).end()
	f, calls = recorder()
	r = startIn(t, data, serving(f))
	r.do("POST", "/async-function/record", "fresh")
	if got := <-calls; got.body != "fresh" {
		t.Errorf("got %+v", got)
	}
}

func TestTornQueue(t *testing.T) {
	data := t.TempDir()
	f, calls := recorder(503)
	r := startIn(t, data, serving(f))
	r.do("POST", "/async-function/record", "whole")
	<-calls
	<-r.timer
	r.end()
	spool, err := os.OpenFile(filepath.Join(data, "async", "spool"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := spool.Write([]byte{40, 0, 0, 0, 1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	spool.Close()
	f, calls = recorder()
	startIn(t, data, serving(f))
	if got := <-calls; got.body != "whole" {
		t.Errorf("got %+v", got)
	}
}

func TestInflight(t *testing.T) {
	running, release := make(chan int, 100), make(chan struct{})
	var mu sync.Mutex
	n := 0
	f := handler("slow", func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		n++
		running <- n
		mu.Unlock()
		<-release
		mu.Lock()
		n--
		mu.Unlock()
	})
	r := start(t, serving(f), func(c *provider.Config) { c.Inflight = 3 })
	for range 10 {
		r.mustGo("POST", "/async-function/slow", "")
	}
	for range 10 {
		if got := <-running; got > 3 {
			t.Errorf("%d calls run at the same time", got)
		}
		release <- struct{}{}
	}
}

// ring rings a lane's doorbell of the function record.
func ring(t *testing.T, r *rig, lane, body string) {
	t.Helper()
	req := r.request("POST", "/async-function/record", body, gateway.LaneHeader+": "+lane)
	resp, err := r.Transport().RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusAccepted {
		t.Fatalf("the ring gave %v, %v", resp, err)
	}
	resp.Body.Close()
}

func TestDoorbellsMerge(t *testing.T) {
	entered, release := make(chan string), make(chan struct{})
	f := handler("record", func(_ http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		entered <- r.Header.Get(gateway.LaneHeader) + " " + string(raw)
		<-release
	})
	r := start(t, serving(f), func(c *provider.Config) { c.Inflight = 1 })
	ring(t, r, "s1", "1")
	if got := <-entered; got != "s1 1" {
		t.Fatalf("got %q", got)
	}
	for n := range 5 {
		ring(t, r, "s1", fmt.Sprint("during ", n)) // it runs: once more afterwards
		ring(t, r, "s2", fmt.Sprint("waiting ", n))
	}
	for _, want := range []string{"s2 waiting 4", "s1 during 4"} {
		release <- struct{}{}
		if got := <-entered; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	release <- struct{}{}
	ring(t, r, "s3", "end")
	if got := <-entered; got != "s3 end" {
		t.Errorf("got %q: a merged ring came back", got)
	}
	release <- struct{}{}
	if left, err := os.Stat(filepath.Join(r.data, "async", "spool")); err != nil || left.Size() != 0 {
		t.Errorf("doorbells are on disk: %d bytes, %v", left.Size(), err)
	}
}

func TestDoorbellsAreBounded(t *testing.T) {
	release := make(chan struct{})
	f := handler("record", func(http.ResponseWriter, *http.Request) { <-release })
	r := start(t, serving(f), func(c *provider.Config) { c.Inflight = 1 })
	for n := range 10_000 {
		ring(t, r, fmt.Sprint("s", n), "")
	}
	resp, err := r.Transport().RoundTrip(r.request("POST", "/async-function/record", "", gateway.LaneHeader+": more"))
	if err != nil || !fault.Is(fault.Read(resp), fault.Limited) {
		t.Errorf("one lane too many gave %v, %v", resp, err)
	}
	ring(t, r, "s9999", "") // merges, so it needs no room
	close(release)
}

func TestDoorbellIsNotRetried(t *testing.T) {
	f, calls := recorder(503, 503)
	r := start(t, serving(f))
	ring(t, r, "s1", "first")
	<-calls
	ring(t, r, "s1", "second")
	if got := <-calls; got.body != "second" {
		t.Errorf("got %+v", got)
	}
}

func TestRingThroughGateway(t *testing.T) {
	entered := make(chan string, 1)
	bell := fn.Function{Name: "planner-intent", New: func(_ context.Context, env *fn.Env) (http.Handler, error) {
		return gateway.Signed(env, "planner-intent", fn.JSON(func(_ context.Context, b gateway.Bell) (struct{}, error) {
			entered <- b.Lane
			return struct{}{}, nil
		})), nil
	}}
	r := start(t, serving(bell))
	r.env.Transport = r.Transport()
	c, err := gateway.Open(r.env, "adapter-web")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Ring(t.Context(), "planner-intent", "s3f-lane"); err != nil {
		t.Fatal(err)
	}
	if got := <-entered; got != "s3f-lane" {
		t.Errorf("got %q", got)
	}
	if err := c.Ring(t.Context(), "planner-nothing", "s3f-lane"); !fault.Is(err, fault.NotFound) {
		t.Errorf("a ring of nobody gave %v", err)
	}
}

func TestPanicInQueue(t *testing.T) {
	f, calls := recorder()
	boom := handler("boom", func(http.ResponseWriter, *http.Request) { panic(errors.New("boom")) })
	abort := handler("abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	r := start(t, serving(f, boom, abort))
	r.do("POST", "/async-function/boom", "")
	r.do("POST", "/async-function/abort", "")
	if got := r.fire(); got > 5*time.Second/4 { // an answer that broke off is tried again
		t.Errorf("pause of %s", got)
	}
	r.do("POST", "/async-function/record", "alive")
	if got := <-calls; got.body != "alive" {
		t.Errorf("got %+v", got)
	}
}
