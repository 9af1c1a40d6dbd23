package provider_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/provider"
)

// placed runs a test with the functions inside the provider and as processes.
func placed(t *testing.T, f func(t *testing.T, r *rig), change ...func(*provider.Config)) {
	t.Run("inline", func(t *testing.T) { f(t, start(t, change...)) })
	t.Run("process", func(t *testing.T) { f(t, start(t, append(change, processes)...)) })
}

func TestCall(t *testing.T) {
	placed(t, func(t *testing.T, r *rig) {
		for _, c := range []struct{ path, saw string }{
			{"/function/echo", "/"},
			{"/function/echo/", "/"},
			{"/function/echo.openfaas-fn/a", "/a"},
			{"/function/echo/a/b?x=1&y=%20;z", "/a/b?x=1&y=%20;z"},
			{"/function/echo/a//b/../c", "/a//b/../c"},
			{"/function/echo/a%2Fb", "/a%2Fb"},
		} {
			resp := r.do("PUT", c.path, "body", "Host: localhost:1234")
			got, _, _ := strings.Cut(resp.Header.Get("Saw"), " pid=")
			if want := "PUT localhost:1234 " + c.saw; got != want || text(t, resp) != "body" || resp.StatusCode != 200 {
				t.Errorf("%s: the function saw %q, want %q (status %d)", c.path, got, want, resp.StatusCode)
			}
		}
	})
}

const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func TestCallHeaders(t *testing.T) {
	placed(t, func(t *testing.T, r *rig) {
		resp := r.do("GET", "/function/echo", "", "Traceparent: "+traceparent, "X-Call-Id: mine",
			"X-Forwarded-For: 6.6.6.6", "X-Forwarded-Host: evil", "X-Forwarded-Proto: gopher", "Forwarded: for=6.6.6.6", "Host: Hearth.Example:443")
		for name, want := range map[string]string{
			"Saw-X-Call-Id": "mine", "X-Call-Id": "mine", "Saw-Traceparent": traceparent, "Saw-X-Forwarded-For": "127.0.0.1",
			"Saw-X-Forwarded-Host": "Hearth.Example:443", "Saw-X-Forwarded-Proto": "https", "Saw-Forwarded": "",
			"Saw-X-Start-Time": fmt.Sprint(r.Now().UnixNano()), "X-Start-Time": fmt.Sprint(r.Now().UnixNano()),
		} {
			if got := resp.Header.Values(name); len(got) != 1 || got[0] != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		resp = r.do("GET", "/function/echo", "", "X-Call-Id: mine", "Connection: X-Call-Id, X-Forwarded-For")
		if id, ip := resp.Header.Get("Saw-X-Call-Id"), resp.Header.Get("Saw-X-Forwarded-For"); id != "mine" || ip != "127.0.0.1" {
			t.Errorf("a caller's Connection field took away what we say: %q, %q", id, ip)
		}
		for _, bad := range []string{"", strings.Repeat("x", 200), "a b"} {
			resp := r.do("GET", "/function/echo", "", "X-Call-Id: "+bad)
			if got := resp.Header.Get("X-Call-Id"); got == bad || len(got) != 32 || resp.Header.Get("Saw-X-Call-Id") != got {
				t.Errorf("the call id %q became %q", bad, got)
			}
		}
	})
}

func TestUnknownFunction(t *testing.T) {
	r := start(t)
	for _, path := range []string{"/function/nobody", "/function/", "/function/echo.elsewhere", "/async-function/nobody"} {
		resp := r.do("POST", path, "")
		if err := fault.Read(resp); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s gave %v", path, err)
		}
	}
}

// TestBytes is for golang/go#40747: an answer that begins while the request's body is still coming used
// to break a call in fifty.
func TestBytes(t *testing.T) {
	placed(t, func(t *testing.T, r *rig) {
		const callers, calls = 4, 500 // the break showed within two hundred
		var group sync.WaitGroup
		for n := range callers {
			group.Go(func() {
				random := rand.NewChaCha8([32]byte{byte(n)})
				for i := range calls {
					if err := echoOnce(r, random, 8<<10<<(i%4)); err != nil {
						t.Errorf("caller %d, call %d: %v", n, i, err)
						return
					}
				}
			})
		}
		group.Wait()
	})
}

func echoOnce(r *rig, random *rand.ChaCha8, size int) error {
	sent := make([]byte, size)
	random.Read(sent)
	resp, err := http.Post(r.url+"/function/echo", "application/octet-stream", bytes.NewReader(sent))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.Equal(got, sent) {
		return fmt.Errorf("%d bytes came back as %d: %w", size, len(got), err)
	}
	return nil
}

func TestStream(t *testing.T) {
	placed(t, func(t *testing.T, r *rig) {
		for _, kind := range []string{"text/event-stream", "application/x-ndjson"} {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			resp, err := http.DefaultClient.Do(r.request("GET", "/function/stream", "", "Accept: "+kind).WithContext(ctx))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			for n := range 3 {
				r.call("POST", "/function/stream/next", "")
				want := fmt.Sprintf("data: %d\n\n", n+1)
				got := make([]byte, len(want))
				if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != want {
					t.Fatalf("read %q, %v while the stream is open", got, err)
				}
			}
			cancel()
			r.call("POST", "/function/stream/ended", "") // returns because leaving ended the function's context
		}
	})
}

// A stream is known by what it answers, whatever its function says of itself: no time limit cuts it. That
// the limit has passed is known by a plain call of the same age that it did cut.
func TestStreamOutlivesTheLimit(t *testing.T) {
	brief := func(name string) fn.Function { return fn.Function{Name: name, Timeout: time.Millisecond} } // the child has its own
	r := start(t, processes, serving(brief("stream"), brief("socket"), brief("block")))
	events := r.do("POST", "/function/stream", "body", "Accept: text/event-stream; charset=utf-8")
	c, resp, err := websocket.Dial(t.Context(), r.url+"/function/socket", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if resp.Body != nil {
		defer resp.Body.Close()
	}
	if err := fault.Read(r.do("POST", "/function/block", "body")); !fault.Is(err, fault.Timeout) {
		t.Fatalf("a plain call gave %v", err)
	}
	if code, got := r.call("POST", "/function/stream/next", ""); code != http.StatusOK { // on the connection of the call that was cut
		t.Fatalf("the next call gives %d %s", code, got)
	}
	got := make([]byte, len("data: 1\n\n"))
	if _, err := io.ReadFull(events.Body, got); err != nil {
		t.Errorf("the stream of events: %q, %v", got, err)
	}
	if err := c.Write(t.Context(), websocket.MessageText, []byte("still here")); err != nil {
		t.Error(err)
	}
	if _, got, err := c.Read(t.Context()); err != nil || string(got) != "still here" {
		t.Errorf("the WebSocket: %q, %v", got, err)
	}
}

func TestWebSocket(t *testing.T) {
	placed(t, func(t *testing.T, r *rig) {
		c, resp, err := websocket.Dial(t.Context(), r.url+"/function/socket", nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body != nil {
			defer resp.Body.Close()
		}
		for _, size := range []int{1, 1000, 30_000} {
			sent := bytes.Repeat([]byte{'x'}, size)
			if err := c.Write(t.Context(), websocket.MessageBinary, sent); err != nil {
				t.Fatal(err)
			}
			if _, got, err := c.Read(t.Context()); err != nil || !bytes.Equal(got, sent) {
				t.Fatalf("%d bytes came back as %d, %v", size, len(got), err)
			}
		}
		c.CloseNow()
	})
}

func TestPanic(t *testing.T) {
	placed(t, func(t *testing.T, r *rig) {
		for range 2 {
			if err := fault.Read(r.do("POST", "/function/panic", "")); !fault.Is(err, fault.Internal) {
				t.Errorf("got %v", err)
			}
		}
	})
}

func TestBrokenFunction(t *testing.T) {
	placed(t, func(t *testing.T, r *rig) {
		if err := fault.Read(r.do("POST", "/function/broken", "")); !fault.Is(err, fault.Unavailable) {
			t.Errorf("got %v", err)
		}
		if code, _ := r.call("POST", "/function/echo", ""); code != http.StatusOK {
			t.Errorf("its neighbour answers %d", code)
		}
	})
}

func TestHost(t *testing.T) {
	r := start(t)
	for host, want := range map[string]int{
		"127.0.0.1": 200, "localhost": 200, "LocalHost.:80": 200, "[::1]:8080": 200, "192.168.1.7:8080": 200, "hearth.example": 200,
		"evil.example": 403, "127.0.0.1.evil.example": 403, "localhost.evil.example:8080": 403, "hearth.example.evil": 403,
	} {
		for _, path := range []string{"/function/echo", "/healthz"} {
			if code, _ := r.call("GET", path, "", "Host: "+host); code != want {
				t.Errorf("%s on %s answers %d, want %d", path, host, code, want)
			}
		}
	}
}

func TestHome(t *testing.T) {
	r := start(t)
	resp := r.do("GET", "/", "")
	if resp.Request.URL.Path != "/function/echo/" || resp.StatusCode != 200 {
		t.Errorf("GET / led to %s (%d)", resp.Request.URL, resp.StatusCode)
	}
	if code, _ := r.call("GET", "/nothing", ""); code != http.StatusNotFound {
		t.Errorf("GET /nothing answers %d", code)
	}
}

func TestMetrics(t *testing.T) {
	r := start(t)
	r.call("POST", "/function/echo", "")
	r.call("POST", "/function/panic", "")
	_, got := r.call("GET", "/metrics", "")
	for _, want := range []string{
		`gateway_function_invocation_total{code="200",function_name="echo.openfaas-fn"} 1`,
		`gateway_function_invocation_total{code="500",function_name="panic.openfaas-fn"} 1`,
		`gateway_function_invocation_started{function_name="echo.openfaas-fn"} 1`,
		`gateway_functions_seconds_count{code="200",function_name="echo.openfaas-fn"} 1`,
		`gateway_service_count{function_name="echo.openfaas-fn"} 1`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("no line %s", want)
		}
	}
	if strings.Contains(got, "go_goroutines") {
		t.Error("the registry is shared with the process")
	}
}
