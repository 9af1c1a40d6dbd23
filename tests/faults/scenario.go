package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hearthfaas/hearth/tests/faults/record"
)

// Lease is how long a claim lasts (ledger.Lease). It is written here again: the suite would not notice if it
// grew with the product.
const Lease = 10 * time.Second

// Grace is for how long after a stop an effect may come that had begun: its holder may stand still for longer than
// a lease (faults.play), and the call takes its time.
const Grace = Lease + 5*time.Second

// Judge lets the judge look at what happened so far.
func (c *Cluster) Judge(args ...string) (record.Verdict, error) {
	var v record.Verdict
	out, err := exec.Command(c.programs.Judge, append([]string{"-dir", c.Dir}, args...)...).Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("the judge: %s", bytes.TrimSpace(exit.Stderr))
		if exit.ExitCode() == 1 {
			err = nil // it found something, and says what
		}
	}
	if err == nil {
		err = json.Unmarshal(out, &v)
	}
	return v, err
}

// numbers gives chats and marks.
var numbers atomic.Int64

// nextChat is a chat that nobody has written in yet.
func nextChat() int64 { return 1000 + numbers.Add(1) }

var marked = regexp.MustCompile(`\bm[0-9]+x\b`)

// nextMark is a word that no other message has.
func nextMark() string { return fmt.Sprintf("m%dx", numbers.Add(1)) }

// posting is a message of a kind in a chat.
func posting(chat int64, task string) record.Posted {
	p := record.Posted{Chat: chat, Mark: nextMark(), Kind: record.Say, Needs: needsOf(tasks[task])}
	if task != "" && task != slowly {
		p.Kind = record.Run
	}
	return p
}

// Trace lets a flow run undisturbed in a chat of its own and returns the points that it passes.
func (c *Cluster) Trace(ctx context.Context, task string) ([]Point, error) {
	chat := nextChat()
	ours := c.lanesOf(chat)
	var mu sync.Mutex
	var points []Point
	remove := c.Hook(func(p Point) error {
		if !p.After && p.about(ours) {
			mu.Lock()
			points = append(points, p)
			mu.Unlock()
		}
		return nil
	})
	defer remove()
	if err := c.Say(ctx, posting(chat, task), task, 1); err != nil {
		return nil, err
	}
	if err := c.Quiet(ctx, time.Minute); err != nil {
		return nil, err
	}
	mu.Lock()
	defer mu.Unlock()
	return slices.Clone(points), nil
}

// lanesOf are the lanes of a chat and of the runs of its first messages.
func (c *Cluster) lanesOf(chat int64) []string {
	all := []string{c.Lane(chat)}
	for n := 1; n <= 3; n++ {
		all = append(all, c.RunOf(chat, n))
	}
	return all
}

func (p Point) about(lanes []string) bool {
	return slices.ContainsFunc(p.Lanes, func(l string) bool { return slices.Contains(lanes, l) })
}

func (p Point) String() string {
	where, when := "call", "before"
	if p.Store {
		where = p.Replica.Function + ": script"
	}
	if p.After {
		when = "after"
	}
	return fmt.Sprintf("%s %s %s", when, where, p.Name)
}

// Once does something at the n-th point of a flow, before or after it, in a chat of its own, which goes on with
// a message of words.
func (c *Cluster) Once(ctx context.Context, task string, n int, after bool, do func(p Point) error) error {
	return c.once(ctx, posting(nextChat(), task), task, n, after, do)
}

// once is Once with the message that starts the flow.
func (c *Cluster) once(ctx context.Context, m record.Posted, task string, n int, after bool, do func(p Point) error) error {
	ours := c.lanesOf(m.Chat)
	var seen atomic.Int64
	var hit atomic.Pointer[Point]
	remove := c.Hook(func(p Point) error {
		if !p.about(ours) {
			return nil
		}
		if !p.After && seen.Add(1) == int64(n) {
			hit.Store(&p)
			if !after {
				return do(p)
			}
			return nil
		}
		if at := hit.Load(); after && p.After && at != nil && at.Name == p.Name && at.Replica == p.Replica && hit.CompareAndSwap(at, nil) {
			return do(p)
		}
		return nil
	})
	defer remove()
	if err := c.Say(ctx, m, task, 1); err != nil {
		return err
	}
	if err := c.Say(ctx, posting(m.Chat, ""), "", 2); err != nil {
		return err
	}
	return c.settled(ctx, ours, 3*time.Minute)
}

// settled waits until none of some lanes has work.
func (c *Cluster) settled(ctx context.Context, lanes []string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return poll(ctx, 300*time.Millisecond, func() error {
		all, err := due(ctx, c.Redis.Client())
		for _, z := range all {
			if slices.Contains(lanes, z.Member.(string)) {
				return errors.Join(err, fmt.Errorf("%s still has work, due in %s", z.Member, time.Until(time.UnixMilli(int64(z.Score))).Round(time.Second)))
			}
		}
		return err
	})
}

// Each does something for each number below n, some side by side, and returns the first errors.
func Each(n, sideBySide int, do func(i int) error) error {
	var mu sync.Mutex
	var errs []error
	next := make(chan int)
	var workers sync.WaitGroup
	for range sideBySide {
		workers.Go(func() {
			for i := range next {
				if err := do(i); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	workers.Wait()
	return errors.Join(errs...)
}

// sideBySide is how many flows run at once.
const sideBySide = 24

// Points returns how many points a flow passes. All scripts are loaded then, so that it stays the same.
func (c *Cluster) Points(ctx context.Context, task string) (int, error) {
	if _, err := c.Trace(ctx, task); err != nil {
		return 0, err
	}
	points, err := c.Trace(ctx, task)
	return len(points), err
}

// ErrUnmet says that the suite could not do what it meant to: its verdict is worth nothing.
var ErrUnmet = errors.New("what was to be disturbed did not come")

// EveryPoint does something at each point of a flow, once before and once after, each in a chat of its own. It
// returns at how many it was done, ErrUnmet for too few: a flow that others disturb may take a way that is shorter.
func (c *Cluster) EveryPoint(ctx context.Context, task string, points int, do func(p Point) error) (hits int, err error) {
	var done atomic.Int64
	err = Each(2*points, sideBySide, func(i int) error {
		return c.Once(ctx, task, i/2+1, i%2 == 1, func(p Point) error {
			done.Add(1)
			return do(p)
		})
	})
	hits = int(done.Load())
	if err == nil && hits < 2*points*9/10 {
		err = fmt.Errorf("%q: %w: %d of %d points were met", task, ErrUnmet, hits, 2*points)
	}
	return hits, err
}

// Kill kills the process at a point, which hears no answer.
func Kill(p Point) error {
	p.Replica.Kill()
	return errCut
}

// LateIntent lets holders of runs come late with the announcement of an effect: when another holder has taken
// over and the effect is under way. Nothing is in the way of that one.
func LateIntent(ctx context.Context, c *Cluster, runs int) error {
	s, remove := c.Stall()
	defer remove()
	return Each(runs, runs, func(int) error {
		chat := nextChat()
		ours := c.lanesOf(chat)
		var once, begun sync.Once
		under := make(chan struct{}) // closed when the effect is under way
		remove := c.Hook(func(p Point) error {
			if p.After || !p.about(ours) {
				return nil
			}
			switch p.Name {
			case "plugin-effect":
				begun.Do(func() { close(under) })
			case "step":
				once.Do(func() { // only the first holder's first
					release := s.Hold(p)
					go func() {
						<-under
						time.Sleep(300 * time.Millisecond) // the effect takes 8 s
						release()
					}()
				})
				s.wait(p.Owner)
			}
			return nil
		})
		defer remove()
		message := posting(chat, "slow")
		message.Expect = "Done"
		if err := c.Say(ctx, message, "slow", 1); err != nil {
			return err
		}
		return c.settled(ctx, ours, 2*time.Minute)
	})
}
