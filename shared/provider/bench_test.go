package provider_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/mux"
	"github.com/openfaas/faas-provider/proxy"
	"github.com/openfaas/faas-provider/types"

	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/provider"
)

func post(b *testing.B, client *http.Client, url string, body []byte) {
	resp, err := client.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != int64(len(body)) || resp.StatusCode != 200 {
		b.Fatal(resp.Status, n, err)
	}
	resp.Body.Close()
}

// clock measures calls one by one: means hide what a busy machine does.
type clock struct {
	b     *testing.B
	times []time.Duration
}

func (c *clock) call(client *http.Client, url string, body []byte) {
	start := time.Now()
	post(c.b, client, url, body)
	c.times = append(c.times, time.Since(start))
}

// report adds the median and the 99th percentile to the benchmark's line.
func (c *clock) report() {
	slices.Sort(c.times)
	c.b.ReportMetric(float64(c.times[len(c.times)/2].Nanoseconds())/1e3, "µs-p50")
	c.b.ReportMetric(float64(c.times[len(c.times)*99/100].Nanoseconds())/1e3, "µs-p99")
}

// hops calls a URL with 2 KB each way.
func hops(b *testing.B, client *http.Client, url string) {
	b.Helper()
	c, body := &clock{b: b}, make([]byte, 2<<10)
	for b.Loop() {
		c.call(client, url, body)
	}
	c.report()
}

// BenchmarkHop compares the ways to a function with 2 KB each way: to its process without anything between, through a
// process that copies bytes and knows no HTTP, through the standard library's proxy and nothing else, through faas-provider's, through the provider, to one inside
// the provider, and the calls of functions, which skip the network or the proxy.
func BenchmarkHop(b *testing.B) {
	b.Run("direct", func(b *testing.B) { hops(b, http.DefaultClient, "http://"+alone(b, "sink")) })
	b.Run("by a copy of bytes", func(b *testing.B) { hops(b, http.DefaultClient, "http://"+copied(b, alone(b, "sink"))) })
	b.Run("by httputil.ReverseProxy", func(b *testing.B) {
		server := httptest.NewServer(httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: alone(b, "sink")}))
		defer server.Close()
		hops(b, http.DefaultClient, server.URL)
	})
	b.Run("by faas-provider", func(b *testing.B) {
		server := httptest.NewServer(theirs(alone(b, "sink")))
		defer server.Close()
		hops(b, http.DefaultClient, server.URL+"/function/sink")
	})
	b.Run("proxied", func(b *testing.B) { hops(b, http.DefaultClient, start(b, processes).url+"/function/sink") })
	b.Run("inline", func(b *testing.B) {
		hops(b, http.DefaultClient, start(b, serving(handler("sink", sink))).url+"/function/sink")
	})
	b.Run("from inside to inline", func(b *testing.B) {
		r := start(b, serving(handler("sink", sink)))
		hops(b, &http.Client{Transport: r.Transport()}, r.url+"/function/sink")
	})
	b.Run("from inside to a process", func(b *testing.B) {
		r := start(b, processes)
		hops(b, &http.Client{Transport: r.Transport()}, r.url+"/function/sink")
	})
}

// alone runs a function as a process that nobody manages, and returns its address.
func alone(b *testing.B, name string) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(exe, "fn", name)
	cmd.Env, cmd.ExtraFiles = append(os.Environ(), "HEARTH_LISTEN=fd:3"), []*os.File{f}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	})
	return l.Addr().String()
}

// copied passes bytes on to an address and back, which is the least that anything between can do. It returns its own
// address.
func copied(b *testing.B, addr string) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer in.Close()
				out, err := net.Dial("tcp", addr)
				if err != nil {
					return
				}
				defer out.Close()
				conns.Go(func() { _, _ = io.Copy(struct{ io.Writer }{in}, out); in.Close() }) // ends with either side
				_, _ = io.Copy(struct{ io.Writer }{out}, in)
			})
		}
	})
	b.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		l.Close()
		conns.Wait()
	})
	return l.Addr().String()
}

// theirs is faas-provider's proxy in front of a function.
func theirs(addr string) http.Handler {
	proxied := proxy.NewHandlerFunc(types.FaaSConfig{ReadTimeout: time.Minute}, resolver(addr), false)
	router := mux.NewRouter()
	router.HandleFunc("/function/{name}", proxied)
	return router
}

type resolver string

func (r resolver) Resolve(string) (url.URL, error) {
	return url.URL{Scheme: "http", Host: string(r)}, nil
}

// BenchmarkBytes is TestBytes at length: run it with -benchtime 10000x.
func BenchmarkBytes(b *testing.B) {
	echoes := func(b *testing.B, r *rig) {
		random := rand.NewChaCha8([32]byte{})
		for n := 0; b.Loop(); n++ {
			if err := echoOnce(r, random, 8<<10<<(n%4)); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("inline", func(b *testing.B) { echoes(b, start(b)) })
	b.Run("process", func(b *testing.B) { echoes(b, start(b, processes)) })
}

// BenchmarkRing is a doorbell, with another lane each time.
func BenchmarkRing(b *testing.B) {
	r := start(b, serving(handler("sink", sink)))
	for n := 0; b.Loop(); n++ {
		req := r.request("POST", "/async-function/sink", `{"lane":"x"}`, gateway.LaneHeader+": "+fmt.Sprint(n))
		resp, err := r.Transport().RoundTrip(req)
		if err != nil {
			b.Fatal(err)
		}
		resp.Body.Close()
	}
}

// BenchmarkColdStart is a call of a function whose process does not run, without and with the provider.
func BenchmarkColdStart(b *testing.B) {
	b.Run("fork and exec", func(b *testing.B) {
		for b.Loop() {
			if err := exec.Command("/bin/true").Run(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("provider", func(b *testing.B) {
		r, c := start(b, processes), &clock{b: b}
		for b.Loop() {
			c.call(http.DefaultClient, r.url+"/function/echo", nil)
			b.StopTimer()
			r.Sweep(r.Now().Add(provider.DefaultIdle))
			b.StartTimer()
		}
		c.report()
	})
}

// BenchmarkReady is a provider with 40 functions, from its start as a process until it answers. It also says
// how much memory that takes.
func BenchmarkReady(b *testing.B) {
	var resident int
	for b.Loop() {
		cmd, addr := startProvider(b, b.TempDir())
		resp, err := http.Get("http://" + addr + "/healthz")
		if err != nil || resp.StatusCode != http.StatusOK {
			b.Fatal(resp, err)
		}
		resp.Body.Close()
		b.StopTimer()
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", cmd.Process.Pid))
		if err != nil {
			b.Skip("no /proc")
		}
		var size int
		if _, err := fmt.Sscan(string(raw), &size, &resident); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(resident*os.Getpagesize())/1e6, "MB")
}
