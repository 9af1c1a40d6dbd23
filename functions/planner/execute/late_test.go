package execute_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/alicebob/miniredis/v2/server"

	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/ledger"
)

// afterIntent does something once, when the first announcement of an effect is written and before what follows. From
// then on the store refuses so many commands.
func (b *bench) afterIntent(refuse int, do func()) {
	var mu sync.Mutex
	written, done := false, false
	b.store.Server().SetPreHook(func(peer *server.Peer, cmd string, args ...string) bool {
		announces := slices.ContainsFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "intent/") })
		mu.Lock()
		now := written && !done && !announces && cmd == "EVALSHA" // not a command inside the script
		written, done = written || announces, done || now
		mu.Unlock()
		if now {
			do()
		}
		mu.Lock()
		defer mu.Unlock()
		if !done || refuse == 0 || cmd != "EVALSHA" {
			return false
		}
		refuse--
		peer.WriteError("BUSY Redis is busy running a script.")
		return true
	})
}

// TestLateHolderAsksFirst lets a holder stand still between the announcement of an effect and the effect. It acts
// when the claim is still its own, and not when somebody else has taken the run.
func TestLateHolderAsksFirst(t *testing.T) {
	for taken, want := range map[bool]string{true: "running p=running", false: "done p=done"} {
		b := open(t)
		lane := b.run(`{"id":"p","plugin":"make","params":{"say":"x"}}`)
		b.afterIntent(0, func() {
			b.advance(ledger.Lease + 1)
			if !taken {
				return
			}
			if j, err := journal.Take(t.Context(), b.ledger, lane, b.clock); err != nil || j == nil {
				t.Error("nobody takes the run over:", j, err)
			}
		})
		if v := b.drive(lane); show(v) != want || (b.deeds() == "") != taken {
			t.Errorf("taken %t: %s, %q", taken, show(v), b.deeds())
		}
		b.advance(ledger.Lease + 1)
		if v := b.finish(lane); v.State != flow.StateDone || b.deeds() != "do p: x" {
			t.Errorf("taken %t: %s, %q in the end", taken, show(v), b.deeds())
		}
	}
}

// TestLateHolderWaitsForTheStore lets the store be away when a late holder asks whether the run is still its own: an
// effect that cannot be taken back happens once, and nobody has to wonder about it.
func TestLateHolderWaitsForTheStore(t *testing.T) {
	b := open(t)
	lane := b.run(`{"id":"p","plugin":"pay","params":{"say":"x"}}`)
	b.afterIntent(3, func() { b.advance(ledger.Lease + 1) })
	if v := b.drive(lane); show(v) != "done p=done" || b.deeds() != "do p: x" || b.asked > 0 {
		t.Errorf("%s, %q, asked %d times", show(v), b.deeds(), b.asked)
	}
}
