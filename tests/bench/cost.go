package main

import (
	"context"
	"time"
)

// idle is how long a target is left alone, to know what it does by itself.
const idle = time.Second

var costScenario = scenario{
	name:     "cost",
	about:    "what a message takes: requests to Redis, its syncs and its log over messages one after another; CPU and memory in a closed load; the model takes 0 ms",
	variants: []variant{theFloor, inline, processes},
	rounds:   3,
	columns: []column{
		{"Redis trips/msg", 2},
		{"Redis commands/msg", 1},
		{"Redis syncs/msg", 2},
		{"Redis log B/msg", 0},
		{"trips/s idle", 1},
		{"service CPU ms/msg", 2},
		{"Redis CPU ms/msg", 2},
		{"idle MB", 0},
		{"loaded MB", 0},
	},
	round: func(ctx context.Context, b *bench, v variant) (sample, error) {
		return b.on(ctx, v, filling{}, func(t *target, s *sample) error {
			_, s.values["idle MB"] = usage(t.pid)
			b.warm(ctx, t)
			if err := b.trips(ctx, t, s); err != nil {
				return err
			}
			chats := b.chats(b.n)
			took := t.watch(func() { t.closed(ctx, chats, b.callers) })
			s.costs(took, len(chats))
			s.values["loaded MB"] = took.rss
			return nil
		})
	},
}

// trips counts what the store does for messages one after another, less what it does anyway in that time.
func (b *bench) trips(ctx context.Context, t *target, s *sample) error {
	alone, quiet, err := t.counting(ctx, func() { until(time.Now().Add(idle)) })
	if err != nil {
		return err
	}
	chats := b.chats(3 * b.single)
	busy, took, err := t.counting(ctx, func() {
		t.closed(ctx, chats, 1)
		until(time.Now().Add(idle / 10)) // what follows the last reply
	})
	if err != nil {
		return err
	}
	n, share := float64(len(chats)), took.Seconds()/quiet.Seconds()
	s.values["Redis trips/msg"] = (busy.trips - share*alone.trips) / n
	s.values["Redis commands/msg"] = (busy.commands - share*alone.commands) / n
	s.values["Redis syncs/msg"] = (busy.syncs - share*alone.syncs) / n
	s.values["Redis log B/msg"] = (busy.logged - share*alone.logged) / n
	s.values["trips/s idle"] = alone.trips / quiet.Seconds()
	return nil
}

// counting returns what the store did while something ran, and how long that took.
func (t *target) counting(ctx context.Context, do func()) (counted, time.Duration, error) {
	before, err := t.store.count(ctx)
	if err != nil {
		return counted{}, 0, err
	}
	start := time.Now()
	do()
	took := time.Since(start)
	after, err := t.store.count(ctx)
	return after.since(before), took, err
}
