package provider_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/provider"
	"github.com/hearthfaas/hearth/shared/vault"
)

// pid returns the process that answers a call of echo.
func (r *rig) pid() int {
	r.t.Helper()
	resp := r.do("GET", "/function/echo", "")
	_, number, _ := strings.Cut(resp.Header.Get("Saw"), "pid=")
	pid, err := strconv.Atoi(number)
	if err != nil {
		r.t.Fatalf("status %d, header %v: %v", resp.StatusCode, resp.Header, err)
	}
	return pid
}

// gone waits until no process runs a function any more, as the metrics see it.
func (r *rig) gone(name string) {
	r.t.Helper()
	line := fmt.Sprintf(`gateway_service_count{function_name="%s.openfaas-fn"} 0`, name)
	for {
		if _, got := r.call("GET", "/metrics", ""); strings.Contains(got, line) {
			return
		}
		if r.t.Context().Err() != nil {
			r.t.Fatalf("%s still runs", name)
		}
	}
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

func TestPlacement(t *testing.T) {
	if inline := start(t); inline.pid() != os.Getpid() {
		t.Error("a trusted function is not inline")
	}
	if r := start(t, processes); r.pid() == os.Getpid() {
		t.Error("a function is inline where none should be")
	}
	if _, got := start(t).call("GET", "/function/plugin-probe", ""); !strings.Contains(got, "HEARTH_LISTEN=fd:3") {
		t.Errorf("a plugin is inline: %s", got)
	}
}

func TestOneStart(t *testing.T) {
	r := start(t, processes)
	pids := make([]int, 16)
	var group sync.WaitGroup
	for n := range pids {
		group.Go(func() { pids[n] = r.pid() })
	}
	group.Wait()
	if len(slices.Compact(pids)) != 1 {
		t.Errorf("the callers started %v", pids)
	}
}

func TestKilledProcess(t *testing.T) {
	r := start(t, processes)
	answered := make(chan error, 1)
	background(t, func() { answered <- fault.Read(r.do("POST", "/function/block", "")) })
	r.call("GET", "/function/block/entered", "")
	blocked := instanceOf(t, r, "block")
	kill(t, blocked)
	if err := <-answered; !fault.Is(err, fault.Unknown) {
		t.Errorf("the call in flight ended with %v (%s)", err, fault.KindOf(err))
	}

	first := r.pid()
	kill(t, first)
	r.gone("echo")
	if second := r.pid(); second == first {
		t.Errorf("process %d answers after its death", first)
	}
}

// TestUnnoticedEnd calls a function whose process has died, which is noticed only when what the process left behind has
// let go of its output. The next process takes the call.
func TestUnnoticedEnd(t *testing.T) {
	r := start(t, processes)
	if err := fault.Read(r.do("POST", "/function/orphan", "leave")); !fault.Is(err, fault.Unknown) {
		t.Errorf("the call that it died on ended with %v (%s)", err, fault.KindOf(err))
	}
	if status, said := r.call("POST", "/function/orphan", "again"); status != http.StatusOK || said != "again" {
		t.Errorf("the call after its end got %d %s", status, said)
	}
}

// instanceOf returns the process of a function, which is a child of ours with the function's name in its
// arguments.
func instanceOf(t *testing.T, _ *rig, name string) int {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return processOf(t, exe+"\x00fn\x00"+name+"\x00")
}

// processOf returns the child of ours with a command line.
func processOf(t *testing.T, command string) int {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		raw, _ := os.ReadFile(path)
		stat, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "stat"))
		_, after, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(after)
		if string(raw) == command && len(fields) > 1 && fields[1] == strconv.Itoa(os.Getpid()) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			return pid
		}
	}
	t.Fatalf("no process runs %q", command)
	return 0
}

func TestCrashPause(t *testing.T) {
	r := start(t, processes)
	crash := func() error { return fault.Read(r.do("POST", "/function/crash", "")) }
	for range 2 { // the first crash costs no pause, so the second call starts it again
		if err := crash(); !fault.Is(err, fault.Unknown) {
			t.Fatalf("got %v", err)
		}
		r.gone("crash")
	}
	for _, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		if err := crash(); !fault.Is(err, fault.Unavailable) || fault.After(err) != want {
			t.Fatalf("got %v with a pause of %s, want %s", err, fault.After(err), want)
		}
		r.advance(want)
		if err := crash(); !fault.Is(err, fault.Unknown) {
			t.Fatalf("after the pause got %v", err)
		}
		r.gone("crash")
	}
	if got := available(t, r, "crash"); got != 0 {
		t.Errorf("a function that pauses shows %d replicas", got)
	}
	r.advance(time.Hour)
	if err := crash(); !fault.Is(err, fault.Unknown) {
		t.Fatalf("got %v", err)
	}
}

func TestCrashAfterStableLife(t *testing.T) {
	r := start(t, processes)
	for range 4 {
		pid := r.pid()
		r.advance(time.Minute)
		kill(t, pid)
		r.gone("echo")
	}
	if got := available(t, r, "echo"); got != 1 {
		t.Error("crashes a minute apart made it pause")
	}
}

func TestIdle(t *testing.T) {
	r := start(t, processes)
	first := r.pid()
	answered := make(chan string, 1)
	background(t, func() {
		_, got := r.call("POST", "/function/block", "")
		answered <- got
	})
	r.call("GET", "/function/block/entered", "")
	r.Sweep(r.Now().Add(provider.DefaultIdle - time.Second))
	if again := r.pid(); again != first {
		t.Fatal("it was stopped too early")
	}
	r.Sweep(r.Now().Add(provider.DefaultIdle))
	r.gone("echo")
	if second := r.pid(); second == first {
		t.Error("it was not stopped")
	}
	r.call("POST", "/function/block/release", "")
	if got := <-answered; got != "released" {
		t.Errorf("a busy process was stopped: %q", got)
	}
}

func TestKeptFunctions(t *testing.T) {
	keep := func(c *provider.Config) { c.Keep = []string{"echo"} }
	up := `gateway_service_count{function_name="echo.openfaas-fn"} 1`
	for name, placement := range map[string]func(*provider.Config){"inline": func(*provider.Config) {}, "process": processes} {
		t.Run(name, func(t *testing.T) {
			r := start(t, placement, keep)
			for { // it starts without a call
				if _, got := r.call("GET", "/metrics", ""); strings.Contains(got, up) {
					return
				}
			}
		})
	}
	r := start(t, processes, keep)
	first := r.pid()
	r.Sweep(r.Now().Add(time.Hour))
	if again := r.pid(); again != first {
		t.Error("it was stopped for being idle")
	}
	kill(t, first)
	r.gone("echo")
	r.Sweep(r.Now())
	for {
		if _, got := r.call("GET", "/metrics", ""); strings.Contains(got, up) {
			break
		}
	}
	if _, got := r.call("GET", "/system/function/echo", "", basic()); !strings.Contains(got, `"com.openfaas.scale.min":"1"`) {
		t.Errorf("its status is %s", got)
	}
}

func TestPluginSeesOnlyItsGrants(t *testing.T) {
	t.Setenv("HEARTH_CANARY", "from the parent")
	r := start(t, func(c *provider.Config) {
		c.Environ = []string{
			"TZ=Asia/Shanghai", "DATABASE_URL=sqlite:x", "DATABASE_STOCK_URL=sqlite:y", "DATABASE_X=canary", "ENCRYPTION_KEY=" + fntest.Key,
			"REDIS_URL=redis://canary", "OPENAI_API_KEY=canary", "SMTP_URL=smtp://z",
		}
	})
	r.secret("smtp-url", "smtp://user:pw@host\n")
	r.secret("slack-bot-token", "canary")
	_, got := r.call("GET", "/function/plugin-probe", "")

	var env []string
	for line := range strings.Lines(got) {
		if pair, found := strings.CutPrefix(line, "env "); found {
			name, _, _ := strings.Cut(pair, "=")
			env = append(env, name)
		}
	}
	slices.Sort(env)
	want := []string{
		"DATABASE_STOCK_URL", "DATABASE_URL", "GOGC", "GOMEMLIMIT", "HEARTH_LISTEN", "HEARTH_SECRETS", "HEARTH_WORK", "HOME",
		"OPENFAAS_NAME", "OPENFAAS_NAMESPACE", "PATH", "SMTP_URL", "TMPDIR", "TZ",
	}
	if !slices.Equal(env, want) {
		t.Errorf("environment %v\nwant        %v", env, want)
	}
	for _, canary := range []string{"canary", "from the parent", fntest.Key} {
		if strings.Contains(got, canary) {
			t.Errorf("a plugin sees %q:\n%s", canary, got)
		}
	}
	v, err := vault.Parse(fntest.Key)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"secret hearth-call-key -rw------- " + base64.StdEncoding.EncodeToString(v.CallKey()) + "\nsecret smtp-url -rw------- smtp://user:pw@host\ndir ",
		"dir " + filepath.Join(r.data, "work", "plugin-probe") + "\n",
		"env DATABASE_URL=sqlite:x\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestPluginNeverGetsTheKeys(t *testing.T) {
	greedy := fn.Function{Name: "plugin-probe", Manifest: declaring(manifest.Manifest{Grants: manifest.Grants{Secrets: []string{"*", "encryption-key"}}})}
	r := start(t, serving(greedy), func(c *provider.Config) {
		c.Environ = []string{"ENCRYPTION_KEY=canary", "REDIS_URL=canary", "HEARTH_SECRETS=canary", "OTHER=fine"}
	})
	r.secret("encryption-key", fntest.Key)
	r.secret("redis-url", "canary")
	if _, got := r.call("GET", "/function/plugin-probe", ""); strings.Contains(got, "canary") || strings.Contains(got, fntest.Key) || !strings.Contains(got, "env OTHER=fine") {
		t.Errorf("a plugin that was granted everything sees\n%s", got)
	}
}

func TestRotatedSecretReachesRunningPlugin(t *testing.T) {
	r := start(t)
	r.secret("smtp-url", "old")
	r.call("GET", "/function/plugin-probe", "")
	r.secret("smtp-url", "new")
	r.Sweep(r.Now())
	if _, got := r.call("GET", "/function/plugin-probe", ""); !strings.Contains(got, "secret smtp-url -rw------- new\n") {
		t.Errorf("after the rotation it sees\n%s", got)
	}
	if err := os.Remove(filepath.Join(r.env.Secrets, "smtp-url")); err != nil {
		t.Fatal(err)
	}
	r.Sweep(r.Now())
	if _, got := r.call("GET", "/function/plugin-probe", ""); strings.Contains(got, "secret smtp-url") {
		t.Errorf("after the removal it sees\n%s", got)
	}
}

func TestBundleProcessGetsItsEnvironment(t *testing.T) {
	f := fn.Function{Name: "echo", New: nil} // the child has its own
	r := start(t, processes, serving(f), func(c *provider.Config) { c.Environ = []string{"A=1"} })
	if r.pid() == os.Getpid() {
		t.Fatal("inline")
	}
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", r.pid()))
	if want := "A=1\x00HEARTH_LISTEN=fd:3\x00OPENFAAS_NAME=echo\x00OPENFAAS_NAMESPACE=openfaas-fn\x00"; string(raw) != want || err != nil {
		t.Errorf("environment %q, %v", raw, err)
	}
}

func TestProcessLogs(t *testing.T) {
	r := start(t, processes)
	r.call("POST", "/function/panic", "")
	r.call("POST", "/function/broken", "")
	for name, want := range map[string]string{"panic": "on purpose", "broken": "no legs"} {
		ctx, cancel := context.WithCancel(t.Context())
		resp, err := http.DefaultClient.Do(r.request("GET", "/system/logs?follow=1&name="+name, "", basic()).WithContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(resp.Body)
		for lines.Scan() && !strings.Contains(lines.Text(), want) {
		}
		if !strings.Contains(lines.Text(), `"instance":"`+name+`-1"`) {
			t.Errorf("the log of %s ends with %s", name, lines.Text())
		}
		cancel()
		resp.Body.Close()
	}
}

func TestLongDataFolder(t *testing.T) {
	data := filepath.Join(t.TempDir(), strings.Repeat("long", 25))
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if r := startIn(t, data, processes); r.pid() == os.Getpid() {
		t.Error("inline")
	}
}

func TestEndStopsProcesses(t *testing.T) {
	r := start(t, processes)
	pid := r.pid()
	answered := make(chan string, 1)
	background(t, func() {
		_, got := r.call("POST", "/function/block", "")
		answered <- got
	})
	r.call("GET", "/function/block/entered", "")
	r.call("POST", "/function/block/release", "")
	if got := <-answered; got != "released" {
		t.Errorf("got %q", got)
	}
	r.end()
	if err := syscall.Kill(pid, 0); err == nil {
		t.Errorf("process %d outlived the provider", pid)
	}
	if _, err := os.Stat(filepath.Join(r.data, "run")); err == nil {
		t.Error("the sockets' folder is left behind")
	}
}

func TestStreamsEndWithTheProvider(t *testing.T) {
	placed(t, func(t *testing.T, r *rig) {
		resp := r.do("GET", "/function/stream", "")
		ended := make(chan struct{})
		background(t, func() {
			r.end()
			close(ended)
		})
		if got := text(t, resp); got != "" {
			t.Errorf("the stream ended with %q", got)
		}
		<-ended
		if _, err := http.DefaultClient.Do(r.request("GET", "/function/echo", "")); err == nil {
			t.Error("the provider still answers")
		}
	})
}
