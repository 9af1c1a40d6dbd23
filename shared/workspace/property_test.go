package workspace_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/workspace"
)

// TestAnyRollbackRestores: whatever a run did, taking it back newest first restores every state it went
// through, and a second round changes nothing.
func TestAnyRollbackRestores(t *testing.T) {
	b, round := open(t, workspace.DefaultLimits), 0
	rapid.Check(t, func(r *rapid.T) {
		round++
		b.owner = fmt.Sprint("owner-", round)
		path := rapid.SampledFrom([]string{"/a", "/b", "/c"})
		var made []workspace.File
		var keys, states []string
		for i := range rapid.IntRange(1, 10).Draw(r, "steps") {
			key, before := fmt.Sprint("k", i), state(t, b)
			f, err := act(t, b, rapid.IntRange(0, 3).Draw(r, "op"), path.Draw(r, "from"), path.Draw(r, "to"), key)
			if err != nil {
				if !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Invalid) {
					r.Fatal(err)
				}
				continue
			}
			made, keys, states = append(made, f), append(keys, key), append(states, before)
		}
		known := rapid.Bool().Draw(r, "outcomes are known")
		for again := range 2 {
			for i := len(made) - 1; i >= 0; i-- {
				what := workspace.Made{Version: made[i].Version, Key: keys[i]}
				if !known {
					what.Version = 0
				}
				if err := b.Revert(t.Context(), b.owner, made[i].Path, what, by(keys[i])); err != nil {
					r.Fatalf("take back %d (%+v): %v", i, made[i], err)
				}
				expected := states[i]
				if again == 1 {
					expected = states[0]
				}
				if got := state(t, b); got != expected {
					r.Fatalf("after taking back %d there is %q, want %q", i, got, expected)
				}
			}
		}
	})
}

func act(t *testing.T, b *bench, op int, from, to, key string) (workspace.File, error) {
	switch op {
	case 0:
		return b.Write(t.Context(), b.owner, to, strings.NewReader(key), -1, workspace.Options{By: by(key), Base: workspace.Any})
	case 1:
		return b.Move(t.Context(), b.owner, from, to, by(key))
	case 2:
		return b.Copy(t.Context(), b.owner, from, to, by(key))
	default:
		return b.Trash(t.Context(), b.owner, from, by(key))
	}
}
