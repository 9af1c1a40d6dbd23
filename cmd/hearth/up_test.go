package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hearthfaas/hearth/shared/fault"
)

// TestMain is also the program that "hearth up" starts for a function's process.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "fn" {
		main()
	}
	os.Exit(m.Run())
}

// upped is a "hearth up" in this process.
type upped struct {
	url, code string
	data      string
	said      string
	end       func() error
}

// goUp starts everything on a free port and waits for the banner.
func goUp(t *testing.T, data string, args ...string) upped {
	t.Helper()
	r, w := io.Pipe()
	a := &app{in: strings.NewReader(""), out: io.Discard, err: w, lookup: func(string) (string, bool) { return "", false }}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		root := a.root()
		root.SetArgs(append([]string{"up", "--addr", "127.0.0.1:0", "--data", data}, args...))
		err := root.ExecuteContext(ctx)
		w.CloseWithError(io.EOF)
		ended <- err
	}()
	u := upped{data: data, end: sync.OnceValue(func() error {
		cancel()
		return <-ended
	})}
	lines := bufio.NewScanner(r)
	for lines.Scan() && !strings.Contains(lines.Text(), "Try:") {
		u.said += lines.Text() + "\n"
		name, rest, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		switch fields := strings.Fields(rest); name {
		case "ready":
			u.url = fields[0]
		case "sign":
			_, u.code, _ = strings.Cut(fields[1], "#code=")
		}
	}
	go func() { _, _ = io.Copy(io.Discard, r) }() // until up closes its end
	t.Cleanup(func() {
		if err := u.end(); err != nil {
			t.Errorf("up ended with %v", err)
		}
	})
	if u.url == "" || u.code == "" {
		t.Fatalf("up said %s", u.said)
	}
	return u
}

// ask makes a request and returns its status and body.
func ask(t *testing.T, method, url, body string, headers ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

func contents(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(raw))
}

func TestUp(t *testing.T) {
	u := goUp(t, filepath.Join(t.TempDir(), "data"))
	if code, _ := ask(t, "GET", u.url+"/healthz", ""); code != 200 {
		t.Errorf("/healthz answers %d", code)
	}
	if code, page := ask(t, "GET", u.url+"/", ""); code != 200 || !strings.Contains(page, "<html") {
		t.Errorf("/ leads to %d %.100s", code, page)
	}
	for path, want := range map[string]os.FileMode{
		"": 0o700, "secrets": 0o700, "secrets/encryption-key": 0o600, "secrets/basic-auth-password": 0o600, "owner.token": 0o600,
	} {
		info, err := os.Stat(filepath.Join(u.data, path))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	owner := "Authorization: Bearer " + contents(t, filepath.Join(u.data, "owner.token"))
	if code, me := ask(t, "GET", u.url+"/function/system-auth/me", "", owner); code != 200 || !strings.Contains(me, `"owner"`) {
		t.Errorf("the owner's token is %d %s", code, me)
	}
	if code, _ := ask(t, "GET", u.url+"/function/system-auth/me", ""); code != 401 {
		t.Errorf("without a token it is %d", code)
	}
	for n, want := range []int{200, 401} { // the link works once
		code, text := ask(t, "POST", u.url+"/function/system-auth/signin", fmt.Sprintf(`{"code":%q}`, u.code))
		if code != want {
			t.Errorf("sign-in %d answers %d %s", n+1, code, text)
		}
	}
	var list []struct{ Name string }
	req, _ := http.NewRequestWithContext(t.Context(), "GET", u.url+"/system/functions", nil)
	req.SetBasicAuth("admin", contents(t, filepath.Join(u.data, "secrets", "basic-auth-password")))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil || len(list) < 10 {
		t.Errorf("%d functions, %v", len(list), err)
	}
	if err := u.end(); err != nil {
		t.Errorf("up ended with %v", err)
	}
	key := contents(t, filepath.Join(u.data, "secrets", "encryption-key"))
	again := goUp(t, u.data)
	if got := contents(t, filepath.Join(again.data, "secrets", "encryption-key")); got != key {
		t.Error("the second start made a new key")
	}
	if code, _ := ask(t, "GET", again.url+"/function/system-auth/me", "", owner); code != 200 {
		t.Errorf("after the second start the first token is %d", code)
	}
}

func TestUpInMemory(t *testing.T) {
	t.Setenv("PATH", "")
	if u := goUp(t, t.TempDir()); !strings.Contains(u.said, "IN MEMORY") {
		t.Errorf("it does not say that it forgets:\n%s", u.said)
	}
}

func TestUpWithProcesses(t *testing.T) {
	u := goUp(t, t.TempDir(), "--inline", "none")
	owner := "Authorization: Bearer " + contents(t, filepath.Join(u.data, "owner.token"))
	if code, me := ask(t, "GET", u.url+"/function/system-auth/me", "", owner); code != 200 {
		t.Errorf("a function in a process answers %d %s", code, me)
	}
}

func TestOneUpPerFolder(t *testing.T) {
	u := goUp(t, t.TempDir())
	a := &app{in: strings.NewReader(""), out: io.Discard, err: io.Discard, lookup: func(string) (string, bool) { return "", false }}
	root := a.root()
	root.SetArgs([]string{"up", "--addr", "127.0.0.1:0", "--data", u.data})
	if err := root.ExecuteContext(t.Context()); !fault.Is(err, fault.Conflict) {
		t.Errorf("a second one on the same folder ended with %v", err)
	}
}

func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var said bytes.Buffer
	a := &app{in: strings.NewReader(""), out: io.Discard, err: &said, lookup: func(string) (string, bool) { return "", false }}
	code := a.run(t.Context(), []string{"up", "--addr", l.Addr().String(), "--data", t.TempDir()})
	if code != 1 || !strings.Contains(said.String(), fmt.Sprint("process ", os.Getpid())) || !strings.Contains(said.String(), "--addr") {
		t.Errorf("exit %d: %s", code, &said)
	}
}

func TestOtherMachinesAreRefusedOrGuarded(t *testing.T) {
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if got := reachable(l.Addr()); !strings.HasPrefix(got, "127.0.0.1:") {
		t.Errorf("functions would call %s", got)
	}
}

func TestExitCodes(t *testing.T) {
	var said bytes.Buffer
	a := &app{in: strings.NewReader(""), out: io.Discard, err: &said, lookup: func(string) (string, bool) { return "", false }}
	for _, c := range []struct {
		args []string
		want int
	}{
		{[]string{"--help"}, 0},
		{[]string{"--version"}, 0},
		{[]string{"fn"}, 2},
		{[]string{"fn", "nobody"}, 3},
		{[]string{"link", "nobody"}, 3},
		{[]string{"up", "--nonsense"}, 2},
		{[]string{"up", "--addr", "nowhere", "--data", t.TempDir()}, 2},
		{[]string{"nonsense"}, 2},
	} {
		if got := a.run(t.Context(), c.args); got != c.want {
			t.Errorf("hearth %v ends with %d, want %d: %s", c.args, got, c.want, &said)
		}
	}
}
