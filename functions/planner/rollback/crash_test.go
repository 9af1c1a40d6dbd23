package rollback_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/flow"
)

// TestEveryPatternOfCrashes takes a run of three effects back while its holders die: before the call of an
// undo arrives, and after it has acted, in all 64 patterns of these points. A holder that lost the run goes
// on and writes, which is refused. All is undone, newest first, and no undo fails.
func TestEveryPatternOfCrashes(t *testing.T) {
	for pattern := range 1 << 6 {
		d := open(t)
		died := func(point int) bool {
			if pattern&(1<<point) == 0 {
				return false
			}
			pattern &^= 1 << point
			d.advance(time.Minute) // its lease is over,
			d.take()               // and another holder takes the run
			return true
		}
		d.calling = func() bool { return !died(2 * len(once(d.undone))) }
		d.acting = func(step string) { died(2*strings.Index("cba", step) + 1) }
		for range 12 {
			if d.look().State.Over() {
				break
			}
			d.advance(time.Minute)
			_ = d.handOver(d.take().Claim()) // Stale, when it died
		}
		run := d.look()
		if got := strings.Join(once(d.undone), ", "); run.State != flow.RolledBack || got != all || pattern != 0 {
			t.Fatalf("the run is %s, undone %s, %b left to die", run.State, got, pattern)
		}
		for _, s := range run.Steps[:3] {
			if u := s.Units[0]; u.State != flow.UnitUndone || u.Refused > 0 {
				t.Fatalf("%s is %s, %d of %d undos failed", u.ID, u.State, u.Refused, u.Undos)
			}
		}
		if d.due() {
			t.Fatal("a run that is rolled back is still due")
		}
	}
}

// once drops what was said again under the same key right after.
func once(undone []string) []string { return slices.Compact(slices.Clone(undone)) }
