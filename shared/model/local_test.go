package model_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/model"
)

// withLlamaServer puts this test binary on PATH as llama-server, and nothing else.
func withLlamaServer(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("needs a symbolic link to stand in for llama-server")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, "llama-server")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
}

func gguf(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte("GGUF\x03\x00\x00\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestServe(t *testing.T) {
	withLlamaServer(t)
	env := fntest.Env(t, map[string]string{"OPENAI_API_KEY": "s3cret", "CONTEXT_TOKENS": "2048", "HOME": "/home/x"})
	l, err := model.Serve(t.Context(), env, gguf(t, "small.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(strings.TrimSuffix(l.BaseURL, "/v1") + "/environment")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if err != nil || strings.Contains(string(body), "s3cret") || strings.Contains(string(body), fntest.Key) || !strings.Contains(string(body), "HOME=/home/x") {
		t.Errorf("the child sees %s, %v", body, err)
	}
	if !strings.Contains(string(body), "--host 127.0.0.1") || !strings.Contains(string(body), "--ctx-size 2048") {
		t.Errorf("started with %s", body)
	}
	l.Stop()
	l.Stop()
	<-l.Ended()
	if resp, err := http.Get(l.BaseURL); err == nil {
		resp.Body.Close()
		t.Error("it still listens")
	}
}

func TestServeSaysWhyNot(t *testing.T) {
	withLlamaServer(t)
	env := fntest.Env(t, nil)
	_, err := model.Serve(t.Context(), env, gguf(t, "broken.gguf"))
	if !fault.Is(err, fault.Failed) || !strings.Contains(fault.Text(err), "wrong shape") || !strings.Contains(fault.Text(err), "--model") {
		t.Errorf("a model that does not load: %s", fault.Text(err))
	}
	folder := t.TempDir()
	if _, err := model.Serve(t.Context(), env, folder); !strings.Contains(fault.Text(err), "vllm serve "+folder) {
		t.Errorf("a folder: %s", fault.Text(err))
	}
	other := filepath.Join(folder, "model.gguf")
	if err := os.WriteFile(other, []byte("PK\x03\x04zip"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := model.Serve(t.Context(), env, other); !strings.Contains(fault.Text(err), "not a GGUF file") {
		t.Errorf("another file: %s", fault.Text(err))
	}
	if _, err := model.Serve(t.Context(), env, filepath.Join(folder, "none.gguf")); !fault.Is(err, fault.NotFound) {
		t.Errorf("no file: %v", err)
	}
	t.Setenv("PATH", folder)
	if _, err := model.Serve(t.Context(), env, gguf(t, "m.gguf")); !fault.Is(err, fault.NotFound) || !strings.Contains(fault.Text(err), "install") {
		t.Errorf("no llama-server: %s", fault.Text(err))
	}
}
