package faults

import (
	"bufio"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestFrames(t *testing.T) {
	for wire, want := range map[string]struct {
		args  []string
		first byte
		stale bool
	}{
		"*2\r\n$7\r\nEVALSHA\r\n$1\r\na\r\n": {[]string{"EVALSHA", "a"}, 'E', false},
		"*2\r\n:1\r\n:7\r\n":                 {[]string{":1", ":7"}, '1', false},
		":-1\r\n":                            {[]string{":-1"}, '-', true},
		"-NOSCRIPT none\r\n":                 {[]string{"-NOSCRIPT none"}, '-', false},
		"$-1\r\n":                            {[]string{""}, 0, false},
		"*-1\r\n":                            {nil, 0, false},
		"*2\r\n*1\r\n:0\r\n$2\r\n\r\n\r\n":   {[]string{":0", "\r\n"}, '0', false},
	} {
		f, err := readFrame(bufio.NewReader(strings.NewReader(wire)))
		first, stale := f.result()
		if err != nil || string(f.raw) != wire || !slices.Equal(f.args, want.args) || first != want.first || stale != want.stale {
			t.Errorf("%q: %q %q %c %t %v", wire, f.raw, f.args, first, stale, err)
		}
	}
	for _, wire := range []string{"", "GET a\r\n", "*1\r\n", "$5\r\nab", "$x\r\n", strings.Repeat("*1\r\n", deepest+2)} {
		if f, err := readFrame(bufio.NewReader(strings.NewReader(wire))); err == nil {
			t.Errorf("%q is taken for %q", wire, f.args)
		}
	}
}

func TestLaterTime(t *testing.T) {
	for wire, want := range map[string]string{
		"*2\r\n$10\r\n1795398000\r\n$6\r\n123456\r\n":      "*2\r\n$10\r\n1795401600\r\n$6\r\n123456\r\n",
		"*2\r\n$10\r\n1795398000\r\n$10\r\n1795398000\r\n": "*2\r\n$10\r\n1795401600\r\n$10\r\n1795398000\r\n",
	} {
		f, err := readFrame(bufio.NewReader(strings.NewReader(wire)))
		if err != nil {
			t.Fatal(err)
		}
		if err := f.later(time.Hour); err != nil || string(f.raw) != want {
			t.Errorf("%q %v", f.raw, err)
		}
	}
	if err := (&frame{raw: []byte("-ERR no\r\n"), args: []string{"-ERR no"}}).later(time.Hour); err == nil {
		t.Error("an error is taken for a time")
	}
}

func TestLanesIn(t *testing.T) {
	got := lanesIn("h:{p3f}:l:s3f-abcdefghij2 r3f-klmnopqrst|x, not s3f-SHORT nor xr3f-abcdefghij")
	if want := []string{"s3f-abcdefghij2", "r3f-klmnopqrst"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// TestLeaksAreSeen puts into a store, and into a log, what must not be there.
func TestLeaksAreSeen(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("no redis-server: make dev-setup")
	}
	store, err := StartRedis(filepath.Join(t.TempDir(), "r"), "x")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Stop(); err != nil {
			t.Error(err)
		}
	})
	c := &Cluster{Dir: t.TempDir(), Redis: store, secrets: map[string]string{"bot": "canary-1"}}
	bad := []string{"h:{p01}:in:s01-aaaaaaa", "h:{p01}:l:s01-aaaaaaa", "h:{p01}:j:s01-aaaaaaa:4", "h:{p01}:new"}
	for _, key := range append([]string{"h:{p01}:dlq", "h:pumps"}, bad...) {
		if err := store.client.Set(t.Context(), key, 1, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.client.Set(t.Context(), "h:{p01}:d:x", 1, time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
	leaks, kept, err := c.Leaks(t.Context())
	if err != nil || len(leaks) != len(bad) || !maps.Equal(kept, map[string]int{"dlq": 1, "pumps": 1, "d": 1}) {
		t.Errorf("%q %v %v", leaks, kept, err)
	}
	if err := os.WriteFile(filepath.Join(c.Dir, "output.log"), []byte("token=canary-1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if told, err := c.Told(); err != nil || !slices.Equal(told, []string{"bot in output.log"}) {
		t.Errorf("%q %v", told, err)
	}
}
