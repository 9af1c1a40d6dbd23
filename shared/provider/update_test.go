package provider_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/provider"
)

// TestUpdateKeepsCalls has a call in flight while its function is replaced.
func TestUpdateKeepsCalls(t *testing.T) {
	placed(t, func(t *testing.T, r *rig) {
		answered := make(chan string, 1)
		background(t, func() { answered <- r.cut("/function/block") })
		r.call("GET", "/function/block/entered", "")
		spec := fine()
		spec.Service, spec.EnvProcess = "block", "hearth fn block"
		spec.Annotations = &map[string]string{"version": "2"}
		r.must("PUT", "/system/functions", encoded(t, spec))

		// The new version blocks on its own: the old call is still with the old one.
		second := make(chan string, 1)
		background(t, func() {
			_, got := r.call("POST", "/function/block", "")
			second <- got
		})
		r.call("GET", "/function/block/entered", "")
		r.call("POST", "/function/block/release", "")
		if got := <-second; got != "released" {
			t.Errorf("the new version says %q", got)
		}
		select {
		case got := <-answered:
			t.Fatalf("the old version's call ended with %q", got)
		default:
		}
		r.end() // the drain time cuts it
		<-answered
	}, func(c *provider.Config) { c.Drain = 1 })
}

// TestUpdateFinishesCalls is the same with an end: the old process answers, and only then goes.
func TestUpdateFinishesCalls(t *testing.T) {
	r := start(t, processes)
	body := newPipe()
	answered := make(chan string, 1)
	background(t, func() {
		req := r.request("POST", "/function/sink", "")
		req.Body, req.ContentLength = body, -1
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			answered <- err.Error()
			return
		}
		defer resp.Body.Close()
		answered <- text(t, resp)
	})
	body.send("first ")
	<-body.taken // the call is under way
	old := instanceWhen(t, r, "sink")
	spec := fine()
	spec.Service, spec.EnvProcess = "sink", ""
	r.must("PUT", "/system/functions", encoded(t, spec))
	if _, got := r.call("POST", "/function/sink", "new"); got != "new" {
		t.Errorf("the new version answers %q", got)
	}
	body.send("last")
	body.end()
	if got := <-answered; got != "first last" {
		t.Errorf("the old version answered %q", got)
	}
	for alive(old) {
		if t.Context().Err() != nil {
			t.Fatal("the old process stays")
		}
	}
}

// TestUpdatesUnderLoad updates a function again and again, two at a time, while it is called.
func TestUpdatesUnderLoad(t *testing.T) {
	placed(t, func(t *testing.T, r *rig) {
		stop := make(chan struct{})
		var callers, updaters sync.WaitGroup
		for range 4 {
			callers.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					body := fmt.Sprint(n)
					if code, got := r.call("POST", "/function/echo", body); code != 200 || got != body {
						t.Errorf("call %d answers %d %s", n, code, got)
						return
					}
				}
			})
		}
		for u := range 2 {
			updaters.Go(func() {
				for n := range 5 {
					spec := fine()
					spec.Service, spec.EnvProcess = "echo", ""
					spec.Annotations = &map[string]string{"version": fmt.Sprint(u, n)}
					if code, got := r.system("PUT", "/system/functions", encoded(t, spec)); code != 202 {
						t.Errorf("an update answers %d %s", code, got)
					}
				}
			})
		}
		updaters.Wait()
		close(stop)
		callers.Wait()
	})
}

// TestQueuedCallReachesTheNewVersion has an async call wait for its next attempt during an update.
func TestQueuedCallReachesTheNewVersion(t *testing.T) {
	reached := make(chan struct{})
	r := start(t, serving(
		handler("mail", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }),
		handler("mended", func(http.ResponseWriter, *http.Request) { close(reached) }),
	))
	if code, _ := r.call("POST", "/async-function/mail", "x"); code != http.StatusAccepted {
		t.Fatalf("the call answers %d", code)
	}
	<-r.timer // the first attempt failed
	r.timer <- struct{}{}
	r.must("PUT", "/system/functions", `{"service":"mail","image":"hearth","envProcess":"hearth fn mended"}`)
	r.fire()
	<-reached
	if got := r.describe("mail").InvocationCount; got != 2 {
		t.Errorf("it was called %v times", got)
	}
}

// TestUpdateEndsStreams is for calls that never end: their clients come back to the new version.
func TestUpdateEndsStreams(t *testing.T) {
	placed(t, func(t *testing.T, r *rig) {
		resp := r.do("GET", "/function/stream", "", "Accept: text/event-stream")
		r.must("PUT", "/system/functions", `{"service":"stream","image":"hearth"}`)
		if got := text(t, resp); got != "" {
			t.Errorf("the stream ended with %q", got)
		}
		again := r.do("GET", "/function/stream", "")
		r.call("POST", "/function/stream/next", "")
		first := make([]byte, 7)
		if _, err := io.ReadFull(again.Body, first); err != nil || string(first) != "data: 1" {
			t.Errorf("the new stream begins with %q, %v", first, err)
		}
	}, func(c *provider.Config) { c.Drain = 50 * time.Millisecond })
}

func TestBrokenUpdateChangesNothing(t *testing.T) {
	placed(t, func(t *testing.T, r *rig) {
		first := r.pid()
		spec := fine()
		spec.Service, spec.EnvProcess = "echo", "hearth fn broken"
		code, got := r.system("PUT", "/system/functions", encoded(t, spec))
		if code != http.StatusServiceUnavailable || !strings.Contains(got, "the version before stays") {
			t.Errorf("it answers %d %s", code, got)
		}
		if second := r.pid(); second != first || r.describe("echo").EnvProcess != "" {
			t.Errorf("process %d instead of %d answers, as %q", second, first, r.describe("echo").EnvProcess)
		}
		r.end()
		if _, err := os.Stat(filepath.Join(r.data, "deployments.json")); !os.IsNotExist(err) {
			t.Errorf("it was recorded: %v", err)
		}
	})
}

func TestDeleteDuringACall(t *testing.T) {
	placed(t, func(t *testing.T, r *rig) {
		answered := make(chan string, 1)
		background(t, func() { answered <- r.cut("/function/block") })
		r.call("GET", "/function/block/entered", "")
		r.must("DELETE", "/system/functions", `{"functionName":"block"}`)
		if code, _ := r.call("POST", "/function/block/release", ""); code != http.StatusNotFound {
			t.Errorf("a removed function answers %d", code)
		}
		select {
		case got := <-answered:
			t.Fatalf("the call in flight ended with %q", got)
		default:
		}
		// It can come back at once, beside what is left of it.
		spec := fine()
		spec.Service, spec.EnvProcess = "block", ""
		r.must("POST", "/system/functions", encoded(t, spec))
		background(t, func() { r.cut("/function/block") })
		r.call("GET", "/function/block/entered", "")
		r.call("POST", "/function/block/release", "")
		r.end()
		<-answered
	}, func(c *provider.Config) { c.Drain = 1 })
}

// TestRemovedFunctionEnds is for what an inline function started besides its calls.
func TestRemovedFunctionEnds(t *testing.T) {
	ended := make(chan struct{})
	f := fn.Function{Name: "worker", New: func(ctx context.Context, _ *fn.Env) (http.Handler, error) {
		context.AfterFunc(ctx, func() { close(ended) })
		return http.NotFoundHandler(), nil
	}}
	r := start(t, serving(f))
	r.call("GET", "/function/worker", "")
	r.must("DELETE", "/system/functions", `{"functionName":"worker"}`)
	<-ended
	r.gone("worker")
}
