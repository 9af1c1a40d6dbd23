package ledger

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/hearthfaas/hearth/shared/fault"
)

// stopPrefix begins the names under which readers hear that somebody said stop: to a lane, or with a
// brake.
const stopPrefix = "stop/"

// lookAgain is the pause before somebody who heard a stop and cannot read whom it meant looks again.
const lookAgain = 200 * time.Millisecond

// Everybody is the user of a brake on everything.
const Everybody = ""

// ErrStopped is the cause of a context that ended because somebody said stop.
var ErrStopped error = fault.New(fault.Forbidden, "stopped on request")

// Brake stops what is done for a user, or for Everybody. With latch no effect of theirs begins until
// Release; without, it stops what is worked on now. Every partition has a copy of it, so that an intent and
// its brake meet in one script. It may be repeated: after an error a part of them may have it.
func (l *Ledger) Brake(ctx context.Context, user string, latch bool) error {
	now, err := l.rdb.Time(ctx).Result()
	if err != nil {
		return kinded(err)
	}
	fields := []any{"t:" + l.brakeOf(user), now.UnixMilli()}
	if latch {
		fields = append(fields, l.brakeOf(user), "on")
	}
	err = l.everywhere(ctx, func(p redis.Pipeliner, key string) { p.HSet(ctx, key, fields...) })
	// Also where a part of the store is away: the others hear it.
	return errors.Join(err, kinded(l.rdb.Publish(ctx, "h:changed", stopPrefix+"*").Err()))
}

// Release takes a brake off again. What it stopped stays stopped.
func (l *Ledger) Release(ctx context.Context, user string) error {
	return l.everywhere(ctx, func(p redis.Pipeliner, key string) { p.HDel(ctx, key, l.brakeOf(user), "t:"+l.brakeOf(user)) })
}

// everywhere writes to the brakes of all partitions: one durable pipeline for each server.
func (l *Ledger) everywhere(ctx context.Context, write func(p redis.Pipeliner, key string)) error {
	keys := map[*redis.Client][]string{}
	for i := range partitions {
		node, err := l.node(ctx, brakeKey(i))
		if err != nil {
			return kinded(err)
		}
		keys[node] = append(keys[node], brakeKey(i))
	}
	var failed error
	for _, keys := range keys {
		err := l.durably(ctx, keys[0], func(p redis.Pipeliner) {
			for _, key := range keys {
				write(p, key)
			}
		})
		failed = cmp.Or(failed, kinded(err))
	}
	return failed
}

// Braked reports whether no effect of user's may begin.
func (l *Ledger) Braked(ctx context.Context, user string) (bool, error) {
	on, err := l.rdb.HMGet(ctx, brakeKey(0), l.brakeOf(Everybody), l.brakeOf(user)).Result()
	if err != nil {
		return false, kinded(err)
	}
	return text(on[0]) != "" || text(on[1]) != "", nil
}

// Halt stops the answers to all messages that a session has accepted so far, the one that is being written
// included. It returns how many there are; each still gets its one final answer.
func (l *Ledger) Halt(ctx context.Context, session Lane) (int, error) {
	raw, err := l.run(ctx, l.scripts.halt, true, []string{session.key("l")}, string(session))
	if err != nil {
		return 0, err
	}
	return int(raw.(int64)), nil
}

// Held reports whether work was stopped before it was claimed.
func (l *Ledger) Held(w *Work, user string) bool {
	return w.Stopped || w.brakes[l.brakeOf(Everybody)] != "" || w.brakes[l.brakeOf(user)] != ""
}

// Heed returns a context for work on a claim that ends with ErrStopped as its cause when somebody says stop:
// to the lane, to its user, or to everything. The caller calls release, which waits for the background work
// to end.
func (l *Ledger) Heed(ctx context.Context, w *Work, user string) (heeding context.Context, release func()) {
	heeding, cancel := context.WithCancelCause(ctx)
	ours, forgetOurs := l.hub.join(stopPrefix + string(w.Lane))
	all, forgetAll := l.hub.join(stopPrefix + "*")
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer forgetOurs()
		defer forgetAll()
		for look := l.hub.stops() != w.stops; ; look = true {
			var again <-chan time.Time
			if look {
				stopped, err := l.stopped(heeding, w, user)
				if stopped {
					cancel(ErrStopped)
				}
				if err != nil {
					again = time.After(lookAgain)
				}
			}
			select {
			case <-heeding.Done():
				return
			case <-ours:
			case <-all:
			case <-again:
			}
		}
	}()
	return heeding, func() {
		cancel(nil)
		<-done
	}
}

// stopped reads whether somebody said stop since work was claimed. A claim's epoch is the server's time in
// microseconds.
func (l *Ledger) stopped(ctx context.Context, w *Work, user string) (bool, error) {
	var lane, brakes *redis.SliceCmd
	_, err := l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		lane = p.HMGet(ctx, w.Lane.key("l"), "stop", "halt")
		brakes = p.HMGet(ctx, w.Lane.shared("brake"), "*", "t:*", l.brakeOf(user), "t:"+l.brakeOf(user))
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return false, kinded(err)
	}
	on, since := brakes.Val(), func(v any) bool {
		ms, err := strconv.ParseInt(text(v), 10, 64)
		return err == nil && ms*1000 >= w.Epoch
	}
	if text(lane.Val()[0]) != "" || text(on[0]) != "" || text(on[2]) != "" || since(on[1]) || since(on[3]) {
		return true, nil
	}
	halt, err := strconv.ParseInt(text(lane.Val()[1]), 10, 64)
	return err == nil && w.Inbox != nil && halt >= w.Inbox.Seq, nil
}

// brakeOf is a user's field of the brakes.
func (l *Ledger) brakeOf(user string) string {
	if user == Everybody {
		return "*"
	}
	return l.vault.Blind("brake", user)
}

func brakeKey(partition int) string { return tag(partitionName(partition)) + "brake" }
