package alert

import (
	"errors"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/ledger/ledgertest"
)

// TestShortOutagesAreNotTold, however many there are; a long one is, once, when it is over.
func TestShortOutagesAreNotTold(t *testing.T) {
	env := fntest.Env(t, map[string]string{"REDIS_URL": ledgertest.URL(t)})
	start := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	now := start
	env.Now = func() time.Time { return now }
	teller, err := Open(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	var o outage
	away := errors.New("connection refused")
	for _, c := range []struct {
		at    time.Duration
		round error
		told  int
	}{
		{0, away, 0},
		{29 * time.Second, away, 0},
		{30 * time.Second, nil, 0},
		{31 * time.Second, away, 0}, // begins anew
		{60 * time.Second, away, 0},
		{60 * time.Second, nil, 0},
		{70 * time.Second, away, 0},
		{100 * time.Second, away, 0}, // long enough, and nobody can be told
		{110 * time.Second, nil, 1},
		{111 * time.Second, nil, 1},
	} {
		now = start.Add(c.at)
		o.see(t.Context(), teller, c.round)
		if err := teller.Round(t.Context()); err != nil { // what was raised comes into the list
			t.Fatal(err)
		}
		list, err := List(t.Context(), teller.ledger)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) != c.told {
			t.Errorf("after %v: %d alerts, want %d: %+v", c.at, len(list), c.told, list)
		}
	}
}
