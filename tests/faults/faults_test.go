package faults

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/tests/faults/record"
)

var programDir string

func TestMain(m *testing.M) {
	var err error
	if programDir, err = os.MkdirTemp("", "hearth-faults-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	flag.Parse()
	if err := flag.Set("test.parallel", "5"); err != nil { // they wait, mostly: for leases
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(programDir) // what stays is in the folder for temporary files
	os.Exit(code)
}

// built are the programs, built once for all tests of this process.
var built = sync.OnceValues(func() (Programs, error) { return Build(programDir, "", "") })

// start starts a cluster that ends with the test, which then lets the judge speak.
func start(t *testing.T) *Cluster {
	t.Helper()
	return startIn(t, filepath.Join(t.TempDir(), "c"))
}

// startIn is start in a folder.
func startIn(t *testing.T, dir string) *Cluster {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("no redis-server: make dev-setup")
	}
	programs, err := built()
	if err != nil {
		t.Fatal(err)
	}
	c, err := Start(t.Context(), dir, 7, programs)
	t.Cleanup(func() {
		if t.Failed() {
			raw, _ := os.ReadFile(filepath.Join(c.Dir, "output.log"))
			t.Logf("the functions said, at the end:\n%s", raw[max(0, len(raw)-6000):])
		}
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// verdict waits until all is quiet, and fails the test for whatever the judge finds, for what stays behind in
// the store, and for each secret that was told.
func verdict(t *testing.T, c *Cluster, limit time.Duration, args ...string) record.Verdict {
	t.Helper()
	if err := c.Quiet(t.Context(), limit); err != nil {
		t.Errorf("I4: %v", err)
	}
	v, err := c.Judge(args...)
	if err != nil {
		t.Fatal(err)
	}
	for _, violation := range v.Violations {
		t.Errorf("%s: %s", violation.Invariant, violation.What)
	}
	leaks, _, err := c.Leaks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, leak := range leaks {
		t.Errorf("I5: %s", leak)
	}
	told, err := c.Told()
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range told {
		t.Errorf("I7: %s", secret)
	}
	return v
}

// TestKillPoints kills the process at work with SIGKILL at every point that a flow passes, once before and once
// after: the one that calls Redis, or the function that is called. Beside that, people stop what is worked on.
func TestKillPoints(t *testing.T) {
	t.Parallel()
	c := start(t)
	var stops sync.WaitGroup
	stops.Go(func() {
		if err := c.stopping(t.Context(), 20, 3); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	for _, task := range []string{"", "mixed", "broken"} {
		everyPoint(t, c, task, trace(t, c, task), Kill)
	}
	stops.Wait()
	v := verdict(t, c, time.Minute)
	t.Logf("%d answers and %d runs were stopped, %v", v.Hushed, v.Stops, v.Ends)
	if v.Hushed == 0 || v.Stops == 0 || v.Ends["Stopped on request"]+v.Ends["Undone"] == 0 {
		t.Error("nothing was stopped at work")
	}
}

// TestLate lets nothing die, and much be late. At every point, before and after, once the answer is lost: what was
// carried out and not heard of is asked for again; and once the holder of the claim is late by more than a lease:
// all that it sends from there on arrives when another one has taken over. Beside that, holders announce an effect
// when another one is in the middle of it.
func TestLate(t *testing.T) {
	t.Parallel()
	c := start(t)
	s, remove := c.Stall()
	defer remove()
	var all sync.WaitGroup
	for _, task := range []string{"", "mixed", "broken"} {
		points := trace(t, c, task)
		all.Go(func() { everyPoint(t, c, task, points, func(Point) error { return errCut }) })
		all.Go(func() {
			everyPoint(t, c, task, points, func(p Point) error {
				s.Owner(p, Lease+2*time.Second)
				return nil
			})
		})
	}
	all.Go(func() {
		if err := LateIntent(t.Context(), c, 4); err != nil {
			t.Error(err)
		}
	})
	all.Wait()
	verdict(t, c, time.Minute)
}

// TestChaos is a short stretch of what make chaos does at length.
func TestChaos(t *testing.T) {
	t.Parallel()
	c := start(t)
	x := Chaos{
		Messages: 1200, Chats: 60, Stopping: 6, Kills: 60, Stops: 3, Restarts: 3, Breaks: 6, For: time.Minute,
		Rates: map[string]float64{"platform": 0.02, "model": 0.02, "effects": 0.03},
	}
	done, err := x.Run(t.Context(), c)
	if err != nil {
		t.Error(err)
	}
	v := verdict(t, c, 5*time.Minute, "-starve", "3m", "-grace", Grace.String())
	t.Logf("%d messages, %d answers, %d repeats, %d apologies, %d stopped, ends %v, faults %v", v.Messages, v.Answers, v.Repeats, v.Apologies, v.Hushed, v.Ends, done.Faults)
	if n := len(v.Waits); n > 0 {
		t.Logf("waits: p50 %d ms, p99 %d ms, longest %d ms", v.Waits[n/2], v.Waits[n*99/100], v.Waits[n-1])
	}
	if n := len(done.Recovery); n > 0 {
		t.Logf("%d recoveries: p50 %s, longest %s", n, done.Recovery[n/2], done.Recovery[n-1])
	}
}

// trace returns how many points a flow passes.
func trace(t *testing.T, c *Cluster, task string) int {
	t.Helper()
	points, err := c.Points(t.Context(), task)
	if err != nil {
		t.Fatal(err)
	}
	return points
}

// everyPoint does something at every point of a flow.
func everyPoint(t *testing.T, c *Cluster, task string, points int, do func(p Point) error) {
	t.Helper()
	hits, err := c.EveryPoint(t.Context(), task, points, do)
	if err != nil {
		t.Error(err)
	}
	t.Logf("%q: %d of %d points were met", task, hits, 2*points)
}
