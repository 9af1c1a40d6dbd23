package provider_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"

	"github.com/hearthfaas/hearth/shared/fn"
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

// BenchmarkHop compares the ways to a function with 2 KB each way: without provider, through it to a
// process, through it to an inline function, and inside the process.
func BenchmarkHop(b *testing.B) {
	body := make([]byte, 2<<10)
	b.Run("direct", func(b *testing.B) {
		env := start(b).env
		host, err := fn.NewHost(b.Context(), handler("sink", sink), env)
		if err != nil {
			b.Fatal(err)
		}
		server := httptest.NewServer(host)
		defer server.Close()
		for b.Loop() {
			post(b, http.DefaultClient, server.URL, body)
		}
	})
	b.Run("proxied", func(b *testing.B) {
		r := start(b, processes)
		for b.Loop() {
			post(b, http.DefaultClient, r.url+"/function/sink", body)
		}
	})
	b.Run("inline", func(b *testing.B) {
		r := start(b, serving(handler("sink", sink)))
		for b.Loop() {
			post(b, http.DefaultClient, r.url+"/function/sink", body)
		}
	})
	b.Run("inside", func(b *testing.B) {
		r := start(b, serving(handler("sink", sink)))
		client := &http.Client{Transport: r.Transport()}
		for b.Loop() {
			post(b, client, r.url+"/function/sink", body)
		}
	})
	b.Run("inside to process", func(b *testing.B) {
		r := start(b, processes)
		client := &http.Client{Transport: r.Transport()}
		for b.Loop() {
			post(b, client, r.url+"/function/sink", body)
		}
	})
}

// BenchmarkBytes is TestBytes at length: run it with -benchtime 10000x.
func BenchmarkBytes(b *testing.B) {
	r := start(b, processes)
	random := rand.NewChaCha8([32]byte{})
	for n := 0; b.Loop(); n++ {
		if err := echoOnce(r, random, 8<<10<<(n%4)); err != nil {
			b.Fatal(err)
		}
	}
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
		r := start(b, processes)
		for b.Loop() {
			post(b, http.DefaultClient, r.url+"/function/echo", nil)
			b.StopTimer()
			r.Sweep(r.Now().Add(provider.DefaultIdle))
			b.StartTimer()
		}
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
