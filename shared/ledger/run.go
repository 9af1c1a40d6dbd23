package ledger

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Run is a run as anybody may read it, without a claim.
type Run struct {
	Lane    Lane
	Header  []byte
	Stopped bool
	Journal []Entry
	Damage  error // in a list: why it cannot be read
}

// Spawn creates a run and makes it due. A run that is there already stays as it is, and created is false.
func (l *Ledger) Spawn(ctx context.Context, s Spawn) (created bool, err error) {
	lane := s.Lane
	keys := []string{lane.key("l"), lane.shared("due"), lane.shared("runs"), lane.shared("act")}
	raw, err := l.run(ctx, l.scripts.spawn, true, keys, string(lane), l.box(lane).Seal("hdr", s.Header), maxRuns)
	if err != nil {
		return false, err
	}
	return raw.(int64) == 1, nil
}

// Wait gives a run free until it is decided about, and until at the latest if at is not negative. What was
// decided while it was worked on wakes it at once.
func (l *Ledger) Wait(ctx context.Context, c Claim, in time.Duration) error {
	ms := int64(-1)
	if in >= 0 {
		ms = in.Milliseconds()
	}
	return l.wait(ctx, c, ms, 0)
}

// Rest gives a run free that is over, and was woken by what was decided at the moment of its end. It is kept for
// KeepIdle from now, like one that has just ended.
func (l *Ledger) Rest(ctx context.Context, c Claim) error {
	return l.wait(ctx, c, -1, KeepIdle.Milliseconds())
}

func (l *Ledger) wait(ctx context.Context, c Claim, inMs, keepMs int64) error {
	keys := []string{c.Lane.key("l"), c.Lane.shared("due"), c.Lane.key("j")}
	_, err := l.insist(ctx, c, l.scripts.wait, true, keys, c.Owner, c.Epoch, string(c.Lane), inMs, keepMs)
	return err
}

// Stopping says what a decision does to a run's stop flag.
type Stopping string

// The values of Stopping.
const (
	KeepStop  Stopping = ""
	SetStop   Stopping = "1" // no further effect begins
	ClearStop Stopping = "0"
)

// Decide writes a decision of a person into a run's journal, from outside of any claim, and wakes it. The
// first decision under a key counts: when there was one before, first is false and earlier is that one.
func (l *Ledger) Decide(ctx context.Context, lane Lane, key string, body []byte, stop Stopping) (first bool, earlier []byte, err error) {
	keys := []string{lane.key("l"), lane.key("j"), lane.shared("due")}
	raw, err := l.run(ctx, l.scripts.decide, true, keys,
		string(lane), key, l.digest(lane, key, body), l.box(lane).Seal("j/"+key, body), maxJournal, string(stop))
	if err != nil {
		return false, nil, err
	}
	got, _ := raw.([]any)
	if len(got) < 2 {
		return false, nil, fault.New(fault.Internal, "the store's answer is short")
	}
	switch got[0].(int64) {
	case -1:
		return false, nil, fault.New(fault.NotFound, "no such run: %s", lane).Try("hearth runs list")
	case -3:
		return false, nil, fault.New(fault.TooLarge, "the journal of %s is full", lane)
	case 1:
		return true, nil, nil
	}
	_, rest, _ := strings.Cut(text(got[1]), "|")
	_, sealed, _ := strings.Cut(rest, "|")
	earlier, err = l.box(lane).Open("j/"+key, []byte(sealed))
	return false, earlier, err
}

// End is the end of a run: its last journal line, and what its session hears of it.
type End struct {
	Key     string
	Body    []byte
	Session Lane   // "" when nobody waits for the result
	Answer  []byte // one further outbox entry of Session
}

// End finishes a run. It may be decided about afterwards (undo, retry), which makes it due again; its next
// End needs another key.
func (l *Ledger) End(ctx context.Context, c Claim, e End) error {
	session := e.Session
	if session == "" {
		session = c.Lane // keys of the same slot; nothing is written to them
	}
	if session.partition() != c.Lane.partition() {
		return fault.New(fault.Internal, "%s and %s are in different partitions", c.Lane, session)
	}
	keys := []string{
		c.Lane.key("l"), c.Lane.key("j"), c.Lane.shared("due"), c.Lane.shared("act"), session.key("l"), session.key("out"),
	}
	var answer []byte
	if e.Session != "" {
		answer = seal(l.box(session), "out", e.Answer)
	}
	_, err := l.insist(ctx, c, l.scripts.end, true, keys, c.Owner, c.Epoch, string(c.Lane),
		e.Key, l.digest(c.Lane, e.Key, e.Body), l.box(c.Lane).Seal("j/"+e.Key, e.Body), maxJournal, KeepIdle.Milliseconds(),
		string(session), string(c.Lane)+"."+strings.ReplaceAll(e.Key, "|", "/"), answer)
	return err
}

// Load reads a run.
func (l *Ledger) Load(ctx context.Context, lane Lane) (Run, error) {
	var head *redis.SliceCmd
	var lines *redis.MapStringStringCmd
	_, err := l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		head = p.HMGet(ctx, lane.key("l"), "hdr", "stop")
		lines = p.HGetAll(ctx, lane.key("j"))
		return nil
	})
	if err != nil {
		return Run{}, kinded(err)
	}
	return l.openRun(lane, head.Val(), lines.Val())
}

func (l *Ledger) openRun(lane Lane, head []any, lines map[string]string) (Run, error) {
	if len(head) < 2 || text(head[0]) == "" {
		return Run{}, fault.New(fault.NotFound, "no such run: %s", lane).Try("hearth runs list")
	}
	run := Run{Lane: lane, Stopped: text(head[1]) != ""}
	var err error
	if run.Header, err = l.box(lane).Open("hdr", []byte(text(head[0]))); err != nil {
		return Run{}, err
	}
	pairs := make([]string, 0, 2*len(lines))
	for key, value := range lines {
		pairs = append(pairs, key, value)
	}
	run.Journal, err = l.openJournal(lane, pairs)
	return run, err
}

// Runs lists runs, newest first, at most max. With active, only those that have not ended.
func (l *Ledger) Runs(ctx context.Context, max int, active bool) ([]Run, error) {
	name := "runs"
	if active {
		name = "act"
	}
	ids, err := l.newest(ctx, name, max)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	heads, lines := make([]*redis.SliceCmd, len(ids)), make([]*redis.MapStringStringCmd, len(ids))
	_, err = l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, id := range ids {
			heads[i] = p.HMGet(ctx, id.key("l"), "hdr", "stop")
			lines[i] = p.HGetAll(ctx, id.key("j"))
		}
		return nil
	})
	if err != nil {
		return nil, kinded(err)
	}
	var runs []Run
	for i, id := range ids {
		run, err := l.openRun(id, heads[i].Val(), lines[i].Val())
		if fault.Is(err, fault.NotFound) {
			continue // expired since
		}
		if err != nil {
			run = Run{Lane: id, Damage: err}
		}
		runs = append(runs, run)
	}
	return runs, nil
}

// newest reads an index of all partitions.
func (l *Ledger) newest(ctx context.Context, name string, max int) ([]Lane, error) {
	cmds := make([]*redis.ZSliceCmd, partitions)
	_, err := l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range partitions {
			cmds[i] = p.ZRevRangeWithScores(ctx, tag(partitionName(i))+name, 0, int64(max-1))
		}
		return nil
	})
	if err != nil {
		return nil, kinded(err)
	}
	return merge(cmds, max), nil
}

func partitionName(i int) string {
	s := strconv.FormatInt(int64(i), 16)
	if len(s) == 1 {
		return "0" + s
	}
	return s
}
