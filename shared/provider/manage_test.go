package provider_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/openfaas/faas-provider/types"

	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/provider"
)

// pipe is a request's body in the test's hand.
type pipe struct {
	*io.PipeReader
	w     *io.PipeWriter
	taken chan struct{} // one for each piece that was read
}

func newPipe() *pipe {
	r, w := io.Pipe()
	return &pipe{PipeReader: r, w: w, taken: make(chan struct{}, 8)}
}

// send hands over a piece; it does not wait.
func (p *pipe) send(text string) {
	go func() {
		if _, err := io.WriteString(p.w, text); err == nil {
			p.taken <- struct{}{}
		}
	}()
}

func (p *pipe) end() {
	<-p.taken
	p.w.Close()
}

// instanceWhen waits for the process of a function.
func instanceWhen(t *testing.T, r *rig, name string) int {
	t.Helper()
	for r.describe(name).Usage == nil {
		if t.Context().Err() != nil {
			t.Fatalf("no process runs %s", name)
		}
	}
	return instanceOf(t, r, name)
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

func TestScale(t *testing.T) {
	placed(t, func(t *testing.T, r *rig) {
		r.call("POST", "/function/echo", "")
		c := r.client()
		if got := r.describe("echo"); got.Replicas != 1 || got.AvailableReplicas != 1 {
			t.Errorf("it has %d replicas, %d available", got.Replicas, got.AvailableReplicas)
		}
		if err := c.ScaleFunction(t.Context(), "echo", provider.Namespace, 0); err != nil {
			t.Fatal(err)
		}
		if got := r.describe("echo"); got.Replicas != 0 || got.AvailableReplicas != 0 {
			t.Errorf("scaled to 0 it has %d replicas, %d available", got.Replicas, got.AvailableReplicas)
		}
		r.gone("echo")
		if code, got := r.call("POST", "/function/echo", "up"); code != 200 || got != "up" {
			t.Errorf("a call answers %d %s", code, got)
		}
		if got := r.describe("echo"); got.Replicas != 1 || got.AvailableReplicas != 1 {
			t.Errorf("after the call it has %d replicas, %d available", got.Replicas, got.AvailableReplicas)
		}
		if err := c.ScaleFunction(t.Context(), "echo", "", 0); err != nil {
			t.Fatal(err)
		}
		if err := c.ScaleFunction(t.Context(), "echo", "", 1); err != nil {
			t.Fatal(err)
		}
		if _, got := r.call("GET", "/metrics", ""); !strings.Contains(got, `gateway_service_count{function_name="echo.openfaas-fn"} 1`) {
			t.Error("scaled to 1 it does not run")
		}
		if err := c.ScaleFunction(t.Context(), "echo", "", 3); err == nil || !strings.Contains(err.Error(), "one instance") {
			t.Errorf("scaling to 3 returns %v", err)
		}
		if err := c.ScaleFunction(t.Context(), "nobody", "", 1); err == nil || !strings.Contains(err.Error(), "not found") {
			t.Errorf("scaling nobody returns %v", err)
		}
	})
}

// TestScaleDownFinishesCalls scales to 0 while a call is in flight, and then calls again.
func TestScaleDownFinishesCalls(t *testing.T) {
	r := start(t, processes)
	body := newPipe()
	answered := make(chan string, 1)
	background(t, func() {
		req := r.request("POST", "/function/sink", "")
		req.Body, req.ContentLength = body, -1
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			answered <- err.Error()
			return
		}
		defer resp.Body.Close()
		answered <- text(t, resp)
	})
	body.send("first ")
	old := instanceWhen(t, r, "sink")
	r.must("POST", "/system/scale-function/sink", `{"replicas":0}`)
	if _, got := r.call("POST", "/function/sink", "new"); got != "new" {
		t.Errorf("the next call answers %q", got)
	}
	if !alive(old) {
		t.Error("the process ended with a call in flight")
	}
	<-body.taken
	body.send("last")
	body.end()
	if got := <-answered; got != "first last" {
		t.Errorf("the call in flight answered %q", got)
	}
}

// TestScaleDownWaits has a call in flight with a process that does not finish it once it is asked to end: it
// must not be asked.
func TestScaleDownWaits(t *testing.T) {
	r := start(t, foreign("acme/tool"), func(c *provider.Config) { c.Drain = 1 })
	r.must("POST", "/system/functions", `{"service":"theirs","image":"acme/tool","envVars":{"role":"held"}}`)
	answered := make(chan string, 1)
	background(t, func() { answered <- r.cut("/function/theirs") })
	r.call("GET", "/function/theirs/entered", "")
	r.must("POST", "/system/scale-function/theirs", `{"replicas":0}`)
	background(t, func() { r.cut("/function/theirs") })
	r.call("GET", "/function/theirs/entered", "") // of the next process
	r.call("POST", "/function/theirs/release", "")
	select {
	case got := <-answered:
		t.Errorf("the call in flight ended with %q", got)
	default:
	}
	r.end()
	<-answered
}

func TestKeptFunctionStaysScaledDown(t *testing.T) {
	r := start(t, processes)
	r.must("PUT", "/system/functions", `{"service":"echo","image":"hearth","labels":{"com.openfaas.scale.min":"2"}}`)
	r.must("POST", "/system/scale-function/echo", `{"replicas":0}`)
	r.gone("echo")
	r.Sweep(r.Now())
	if got := r.describe("echo"); got.Replicas != 0 || got.Usage != nil {
		t.Errorf("the sweep started it: %+v", got)
	}
	r.call("POST", "/function/echo", "")
	first := r.pid()
	r.Sweep(r.Now().Add(time.Hour))
	if second := r.pid(); second != first {
		t.Error("after a call it is stopped for being idle")
	}
}

func TestUsage(t *testing.T) {
	r := start(t, processes)
	if got := r.describe("echo").Usage; got != nil {
		t.Errorf("a function that does not run uses %+v", got)
	}
	r.call("POST", "/function/echo", "")
	if got := r.describe("echo").Usage; got == nil || got.TotalMemoryBytes < 1<<20 || got.CPU != 0 {
		t.Errorf("at first it uses %+v", got)
	}
	for before := r.cpu("echo"); r.cpu("echo") < before+0.045; { // five ticks of the kernel's clock
		r.call("POST", "/function/echo", strings.Repeat("x", 64<<10))
	}
	r.advance(time.Second)
	if got := r.describe("echo").Usage; got == nil || got.CPU < 49 || got.CPU > 5000 {
		t.Errorf("after some work it uses %+v", got)
	}
	if got := r.describe("sink").Usage; got != nil {
		t.Errorf("another that does not run uses %+v", got)
	}
	_, list := r.system("GET", "/system/functions?usage=1", "")
	_, plain := r.system("GET", "/system/functions", "")
	if strings.Count(list, "totalMemoryBytes") != 1 || strings.Contains(plain, "totalMemoryBytes") {
		t.Errorf("the list is %s", list)
	}
}

// TestUsageOfATree is for a program that starts others.
func TestUsageOfATree(t *testing.T) {
	script := filepath.Join(t.TempDir(), "tool")
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"+exe+"\nexit\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	r := start(t, func(c *provider.Config) { c.Images = map[string]string{"acme/tool": script} })
	r.must("POST", "/system/functions", `{"service":"theirs","image":"acme/tool","envVars":{"role":"echo"}}`)
	_, saw, _ := strings.Cut(r.do("POST", "/function/theirs", "").Header.Get("Saw"), "pid=")
	pid, err := strconv.Atoi(saw)
	if err != nil {
		t.Fatal(err)
	}
	shell, child := r.resident(processOf(t, "/bin/sh\x00"+script+"\x00")), r.resident(pid)
	if got := r.describe("theirs").Usage.TotalMemoryBytes; got < (shell+child)/2 || got < 1.5*shell || got > 2*(shell+child) {
		t.Errorf("a shell with %.0f bytes and its child with %.0f use %.0f", shell, child, got)
	}
}

// resident returns the memory of a process, from where the kernel shows it.
func (r *rig) resident(pid int) float64 {
	r.t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	fields := strings.Fields(string(raw))
	if err != nil || len(fields) < 2 {
		r.t.Fatalf("%s, %v", raw, err)
	}
	pages, err := strconv.Atoi(fields[1])
	if err != nil {
		r.t.Fatal(err)
	}
	return float64(pages * os.Getpagesize())
}

// cpu returns the seconds of processor time of a function's process, from where the kernel shows it.
func (r *rig) cpu(name string) float64 {
	r.t.Helper()
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(instanceOf(r.t.(*testing.T), r, name)) + "/stat")
	if err != nil {
		r.t.Fatal(err)
	}
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return float64(user+system) / 100
}

func TestTelemetry(t *testing.T) {
	r := start(t, processes)
	r.call("POST", "/function/echo", "")
	r.call("POST", "/function/echo", "")
	r.advance(90 * time.Second)
	_, got := r.system("GET", "/system/telemetry", "")
	if want := fmt.Sprintf(`{"functions":%d,"processes":1,"invocations":2,"uptimeSeconds":90}`, len(functions())); strings.TrimSpace(got) != want {
		t.Errorf("got %s", got)
	}
}

func TestSecrets(t *testing.T) {
	r := start(t)
	r.secret("encryption-key", fntest.Key)
	c, ctx := r.client(), t.Context()
	if code, err := c.CreateSecret(ctx, types.Secret{Name: "api-key", Namespace: provider.Namespace, Value: "one"}); code != 202 || err != nil {
		t.Fatalf("CreateSecret answers %d, %v", code, err)
	}
	if code, _ := c.CreateSecret(ctx, types.Secret{Name: "api-key", Value: "two"}); code != http.StatusConflict {
		t.Errorf("a second one answers %d", code)
	}
	path := filepath.Join(r.env.Secrets, "api-key")
	stored := func(want string) {
		t.Helper()
		raw, err := os.ReadFile(path)
		info, _ := os.Stat(path)
		if err != nil || string(raw) != want || info.Mode() != 0o600 {
			t.Errorf("the file holds %q, %v, %v", raw, info, err)
		}
	}
	stored("one")
	if code, err := c.UpdateSecret(ctx, types.Secret{Name: "api-key", RawValue: []byte{0, 1, 0xff}}); code != 202 || err != nil {
		t.Errorf("UpdateSecret answers %d, %v", code, err)
	}
	stored("\x00\x01\xff")
	list, err := c.GetSecrets(ctx, provider.Namespace)
	var names []string
	for _, s := range list {
		if s.Value != "" || s.RawValue != nil || s.Namespace != provider.Namespace {
			t.Errorf("%s is listed with a value", s.Name)
		}
		names = append(names, s.Name)
	}
	if got := strings.Join(names, " "); err != nil || got != "api-key basic-auth-password encryption-key" {
		t.Errorf("the list is %s, %v", got, err)
	}
	if code, _ := c.UpdateSecret(ctx, types.Secret{Name: "nothing", Value: "x"}); code != http.StatusNotFound {
		t.Errorf("an update of nothing answers %d", code)
	}
	if err := c.DeleteSecret(ctx, "api-key", ""); err != nil {
		t.Errorf("DeleteSecret returns %v", err)
	}
	if err := c.DeleteSecret(ctx, "api-key", ""); err == nil || !strings.Contains(err.Error(), "not found") {
		t.Errorf("a second DeleteSecret returns %v", err)
	}
}

func TestRefusedSecrets(t *testing.T) {
	r := start(t)
	r.secret("encryption-key", fntest.Key)
	for _, c := range []struct {
		method, body string
		code         int
	}{
		{"POST", `{"name":"","value":"x"}`, 400},
		{"POST", `{"name":"../x","value":"x"}`, 400},
		{"POST", `{"name":".hidden","value":"x"}`, 400},
		{"POST", `{"name":"a/b","value":"x"}`, 400},
		{"POST", `{"name":"UPPER","value":"x"}`, 400},
		{"POST", `{"name":"empty"}`, 400},
		{"POST", `{"name":"blank","value":" \n"}`, 400},
		{"POST", `{"name":"x","value":"x","namespace":"other"}`, 400},
		{"POST", `{"name":"long","value":"` + strings.Repeat("x", 64<<10+1) + `"}`, 413},
		{"POST", `{"name":"huge","value":"` + strings.Repeat("x", 1<<20) + `"}`, 413},
		{"POST", `{"name":"hearth-call-key","value":"x"}`, 409},
		{"POST", `not json`, 400},
		{"PUT", `{"name":"encryption-key","value":"x"}`, 403},
		{"DELETE", `{"name":"encryption-key"}`, 403},
		{"DELETE", `{"name":"basic-auth-password"}`, 403},
		{"DELETE", `{"name":"../../x"}`, 400},
	} {
		if code, got := r.system(c.method, "/system/secrets", c.body); code != c.code || strings.Contains(got, "xxx") {
			t.Errorf("%s %.60s answers %d %.200s, want %d", c.method, c.body, code, got, c.code)
		}
	}
	if again, err := os.ReadFile(filepath.Join(r.env.Secrets, "encryption-key")); err != nil || string(again) != fntest.Key {
		t.Errorf("the key changed: %v", err)
	}
	entries, err := os.ReadDir(r.env.Secrets)
	if err != nil || len(entries) != 2 {
		t.Errorf("the folder holds %v, %v", entries, err)
	}
}

// TestPasswordIsRotated changes the password through the API that it opens.
func TestPasswordIsRotated(t *testing.T) {
	r := start(t)
	r.must("PUT", "/system/secrets", `{"name":"basic-auth-password","value":"rotated"}`)
	if code, _ := r.system("GET", "/system/functions", ""); code != http.StatusUnauthorized {
		t.Errorf("the old password answers %d", code)
	}
}

// TestSecretReachesTheNextCall needs no sweep: a plugin that runs sees a changed secret on its next call.
func TestSecretReachesTheNextCall(t *testing.T) {
	r := start(t)
	sees := func(want string) {
		t.Helper()
		_, got := r.call("GET", "/function/plugin-probe", "")
		if has := strings.Contains(got, "secret smtp-url"); has != (want != "") || !strings.Contains(got, want) {
			t.Errorf("it sees\n%s\nwant %q", got, want)
		}
	}
	sees("")
	r.must("POST", "/system/secrets", `{"name":"smtp-url","value":"one"}`)
	sees("secret smtp-url -rw------- one\n")
	r.must("PUT", "/system/secrets", `{"name":"smtp-url","value":"two"}`)
	sees("secret smtp-url -rw------- two\n")
	r.must("DELETE", "/system/secrets", `{"name":"smtp-url"}`)
	sees("")
}

// TestPromises keeps what doctor says next to the fields that there are.
func TestPromises(t *testing.T) {
	raw, err := json.Marshal(provider.Promises())
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"limits.memory", "limits.cpu", "environment", "secrets", "requests", "constraints", "readonly_root_filesystem"} {
		if !strings.Contains(string(raw), field) {
			t.Errorf("nothing is said of %s", field)
		}
	}
}
