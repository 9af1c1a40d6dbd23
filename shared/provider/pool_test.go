package provider

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
)

// peer is the other end of a pool: a function's server, byte by byte.
type peer struct {
	*pool
	now      time.Time
	accepted atomic.Int32 // connections
	served   atomic.Int32 // requests that were read whole
	left     chan error   // what each connection ended with, as the peer saw it
}

// against returns a pool whose function answers by answer, which says whether it reads on.
func against(t *testing.T, answer func(p *peer, c *net.UnixConn, r *http.Request) bool) *peer {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{now: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC), left: make(chan error, 100)}
	p.pool = newPool(socket, func() time.Time { return p.now })
	var group sync.WaitGroup
	group.Go(func() {
		for {
			c, err := l.AcceptUnix()
			if err != nil {
				return
			}
			p.accepted.Add(1)
			group.Go(func() { p.left <- p.serve(c, answer) })
		}
	})
	t.Cleanup(func() {
		p.close()
		l.Close()
		group.Wait()
	})
	return p
}

func (p *peer) serve(c *net.UnixConn, answer func(p *peer, c *net.UnixConn, r *http.Request) bool) error {
	defer c.Close()
	in := bufio.NewReader(c)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return err
		}
		if r.URL.Path != "/unread" {
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return err
			}
			p.served.Add(1)
		}
		if !answer(p, c, r) {
			return nil
		}
	}
}

// saying answers each request with the same bytes.
func saying(text string) func(*peer, *net.UnixConn, *http.Request) bool {
	return func(_ *peer, c *net.UnixConn, _ *http.Request) bool {
		_, err := io.WriteString(c, text)
		return err == nil && !strings.Contains(text, "Connection: close") && !strings.HasPrefix(text, "HTTP/1.0")
	}
}

func request(t *testing.T, ctx context.Context, method, path, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, "http://function"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// call makes a call and returns its answer with the body that was read.
func (p *peer) call(t *testing.T, method, path, body string) (*http.Response, string, error) {
	t.Helper()
	resp, err := p.RoundTrip(request(t, t.Context(), method, path, body))
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return resp, string(raw), err
}

// TestPoolAnswers calls twice: the second call takes the connection of the first one where that can be.
func TestPoolAnswers(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	for name, c := range map[string]struct {
		method, answer string
		status         int
		body           string
		connections    int32
	}{
		"length":          {"POST", ok, 200, "ok", 1},
		"chunks":          {"POST", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n", 200, "ok", 1},
		"no body":         {"POST", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", 1},
		"204":             {"DELETE", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", 1},
		"304":             {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", 304, "", 1},
		"HEAD":            {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", 200, "", 1},
		"HEAD in chunks":  {"HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, "", 1},
		"100":             {"POST", "HTTP/1.1 100 Continue\r\n\r\n" + ok, 200, "ok", 1},
		"no length":       {"POST", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok", 200, "ok", 2},
		"close":           {"POST", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", 200, "ok", 2},
		"HTTP/1.0":        {"POST", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok", 2},
		"more than asked": {"POST", ok + "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", 200, "ok", 2},
		"large":           {"POST", "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + strings.Repeat("x", 300000), 200, strings.Repeat("x", 300000), 1},
		"large header":    {"POST", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 300000) + "\r\nContent-Length: 2\r\n\r\nok", 200, "ok", 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := against(t, saying(c.answer))
			for range 2 {
				resp, body, err := p.call(t, c.method, "/", "")
				if err != nil || resp.StatusCode != c.status || body != c.body {
					t.Fatalf("got %v %.40q %v", resp, body, err)
				}
			}
			if got := p.accepted.Load(); got != c.connections {
				t.Errorf("%d connections for two calls, want %d", got, c.connections)
			}
		})
	}
}

func TestPoolTrailersAndHints(t *testing.T) {
	p := against(t, saying("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Sum\r\n\r\n2\r\nok\r\n0\r\nSum: 7\r\n\r\n"))
	var hint string
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		hint = fmt.Sprint(code, h.Get("Link"))
		return nil
	}})
	resp, err := p.RoundTrip(request(t, ctx, "GET", "/", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "ok" || resp.Trailer.Get("Sum") != "7" || hint != "103</a>" {
		t.Errorf("got %q, %v, trailers %v, hint %q", body, err, resp.Trailer, hint)
	}
}

func TestPoolRefusesAnswers(t *testing.T) {
	for name, answer := range map[string]string{
		"nothing":         "",
		"no HTTP":         "hello\r\n\r\n",
		"101 unasked":     "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
		"endless header":  "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2<<20),
		"endless hints":   strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 100_000),
		"half a header":   "HTTP/1.1 200 OK\r\nX",
		"half a body":     "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhal",
		"half a chunk":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal",
		"no last chunk":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhal\r\n",
		"two lengths":     "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok",
		"negative length": "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nok",
	} {
		t.Run(name, func(t *testing.T) {
			p := against(t, func(_ *peer, c *net.UnixConn, _ *http.Request) bool {
				io.WriteString(c, answer)
				return false
			})
			if _, body, err := p.call(t, "POST", "/", "x"); err == nil {
				t.Errorf("it counts as an answer with the body %q", body)
			}
			<-p.left
			if len(p.idle) != 0 || p.served.Load() != 1 {
				t.Errorf("%d connections are kept after %d calls", len(p.idle), p.served.Load())
			}
		})
	}
}

// TestPoolLostConnection closes the connection of the first call in several ways. A call that the function may
// have acted on is not made again.
func TestPoolLostConnection(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	for name, c := range map[string]struct {
		first, second func(c *net.UnixConn) bool // answers to the two calls on the first connection
		method        string
		answered      bool
		served        int32
	}{
		"closed while idle":              {func(c *net.UnixConn) bool { io.WriteString(c, ok); return false }, nil, "POST", true, 2},
		"takes nothing more":             {func(c *net.UnixConn) bool { c.CloseRead(); io.WriteString(c, ok); return true }, nil, "POST", true, 2},
		"closed on a call":               {func(c *net.UnixConn) bool { io.WriteString(c, ok); return true }, func(*net.UnixConn) bool { return false }, "POST", false, 2},
		"closed on a safe call":          {func(c *net.UnixConn) bool { io.WriteString(c, ok); return true }, func(*net.UnixConn) bool { return false }, "GET", true, 3},
		"closed in a safe call's answer": {func(c *net.UnixConn) bool { io.WriteString(c, ok); return true }, func(c *net.UnixConn) bool { io.WriteString(c, "HT"); return false }, "GET", false, 2},
	} {
		t.Run(name, func(t *testing.T) {
			settled := make(chan struct{}, 10)
			p := against(t, func(p *peer, conn *net.UnixConn, _ *http.Request) bool {
				defer func() { settled <- struct{}{} }()
				switch {
				case p.accepted.Load() > 1:
					io.WriteString(conn, ok)
					return true
				case p.served.Load() == 1:
					goOn := c.first(conn)
					if !goOn {
						conn.Close()
					}
					return goOn
				default:
					return c.second(conn)
				}
			})
			if _, body, err := p.call(t, "POST", "/", "x"); err != nil || body != "ok" {
				t.Fatal(body, err)
			}
			<-settled
			_, body, err := p.call(t, c.method, "/", "")
			if (err == nil) != c.answered || c.answered && body != "ok" {
				t.Errorf("got %q, %v", body, err)
			}
			if got := p.served.Load(); got != c.served {
				t.Errorf("the function got %d calls, want %d", got, c.served)
			}
		})
	}
}

// TestPoolUnaskedAnswer is of a function that speaks when nobody asked: that is not the answer to the next call.
func TestPoolUnaskedAnswer(t *testing.T) {
	idle, spoken := make(chan struct{}), make(chan struct{})
	p := against(t, func(p *peer, c *net.UnixConn, _ *http.Request) bool {
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		if p.accepted.Load() == 1 {
			<-idle
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
			close(spoken)
		}
		return true
	})
	if _, body, err := p.call(t, "POST", "/", ""); err != nil || body != "ok" {
		t.Fatal(body, err)
	}
	close(idle)
	<-spoken
	if _, body, err := p.call(t, "POST", "/", ""); err != nil || body != "ok" || p.accepted.Load() != 2 {
		t.Errorf("got %q, %v on %d connections", body, err, p.accepted.Load())
	}
}

// TestPoolEarlyAnswer is of a function that answers without reading the body, and closes.
func TestPoolEarlyAnswer(t *testing.T) {
	p := against(t, func(_ *peer, c *net.UnixConn, _ *http.Request) bool {
		io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")
		return false
	})
	for range 20 {
		resp, body, err := p.call(t, "POST", "/unread", strings.Repeat("x", maxWhole))
		if err != nil || resp.StatusCode != 413 || body != "no" {
			t.Fatal(resp, body, err)
		}
	}
}

func TestPoolCancel(t *testing.T) {
	for name, answer := range map[string]string{
		"before the answer": "", "in the header": "HTTP/1.1 200 OK\r\nX", "in the body": "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
	} {
		t.Run(name, func(t *testing.T) {
			entered := make(chan struct{}, 1)
			p := against(t, func(_ *peer, c *net.UnixConn, _ *http.Request) bool {
				io.WriteString(c, answer)
				entered <- struct{}{}
				return true // it reads on, and sees the caller leave
			})
			ctx, cancel := context.WithCancelCause(t.Context())
			gone := errors.New("gone")
			go func() {
				<-entered
				cancel(gone)
			}()
			resp, err := p.RoundTrip(request(t, ctx, "POST", "/", "x"))
			if err == nil {
				_, err = io.ReadAll(resp.Body)
				resp.Body.Close()
			}
			if !errors.Is(err, gone) {
				t.Errorf("the caller got %v", err)
			}
			<-p.left // the function saw the connection end
		})
	}
}

// TestPoolAfterTheCall shows what leaves a connection as it is, and what does not: its last call's context does
// not end it, and a body that was not read to its end does.
func TestPoolAfterTheCall(t *testing.T) {
	p := against(t, saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		resp, err := p.RoundTrip(request(t, ctx, "POST", "/", "x"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(resp.Body); err != nil {
			t.Fatal(err)
		}
		cancel()
		resp.Body.Close()
		resp.Body.Close()
	}
	if p.accepted.Load() != 1 || len(p.idle) != 1 {
		t.Errorf("%d connections, %d kept", p.accepted.Load(), len(p.idle))
	}
	resp, err := p.RoundTrip(request(t, t.Context(), "POST", "/", "x"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if err := <-p.left; err != io.EOF {
		t.Errorf("the function saw the connection end with %v", err)
	}
}

func TestPoolIdleTime(t *testing.T) {
	p := against(t, saying("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	call := func() {
		if _, _, err := p.call(t, "POST", "/", ""); err != nil {
			t.Fatal(err)
		}
	}
	call()
	p.now = p.now.Add(idleTime - 1)
	p.sweep(p.now)
	call()
	p.now = p.now.Add(idleTime)
	call()
	if got := p.accepted.Load(); got != 2 {
		t.Errorf("%d connections, want one for the calls in time, and one for the late one", got)
	}
	p.sweep(p.now.Add(idleTime))
	if len(p.idle) != 0 {
		t.Error("a sweep leaves an old connection")
	}
	call()
	p.close()
	p.call(t, "POST", "/", "")
	if len(p.idle) != 0 {
		t.Error("a closed pool keeps a connection")
	}
}

// TestPoolOtherCalls sends what is not simple through the Transport, whole.
func TestPoolOtherCalls(t *testing.T) {
	type seen struct {
		chunked bool
		size    int64
	}
	got := make(chan seen, 1)
	p := against(t, func(_ *peer, c *net.UnixConn, r *http.Request) bool {
		got <- seen{len(r.TransferEncoding) > 0, r.ContentLength}
		_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		return err == nil
	})
	for name, c := range map[string]struct {
		change func(r *http.Request)
		simple bool
		seen   seen
	}{
		"whole":        {func(*http.Request) {}, true, seen{false, 4}},
		"nothing":      {func(r *http.Request) { r.Body, r.ContentLength = nil, 0 }, true, seen{false, 0}},
		"unknown":      {func(r *http.Request) { r.ContentLength = -1 }, false, seen{true, -1}},
		"unknown as 0": {func(r *http.Request) { r.ContentLength = 0 }, false, seen{true, -1}},
		"long": {func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(make([]byte, maxWhole+1))), maxWhole+1
		}, false, seen{false, maxWhole + 1}},
		"100-continue":   {func(r *http.Request) { r.Header.Set("Expect", "100-continue") }, false, seen{false, 4}},
		"last":           {func(r *http.Request) { r.Close = true }, false, seen{false, 4}},
		"other protocol": {func(r *http.Request) { r.Header.Set("Upgrade", "websocket") }, false, seen{false, 4}},
	} {
		r := request(t, t.Context(), "POST", "/", "body")
		c.change(r)
		if simple(r) != c.simple {
			t.Errorf("%s: simple is %t", name, !c.simple)
		}
		resp, err := p.RoundTrip(r)
		if err != nil {
			t.Fatal(name, err)
		}
		resp.Body.Close()
		if got := <-got; got != c.seen {
			t.Errorf("%s: the function saw %+v, want %+v", name, got, c.seen)
		}
	}
}

// TestPoolBrokenBody sends nothing of a call whose body does not come.
func TestPoolBrokenBody(t *testing.T) {
	p := against(t, saying("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	r := request(t, t.Context(), "POST", "/", "half")
	r.ContentLength = 8
	if _, err := p.RoundTrip(r); !fault.Is(err, fault.Invalid) {
		t.Errorf("got %v", err)
	}
	if p.accepted.Load() != 0 {
		t.Error("the function was called")
	}
}
