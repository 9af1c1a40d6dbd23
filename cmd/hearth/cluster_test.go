package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/hearthfaas/hearth/functions/catalog"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/ledger/ledgertest"
	"github.com/hearthfaas/hearth/shared/plugin"
	"github.com/hearthfaas/hearth/shared/policy"
	"github.com/hearthfaas/hearth/shared/vault"
)

// cluster is what an OpenFaaS gateway makes of a stack file: it serves each function with the environment
// and the secrets that stand there, and no others.
type cluster struct {
	*httptest.Server
	t         *testing.T
	hosts     map[string]http.Handler
	functions []gateway.Function
	calls     sync.WaitGroup // that were queued
	token     string
}

// deploy deploys what hearth stack writes.
func deploy(t *testing.T, ce bool) *cluster {
	t.Helper()
	text, err := stackText("hearth stack", catalog.All(), ce)
	if err != nil {
		t.Fatal(err)
	}
	var stack struct {
		Functions map[string]stackFunction `yaml:"functions"`
	}
	if err := yaml.Unmarshal([]byte(text), &stack); err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t, hosts: map[string]http.Handler{}}
	c.Server = httptest.NewServer(c)
	s3 := httptest.NewServer(gofakes3.New(s3mem.New()).Server())
	v := ledgertest.Vault(t)
	c.token = v.Issue(vault.Token{For: "user", ID: "ada", Role: string(policy.Owner), Expires: time.Now().Add(time.Hour).Unix()})
	settings := map[string]string{"S3_ENDPOINT": s3.URL, "S3_BUCKET": "hearth"}
	secrets := map[string]string{
		masterKey: fntest.Key, redisURL: ledgertest.URL(t), password: "pw", s3Access: "a", s3Secret: "s",
		plugin.KeySecret: base64.StdEncoding.EncodeToString(v.CallKey()),
	}
	life, end := context.WithCancel(t.Context())
	t.Cleanup(func() {
		end()
		c.calls.Wait()
		c.Close()
		s3.Close()
	})
	for name, f := range stack.Functions {
		c.functions = append(c.functions, gateway.Function{Name: name, Annotations: f.Annotations})
		program, err := function(strings.TrimPrefix(f.Process, "hearth fn "))
		if err != nil {
			t.Fatal(err)
		}
		if c.hosts[name], err = fn.NewHost(life, program, c.env(f, settings, secrets)); err != nil {
			t.Fatalf("with what stands in the stack file, %v", err)
		}
	}
	return c
}

// env is the environment of a function's container.
func (c *cluster) env(f stackFunction, settings, secrets map[string]string) *fn.Env {
	c.t.Helper()
	dir := c.t.TempDir()
	for _, name := range f.Secrets {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(secrets[name]), 0o600); err != nil {
			c.t.Fatal(err)
		}
	}
	c.t.Setenv("HEARTH_SECRETS", dir)
	env := fn.OSEnv(slog.New(slog.NewTextHandler(c.t.Output(), &slog.HandlerOptions{Level: slog.LevelError})))
	lookup, image := env.Lookup, map[string]string{"HEARTH_GATEWAY": c.URL}
	env.Lookup = func(name string) (string, bool) {
		if text, found := f.Environment[name]; found {
			return substitute(text, settings), true
		}
		if text, found := image[name]; found {
			return text, true
		}
		return lookup(name)
	}
	c.t.Cleanup(func() {
		if err := env.Close(); err != nil {
			c.t.Error(err)
		}
	})
	return env
}

var brace = regexp.MustCompile(`\$\{(\w+)(?::-([^}]*))?\}`)

// substitute puts values in place of ${NAME} and ${NAME:-default}, as faas-cli does.
func substitute(text string, values map[string]string) string {
	return brace.ReplaceAllStringFunc(text, func(found string) string {
		name := brace.FindStringSubmatch(found)
		if v := values[name[1]]; v != "" {
			return v
		}
		return name[2]
	})
}

// ServeHTTP is the gateway.
func (c *cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	prefix, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	name, path, _ := strings.Cut(rest, "/")
	host := c.hosts[name]
	switch {
	case r.URL.Path == "/system/functions":
		if _, pw, _ := r.BasicAuth(); pw != "pw" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fn.Reply(w, http.StatusOK, c.functions)
	case host == nil:
		w.WriteHeader(http.StatusNotFound)
	case prefix == "function":
		http.StripPrefix("/function/"+name, host).ServeHTTP(w, rooted(r, "/function/"+name))
	case prefix == "async-function":
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		queued := httptest.NewRequestWithContext(context.WithoutCancel(r.Context()), http.MethodPost, "/"+path, bytes.NewReader(body))
		queued.Header = r.Header.Clone()
		c.calls.Go(func() { host.ServeHTTP(httptest.NewRecorder(), queued) })
		w.WriteHeader(http.StatusAccepted)
	}
}

// rooted makes /function/NAME the same as /function/NAME/.
func rooted(r *http.Request, root string) *http.Request {
	if r.URL.Path == root {
		r.URL.Path += "/"
	}
	return r
}

// call calls a function as ada.
func (c *cluster) call(method, path string, in, out any) int {
	c.t.Helper()
	raw, err := json.Marshal(in)
	if err != nil {
		c.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.URL+"/function/"+path, bytes.NewReader(raw))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := c.Client().Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if out != nil {
		if err := json.Unmarshal(body, out); err != nil {
			c.t.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, body)
		}
	}
	return resp.StatusCode
}
