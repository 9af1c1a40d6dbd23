package provider_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/vault"
)

// through sends a request as functions of this process do. The host leads nowhere: a request that takes
// the network fails.
func (r *rig) through(ctx context.Context, method, path, body string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://gateway.invalid"+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	client := http.Client{Transport: r.Transport()}
	return client.Do(req)
}

func (r *rig) mustGo(method, path, body string) *http.Response {
	r.t.Helper()
	resp, err := r.through(context.Background(), method, path, body)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	r.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func TestTransport(t *testing.T) {
	placed(t, func(t *testing.T, r *rig) {
		for _, size := range []int{0, 1000, 300_000} {
			sent := strings.Repeat("x", size)
			resp := r.mustGo("POST", "/function/echo.openfaas-fn/a//b?c=%20", sent)
			saw, _, _ := strings.Cut(resp.Header.Get("Saw"), " pid=")
			if text(t, resp) != sent || saw != "POST gateway.invalid /a//b?c=%20" || len(resp.Header.Get("Saw-X-Call-Id")) != 32 {
				t.Errorf("%d bytes: the function saw %q, call %q", size, saw, resp.Header.Get("Saw-X-Call-Id"))
			}
		}
		if err := fault.Read(r.mustGo("POST", "/function/nobody", "")); !fault.Is(err, fault.NotFound) {
			t.Errorf("an unknown function gave %v", err)
		}
		if err := fault.Read(r.mustGo("POST", "/function/panic", "")); !fault.Is(err, fault.Internal) {
			t.Errorf("a panic gave %v", err)
		}
		if err := fault.Read(r.mustGo("POST", "/function/abort", "")); !fault.Is(err, fault.Unknown) {
			t.Errorf("an aborted answer gave %v", err)
		}
		if err := fault.Read(r.mustGo("POST", "/function/broken", "")); !fault.Is(err, fault.Unavailable) {
			t.Errorf("a function that cannot start gave %v", err)
		}
		if resp := r.mustGo("GET", "/healthz", ""); resp.StatusCode != 200 {
			t.Errorf("/healthz gave %d", resp.StatusCode)
		}
		if resp := r.mustGo("GET", "/system/functions", ""); resp.StatusCode != 401 {
			t.Errorf("/system without the password gave %d", resp.StatusCode)
		}
	})
}

func TestTransportStreams(t *testing.T) {
	placed(t, func(t *testing.T, r *rig) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for _, leave := range []func(io.Closer){func(b io.Closer) { b.Close() }, func(io.Closer) { cancel() }} {
			resp, err := r.through(ctx, "GET", "/function/stream", "")
			if err != nil {
				t.Fatal(err)
			}
			for n := range 2 {
				r.mustGo("POST", "/function/stream/next", "")
				want := fmt.Sprintf("data: %d\n\n", n+1)
				got := make([]byte, len(want))
				if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != want {
					t.Fatalf("read %q, %v while the stream is open", got, err)
				}
			}
			leave(resp.Body)
			r.mustGo("POST", "/function/stream/ended", "")
			if _, err := io.ReadAll(resp.Body); err == nil {
				t.Error("a stream that was left reads as complete")
			}
			resp.Body.Close()
		}
	})
}

func TestTransportCancel(t *testing.T) {
	placed(t, func(t *testing.T, r *rig) {
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		background(t, func() {
			resp, err := r.through(ctx, "POST", "/function/block", "")
			if err == nil {
				resp.Body.Close()
			}
			failed <- err
		})
		r.mustGo("GET", "/function/block/entered", "")
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

// A function must not inherit what was proven to its caller.
func TestContextOfCallerStaysHome(t *testing.T) {
	type key struct{}
	var seen any
	r := start(t, serving(handler("look", func(_ http.ResponseWriter, r *http.Request) { seen = r.Context().Value(key{}) })))
	resp, err := r.through(context.WithValue(t.Context(), key{}, "secret"), "POST", "/function/look", "")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if seen != nil {
		t.Errorf("the called function sees %v", seen)
	}
}

func TestEndlessRecursion(t *testing.T) {
	var r *rig
	r = start(t, serving(handler("mirror", func(w http.ResponseWriter, in *http.Request) {
		resp, err := r.through(in.Context(), "POST", "/function/mirror", "")
		if err != nil {
			fault.Write(w, err)
			return
		}
		defer resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
		io.Copy(w, resp.Body)
	})))
	if err := fault.Read(r.do("POST", "/function/mirror", "")); !fault.Is(err, fault.Failed) {
		t.Errorf("got %v", err)
	}
}

func TestLimitOfCalls(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	r := start(t, serving(handler("wait", func(http.ResponseWriter, *http.Request) {
		entered <- struct{}{}
		<-release
	})))
	const limit = 1024
	var group sync.WaitGroup
	for range limit {
		group.Go(func() {
			if resp := r.mustGo("POST", "/function/wait", ""); resp.StatusCode != 200 {
				t.Errorf("a call within the limit gave %d", resp.StatusCode)
			}
		})
		<-entered
	}
	if err := fault.Read(r.mustGo("POST", "/function/wait", "")); !fault.Is(err, fault.Limited) || fault.After(err) == 0 {
		t.Errorf("one call more gave %v", err)
	}
	close(release)
	group.Wait()
}

// TestSignedCall is a call as functions make it, through the gateway package.
func TestSignedCall(t *testing.T) {
	type note struct{ Text string }
	hello := fn.Function{Name: "system-hello", New: func(_ context.Context, env *fn.Env) (http.Handler, error) {
		return gateway.Signed(env, "system-hello", fn.JSON(func(ctx context.Context, in note) (note, error) {
			if in.Text == "" {
				return note{}, fault.New(fault.Conflict, "nothing to say")
			}
			return note{fmt.Sprintf("%s from %s in %d", in.Text, gateway.Caller(ctx).From, os.Getpid())}, nil
		})), nil
	}}
	r := start(t, serving(hello))
	r.env.Transport = r.Transport()
	c, err := gateway.Open(r.env, "planner-intent")
	if err != nil {
		t.Fatal(err)
	}
	var out note
	err = c.Call(t.Context(), "system-hello", vault.Call{}, note{"hi"}, &out)
	if want := fmt.Sprintf("hi from planner-intent in %d", os.Getpid()); err != nil || out.Text != want {
		t.Errorf("got %q, %v", out.Text, err)
	}
	if err := c.Call(t.Context(), "system-hello", vault.Call{}, note{}, nil); !fault.Is(err, fault.Conflict) {
		t.Errorf("a fault came back as %v", err)
	}
	if err := fault.Read(r.do("POST", "/function/system-hello", `{}`)); !fault.Is(err, fault.Unauthorized) {
		t.Errorf("an unsigned call gave %v", err)
	}
	r.end()
	if err := c.Call(t.Context(), "system-hello", vault.Call{}, note{"hi"}, nil); err == nil {
		t.Error("a call after the end was answered")
	}
}
