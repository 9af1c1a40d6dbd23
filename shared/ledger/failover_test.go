package ledger_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/ledger/ledgertest"
	"github.com/hearthfaas/hearth/shared/redisd/redisdtest"
)

// pair is a master and a replica that follows it over a link.
type pair struct {
	master, replica *redisdtest.Node
	link            *redisdtest.Link
}

func newPair(t *testing.T) pair {
	t.Helper()
	p := pair{master: redisdtest.Server(t)}
	p.follow(t)
	return p
}

// follow starts the replica.
func (p *pair) follow(t *testing.T) {
	t.Helper()
	p.link = redisdtest.NewLink(t, p.master.Addr)
	p.replica = redisdtest.Server(t, "--replicaof", strings.Replace(p.link.Addr, ":", " ", 1))
	until(t, "the replica is filled", func(ctx context.Context) error {
		info, err := p.master.Info(ctx, "replication").Result()
		if err == nil && !strings.Contains(info, "state=online") {
			err = fmt.Errorf("%.200s", info)
		}
		return err
	})
}

// promote loses the master for good, and makes a master of the replica as it is.
func (p *pair) promote(t *testing.T) *ledger.Ledger {
	t.Helper()
	must(t, p.master.Kill())
	must(t, p.replica.ReplicaOf(t.Context(), "NO", "ONE").Err())
	return ledgertest.Dial(t, "redis://"+p.replica.Addr)
}

// TestNothingAcknowledgedIsLost loses a master whose replica lags, and with it nothing that was acknowledged.
// Without WAIT it loses some: that is what shows that the first half proves something.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	t.Parallel()
	for _, waits := range []bool{true, false} {
		t.Run(fmt.Sprint("wait ", waits), func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			l := ledgertest.Dial(t, "redis://"+p.master.Addr)
			if !waits {
				ledger.Forgetful(l)
			}
			s := blow(t, l, 8)
			s.more(100, 0)
			p.link.Hold()
			if waits {
				s.more(0, 8)
			} else {
				s.more(100, 0)
			}
			next := p.promote(t)
			s.calm()
			acked, refused := s.counts()
			lost := s.lost(next)
			t.Logf("%d acknowledged, %d lost, %d refused", acked, lost, refused)
			if waits != (lost == 0) {
				t.Errorf("%d of %d acknowledged messages are lost", lost, acked)
			}
		})
	}
}

// TestClaimLostInFailoverIsFenced: the new master never heard of a claim. Its holder writes nothing there,
// neither before somebody else claims nor after.
func TestClaimLostInFailoverIsFenced(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	l := ledgertest.Dial(t, "redis://"+p.master.Addr)
	lane := l.Session("x")
	until(t, "the replica confirms", func(ctx context.Context) error {
		_, err := l.Accept(ctx, ledger.Message{Lane: lane, Key: "a", Body: []byte("body of a")})
		return err
	})
	p.link.Hold()
	zombie := claim(t, l, lane)
	next := p.promote(t)
	wantKind(t, next.Step(t.Context(), zombie.Claim, 1, "k", nil), fault.Stale)
	holder := claim(t, next, lane)
	if holder.Epoch <= zombie.Epoch || string(holder.Inbox.Body) != "body of a" {
		t.Errorf("%+v after %+v", holder, zombie)
	}
	_, err := next.Finish(t.Context(), zombie.Claim, ledger.Finish{Seq: 1, Answer: []byte("late")})
	wantKind(t, err, fault.Stale)
	finish(t, next, holder, ledger.Finish{Answer: []byte("right")})
}

// TestDeliveryIsMarkedOnTheReplica: nobody delivers before a replica knows that a delivery begins, so that a
// repeat after a failover says that it may be one.
func TestDeliveryIsMarkedOnTheReplica(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	l := ledgertest.Dial(t, "redis://"+p.master.Addr)
	lane := l.Session("x")
	until(t, "the replica confirms", func(ctx context.Context) error {
		_, err := l.Post(ctx, lane, "a", []byte("news"))
		return err
	})
	p.link.Hold()
	_, err := l.Claim(t.Context(), lane, ledger.NewOwner())
	wantKind(t, err, fault.Unavailable)
	if w := claim(t, p.promote(t), lane); w.Outbox == nil || w.Outbox.Doubt {
		t.Errorf("nobody delivered: %+v", w.Outbox)
	}
}

// TestReplicaComesAndGoes: a process that has been there all the time waits for a replica that appears, and is
// alone again when it has been gone for long.
func TestReplicaComesAndGoes(t *testing.T) {
	t.Parallel()
	p := pair{master: redisdtest.Server(t)}
	l := ledgertest.Dial(t, "redis://"+p.master.Addr)
	lane := l.Session("x")
	accept(t, l, lane, "alone")
	p.follow(t)
	p.link.Hold()
	second := ledger.Message{Lane: lane, Key: "second", Body: []byte("b")}
	_, err := l.Accept(t.Context(), second)
	wantKind(t, err, fault.Unavailable)
	p.link.Release()
	until(t, "the replica confirms", func(ctx context.Context) error {
		_, err := l.Accept(ctx, second)
		return err
	})
	must(t, p.replica.Kill())
	_, err = l.Accept(t.Context(), ledger.Message{Lane: lane, Key: "third", Body: []byte("c")})
	wantKind(t, err, fault.Unavailable)
	ledger.ReplicaGoneAfter(l, 0)
	if got := accept(t, l, lane, "third"); !got.Duplicate || got.Seq != 3 {
		t.Errorf("%+v", got)
	}
	accept(t, l, lane, "fourth")
}

// TestEveryConnectedReplicaConfirms: whichever takes over has what was acknowledged. One that is connected and lags
// lets nothing be acknowledged; one that is gone does not count.
func TestEveryConnectedReplicaConfirms(t *testing.T) {
	t.Parallel()
	first := newPair(t)
	l := ledgertest.Dial(t, "redis://"+first.master.Addr)
	lane := l.Session("x")
	accept(t, l, lane, "a")
	second := pair{master: first.master}
	second.follow(t)
	until(t, "both follow", func(ctx context.Context) error {
		info, err := first.master.Info(ctx, "replication").Result()
		if err == nil && strings.Count(info, "state=online") < 2 {
			err = fmt.Errorf("%.300s", info)
		}
		return err
	})
	second.link.Hold()
	b := ledger.Message{Lane: lane, Key: "b", Body: []byte("b")}
	for range 2 {
		_, err := l.Accept(t.Context(), b)
		wantKind(t, err, fault.Unavailable)
	}
	must(t, second.replica.Kill())
	second.link.Release()
	until(t, "the other one is enough", func(ctx context.Context) error {
		_, err := l.Accept(ctx, b)
		return err
	})
}

// TestSentinelFailover takes the master away under load: killed, and stopped so that it comes back believing
// to be the master. What was acknowledged is there afterwards, and readers of events go on.
func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	f := redisdtest.Sentinel(t)
	l := ledgertest.Dial(t, f.URL)
	lane := l.Session("watched")
	changed, forget := l.Changes(lane)
	defer forget()
	s := blow(t, l, 4)
	s.more(50, 0)
	for _, away := range []func(n *redisdtest.Node) (back func() error, err error){
		func(n *redisdtest.Node) (func() error, error) { return n.Restart, n.Kill() },
		func(n *redisdtest.Node) (func() error, error) { return n.Resume, n.Pause() },
	} {
		old := master(t, f)
		back, err := away(old)
		must(t, err)
		s.more(50, 0)
		if now := master(t, f); now == old {
			t.Errorf("%s is the master still", old.Addr)
		}
		must(t, back())
		s.more(50, 0)
		until(t, "the one that was away follows", func(ctx context.Context) error {
			info, err := old.Info(ctx, "replication").Result()
			if err == nil && (!strings.Contains(info, "role:slave") || !strings.Contains(info, "master_link_status:up")) {
				err = fmt.Errorf("%.300s", info)
			}
			return err
		})
	}
	s.calm()
	acked, refused := s.counts()
	t.Logf("%d acknowledged, %d refused", acked, refused)
	if lost := s.lost(l); lost > 0 {
		t.Errorf("%d of %d acknowledged messages are lost", lost, acked)
	}
	until(t, "a reader is woken", func(ctx context.Context) error { return wakes(ctx, l, lane, changed) })
}

func master(t *testing.T, f *redisdtest.Failover) (n *redisdtest.Node) {
	t.Helper()
	until(t, "there is one master", func(ctx context.Context) (err error) {
		n, err = f.Master(ctx)
		return err
	})
	return n
}

// wakes tells whether a reader is woken by what it was not woken by before.
func wakes(ctx context.Context, l *ledger.Ledger, lane ledger.Lane, changed <-chan struct{}) error {
	for len(changed) > 0 {
		<-changed
	}
	if _, err := l.Append(ctx, lane, "", []byte("x")); err != nil {
		return err
	}
	select {
	case <-changed:
		return nil
	case <-time.After(time.Second):
		return fmt.Errorf("nobody is woken")
	}
}

// TestClusterFailover kills a master of a cluster under load. The others' partitions go on being pumped.
func TestClusterFailover(t *testing.T) {
	t.Parallel()
	c := redisdtest.Cluster(t, 1)
	l := ledgertest.Dial(t, c.URL)
	lane := l.Session("watched")
	changed, forget := l.Changes(lane)
	defer forget()
	s := blow(t, l, 4)
	s.more(50, 0)
	dead, err := c.Master(t.Context(), "h:changed") // the reader's subscription is there
	must(t, err)
	before, err := l.Due(t.Context(), "pump")
	must(t, err)
	must(t, dead.Kill())
	during, err := l.Due(t.Context(), "pump")
	if len(during.Lanes) == 0 || len(during.Lanes) >= len(before.Lanes) {
		t.Errorf("%d lanes are due, before it was %d: %v", len(during.Lanes), len(before.Lanes), err)
	}
	wantKind(t, err, fault.Unavailable)
	s.more(0, 1)
	until(t, "another master is there", func(ctx context.Context) error {
		now, err := c.Master(ctx, "h:changed")
		if err == nil && now == dead {
			err = fmt.Errorf("still %s", dead.Addr)
		}
		return err
	})
	must(t, dead.Restart()) // until then nobody confirms what the new master takes
	s.more(200, 0)
	s.calm()
	acked, refused := s.counts()
	t.Logf("%d acknowledged, %d refused", acked, refused)
	if lost := s.lost(l); lost > 0 {
		t.Errorf("%d of %d acknowledged messages are lost", lost, acked)
	}
	until(t, "all shards are pumped", func(ctx context.Context) error {
		due, err := l.Due(ctx, "pump")
		if err == nil && len(due.Lanes) < len(during.Lanes) {
			err = fmt.Errorf("%d lanes", len(due.Lanes))
		}
		return err
	})
	until(t, "a reader is woken", func(ctx context.Context) error { return wakes(ctx, l, lane, changed) })
}

// TestShardWaitsForItsOwnReplica stops one replica of a cluster: its shard acknowledges nothing, the others do.
func TestShardWaitsForItsOwnReplica(t *testing.T) {
	url := cluster(t)
	l := ledgertest.Dial(t, url)
	lane, other := l.Session("0"), l.Session("0")
	at := func(lane ledger.Lane) *redisdtest.Node {
		n, err := lasting.cluster.Master(t.Context(), "h:{p"+string(lane[1:3])+"}:")
		must(t, err)
		return n
	}
	for i := 0; at(other) == at(lane); i++ {
		other = l.Session(fmt.Sprint(i))
	}
	replica := replicaOf(t, at(lane))
	must(t, replica.Pause())
	defer func() { must(t, replica.Resume()) }()
	message := ledger.Message{Lane: lane, Key: "a", Body: []byte("a")}
	_, err := l.Accept(t.Context(), message)
	wantKind(t, err, fault.Unavailable)
	accept(t, l, other, "a")
	must(t, replica.Resume())
	until(t, "the replica confirms", func(ctx context.Context) error {
		_, err := l.Accept(ctx, message)
		return err
	})
}

// replicaOf returns the replica of a node of the lasting cluster.
func replicaOf(t *testing.T, master *redisdtest.Node) *redisdtest.Node {
	t.Helper()
	for _, n := range lasting.cluster.Nodes {
		info, err := n.Info(t.Context(), "replication").Result()
		must(t, err)
		if strings.Contains(info, "master_port:"+master.Addr[strings.LastIndex(master.Addr, ":")+1:]+"\r") {
			return n
		}
	}
	t.Fatalf("%s has no replica", master.Addr)
	return nil
}

// TestBrakeOutlivesItsServer: a brake that was acknowledged holds on the server that takes over, and one that no
// replica has is not acknowledged.
func TestBrakeOutlivesItsServer(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	l := ledgertest.Dial(t, "redis://"+p.master.Addr)
	until(t, "the replica confirms", func(ctx context.Context) error { return l.Brake(ctx, "ann", true) })
	p.link.Hold()
	wantKind(t, l.Brake(t.Context(), "bo", true), fault.Unavailable)
	next := p.promote(t)
	for user, want := range map[string]bool{"ann": true, "bo": false} {
		if on, err := next.Braked(t.Context(), user); err != nil || on != want {
			t.Errorf("%s: %v, %v", user, on, err)
		}
	}
}
