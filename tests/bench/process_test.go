package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	fields := make([]string, 52)
	for i := range fields {
		fields[i] = fmt.Sprint(1000 * (i + 1))
	}
	fields[0], fields[1], fields[2], fields[3] = "42", "(a ) b (c)", "S", "7"
	fields[13], fields[14], fields[15], fields[16] = "1", "20", "300", "4000"
	fields[23] = "512"
	p, err := parseStat(strings.Join(fields, " "))
	if err != nil {
		t.Fatal(err)
	}
	mb := 512 * float64(os.Getpagesize()) / (1 << 20)
	if want := (process{42, 7, 43210 * time.Millisecond, mb}); p != want {
		t.Errorf("got %+v, want %+v", p, want)
	}
	for _, bad := range []string{"", "42 (a) S 7", "42 a S", strings.Replace(strings.Join(fields, " "), " 300 ", " x ", 1)} {
		if _, err := parseStat(bad); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}

func TestTree(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("SKIP: no /proc")
	}
	var found bool
	for _, p := range tree(os.Getppid()) {
		found = found || p.pid == os.Getpid()
	}
	if !found {
		t.Error("we are not among our parent's descendants")
	}
	if _, rss := usage(os.Getpid()); rss < 1 || rss > 10_000 {
		t.Errorf("we take %.1f MB", rss)
	}
}
