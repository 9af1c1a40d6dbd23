// Package redisd gives one machine its store: a redis-server of our own, which outlives a crash of ours and
// is taken over at the next start; or, where there is none on the PATH, one inside this process, which
// forgets.
package redisd

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Kind says where a store runs.
type Kind string

// The kinds of store.
const (
	Child   Kind = "child"   // a redis-server that we started
	Adopted Kind = "adopted" // a redis-server that an earlier process of ours left behind
	Memory  Kind = "memory"  // inside this process: everything is forgotten when it ends
)

// Server is a running store. Its URL stays the same while it lives, whatever happens behind it.
type Server struct {
	URL     string // for REDIS_URL; it holds the password
	Kind    Kind
	Version string // of redis-server

	stop func() error
}

// Stop stops the store and waits for its end. What was acknowledged is on disk then, but for Memory. Stop it
// once.
func (s *Server) Stop() error { return s.stop() }

// Start starts the store of a folder, or takes over the one that an earlier process left. Without a
// redis-server on the PATH it is one in memory, unless the folder holds data: an empty store never takes
// their place.
func Start(ctx context.Context, dir string, log *slog.Logger) (*Server, error) {
	if program := find(); program != "" {
		return startChild(ctx, program, dir, log)
	}
	if holdsData(dir) {
		return nil, fault.New(fault.Unavailable, "%s holds the data of a redis-server, and none is on the PATH", dir).
			Try("apt install redis-server, or set REDIS_URL")
	}
	return startMemory()
}

// find returns the path of a server that speaks Redis, or "".
func find() string {
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// holdsData reports whether a redis-server wrote to dir, of version 7 or before.
func holdsData(dir string) bool {
	for _, name := range []string{"appendonlydir", "appendonly.aof"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}
