package ledger_test

import (
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/ledger/ledgertest"
)

// TestLineThatCameBack gives two lines the same place, as a store does that brings back half of a transaction which
// it had lost: both are read, and no line is empty.
func TestLineThatCameBack(t *testing.T) {
	store := miniredis.RunT(t)
	l := ledgertest.Dial(t, "redis://"+store.Addr()+"/0?"+ledger.VolatileFlag+"=1")
	lane := l.NewRun(l.TasksLane())
	if _, err := l.Spawn(t.Context(), ledger.Spawn{Lane: lane, Header: []byte("h")}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"c", "b", "a", "d"} {
		if _, _, err := l.Decide(t.Context(), lane, key, []byte("body of "+key), ledger.KeepStop); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range store.Keys() {
		if !strings.Contains(key, ":j:") {
			continue
		}
		line := store.HGet(key, "a")
		store.HSet(key, "a", "1"+strings.TrimPrefix(line, "2")) // where b is
	}
	run, err := l.Load(t.Context(), lane)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range run.Journal {
		got = append(got, e.Key+"="+string(e.Body))
	}
	if want := "c=body of c a=body of a b=body of b d=body of d"; strings.Join(got, " ") != want {
		t.Errorf("%s, want %s", got, want)
	}
}
