package flow_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hearthfaas/hearth/shared/flow"
)

// TestJitterIsStable: the delay of a slot is the same for everybody and after every restart, and another one for
// another task or slot.
func TestJitterIsStable(t *testing.T) {
	trigger := flow.Trigger{Type: flow.Cron, Schedule: "0 9 * * *", Jitter: "10m"}
	slot := instant(t, "2026-03-02T09:00:00+08:00")
	// The value is part of the contract: replicas of two versions have to agree on it.
	const want = 63472 * time.Millisecond
	for _, zone := range []string{"Asia/Shanghai", "UTC"} {
		s := schedule(t, trigger, nil).Of("daily")
		if got := s.At(slot.In(location(zone))).Sub(slot); got != want {
			t.Errorf("in %s: %d ms", zone, got.Milliseconds())
		}
	}
	s := schedule(t, trigger, nil)
	if s.At(slot) != slot {
		t.Error("a schedule of no task is delayed")
	}
	others := map[time.Duration]bool{}
	for i := range 20 {
		others[s.Of(fmt.Sprint("task", i)).At(slot).Sub(slot)] = true
	}
	if len(others) < 19 {
		t.Errorf("20 tasks share %d delays", len(others))
	}
}

// TestJitterSpreads: the delays fill the whole of the jitter, and no more.
func TestJitterSpreads(t *testing.T) {
	s := schedule(t, flow.Trigger{Type: flow.Cron, Schedule: "0 * * * *", Jitter: "10m"}, nil).Of("hourly")
	var tenths [10]int
	slot := instant(t, "2026-01-01T00:00:00Z")
	for range 2000 {
		slot = s.Next(slot)
		delay := s.At(slot).Sub(slot)
		if delay < 0 || delay >= 10*time.Minute {
			t.Fatalf("%v of %v", delay, slot)
		}
		tenths[delay/time.Minute]++
	}
	for i, n := range tenths {
		if n < 140 || n > 260 {
			t.Errorf("minute %d has %d of 2000", i, n)
		}
	}
}

// TestJitterKeepsTheOrder: however long the jitter and however dense the slots, no slot fires before the one
// before it, and each look deals with every slot once.
func TestJitterKeepsTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		trigger := rapid.SampledFrom([]flow.Trigger{
			{Type: flow.Cron, Schedule: "*/7 * * * *"},
			{Type: flow.Cron, Schedule: "30 1,2,3 * * *", Timezone: "America/New_York"},
			{Type: flow.Every, Schedule: "13m"},
			{Type: flow.Cron, Schedule: "0 9 * * 1-5"},
		}).Draw(t, "trigger")
		trigger.Jitter = rapid.SampledFrom([]string{"1s", "5m", "3h", "24h"}).Draw(t, "jitter")
		trigger.Misfire = rapid.SampledFrom([]string{"skip", "once", "all"}).Draw(t, "misfire")
		plain, err := flow.NewSchedule(trigger, shanghai, nil)
		if err != nil {
			t.Fatal(err)
		}
		s := plain.Of("task")
		now := time.Unix(rapid.Int64Range(1_500_000_000, 2_000_000_000).Draw(t, "start"), 0)
		expected := s.Next(now)
		want := expected
		for range 20 {
			now = now.Add(time.Duration(rapid.Int64Range(0, 10*3600).Draw(t, "pause")) * time.Second)
			due := s.Due(expected, now)
			for _, at := range append(due.Skipped, due.Run...) {
				if !at.Equal(want) || s.At(at).After(now) {
					t.Fatalf("%v (fires %v) where %v was expected, at %v", at, s.At(at), want, now)
				}
				next := s.Next(want)
				if !s.At(next).After(s.At(want)) {
					t.Fatalf("%v fires at %v, and %v at %v", want, s.At(want), next, s.At(next))
				}
				want = next
			}
			if expected = due.Next; !expected.Equal(want) || !s.At(expected).After(now) {
				t.Fatalf("next is %v, not %v", expected, want)
			}
		}
	})
}

func TestDeadline(t *testing.T) {
	slot := instant(t, "2026-03-02T09:00:00+08:00")
	s := schedule(t, flow.Trigger{Type: flow.Cron, Schedule: "0 9 * * *", Expect: "5m", Jitter: "1m"}, nil).Of("daily")
	if got := s.Deadline(slot); got.Sub(slot) != 5*time.Minute {
		t.Errorf("%v", got)
	}
	if got := schedule(t, flow.Trigger{Type: flow.Cron, Schedule: "0 9 * * *"}, nil).Deadline(slot); !got.IsZero() {
		t.Errorf("nobody waits, and the deadline is %v", got)
	}
}
