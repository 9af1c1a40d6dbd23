// Package fntest hosts functions in tests as their hosts do.
package fntest

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fn"
)

// Key is a master key for tests.
const Key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

// Env returns an environment with these settings, an empty secrets folder, the test's log and a real
// clock. ENCRYPTION_KEY is Key unless settings has another.
func Env(t testing.TB, settings map[string]string) *fn.Env {
	t.Helper()
	all := map[string]string{"ENCRYPTION_KEY": Key}
	for name, value := range settings {
		all[name] = value
	}
	env := &fn.Env{
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
		Now: time.Now,
		Lookup: func(name string) (string, bool) {
			v, ok := all[name]
			return v, ok
		},
		Secrets: t.TempDir(),
	}
	t.Cleanup(func() {
		if err := env.Close(); err != nil {
			t.Errorf("close the environment: %v", err)
		}
	})
	return env
}

// Start serves f until the test ends and returns its server.
func Start(t testing.TB, f fn.Function, env *fn.Env) *httptest.Server {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	host, err := fn.NewHost(ctx, f, env)
	if err != nil {
		cancel()
		t.Fatalf("start %s: %v", f.Name, err)
	}
	server := httptest.NewServer(host)
	t.Cleanup(func() {
		cancel()
		server.Close()
	})
	return server
}
