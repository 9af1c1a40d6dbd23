package main

import (
	"context"
	"fmt"
	"time"
)

// How a sustained rate is looked for: probes of this length, each this much slower than the one before.
const (
	probe  = 2 * time.Second
	slower = .85
	probes = 8
)

var saturationScenario = scenario{
	name:     "saturation",
	about:    "the highest open load that is sustained (all answered, at 90 % of the rate, p99 up to 2 s), then twice that, with a model's time",
	variants: []variant{theFloor, inline},
	rounds:   1,
	columns: []column{
		{"peak/s", 0},
		{"sustained/s", 0},
		{"sustained p99 ms", 0},
		{"offered/s", 0},
		{"late p99 ms", 1},
		{"answered/s", 0},
		{"of peak %", 0},
		{"refused %", 1},
		{"p50 ms", 0},
		{"p99 ms", 0},
		{"max ms", 0},
		{"drained after ms", 0},
	},
	round: func(ctx context.Context, b *bench, v variant) (sample, error) {
		return b.on(ctx, v, filling{}, func(t *target, s *sample) error {
			b.warm(ctx, t)
			b.world.setDelay(b.delay)
			peak, sustained, err := b.sustained(ctx, t)
			if err != nil {
				return err
			}
			rate := sustained.offered()
			s.values["sustained/s"], s.values["sustained p99 ms"] = rate, quantile(sustained.answered(), .99)
			n := b.openMessages(2*rate, b.open)
			over := t.offer(ctx, spread(b.chats(chatsFor(n)), n), 2*rate)
			s.offered(over, 2*rate)
			s.overloaded(over, max(peak, sustained.perSecond()))
			return nil
		})
	},
}

// sustained returns the rate of answers of a closed load with very many in flight, and the fastest open load
// that the target keeps up with.
func (b *bench) sustained(ctx context.Context, t *target) (peak float64, r run, err error) {
	peak = t.closed(ctx, b.chats(b.n), 8*b.callers).perSecond()
	rate := 1.2 * peak
	for range probes {
		n := b.openMessages(rate, probe)
		r = t.offer(ctx, spread(b.chats(chatsFor(n)), n), rate)
		peak = max(peak, r.perSecond())
		if r.sustained(rate) {
			return peak, r, nil
		}
		rate *= slower
	}
	return peak, r, fmt.Errorf("not even %.0f messages a second are sustained", rate/slower)
}

// sustained reports whether a target kept up with a rate: it refused and lost nothing, was as fast as it was
// asked, and no queue grew behind it.
func (r run) sustained(rate float64) bool {
	const slowest, share = 2000, .9
	times := r.answered()
	return len(times) == len(r.notes) && quantile(times, .99) <= slowest && r.perSecond() >= share*rate
}

// overloaded fills in what came of offering too much. What counts as answered is what was accepted and
// answered, up to the last answer, so that a queue which is worked off later makes the rate no higher.
func (s *sample) overloaded(r run, peak float64) {
	refused, last := 0, r.over
	for _, n := range r.notes {
		if n.status != 0 && !n.accepted() {
			refused++
		}
		if n.answered.After(last) {
			last = n.answered
		}
	}
	s.values["peak/s"], s.values["of peak %"] = peak, 100*r.perSecond()/peak
	s.values["refused %"] = 100 * float64(refused) / float64(len(r.notes))
	s.values["drained after ms"] = ms(last.Sub(r.over))
	if refused == 0 {
		s.notes = append(s.notes, "nothing was refused: all that was offered was queued")
	}
}
