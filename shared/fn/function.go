// Package fn is what every function shares, whatever hosts it: its value, its surroundings, strict JSON in
// and out, and the HTTP host that listens, drains, measures and limits.
package fn

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/manifest"
)

// Function is a function as hosts see it: a name and a constructor. A function never runs anything before
// New, and everything that New starts ends with its context.
type Function struct {
	Name     string                    // the deployed name: adapter-telegram, planner-intent, plugin-database-query, system-tasks
	Manifest func() *manifest.Manifest // nil but for plugins; to make it takes a while
	Timeout  time.Duration             // of one call; default 60 s. Streams end with their client instead
	MaxBody  int64                     // bytes of a request; default 1 MiB
	Streams  bool                      // answers may stay open (server-sent events, WebSocket, long poll)
	New      func(ctx context.Context, env *Env) (http.Handler, error)
}

// Defaults of Function.
const (
	DefaultTimeout = 60 * time.Second
	DefaultMaxBody = 1 << 20
)

// Plugin reports whether the function is a plugin: those always run as a process of their own, never see
// ENCRYPTION_KEY or REDIS_URL, and verify calls with the public key.
func (f Function) Plugin() bool { return strings.HasPrefix(f.Name, "plugin-") }
