package provider_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
)

// greedy takes what its call asks for: all memory, or all processors until its caller has gone.
func greedy(w http.ResponseWriter, r *http.Request) {
	what, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	switch string(what) {
	case "memory":
		var kept [][]byte
		for range 2048 {
			kept = append(kept, bytes.Repeat([]byte{1}, 1<<20))
		}
		runtime.KeepAlive(kept)
	case "processors":
		var busy sync.WaitGroup
		for range 2 * runtime.NumCPU() {
			busy.Go(func() {
				for r.Context().Err() == nil {
				}
			})
		}
		busy.Wait()
		return
	}
	_, _ = io.WriteString(w, "modest") // who asked may be gone
}

// ranOut is what a Go program says when it gets no more memory: its own words, the kernel's, or the race detector's.
var ranOut = regexp.MustCompile(`out of memory|cannot allocate memory|ThreadSanitizer failed to allocate`)

// TestGreedyPlugin lets a plugin take more than it may: its call fails, in doubt, because nobody knows what it did
// before; the log has the reason. Others are served meanwhile, and so is its next call, by a new process.
func TestGreedyPlugin(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIP: the memory of a process is bounded on Linux only")
	}
	r := start(t, processes)
	ate := make(chan error, 1)
	background(t, func() { ate <- fault.Read(r.do("POST", "/function/plugin-greedy", "memory")) })
	for range 5 {
		if status, _ := r.call("GET", "/function/echo", ""); status != http.StatusOK {
			t.Errorf("beside a greedy plugin others are answered with %d", status)
		}
	}
	if err := <-ate; !fault.Is(err, fault.Unknown) || !strings.Contains(err.Error(), "plugin-greedy") {
		t.Errorf("2 GiB fit into 32 MiB: %v", err)
	}
	if _, log := r.call("GET", "/system/logs?name=plugin-greedy", "", basic()); !ranOut.MatchString(log) {
		t.Errorf("its log does not say why it ended: %s", log)
	}
	if status, said := r.call("POST", "/function/plugin-greedy", ""); status != http.StatusOK || said != "modest" {
		t.Errorf("after its end: %d %s", status, said)
	}

	ctx, cancel := context.WithCancel(t.Context())
	done := background(t, func() {
		req := r.request("POST", "/function/plugin-greedy", "processors").WithContext(ctx)
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
		}
	})
	for range 5 {
		if status, _ := r.call("GET", "/function/echo", ""); status != http.StatusOK {
			t.Errorf("beside a busy plugin others are answered with %d", status)
		}
	}
	cancel() // its time is over
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("a call that has no end has one for nobody")
	}
	if status, _ := r.call("POST", "/function/plugin-greedy", ""); status != http.StatusOK {
		t.Errorf("after its call was over it answers %d", status)
	}
}
