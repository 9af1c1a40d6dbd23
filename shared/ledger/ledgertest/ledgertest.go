// Package ledgertest starts stores for tests: the in-process one, and a real redis-server where one is on
// the PATH.
package ledgertest

import (
	"testing"

	"github.com/alicebob/miniredis/v2"

	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/redisd/redisdtest"
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
	return redisdtest.Server(t, args...).Addr
}

// Real returns a ledger on a real redis-server, or skips the test.
func Real(t testing.TB) *ledger.Ledger {
	t.Helper()
	return Dial(t, "redis://"+Server(t)+"/0")
}
