package provider_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/provider"
)

// serveProvider is a provider as a process of its own, which a test kills: `provider.test provider DATA`. It
// says where it listens. It has 40 functions, of which the first never answers.
func serveProvider(data string) {
	secrets := filepath.Join(data, "secrets")
	err := os.MkdirAll(secrets, 0o700)
	if err == nil {
		err = os.WriteFile(filepath.Join(secrets, provider.PasswordSecret), []byte(password), 0o600)
	}
	env := fn.OSEnv(slog.New(slog.DiscardHandler))
	env.Secrets = secrets
	list := []fn.Function{handler("record", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })}
	for n := range 39 {
		list = append(list, handler(fmt.Sprint("sink-", n), sink))
	}
	var p *provider.Provider
	if err == nil {
		p, err = provider.New(provider.Config{
			Functions: list, Env: env, Logs: provider.NewLogs(), Inline: true, Data: data, Command: []string{os.Args[0], "fn"}, Inflight: 5,
		})
	}
	var l net.Listener
	if err == nil {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err == nil {
		fmt.Println(l.Addr())
		err = p.Serve(context.Background(), l)
	}
	fmt.Fprintln(os.Stderr, "the provider ends:", err)
	os.Exit(1)
}

// startProvider starts a provider as a process of its own and returns its address.
func startProvider(t testing.TB, data string) (*exec.Cmd, string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "provider", data)
	cmd.Env = []string{"ENCRYPTION_KEY=" + fntest.Key, "GORACE=atexit_sleep_ms=0"}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return cmd, strings.TrimSpace(addr)
}

// TestNothingIsLostByAKill kills a provider with calls queued, in flight and being accepted. What it said 202
// to is made by the next one.
func TestNothingIsLostByAKill(t *testing.T) {
	data := t.TempDir()
	cmd, addr := startProvider(t, data)
	const callers, before = 8, 300
	accepted := make(chan string, 1<<20)
	enough := make(chan struct{}, 1<<20)
	var gone []<-chan struct{}
	for n := range callers {
		gone = append(gone, background(t, func() {
			for i := 0; ; i++ {
				body := fmt.Sprintf("%d-%d", n, i)
				resp, err := http.Post("http://"+addr+"/async-function/record", "text/plain", strings.NewReader(body))
				if err != nil {
					return // killed: nobody was told 202
				}
				resp.Body.Close()
				if resp.StatusCode == http.StatusAccepted {
					accepted <- body
				}
				enough <- struct{}{}
			}
		}))
	}
	for range before {
		<-enough
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for _, caller := range gone {
		<-caller
	}
	made := make(chan string, 1<<20)
	f := handler("record", func(_ http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		made <- string(raw)
	})
	startIn(t, data, serving(f))
	http.DefaultClient.CloseIdleConnections()
	missing := map[string]bool{}
	for len(accepted) > 0 {
		missing[<-accepted] = true
	}
	if len(missing) < before/2 {
		t.Fatalf("only %d calls were accepted", len(missing))
	}
	for len(missing) > 0 {
		select {
		case body := <-made:
			delete(missing, body)
		case <-t.Context().Done():
			t.Fatalf("%d calls are lost", len(missing))
		}
	}
}
