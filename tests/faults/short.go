package faults

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// Short is the suite in a minute: messages that are posted several times, holders that come late with an effect,
// such as are stopped, a run that cannot be taken back, one whose steps fork, a kill at every point of a run whose
// effect must not happen twice, and answers whose senders die with them delivered. It is what the teeth are tried on.
func Short(ctx context.Context, c *Cluster) error {
	undisturbed := []func() error{
		func() error { return LateIntent(ctx, c, 4) },
		func() error { return c.repeated(ctx, 20) },
		func() error { return c.stopping(ctx, 20, 1) },
		func() error { return c.Once(ctx, "stuck", 0, false, nil) },
		func() error { return c.Once(ctx, "forked", 0, false, nil) },
	}
	err := Each(len(undisturbed), len(undisturbed), func(i int) error { return undisturbed[i]() })
	if err != nil {
		return err
	}
	points, err := c.Points(ctx, "single")
	if err != nil {
		return err
	}
	killing := []func() error{
		func() error { _, err := c.EveryPoint(ctx, "single", points, Kill); return err },
		func() error { return c.unnoted(ctx, 4) },
	}
	if err := Each(len(killing), len(killing), func(i int) error { return killing[i]() }); err != nil {
		return err
	}
	return c.Quiet(ctx, time.Minute)
}

// ShortBehind is for a store behind Sentinels: people talk while its primary dies, each time with replicas that do
// not know what it took last.
func ShortBehind(ctx context.Context, c *Cluster) error {
	const failovers = 3
	_, err := Chaos{Messages: 900, Chats: 60, Failovers: failovers, For: failovers * 8 * time.Second}.Run(ctx, c)
	return errors.Join(err, c.Quiet(ctx, time.Minute))
}

// repeated posts messages three times each, all at once.
func (c *Cluster) repeated(ctx context.Context, n int) error {
	return Each(n, n, func(int) error {
		chat := nextChat()
		return errors.Join(c.Say(ctx, posting(chat, ""), "", 3), c.Say(ctx, posting(chat, "plain"), "plain", 3))
	})
}

// unnoted kills the sender of an answer when the platform has it and the ledger is not told yet.
func (c *Cluster) unnoted(ctx context.Context, n int) error {
	return Each(n, n, func(int) error {
		chat := nextChat()
		lane := []string{c.Lane(chat)}
		var killed atomic.Bool
		remove := c.Hook(func(p Point) error {
			if p.Name == "sent" && !p.After && p.about(lane) && killed.CompareAndSwap(false, true) {
				return Kill(p)
			}
			return nil
		})
		defer remove()
		if err := c.Say(ctx, posting(chat, ""), "", 1); err != nil {
			return err
		}
		if err := c.settled(ctx, lane, time.Minute); err != nil {
			return err
		}
		if !killed.Load() {
			return fmt.Errorf("chat %d: %w: nobody noted the answer", chat, ErrUnmet)
		}
		return nil
	})
}

// Failures are what the judge, the store and the logs have to say against a run, each with its invariant in
// front.
func (c *Cluster) Failures(ctx context.Context, judge ...string) ([]string, error) {
	v, err := c.Judge(judge...)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, violation := range v.Violations {
		all = append(all, violation.Invariant+": "+violation.What)
	}
	leaks, _, err := c.Leaks(ctx)
	if err != nil {
		return nil, err
	}
	for _, leak := range leaks {
		all = append(all, "I5: "+leak)
	}
	told, err := c.Told()
	for _, secret := range told {
		all = append(all, "I7: "+secret)
	}
	return all, err
}
