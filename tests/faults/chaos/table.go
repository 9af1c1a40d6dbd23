package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/hearthfaas/hearth/tests/faults"
)

// starve is the longest that a message may wait for its answer behind those before it: six deliveries that the
// platform did not take (pauses of 2, 4, 8, 16, 32 and 64 s: planner-reply), two leases, and the longest fault.
const starve = 3 * time.Minute

// worst is how much slower a quiet chat may get beside a hot one. The goal is 2; a busy machine gets a margin.
const worst = 4

// latest is how much longer than a lease killed work may lie there. The goal is half a second; a busy machine gets a
// margin.
const latest = 2 * time.Second

// table is what a run found out.
type table struct {
	rows   [][2]string
	broken []string
}

func (t *table) row(name, format string, args ...any) {
	t.rows = append(t.rows, [2]string{name, fmt.Sprintf(format, args...)})
}

func (t *table) violation(invariant, what string) {
	t.broken = append(t.broken, invariant+": "+what)
}

// fair measures quiet chats alone and beside a hot one, before anything fails.
func (t *table) fair(ctx context.Context, c *faults.Cluster, hot int) error {
	f, err := faults.Fairness(ctx, c, hot)
	if err != nil {
		return err
	}
	t.row("quiet chats alone", "p50 %s, p99 %s", ms(f.Alone.P50), ms(f.Alone.P99))
	t.row("beside a hot chat", "p50 %s, p99 %s (%.1f times), of its %d messages %d accepted", ms(f.Beside.P50), ms(f.Beside.P99), f.Ratio(), hot, f.Accepted)
	if f.Ratio() > worst {
		t.violation("F15", fmt.Sprintf("a hot chat makes quiet ones %.1f times slower", f.Ratio()))
	}
	return nil
}

// pickups measures how long killed work lies there when nothing else goes on.
func (t *table) pickups(ctx context.Context, c *faults.Cluster, kills int) error {
	lay, err := faults.Pickups(ctx, c, kills)
	if err != nil {
		return err
	}
	if len(lay) == 0 {
		t.violation("F1", "no kill met a holder")
		return nil
	}
	longest := lay[len(lay)-1]
	t.row("killed, all else quiet", "%d times taken up: p50 %s, longest %s", len(lay), ms(lay[len(lay)/2]), ms(longest))
	if longest > faults.Lease+latest {
		t.violation("F1", fmt.Sprintf("killed work lay there for %s", ms(longest)))
	}
	return nil
}

// backward lets runs fail and kills them on their way back: each has to come to its end there, which the judge knows.
// It comes first: it waits for what it traces until nothing else goes on.
func (t *table) backward(ctx context.Context, c *faults.Cluster, runs int) error {
	begin := time.Now()
	kills, err := faults.Backward(ctx, c, runs)
	if err != nil {
		return err
	}
	t.row("runs that failed", "%d, %d of them killed on the way back, in %s", runs, kills, time.Since(begin).Round(time.Second))
	return nil
}

// chaos lets everything fail.
func (t *table) chaos(ctx context.Context, c *faults.Cluster, o options) error {
	x := faults.Chaos{
		Messages: o.messages, Chats: o.chats, Kills: o.kills, Stops: o.kills / 20, Restarts: o.kills / 20, Breaks: o.kills / 20, Failovers: o.failovers, Jumps: o.jumps, For: o.lasts,
		Rates: map[string]float64{"platform": 0.02, "model": 0.02, "effects": 0.03},
	}
	if x.Chats == 0 {
		x.Chats = max(20, o.messages/40)
	}
	x.Stopping = x.Chats / 10
	if x.For == 0 {
		x.For = max(time.Duration(o.kills)*700*time.Millisecond, time.Duration(o.messages)*35*time.Millisecond, time.Duration(o.failovers)*8*time.Second, 30*time.Second)
	}
	begin := time.Now()
	done, err := x.Run(ctx, c)
	t.row("messages posted", "%d in %d chats, in %s", done.Posted, x.Chats, time.Since(begin).Round(time.Second))
	for _, what := range slices.Sorted(maps.Keys(done.Faults)) {
		t.row(what, "%d", done.Faults[what])
	}
	t.row("writes refused as late", "%d", done.Stale)
	if n := len(done.Recovery); n > 0 {
		late := n - len(slices.DeleteFunc(slices.Clone(done.Recovery), func(d time.Duration) bool { return d > faults.Lease+500*time.Millisecond }))
		t.row("work of killed processes", "%d times taken up: p50 %s, p99 %s, longest %s; %d later than lease + 0.5 s",
			n, ms(done.Recovery[n/2]), ms(done.Recovery[n*99/100]), ms(done.Recovery[n-1]), late)
	}
	return err
}

// judge asks the judge, and looks into the store and the logs.
func (t *table) judge(ctx context.Context, c *faults.Cluster) error {
	if err := c.Quiet(ctx, 5*time.Minute); err != nil {
		t.violation("I4", err.Error())
	}
	v, err := c.Judge("-starve", starve.String(), "-grace", faults.Grace.String())
	if err != nil {
		return err
	}
	t.row("messages accepted", "%d", v.Messages)
	t.row("with one final answer", "%d, of which apologies %d", v.Answers, v.Apologies)
	t.row("stopped", "%d answers, %d runs, as people were told", v.Hushed, v.Stops)
	t.row("marked as a repeat", "%d", v.Repeats)
	if n := len(v.Waits); n > 0 {
		t.row("wait for an answer", "p50 %d ms, p99 %d ms, longest %d ms", v.Waits[n/2], v.Waits[n*99/100], v.Waits[n-1])
	}
	if n := len(v.Outages); n > 0 {
		var all int64
		for _, took := range v.Outages {
			all += took
		}
		t.row("the store took no writes", "%d times, for %d s in all, the longest %d ms", n, all/1000, v.Outages[n-1])
	}
	for _, end := range slices.Sorted(maps.Keys(v.Ends)) {
		t.row("runs: "+end, "%d", v.Ends[end])
	}
	t.row("effects", "%d, taken back %d, calls %d", v.Effects, v.Undone, v.Calls)
	for _, violation := range v.Violations {
		t.violation(violation.Invariant, violation.What)
	}
	leaks, kept, err := c.Leaks(ctx)
	if err != nil {
		return err
	}
	t.row("keys that stay", "%v", kept)
	for _, leak := range leaks {
		t.violation("I5", leak)
	}
	told, err := c.Told()
	for _, secret := range told {
		t.violation("I7", secret)
	}
	t.row("I6, the audit", "not there yet, so not judged")
	return err
}

// print prints all of it and reports whether all is well.
func (t *table) print(w io.Writer) bool {
	lines := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range t.rows {
		fmt.Fprintf(lines, "%s\t%s\n", row[0], row[1])
	}
	_ = lines.Flush() // w is stdout
	const most = 40
	for _, line := range t.broken[:min(most, len(t.broken))] {
		fmt.Fprintln(w, line)
	}
	if len(t.broken) > 0 {
		fmt.Fprintf(w, "RED: %d violations\n", len(t.broken))
		return false
	}
	fmt.Fprintln(w, "GREEN: every accepted message has one final answer; every effect happened once, was taken back, or is reported as in doubt")
	return true
}

func ms(d time.Duration) string { return d.Round(time.Millisecond).String() }
