package tests

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// failedStart runs a command that must end by itself with an error and returns what it said.
func failedStart(t *testing.T, settings map[string]string, args ...string) string {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), startTime)
	defer cancel()
	b := &bundle{data: filepath.Join(t.TempDir(), "data"), settings: settings}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env, cmd.Dir, cmd.WaitDelay = b.environ(), filepath.Dir(b.data), time.Second
	out, _ := cmd.CombinedOutput() // the exit code tells
	if code := cmd.ProcessState.ExitCode(); ctx.Err() != nil || code < 1 {
		t.Fatalf("hearth %v: exit code %d, %v\n%s", args, code, ctx.Err(), out)
	}
	if strings.Contains(string(out), "goroutine ") || strings.Contains(string(out), "Try:  ") {
		t.Errorf("hearth %v said:\n%s", args, out)
	}
	return string(out)
}

func expect(t *testing.T, said string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(said, w) {
			t.Errorf("%q is missing in: %s", w, said)
		}
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	said := failedStart(t, nil, "up", "--addr", l.Addr().String(), "--data", "data")
	expect(t, said, l.Addr().String(), fmt.Sprint("process ", os.Getpid()), "--addr 127.0.0.1:0")
}

func TestSecondInstance(t *testing.T) {
	t.Parallel()
	b := run(t, map[string]string{"HEARTH_INLINE": "trusted"})
	said := failedStart(t, nil, "up", "--addr", "127.0.0.1:0", "--data", b.data)
	expect(t, said, b.data, "another hearth", "--data")
	b.answered("s", b.say("s", "hello", "k")) // the first one does not notice
}

func TestBadSettings(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"HEARTH_ADDR": "8080", "HEARTH_TIMEZONE": "Mars/Base", "HEARTH_INLINE": "maybe", "CONTEXT_TOKENS": "many",
		"HEARTH_RECALL": "soon", "REDIS_URL": "localhost", "SMTP_URL": "mail.example.com", "OPENAI_BASE_URL": "localhost:1",
	} {
		args := []string{"up", "--data", "data"}
		if name != "HEARTH_ADDR" {
			args = append(args, "--addr", "127.0.0.1:0")
		}
		expect(t, failedStart(t, map[string]string{name: value}, args...), name+": ")
	}
	data := t.TempDir()
	file := filepath.Join(data, "hearth.yml")
	if err := os.WriteFile(file, []byte("HEARTH_ADDR: 127.0.0.1:0\nCONTEXT_TOKENS: many\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	expect(t, failedStart(t, nil, "up", "--data", data), file+":2", "CONTEXT_TOKENS")
}

func TestUnreachableServers(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close() // nobody is there now
	up := []string{"up", "--addr", "127.0.0.1:0", "--data", "data"}
	expect(t, failedStart(t, map[string]string{"REDIS_URL": "redis://" + addr}, up...), addr)
	expect(t, failedStart(t, map[string]string{"OPENAI_BASE_URL": "http://" + addr + "/v1"}, up...), addr)
	expect(t, failedStart(t, map[string]string{"MODEL_PATH": "/no/such/model.gguf"}, up...), "/no/such/model.gguf")
}

// TestStoreThatLosesData starts a Redis with its usual configuration, which keeps nothing safely.
func TestStoreThatLosesData(t *testing.T) {
	t.Parallel()
	needs(t, "redis-server")
	up := []string{"up", "--addr", "127.0.0.1:0", "--data", "data"}
	for setting, args := range map[string][]string{
		"appendonly":       {"--appendonly", "no", "--save", ""},
		"maxmemory-policy": {"--appendonly", "yes", "--maxmemory-policy", "allkeys-lru"},
	} {
		said := failedStart(t, map[string]string{"REDIS_URL": redis(t, args...)}, up...)
		expect(t, said, setting)
	}
}

// redis starts a redis-server on a free port that ends with the test.
func redis(t *testing.T, args ...string) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	cmd := exec.Command("redis-server", append([]string{"--bind", "127.0.0.1", "--port", port, "--dir", t.TempDir()}, args...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	limit := time.Now().Add(startTime)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for time.Now().Before(limit) {
		if conn, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
			conn.Close()
			return "redis://127.0.0.1:" + port
		}
		<-tick.C
	}
	t.Fatal("redis-server does not listen")
	return ""
}

func TestFunctionWithoutSettings(t *testing.T) {
	t.Parallel()
	expect(t, failedStart(t, map[string]string{"port": "0"}, "fn", "planner-intent"), "ENCRYPTION_KEY")
	key := strings.Repeat("ab", 32)
	expect(t, failedStart(t, map[string]string{"port": "0", "ENCRYPTION_KEY": key}, "fn", "planner-intent"), "REDIS_URL")
	expect(t, failedStart(t, nil, "fn", "no-such-function"), "no-such-function", "planner-intent")
}
