package redisd

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hearthfaas/hearth/shared/fault"
)

// TestMain is also a program that starts a store and waits to be killed: `redisd.test start DIR`.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "start" {
		s, err := Start(context.Background(), os.Args[2], quiet)
		if err != nil {
			panic(err)
		}
		fmt.Println(s.URL)
		select {}
	}
	goleak.VerifyTestMain(m)
}

var quiet = slog.New(slog.DiscardHandler)

// real skips a test where there is no redis-server.
func real(t *testing.T) {
	t.Helper()
	if find() == "" {
		t.Skip("SKIP: no redis-server on the PATH (make dev-setup installs it)")
	}
}

// start starts the store of dir and closes it at the end of the test.
func start(t *testing.T, dir string) *Server {
	t.Helper()
	s, err := Start(t.Context(), dir, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop() })
	return s
}

// client connects to a store as its users do.
func client(t *testing.T, address string) *conn {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	c, err := dial(t.Context(), port, password)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// again connects as soon as the store answers.
func again(t *testing.T, address string) *conn {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	port, _ := strconv.Atoi(u.Port())
	password, _ := u.User.Password()
	for {
		c, err := dial(t.Context(), port, password)
		if err == nil {
			if info, err := c.info(); err == nil && info["loading"] == "0" {
				t.Cleanup(func() { c.Close() })
				return c
			}
			c.Close()
		}
		if t.Context().Err() != nil {
			t.Fatal(err)
		}
	}
}

func do(t *testing.T, c *conn, want string, args ...string) {
	t.Helper()
	if got, err := c.do(args...); err != nil || got != want {
		t.Fatalf("%s: %q, %v, want %q", args, got, err, want)
	}
}

func pidOf(t *testing.T, c *conn) int {
	t.Helper()
	info, err := c.info()
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(info["process_id"])
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func signal(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatal(err)
	}
}

func TestMemory(t *testing.T) {
	t.Setenv("PATH", "")
	s := start(t, t.TempDir())
	if s.Kind != Memory || !strings.HasSuffix(s.URL, "?hearth_volatile=1") || !strings.Contains(s.URL, "@127.0.0.1:") {
		t.Errorf("%+v", s)
	}
	c := client(t, s.URL)
	do(t, c, "OK", "SET", "stays", "1")
	do(t, c, "OK", "SET", "goes", "1", "PX", "10")
	for {
		if got, err := c.do("GET", "goes"); err != nil || got != "1" { // a missing value is a length of -1, which do refuses
			break
		}
	}
	do(t, client(t, s.URL), "1", "GET", "stays")
}

func TestDataWithoutServer(t *testing.T) {
	t.Setenv("PATH", "")
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "appendonlydir"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), dir, quiet); !fault.Is(err, fault.Unavailable) {
		t.Errorf("an empty store took the place of data: %v", err)
	}
}

func TestChild(t *testing.T) {
	real(t)
	dir := filepath.Join(t.TempDir(), `a "quoted\ 目录`, "redis")
	first := start(t, dir)
	c := client(t, first.URL)
	if first.Kind != Child || first.Version == "" {
		t.Errorf("%+v", first)
	}
	for name, want := range map[string]string{
		"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction", "bind": "127.0.0.1", "save": "", "dir": dir,
	} {
		if got := setting(t, c, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	do(t, c, "OK", "SET", "key", "value")
	pid := pidOf(t, c)
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	if alive(pid) {
		t.Errorf("process %d outlived Stop", pid)
	}
	private(t, dir)

	second := start(t, dir)
	do(t, client(t, second.URL), "value", "GET", "key")
	if second.URL != first.URL || second.Kind != Child {
		t.Errorf("%s became %s", first.URL, second.URL)
	}
}

// setting asks for a value of the server's configuration. The reply is an array of name and value.
func setting(t *testing.T, c *conn, name string) string {
	t.Helper()
	if _, err := c.do("CONFIG", "GET", name); err == nil {
		t.Fatal("CONFIG GET answers without an array")
	}
	var parts []string
	for range 2 {
		length, err := c.in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		part, err := c.bulk(strings.TrimSpace(length[1:]))
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, part)
	}
	return parts[1]
}

// private makes sure that what holds the password is for us only, and that no argument shows it.
func private(t *testing.T, dir string) {
	t.Helper()
	for _, name := range []string{"redis.conf", "hearth.json"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%s: %v, %v", dir, info.Mode(), err)
	}
}

// alive reports whether a process runs. One that is dead and not yet waited for is not.
func alive(pid int) bool {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	return rest[0] != 'Z'
}

func TestKilledServerComesBack(t *testing.T) {
	real(t)
	s := start(t, t.TempDir())
	c := client(t, s.URL)
	for n := range 3 {
		do(t, c, "OK", "SET", fmt.Sprint("key", n), "value")
		signal(t, pidOf(t, c), syscall.SIGKILL)
		c.closed()
		c = again(t, s.URL)
		do(t, c, "value", "GET", fmt.Sprint("key", n))
	}
	pid := pidOf(t, c)
	if err := s.Stop(); err != nil || alive(pid) {
		t.Errorf("Stop: %v; process %d alive: %t", err, pid, alive(pid))
	}
}

// orphan starts a store from a process that is then killed, and returns its URL.
func orphan(t *testing.T, dir string) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "start", dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	signal(t, cmd.Process.Pid, syscall.SIGKILL)
	_, _ = io.Copy(io.Discard, out)
	_ = cmd.Wait()
	return strings.TrimSpace(address)
}

func TestAdopted(t *testing.T) {
	real(t)
	dir := t.TempDir()
	address := orphan(t, dir)
	c := client(t, address)
	do(t, c, "OK", "SET", "key", "value")
	pid := pidOf(t, c)
	s := start(t, dir)
	if s.Kind != Adopted || s.URL != address || pidOf(t, client(t, s.URL)) != pid {
		t.Errorf("%+v instead of process %d at %s", s, pid, address)
	}
	signal(t, pid, syscall.SIGKILL) // an adopted one comes back too
	c.closed()
	c = again(t, s.URL)
	do(t, c, "value", "GET", "key")
	pid = pidOf(t, c)
	if err := s.Stop(); err != nil || alive(pid) {
		t.Errorf("Stop: %v; process %d alive: %t", err, pid, alive(pid))
	}
}

func TestHungServerIsReplaced(t *testing.T) {
	real(t)
	dir := t.TempDir()
	address := orphan(t, dir)
	c := client(t, address)
	do(t, c, "OK", "SET", "key", "value")
	pid := pidOf(t, c)
	signal(t, pid, syscall.SIGSTOP)
	s := start(t, dir)
	if s.Kind != Child || alive(pid) {
		t.Errorf("%+v; process %d alive: %t", s, pid, alive(pid))
	}
	do(t, client(t, s.URL), "value", "GET", "key")
}

// TestOneWriter is a server that cannot be recognised, because its state is lost: nothing is started beside it.
func TestOneWriter(t *testing.T) {
	real(t)
	dir := t.TempDir()
	address := orphan(t, dir)
	pid := pidOf(t, client(t, address))
	known := filepath.Join(dir, "hearth.json")
	if err := os.Remove(known); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), dir, quiet); !fault.Is(err, fault.Unavailable) || !alive(pid) {
		t.Errorf("got %v; process %d alive: %t", err, pid, alive(pid))
	}
	signal(t, pid, syscall.SIGKILL)
	if err := os.WriteFile(known, []byte("{torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), dir, quiet); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a torn state gave %v", err)
	}
}

func TestPortIsTaken(t *testing.T) {
	real(t)
	dir := t.TempDir()
	first := start(t, dir)
	do(t, client(t, first.URL), "OK", "SET", "key", "value")
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(first.URL)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() { // a stranger that speaks something else
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
			c.Close()
		}
	}()
	second := start(t, dir)
	if second.URL == first.URL {
		t.Errorf("it is at the stranger's %s", second.URL)
	}
	do(t, client(t, second.URL), "value", "GET", "key")
}

func TestBrokenData(t *testing.T) {
	real(t)
	dir := t.TempDir()
	first := start(t, dir)
	do(t, client(t, first.URL), "OK", "SET", "key", "value")
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	logs, err := filepath.Glob(filepath.Join(dir, "appendonlydir", "*.incr.aof"))
	if err != nil || len(logs) != 1 {
		t.Fatal(logs, err)
	}
	raw, err := os.ReadFile(logs[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(logs[0], append([]byte("garbage\n"), raw...), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Start(t.Context(), dir, quiet)
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(fault.Text(err), "Bad file format") {
		t.Errorf("got %v", err)
	}
}

func TestCancelledStart(t *testing.T) {
	real(t)
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s, err := Start(ctx, dir, quiet); err == nil {
		t.Errorf("started as %+v", s)
	}
	s := start(t, dir) // nothing of the first holds the folder
	if s.Kind != Child {
		t.Errorf("%+v", s)
	}
}

func BenchmarkStart(b *testing.B) {
	if find() == "" {
		b.Skip("SKIP: no redis-server on the PATH")
	}
	for b.Loop() {
		start := time.Now()
		s, err := Start(b.Context(), b.TempDir(), quiet)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(time.Since(start).Milliseconds()), "ms/start")
		if err := s.Stop(); err != nil {
			b.Fatal(err)
		}
	}
}
