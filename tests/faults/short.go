package faults

import (
	"context"
	"errors"
	"time"
)

// Short is the suite in a minute: messages that are posted several times, holders that come late with an effect,
// such as are stopped, a run that cannot be taken back, one whose steps fork, and a kill at every point of a run whose
// effect must not happen twice. It is what the teeth are tried on.
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
	if _, err := c.EveryPoint(ctx, "single", points, Kill); err != nil {
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
