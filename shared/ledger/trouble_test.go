package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/ledger/ledgertest"
	"github.com/hearthfaas/hearth/shared/redisd/redisdtest"
)

// refused wants a message to be refused for a reason that a caller may wait out, and returns it.
func refused(t *testing.T, l *ledger.Ledger, m ledger.Message, why string) {
	t.Helper()
	_, err := l.Accept(t.Context(), m)
	wantKind(t, err, fault.Unavailable)
	e, _ := errors.AsType[*fault.Error](err)
	if !strings.Contains(e.Message, why) || e.Next == "" || e.After == 0 {
		t.Fatalf("%q (next: %q, after %v), want %q and what to do", e.Message, e.Next, e.After, why)
	}
}

// answer works off one lane from claim to delivery.
func answer(t *testing.T, l *ledger.Ledger, lane ledger.Lane) {
	t.Helper()
	w := claim(t, l, lane)
	finish(t, l, w, ledger.Finish{Answer: []byte("answer")})
	if _, err := l.Sent(t.Context(), w.Claim, ledger.AnswerID(w.Inbox.Seq), false); err != nil {
		t.Fatal(err)
	}
}

// TestFullMemoryClosesIntakeAndDrains fills a store to its brim: nothing more is accepted, what was accepted is
// found and worked off, and then there is room again.
func TestFullMemoryClosesIntakeAndDrains(t *testing.T) {
	t.Parallel()
	n := redisdtest.Server(t, "--maxmemory", "6mb")
	l := ledgertest.Dial(t, "redis://"+n.Addr)
	accepted := map[ledger.Lane]bool{}
	var next ledger.Message
	for i := 0; ; i++ {
		next = ledger.Message{Lane: l.Session(fmt.Sprint(i)), Key: "a", Body: make([]byte, 64<<10)}
		if _, err := l.Accept(t.Context(), next); err != nil {
			break
		}
		accepted[next.Lane] = true
	}
	refused(t, l, next, "memory is full")
	must(t, n.ConfigSet(t.Context(), "maxmemory", "1mb").Err()) // over it by far: not even the pump can say that it is there
	due, err := l.Due(t.Context(), "pump")
	lanes := due.Lanes
	if err != nil || len(lanes) != len(accepted) || len(lanes) < 10 {
		t.Fatalf("%d of %d lanes are seen to be due: %v", len(lanes), len(accepted), err)
	}
	for _, lane := range lanes {
		answer(t, l, lane)
	}
	must(t, n.ConfigSet(t.Context(), "maxmemory", "6mb").Err())
	if got, err := l.Accept(t.Context(), next); err != nil || got.Duplicate {
		t.Fatal(got, err)
	}
}

// TestStoreThatIsAway kills, stops and starts a server beneath a ledger that goes on.
func TestStoreThatIsAway(t *testing.T) {
	t.Parallel()
	n := redisdtest.Server(t)
	l := ledgertest.Dial(t, "redis://"+n.Addr)
	lane := l.Session("x")
	accept(t, l, lane, "a")
	must(t, n.Kill())
	second := ledger.Message{Lane: lane, Key: "b", Body: []byte("b")}
	refused(t, l, second, "is away")
	must(t, n.Restart())
	if got := accept(t, l, lane, "a"); !got.Duplicate {
		t.Error("what was acknowledged is lost")
	}
	must(t, n.Pause()) // its connections stay open and say nothing
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := l.Accept(ctx, second)
	wantKind(t, err, fault.Unavailable)
	must(t, n.Resume())
	if got := accept(t, l, lane, "b"); got.Seq != 2 {
		t.Errorf("%+v", got)
	}
	must(t, n.ReplicaOf(t.Context(), "127.0.0.1", "1").Err())
	refused(t, l, ledger.Message{Lane: lane, Key: "c", Body: []byte("c")}, "has become a replica")
	must(t, n.ReplicaOf(t.Context(), "NO", "ONE").Err())
	must(t, n.ConfigSet(t.Context(), "min-replicas-to-write", "1").Err())
	refused(t, l, ledger.Message{Lane: lane, Key: "c", Body: []byte("c")}, "too few replicas")
	must(t, n.ConfigSet(t.Context(), "min-replicas-to-write", "0").Err())
	accept(t, l, lane, "c")
	for range 3 {
		answer(t, l, lane)
	}
}

// TestHolderInsists lets a store take no writes when a holder says what became of its work. It says so again until the
// store takes them, or its caller does not wait any more.
func TestHolderInsists(t *testing.T) {
	t.Parallel()
	n := redisdtest.Server(t)
	l := ledgertest.Dial(t, "redis://"+n.Addr)
	lane := l.Session("x")
	accept(t, l, lane, "a")
	w := claim(t, l, lane)
	insists(t, n, func(ctx context.Context) error { return l.Extend(ctx, w.Claim) })
	insists(t, n, func(ctx context.Context) error { return l.Step(ctx, w.Claim, 1, "model", []byte("said")) })
	insists(t, n, func(ctx context.Context) error {
		_, err := l.Finish(ctx, w.Claim, ledger.Finish{Seq: 1, Answer: []byte("answer")})
		return err
	})
	insists(t, n, func(ctx context.Context) error { return l.Undelivered(ctx, w.Claim, 0, true) })
	w = claim(t, l, lane)
	insists(t, n, func(ctx context.Context) error {
		_, err := l.Sent(ctx, w.Claim, ledger.AnswerID(1), false)
		return err
	})
	if w := tryClaim(t, l, lane); w != nil {
		t.Errorf("there is work left: %+v", w)
	}
	run := spawned(t, l)
	insists(t, n, func(ctx context.Context) error { return l.Wait(ctx, run.Claim, 0) })
	run = claim(t, l, run.Lane)
	insists(t, n, func(ctx context.Context) error {
		return l.End(ctx, run.Claim, ledger.End{Key: "end", Body: []byte("done")})
	})
}

// insists does something while a server takes no writes, and lets it take them when it was asked more often than the
// client does by itself. Whoever gives it little time gets an error before.
func insists(t *testing.T, n *redisdtest.Node, do func(context.Context) error) {
	t.Helper()
	const often = 10
	must(t, n.ReplicaOf(t.Context(), "127.0.0.1", "1").Err())
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	wantKind(t, do(short), fault.Unavailable)
	before, done := writesRefused(t, n), make(chan error, 1)
	go func() { done <- do(t.Context()) }()
	until(t, "it insists", func(context.Context) error {
		if more := writesRefused(t, n) - before; more < often {
			return fmt.Errorf("it was refused %d times", more)
		}
		return nil
	})
	must(t, n.ReplicaOf(t.Context(), "NO", "ONE").Err())
	must(t, <-done)
}

// writesRefused is how often a server has said that it is a replica.
func writesRefused(t *testing.T, n *redisdtest.Node) (times int) {
	t.Helper()
	stats, err := n.Info(t.Context(), "errorstats").Result()
	must(t, err)
	if _, after, found := strings.Cut(stats, "errorstat_READONLY:count="); found {
		_, err = fmt.Sscan(after, &times)
		must(t, err)
	}
	return times
}

// TestReaderIsWokenAfterAHalfOpenConnection holds up the connection of the subscription without ending it.
func TestReaderIsWokenAfterAHalfOpenConnection(t *testing.T) {
	t.Parallel()
	n := redisdtest.Server(t)
	link := redisdtest.NewLink(t, n.Addr)
	reader, writer := ledgertest.Dial(t, "redis://"+link.Addr), ledgertest.Dial(t, "redis://"+n.Addr)
	lane := reader.Session("x")
	changed, forget := reader.Changes(lane)
	defer forget()
	until(t, "a reader is woken", func(ctx context.Context) error { return wakes(ctx, writer, lane, changed) })
	link.Strand()
	for range 2 { // the first time it may be by what was on its way before
		until(t, "a reader is woken again", func(ctx context.Context) error { return wakes(ctx, writer, lane, changed) })
	}
}

// TestForgottenScripts flushes the scripts of all servers before each transition.
func TestForgottenScripts(t *testing.T) {
	each(t, func(t *testing.T, l *ledger.Ledger) {
		flush := func() { must(t, ledger.FlushScripts(t.Context(), l)) }
		lane := l.Session("x")
		flush()
		accept(t, l, lane, "a")
		flush()
		w := claim(t, l, lane)
		flush()
		must(t, l.Step(t.Context(), w.Claim, 1, "model", []byte("said")))
		flush()
		finish(t, l, w, ledger.Finish{Answer: []byte("answer")})
		flush()
		if more, err := l.Sent(t.Context(), w.Claim, ledger.AnswerID(1), false); err != nil || more {
			t.Fatal(more, err)
		}
	})
}

// TestSlotMoves moves the slot of a lane to another master: it takes nothing while it is under way, and
// everything afterwards.
func TestSlotMoves(t *testing.T) {
	url := cluster(t)
	l := ledgertest.Dial(t, url)
	lane := l.Session("moves")
	key := "h:{p" + string(lane[1:3]) + "}:"
	from, err := lasting.cluster.Master(t.Context(), key)
	must(t, err)
	to := lasting.cluster.Nodes[0]
	if to == from {
		to = lasting.cluster.Nodes[1]
	}
	slot, err := from.ClusterKeySlot(t.Context(), key).Result()
	must(t, err)
	id := map[*redisdtest.Node]string{}
	for _, n := range []*redisdtest.Node{from, to} {
		id[n], err = n.Do(t.Context(), "cluster", "myid").Text()
		must(t, err)
	}
	must(t, to.Do(t.Context(), "cluster", "setslot", slot, "importing", id[from]).Err())
	must(t, from.Do(t.Context(), "cluster", "setslot", slot, "migrating", id[to]).Err())
	refused(t, l, ledger.Message{Lane: lane, Key: "a", Body: []byte("a")}, "moving this slot")
	for _, n := range []*redisdtest.Node{to, from} {
		must(t, n.Do(t.Context(), "cluster", "setslot", slot, "node", id[to]).Err())
	}
	accept(t, l, lane, "a")
	if now, err := lasting.cluster.Master(t.Context(), key); err != nil || now != to {
		t.Errorf("the slot is at %+v: %v", now, err)
	}
	answer(t, l, lane)
}

// TestTroubleHasAKind goes through the answers of Redis in its bad states, of version 7 and of those before.
func TestTroubleHasAKind(t *testing.T) {
	for answer, kind := range map[string]fault.Kind{
		"LOADING Redis is loading the dataset in memory":                                                     fault.Unavailable,
		"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.":                   fault.Unavailable,
		"CLUSTERDOWN The cluster is down":                                                                    fault.Unavailable,
		"CLUSTERDOWN Hash slot not served":                                                                   fault.Unavailable,
		"TRYAGAIN Multiple keys request during rehashing of slot":                                            fault.Unavailable,
		"MOVED 3999 127.0.0.1:6381":                                                                          fault.Unavailable,
		"ASK 3999 127.0.0.1:6381":                                                                            fault.Unavailable,
		"NOREPLICAS Not enough good replicas to write.":                                                      fault.Unavailable,
		"BUSY Redis is busy running a script.":                                                               fault.Unavailable,
		"WRONGPASS invalid username-password pair or user is disabled.":                                      fault.Unavailable,
		"NOPERM this user has no permissions to run the 'evalsha' command":                                   fault.Unavailable,
		"ERR max number of clients reached":                                                                  fault.Unavailable,
		"READONLY You can't write against a read only replica. script: a1b2, on @user_script:3.":             fault.Unavailable,
		"OOM command not allowed when used memory > 'maxmemory'. script: a1b2, on @user_script:9.":           fault.Unavailable,
		"ERR Error running script (call to f_a): @user_script:5: @user_script: 5: -OOM command not allowed ": fault.Unavailable,
		"ERR Script attempted to access a non local key in a cluster node script: a1, on @user_script:4.":    fault.Unavailable,
		"ERR user_script:12: attempt to index a nil value script: a1b2, on @user_script:12.":                 fault.Internal,
		"WRONGTYPE Operation against a key holding the wrong kind of value script: a, on @user_script:1.":    fault.Internal,
		"EOF": fault.Unavailable,
	} {
		err := ledger.Kinded(errors.New(answer))
		if fault.KindOf(err) != kind {
			t.Errorf("%q is %s, not %s", answer, fault.KindOf(err), kind)
		}
		if e, _ := errors.AsType[*fault.Error](err); kind == fault.Unavailable && (e.Next == "" || e.After == 0) {
			t.Errorf("%q leaves its reader alone: %+v", answer, e)
		}
	}
}
