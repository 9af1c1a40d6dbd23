package main

import (
	"context"
	"fmt"
	"math"
)

var fullScenario = scenario{
	name:     "full",
	about:    "conversations that fill the window of 8192 tokens (32 KB) before: a closed load with a model of 0 ms, then an open load with a model's time",
	variants: []variant{theFloor, inline},
	rounds:   3,
	ratio:    "msg/s",
	columns: []column{
		{"msg/s", 0},
		{"closed p50 ms", 1},
		{"closed p99 ms", 1},
		{"prompt KB", 1},
		{"offered/s", 0},
		{"late p99 ms", 1},
		{"answered/s", 0},
		{"p50 ms", 1},
		{"p99 ms", 1},
		{"max ms", 1},
	},
	round: func(ctx context.Context, b *bench, v variant) (sample, error) {
		n := b.openMessages(b.rate, b.open)
		closed, open := b.chats(b.n), b.chats(chatsFor(n))
		chats := append(append([]int64(nil), closed...), open...)
		return b.on(ctx, v, filling{chats, window}, func(t *target, s *sample) error {
			b.warm(ctx, t)
			b.world.promptKB()
			many := t.closed(ctx, closed, b.callers)
			kb := b.world.promptKB()
			if len(many.answered()) > 0 && kb < window/1024 {
				return fmt.Errorf("the model was asked with %.1f KB, not with the whole conversation", kb)
			}
			s.values["msg/s"], s.values["prompt KB"] = many.perSecond(), kb
			s.values["closed p50 ms"], s.values["closed p99 ms"] = quantile(many.answered(), .5), quantile(many.answered(), .99)
			b.world.setDelay(b.delay)
			s.offered(t.offer(ctx, spread(open, n), b.rate), b.rate)
			return nil
		})
	},
}

// sessionScenario is a closed load on so many sessions that the store holds. Each of them is written to
// three times at most, which is Telegram's pace, so a hundred sessions make a short load.
func sessionScenario(present int, asked bool) scenario {
	const bytes = 1024
	rounds := 3
	if asked {
		rounds = 1
	}
	return scenario{
		name:     fmt.Sprintf("sessions-%d", present),
		about:    fmt.Sprintf("%d sessions of 1 KB are in the store: a closed load on some of them, with a model of 0 ms", present),
		variants: []variant{theFloor, inline},
		rounds:   rounds,
		asked:    asked,
		ratio:    "msg/s",
		columns: []column{
			{"messages", 0}, {"msg/s", 0}, {"p50 ms", 1}, {"p99 ms", 1}, {"service CPU ms/msg", 2}, {"Redis CPU ms/msg", 2}, {"Redis bytes/session", 0},
		},
		round: func(ctx context.Context, b *bench, v variant) (sample, error) {
			chats := b.chats(present)
			return b.on(ctx, v, filling{chats, bytes}, func(t *target, s *sample) error {
				b.warm(ctx, t)
				write := b.chosen(chats)
				var r run
				took := t.watch(func() { r = t.closed(ctx, write, b.callers) })
				s.values["messages"], s.values["msg/s"] = float64(len(write)), r.perSecond()
				s.values["p50 ms"], s.values["p99 ms"] = quantile(r.answered(), .5), quantile(r.answered(), .99)
				s.costs(took, len(write))
				s.values["Redis bytes/session"] = t.filled / float64(present)
				return nil
			})
		},
	}
}

// chosen returns which of the chats that are there the messages of a closed load go to: all over them.
func (b *bench) chosen(chats []int64) []int64 {
	step := max(1, len(chats)*burst/b.n)
	var some []int64
	for i := 0; i < len(chats); i += step {
		some = append(some, chats[i])
	}
	all := times(some, burst)
	return all[:min(b.n, len(all))]
}

// costs fills in what a message cost.
func (s *sample) costs(took spent, messages int) {
	n := math.Max(1, float64(messages))
	s.values["service CPU ms/msg"], s.values["Redis CPU ms/msg"] = took.service/n, took.store/n
}
