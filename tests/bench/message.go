package main

import (
	"context"
	"time"
)

var messageScenario = scenario{
	name:     "message",
	about:    "each message opens a chat: a closed load with a model of 0 ms, then one message after another with a model's time",
	variants: []variant{theFloor, inline, processes},
	rounds:   3,
	ratio:    "msg/s",
	columns: []column{
		{"msg/s", 0}, {"p50 ms", 1}, {"p99 ms", 1}, {"added p50 ms", 1}, {"added p99 ms", 1}, {"ack p50 ms", 2}, {"ack p99 ms", 2}, {"start ms", 0},
	},
	round: func(ctx context.Context, b *bench, v variant) (sample, error) {
		return b.on(ctx, v, filling{}, func(t *target, s *sample) error {
			b.warm(ctx, t)
			many := t.closed(ctx, b.chats(b.n), b.callers)
			b.world.setDelay(b.delay)
			single := t.closed(ctx, b.chats(b.single), 1)
			s.values["msg/s"] = many.perSecond()
			s.values["p50 ms"], s.values["p99 ms"] = quantile(many.answered(), .5), quantile(many.answered(), .99)
			s.values["added p50 ms"] = quantile(single.answered(), .5) - ms(b.delay)
			s.values["added p99 ms"] = quantile(single.answered(), .99) - ms(b.delay)
			s.values["ack p50 ms"], s.values["ack p99 ms"] = quantile(single.acked(), .5), quantile(single.acked(), .99)
			s.values["start ms"] = ms(t.ready)
			return nil
		})
	},
}

var openScenario = scenario{
	name:     "open",
	about:    "an open load: so many messages a second, whatever comes back, three to each of a hundred chats at a time, with a model's time",
	variants: []variant{theFloor, inline},
	rounds:   3,
	columns:  []column{{"offered/s", 0}, {"late p99 ms", 1}, {"answered/s", 0}, {"p50 ms", 1}, {"p99 ms", 1}, {"max ms", 1}, {"ack p99 ms", 1}},
	round: func(ctx context.Context, b *bench, v variant) (sample, error) {
		return b.on(ctx, v, filling{}, func(t *target, s *sample) error {
			b.warm(ctx, t)
			b.world.setDelay(b.delay)
			n := b.openMessages(b.rate, b.open)
			s.offered(t.offer(ctx, spread(b.chats(chatsFor(n)), n), b.rate), b.rate)
			return nil
		})
	},
}

// openMessages is how many messages a rate makes in a time.
func (b *bench) openMessages(rate float64, d time.Duration) int { return max(1, int(rate*d.Seconds())) }

// offered fills in what an open load gave.
func (s *sample) offered(r run, rate float64) {
	s.values["offered/s"], s.values["late p99 ms"] = r.offered(), quantile(r.late(), .99)
	s.values["answered/s"] = r.perSecond()
	s.values["p50 ms"], s.values["p99 ms"] = quantile(r.answered(), .5), quantile(r.answered(), .99)
	s.values["max ms"], s.values["ack p99 ms"] = quantile(r.answered(), 1), quantile(r.acked(), .99)
	s.notes = append(s.notes, r.short(rate))
}
