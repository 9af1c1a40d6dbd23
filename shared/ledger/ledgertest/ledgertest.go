// Package ledgertest starts stores for tests: the in-process one, and a real redis-server where one is on
// the PATH.
package ledgertest

import (
	"bufio"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/vault"
)

// Vault returns the vault of fntest.Key.
func Vault(t testing.TB) *vault.Vault {
	t.Helper()
	v, err := vault.Parse(fntest.Key)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// URL starts an in-process store and returns its REDIS_URL.
func URL(t testing.TB) string {
	t.Helper()
	return "redis://" + miniredis.RunT(t).Addr() + "/0?" + ledger.VolatileFlag + "=1"
}

// Open returns a ledger on an in-process store.
func Open(t testing.TB) *ledger.Ledger {
	t.Helper()
	return Dial(t, URL(t))
}

// Dial returns a ledger on a store.
func Dial(t testing.TB, url string) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Dial(t.Context(), url, Vault(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close the ledger: %v", err)
		}
	})
	return l
}

// Server starts a redis-server with its own data and these further arguments, and returns its address. It
// skips the test where there is none on the PATH.
func Server(t testing.TB, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("SKIP: no redis-server on the PATH (make dev-setup installs it)")
	}
	address := freeAddress(t)
	host, port, _ := net.SplitHostPort(address)
	all := append([]string{
		"--bind", host, "--port", port, "--dir", t.TempDir(), "--save", "", "--appendonly", "yes",
		"--appendfsync", "everysec", "--maxmemory-policy", "noeviction", "--unixsocket", filepath.Join(t.TempDir(), "s"),
	}, args...)
	cmd := exec.Command(path, all...)
	cmd.Env = []string{"LC_ALL=C"}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "Ready to accept connections") {
			go func() { // keeps the pipe empty until the server is gone
				for lines.Scan() {
				}
			}()
			return address
		}
	}
	t.Fatal("redis-server ended before it was ready")
	return ""
}

// Real returns a ledger on a real redis-server, or skips the test.
func Real(t testing.TB) *ledger.Ledger {
	t.Helper()
	return Dial(t, "redis://"+Server(t)+"/0")
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
