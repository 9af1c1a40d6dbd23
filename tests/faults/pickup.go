package faults

import (
	"context"
	"time"
)

// Pickups kills the holder of a run's work at so many of the run's points, a few runs at a time and with nothing else
// going on. It returns how long the work lay there, sorted.
func Pickups(ctx context.Context, c *Cluster, kills int) ([]time.Duration, error) {
	points, err := c.Points(ctx, "single")
	if err != nil {
		return nil, err
	}
	recovery, remove := c.Recovery()
	defer remove()
	const fewRuns = 4
	err = Each(kills, fewRuns, func(i int) error {
		return c.Once(ctx, "single", 1+i*points/kills, true, func(p Point) error {
			recovery.Killed(p.Replica)
			return Kill(p)
		})
	})
	return recovery.Times(), err
}
