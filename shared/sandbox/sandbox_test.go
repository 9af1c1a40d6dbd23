package sandbox_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/sandbox"
)

// TestMain is also the program that the tests start: `sandbox.test child WHAT`.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "child" {
		child(os.Args[2])
	}
	goleak.VerifyTestMain(m)
}

func child(what string) {
	switch what {
	case "describe":
		dir, _ := os.Getwd()
		given, _ := io.ReadAll(os.NewFile(3, "given"))
		fmt.Printf("env=%q dir=%s given=%s group=%t\n", os.Environ(), dir, given, syscall.Getpgrp() == os.Getpid())
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("listening to nobody")
		select {}
	case "polite":
		ended := make(chan os.Signal, 1)
		signal.Notify(ended, syscall.SIGTERM)
		fmt.Println("waiting")
		<-ended
		fmt.Println("bye")
	case "eat":
		var kept [][]byte
		for range 1024 {
			kept = append(kept, bytes.Repeat([]byte{1}, 1<<20))
		}
		fmt.Println("ate", len(kept))
	case "write":
		signal.Ignore(syscall.SIGXFSZ)
		err := os.WriteFile("big", make([]byte, 1<<20), 0o600)
		fmt.Println("written:", err)
	case "starter":
		launcher := sandbox.NewLauncher()
		p, err := launcher.Start(spec("deaf", os.Stdout))
		fmt.Println("started", p.Pid(), err)
		select {}
	}
	os.Exit(0)
}

func spec(what string, out io.Writer) sandbox.Spec {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return sandbox.Spec{Path: exe, Args: []string{"child", what}, Dir: os.TempDir(), Output: out}
}

// lines starts a child and returns it with its output, line by line.
func lines(t *testing.T, s sandbox.Spec) (*sandbox.Process, *bufio.Scanner) {
	t.Helper()
	launcher := sandbox.NewLauncher()
	r, w := io.Pipe()
	s.Output = w
	p, err := launcher.Start(s)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		<-p.Exited()
		w.Close()
	}()
	t.Cleanup(func() {
		p.Kill()
		go io.Copy(io.Discard, r)
		<-ended
		launcher.Close()
	})
	return p, bufio.NewScanner(r)
}

func next(t *testing.T, s *bufio.Scanner) string {
	t.Helper()
	if !s.Scan() {
		t.Fatalf("no more output: %v", s.Err())
	}
	return s.Text()
}

func TestNothingIsInherited(t *testing.T) {
	t.Setenv("HEARTH_CANARY", "secret")
	s := spec("describe", nil)
	s.Dir = t.TempDir()
	given := filepath.Join(t.TempDir(), "given")
	if err := os.WriteFile(given, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(given)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s.Files = []*os.File{f}
	_, out := lines(t, s)
	if got, want := next(t, out), fmt.Sprintf("env=[] dir=%s given=text group=true", s.Dir); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestStop(t *testing.T) {
	polite, out := lines(t, spec("polite", nil))
	next(t, out)
	go polite.Stop(time.Minute)
	if got := next(t, out); got != "bye" || polite.Err() != nil {
		t.Errorf("said %q and ended with %v", got, polite.Err())
	}
	deaf, out := lines(t, spec("deaf", nil))
	next(t, out)
	deaf.Stop(0)
	if err := deaf.Err(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("a process that ignores SIGTERM ended with %v", err)
	}
}

func TestMissingProgram(t *testing.T) {
	launcher := sandbox.NewLauncher()
	defer launcher.Close()
	_, err := launcher.Start(sandbox.Spec{Path: filepath.Join(t.TempDir(), "nothing")})
	if !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
}

func TestLimits(t *testing.T) {
	eat := spec("eat", nil)
	eat.Limits = sandbox.Limits{Data: 512 << 20}
	p, out := lines(t, eat)
	for out.Scan() && !strings.HasPrefix(out.Text(), "ate") {
	}
	if p.Err() == nil {
		t.Error("1 GiB fits into 512 MiB")
	}
	write := spec("write", nil)
	write.Dir, write.Limits = t.TempDir(), sandbox.Limits{File: 1000}
	_, out = lines(t, write)
	if got := next(t, out); !strings.Contains(got, "file too large") {
		t.Errorf("1 MiB fits into 1000 bytes: %s", got)
	}
}

func TestDiesWithItsStarter(t *testing.T) {
	starter, out := lines(t, spec("starter", nil))
	fields := strings.Fields(next(t, out))
	pid, err := strconv.Atoi(fields[1])
	if err != nil {
		t.Fatal(err)
	}
	next(t, out) // the grandchild speaks, so it runs
	if err := syscall.Kill(starter.Pid(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	// The grandchild holds the output open as long as it lives.
	if out.Scan() {
		t.Errorf("unexpected output %q", out.Text())
	}
	// A process closes its files a little before it is gone.
	for deadline := time.Now().Add(5 * time.Second); ; runtime.Gosched() {
		state := processState(pid)
		if state == "" || state == "Z" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d outlived its starter, state %q", pid, state)
		}
	}
}

// processState returns the state letter of a process, or "" when it is gone.
func processState(pid int) string {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	return rest[:1]
}
