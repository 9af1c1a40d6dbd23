package ledger_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/ledger"
)

// later is a slot that is not delayed.
func later(slot time.Time, d time.Duration) ledger.Slot {
	return ledger.Slot{Time: slot.Add(d), At: slot.Add(d)}
}

func TestSlotFiresOnceAmongReplicas(t *testing.T) {
	each(t, func(t *testing.T, l *ledger.Ledger) {
		ctx, slot := t.Context(), time.Now().Add(-time.Minute).Truncate(time.Millisecond)
		if err := l.Schedule(ctx, "daily", ledger.Slot{Time: slot, At: slot}); err != nil {
			t.Fatal(err)
		}
		due, err := l.Due(ctx, "pump")
		if err != nil || !due.Slots["daily"].Time.Equal(slot) {
			t.Fatal(due, err)
		}
		var wg sync.WaitGroup
		var fired [8]bool
		for i := range fired {
			wg.Go(func() {
				run := &ledger.Spawn{Lane: l.RunFor(l.TasksLane(), "daily@"+slot.String()), Header: []byte("h")}
				got, err := l.Fire(ctx, ledger.Fire{Task: "daily", Expected: slot, Next: later(slot, time.Hour), Note: []byte("row"), Run: run})
				if err != nil {
					t.Error(err)
				}
				fired[i] = got
			})
		}
		wg.Wait()
		if n := strings.Count(fmt.Sprint(fired), "true"); n != 1 {
			t.Fatalf("fired %d times", n)
		}
		rows, err := l.Fires(ctx, "daily", 10)
		if err != nil || len(rows) != 1 || string(rows[0]) != "row" {
			t.Fatal(rows, err)
		}
		runs, err := l.Runs(ctx, 10, true)
		if err != nil || len(runs) != 1 {
			t.Fatal(runs, err)
		}
		next, err := l.Scheduled(ctx)
		if err != nil || !next["daily"].Time.Equal(slot.Add(time.Hour)) {
			t.Fatal(next, err)
		}
		early, err := l.Fire(ctx, ledger.Fire{Task: "daily", Expected: slot.Add(time.Hour)})
		if err != nil || early {
			t.Fatal("fired before its time", err)
		}
	})
}

// TestDelayedSlotIsNamedByItsTime: what fires later than its slot is found, fired and shown under its slot.
func TestDelayedSlotIsNamedByItsTime(t *testing.T) {
	each(t, func(t *testing.T, l *ledger.Ledger) {
		ctx, slot := t.Context(), time.Now().Add(-time.Hour).Truncate(time.Millisecond)
		soon := ledger.Slot{Time: slot, At: time.Now().Add(time.Hour).Truncate(time.Millisecond)}
		if err := l.Schedule(ctx, "daily", soon); err != nil {
			t.Fatal(err)
		}
		if due, err := l.Due(ctx, "pump"); err != nil || len(due.Slots) > 0 {
			t.Fatalf("due before its delay is over: %v %v", due, err)
		}
		if early, err := l.Fire(ctx, ledger.Fire{Task: "daily", Expected: slot}); err != nil || early {
			t.Fatal("fired before its delay is over", err)
		}
		now := ledger.Slot{Time: slot, At: slot.Add(90*time.Second + 7*time.Millisecond)}
		if err := l.Schedule(ctx, "daily", now); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			due, err := l.Due(ctx, "pump")
			if got := due.Slots["daily"]; err != nil || !got.Time.Equal(slot) || !got.At.Equal(now.At) {
				t.Fatal(due, err)
			}
		}
		if other, err := l.Fire(ctx, ledger.Fire{Task: "daily", Expected: now.At}); err != nil || other {
			t.Fatal("fired under the time of its delay", err)
		}
		if fired, err := l.Fire(ctx, ledger.Fire{Task: "daily", Expected: slot, Next: later(slot, 2*time.Hour)}); err != nil || !fired {
			t.Fatal(fired, err)
		}
		next, err := l.Scheduled(ctx)
		if got := next["daily"]; err != nil || !got.Time.Equal(slot.Add(2*time.Hour)) || !got.At.Equal(got.Time) {
			t.Fatal(next, err)
		}
	})
}

// TestWatchOutlivesItsSlot: whoever waits for the run of a slot waits on after it has fired, and no longer for a
// slot that was never to come.
func TestWatchOutlivesItsSlot(t *testing.T) {
	each(t, func(t *testing.T, l *ledger.Ledger) {
		ctx, slot := t.Context(), time.Now().Add(-time.Hour).Truncate(time.Millisecond)
		watched := func(slots ...time.Duration) {
			t.Helper()
			due, err := l.Due(ctx, "pump")
			if err != nil || len(due.Watches) != len(slots) {
				t.Fatalf("%v, want %v: %v", due.Watches, slots, err)
			}
			for i, d := range slots {
				if w := due.Watches[i]; w.Task != "daily" || !w.Slot.Equal(slot.Add(d)) {
					t.Errorf("%v, want %v", w, slots)
				}
			}
		}
		at := func(d time.Duration) ledger.Slot {
			s := later(slot, d)
			s.Deadline = s.Time.Add(time.Minute)
			return s
		}
		if err := l.Schedule(ctx, "daily", at(0)); err != nil {
			t.Fatal(err)
		}
		watched(0) // nobody fired it, and it is late
		if err := l.Schedule(ctx, "daily", at(time.Minute)); err != nil {
			t.Fatal(err)
		}
		watched(time.Minute) // the other slot will not come
		for range 2 {
			if _, err := l.Fire(ctx, ledger.Fire{Task: "daily", Expected: slot.Add(time.Minute), Next: at(2 * time.Minute)}); err != nil {
				t.Fatal(err)
			}
		}
		watched(time.Minute, 2*time.Minute)
		if err := l.Unwatch(ctx, ledger.Watch{Task: "daily", Slot: slot.Add(time.Minute)}); err != nil {
			t.Fatal(err)
		}
		watched(2 * time.Minute)
		if err := l.Schedule(ctx, "daily", ledger.Slot{}); err != nil {
			t.Fatal(err)
		}
		watched()
	})
}

func TestRowsAreCapped(t *testing.T) {
	each(t, func(t *testing.T, l *ledger.Ledger) {
		ctx, slot := t.Context(), time.Now().Add(-time.Hour).Truncate(time.Millisecond)
		if err := l.Schedule(ctx, "dense", later(slot, 0)); err != nil {
			t.Fatal(err)
		}
		for i := range 505 {
			next := slot.Add(time.Duration(i+1) * time.Second)
			fired, err := l.Fire(ctx, ledger.Fire{Task: "dense", Expected: slot.Add(time.Duration(i) * time.Second), Next: later(next, 0), Note: fmt.Append(nil, i)})
			if err != nil || !fired {
				t.Fatal(i, fired, err)
			}
		}
		rows, err := l.Fires(ctx, "dense", 1000)
		if err != nil || len(rows) != 500 || string(rows[0]) != "504" || string(rows[499]) != "5" {
			t.Fatalf("%d rows: %v", len(rows), err)
		}
	})
}
