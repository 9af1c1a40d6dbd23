package faults

import (
	"context"
	"slices"
	"sync/atomic"
)

// failing are tasks that fail at their first, second, third and fourth step, and how their runs have to end.
var failing = []struct{ task, end string }{
	{"first", "Failed"}, // a step that may have begun is taken back too
	{"second", "Failed and rolled back"},
	{"broken", "Failed and rolled back"},
	{"fourth", "Failed and rolled back"},
}

// Backward lets so many runs fail, at each of their steps in turn, and kills the process at work at each point of the
// way back in turn. It returns how many it killed.
func Backward(ctx context.Context, c *Cluster, runs int) (kills int, err error) {
	var way [][2]int // of each task: the first point of its way back, and the last of all
	for _, f := range failing {
		if _, err := c.Trace(ctx, f.task); err != nil { // scripts are loaded then
			return 0, err
		}
		points, err := c.Trace(ctx, f.task)
		if err != nil {
			return 0, err
		}
		back := slices.IndexFunc(points, func(p Point) bool { return p.Name == "planner-rollback" })
		way = append(way, [2]int{max(back, 0), len(points)}) // the first step has nothing to take back
	}
	const manyRuns = 64
	var killed atomic.Int64
	err = Each(runs, manyRuns, func(i int) error {
		which, round := i%len(failing), i/len(failing)
		f, from, to := failing[which], way[which][0], way[which][1]
		n, after := from+(round/2)%(to-from)+1, round%2 == 1
		p := posting(nextChat(), f.task)
		p.Expect = f.end
		return c.once(ctx, p, f.task, n, after, func(p Point) error {
			killed.Add(1)
			return Kill(p)
		})
	})
	return int(killed.Load()), err
}
