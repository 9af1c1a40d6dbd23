package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Chaos is a load with faults at random moments. The same seed draws the same messages and the same faults in
// the same order; when each of them meets what, the machine decides.
type Chaos struct {
	Messages  int
	Chats     int
	Stopping  int // of the chats: those in which all that is asked for is stopped while it is worked on
	Kills     int // of processes of functions
	Stops     int // of such processes, for longer than a lease
	Restarts  int // of Redis, with kill -9
	Breaks    int // of the way to Redis
	Failovers int // of a store behind Sentinels
	Jumps     int // of its clock, by an hour, forth and back in turn
	For       time.Duration
	Rates     map[string]float64 // of the world's own trouble
}

// Done is what a Chaos did.
type Done struct {
	Posted   int
	Faults   map[string]int
	Recovery []time.Duration
	Stale    int // writes that were refused, because the claim was over
}

// Run lets chaos be, and returns when all is posted and all faults are over. What was asked to be taken back is
// asked for last.
func (x Chaos) Run(ctx context.Context, c *Cluster) (Done, error) {
	if err := c.World(ctx, x.Rates); err != nil {
		return Done{}, err
	}
	recovery, remove := c.Recovery()
	defer remove()
	f := &faults{c: c, recovery: recovery, done: map[string]int{}, dice: rand.New(rand.NewPCG(c.Seed, 1))}
	var posted atomic.Int64
	var undo undos
	for i := range x.Stopping {
		if err := c.alone(ctx, chatOf(i)); err != nil {
			return Done{}, err
		}
	}
	watch, enough := context.WithCancel(ctx)
	errs := make(chan error, 3)
	go func() { errs <- c.outages(watch) }()
	go func() { errs <- x.load(ctx, c, &posted, &undo) }()
	go func() { defer enough(); errs <- f.play(ctx, x) }()
	err := errors.Join(<-errs, <-errs, <-errs)
	if err == nil {
		err = c.Quiet(ctx, 5*time.Minute)
	}
	if err == nil {
		err = undo.ask(ctx, c)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return Done{int(posted.Load()), f.done, recovery.Times(), recovery.Stale()}, err
}

// mix is what people ask for: of a hundred messages, so many start a task.
var mix = []struct {
	task string
	of   int
}{{"plain", 8}, {"single", 8}, {"mixed", 6}, {"broken", 4}, {"forked", 3}, {"crashy", 2}, {"stuck", 1}}

// draw draws what a message asks for.
func draw(dice *rand.Rand) string {
	n := dice.IntN(100)
	for _, m := range mix {
		if n < m.of {
			return m.task
		}
		n -= m.of
	}
	return ""
}

// undos are the runs that are to be taken back in the end.
type undos struct {
	mu   sync.Mutex
	runs map[int64][]string // by chat
}

func (u *undos) add(chat int64, run string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.runs == nil {
		u.runs = map[int64][]string{}
	}
	u.runs[chat] = append(u.runs[chat], run)
}

func (u *undos) ask(ctx context.Context, c *Cluster) error {
	for chat, runs := range u.runs {
		for _, run := range runs {
			if err := c.deliver(ctx, c.update(chat, "/undo "+run), 1); err != nil {
				return fmt.Errorf("undo %s: %w", run, err)
			}
		}
	}
	return nil
}

// load lets people talk: in each chat one message after the other, spread over the time, each posted one to
// three times at once.
func (x Chaos) load(ctx context.Context, c *Cluster, posted *atomic.Int64, undo *undos) error {
	each := max(1, x.Messages/x.Chats)
	return Each(x.Chats, x.Chats, func(i int) error {
		dice := rand.New(rand.NewPCG(c.Seed, uint64(100+i)))
		chat := chatOf(i)
		begin := time.Now()
		for n := range each {
			at := begin.Add(x.For * time.Duration(n) / time.Duration(each)).Add(time.Duration(dice.Int64N(int64(x.For)/int64(each) + 1)))
			if err := sleep(ctx, time.Until(at)); err != nil {
				return err
			}
			if i < x.Stopping {
				run, err := c.stopped(ctx, dice, chat, n+1)
				if err != nil {
					return err
				}
				if run != "" {
					undo.add(chat, run+" yes") // it has several steps
				}
				posted.Add(1)
				continue
			}
			task, copies := draw(dice), 1+dice.IntN(3)
			p := posting(chat, task)
			p.Undo, p.Run = task == "plain" && dice.IntN(4) == 0, c.RunOf(chat, n+1)
			if err := c.Say(ctx, p, task, copies); err != nil {
				return err
			}
			posted.Add(1)
			if p.Undo {
				undo.add(chat, p.Run)
			}
		}
		return nil
	})
}

func chatOf(i int) int64 { return int64(100000 + i) }

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// faults carries out a schedule of faults.
type faults struct {
	c        *Cluster
	recovery *Recovery
	dice     *rand.Rand

	ahead time.Duration // of the store's clock

	mu   sync.Mutex
	done map[string]int
}

func (f *faults) did(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done[what]++
}

// play makes one fault after the other, spread over the time; which comes next is drawn by how many of its kind
// are left. A stopped process does not keep the next one waiting.
func (f *faults) play(ctx context.Context, x Chaos) error {
	left := []int{x.Kills, x.Stops, x.Restarts, x.Breaks, x.Failovers, x.Jumps}
	do := []func(context.Context) error{f.kill, nil, f.restart, f.cut, f.failover, f.jump}
	total := x.Kills + x.Stops + x.Restarts + x.Breaks + x.Failovers + x.Jumps
	var lasting sync.WaitGroup
	defer lasting.Wait()
	begin := time.Now()
	for i := range total {
		if err := sleep(ctx, time.Until(begin.Add(x.For*time.Duration(i)/time.Duration(total)))); err != nil {
			return err
		}
		n := f.dice.IntN(total - i)
		kind := slices.IndexFunc(left, func(k int) bool { n -= k; return n < 0 })
		left[kind]--
		if kind == 1 {
			r := f.one("adapter-telegram", "planner-intent", "planner-execute", "planner-rollback", "planner-reply")
			lasting.Go(func() {
				r.Halt(Lease + 2*time.Second)
				f.did("SIGSTOP for 12 s")
			})
			continue
		}
		if err := do[kind](ctx); err != nil {
			return err
		}
	}
	return nil
}

// killable are the functions that are killed: all but the one that people sign in with.
var killable = []string{"adapter-telegram", "planner-intent", "planner-execute", "planner-rollback", "planner-reply", "system-pump", "system-tasks", "plugin-effect"}

// moments are the scripts at which a kill hurts.
var moments = []string{"accept", "claim", "finish", "sent", "step", "step", "step", "end", "extend", "retry", "wait"}

// kill kills a process: half of the time any, at once, and else the next one that comes by a certain point.
func (f *faults) kill(ctx context.Context) error {
	target, moment, after, aim := f.one(killable...), moments[f.dice.IntN(len(moments))], f.dice.IntN(2) == 0, f.dice.IntN(2) == 0
	if !aim {
		f.strike(target, "kill -9, any moment")
		return nil
	}
	var struck atomic.Bool
	hit := make(chan struct{})
	remove := f.c.Hook(func(p Point) error {
		if !p.Store || p.Name != moment || p.After != after || !struck.CompareAndSwap(false, true) {
			return nil
		}
		f.strike(p.Replica, "kill -9 at "+moment)
		close(hit)
		return errCut
	})
	defer remove()
	wait, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	select {
	case <-hit:
	case <-wait.Done(): // nobody comes by
		if struck.CompareAndSwap(false, true) {
			f.strike(target, "kill -9, any moment")
		}
	}
	return ctx.Err()
}

func (f *faults) strike(r *Replica, what string) {
	f.recovery.Killed(r)
	r.Kill()
	f.did(what)
}

// one draws a process of some functions.
func (f *faults) one(names ...string) *Replica {
	all := f.c.Replicas(names...)
	return all[f.dice.IntN(len(all))]
}

// restart kills Redis and starts it again.
func (f *faults) restart(ctx context.Context) error {
	away := time.Duration(f.dice.IntN(2000)) * time.Millisecond
	if err := f.c.Redis.Kill(); err != nil {
		return err
	}
	if err := sleep(ctx, away); err != nil {
		return err
	}
	f.did("kill -9 of Redis")
	return f.c.Redis.Start()
}

// failover lets a replica take over that does not know the last writes.
func (f *faults) failover(ctx context.Context) error {
	store, ok := f.c.Redis.(*Sentinel)
	if !ok {
		return errors.New("one redis-server has no replica that could take over")
	}
	f.did("failover")
	return store.failover(ctx)
}

// jump lets the store's clock jump by an hour: forth, and the next time back.
func (f *faults) jump(ctx context.Context) error {
	if f.ahead == 0 {
		f.ahead = time.Hour
		f.did("clock an hour on")
	} else {
		f.ahead = 0
		f.did("clock an hour back")
	}
	return f.c.SetClock(ctx, f.ahead)
}

// cut breaks the way to Redis in one of its ways, or makes Redis forget its scripts.
func (f *faults) cut(ctx context.Context) error {
	trouble, lasts := Trouble(f.dice.IntN(5)), time.Duration(1000+f.dice.IntN(4000))*time.Millisecond
	if trouble == Fine {
		f.did("SCRIPT FLUSH")
		return f.c.Redis.Client().ScriptFlush(ctx).Err()
	}
	f.did(map[Trouble]string{Black: "black hole", OneWay: "answers lost for a while", Trickle: "one byte a second", Resetter: "resets"}[trouble])
	f.c.Proxy.Set(trouble)
	defer f.c.Proxy.Set(Fine)
	return sleep(ctx, lasts)
}
