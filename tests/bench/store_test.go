package main

import (
	"fmt"
	"math"
	"os/exec"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/message"
)

func open(t *testing.T) *store {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("SKIP: no redis-server on the PATH")
	}
	s, err := startStore(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// A round trip is a request, however many commands are in it; each write is synced.
func TestCount(t *testing.T) {
	s, ctx := open(t), t.Context()
	script := `redis.call('SET', 'a', 1) return redis.call('SET', 'b', 1)`
	for _, c := range []struct {
		name         string
		do           func(i int) error
		trips, syncs float64
	}{
		{"nothing", func(int) error { return nil }, 0, 0},
		{"reads", func(int) error { return s.rdb.Ping(ctx).Err() }, 20, 0},
		{"writes", func(i int) error { return s.rdb.Set(ctx, "k", i, 0).Err() }, 20, 20},
		{"scripts", func(int) error { return s.rdb.Eval(ctx, script, nil).Err() }, 20, 20},
		{"pipelines", func(i int) error {
			_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
				p.Set(ctx, "k", i, 0)
				p.Set(ctx, "l", i, 0)
				return nil
			})
			return err
		}, 20, 20},
	} {
		if err := c.do(0); err != nil { // the client has connections of their own for pipelines
			t.Fatal(err)
		}
		before, err := s.count(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			if err := c.do(i); err != nil {
				t.Fatal(err)
			}
		}
		after, err := s.count(ctx)
		if err != nil {
			t.Fatal(err)
		}
		got := after.since(before)
		if got.trips != c.trips || math.Abs(got.syncs-c.syncs) > 2 { // the server's clock writes now and then
			t.Errorf("%s: %v trips and %v syncs, want %v and %v", c.name, got.trips, got.syncs, c.trips, c.syncs)
		}
	}
}

// A store that was filled holds what was said in each chat, and syncs again.
func TestFill(t *testing.T) {
	s, ctx := open(t), t.Context()
	calm, err := s.hurry(ctx)
	if err != nil {
		t.Fatal(err)
	}
	chats := []int64{1, 2, 3}
	if err := fillHearth(ctx, s, chats, window); err != nil {
		t.Fatal(err)
	}
	if err := fillFloor(ctx, s, chats, window); err != nil {
		t.Fatal(err)
	}
	if err := calm(); err != nil {
		t.Fatal(err)
	}
	if policy := s.rdb.ConfigGet(ctx, "appendfsync").Val(); policy["appendfsync"] != "always" {
		t.Errorf("%v", policy)
	}
	l, _, err := s.ledger(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, chat := range chats {
		lane := channel.Lane(l, message.Address{Platform: "telegram", Chat: fmt.Sprint(chat)})
		if _, err := l.Accept(ctx, ledger.Message{Lane: lane, Key: "next", Body: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
		work, err := l.Claim(ctx, lane, ledger.NewOwner())
		if err != nil || work == nil {
			t.Fatalf("chat %d: %v, %v", chat, work, err)
		}
		said := 0
		for _, turn := range work.Turns {
			said += len(turn)
		}
		if said < window || said > window*11/10 || len(work.Turns) != window/1024 {
			t.Errorf("chat %d has %d turns of %d bytes", chat, len(work.Turns), said)
		}
		if talk := s.rdb.Get(ctx, sessionKey(chat)).Val(); len(talk) < window || len(talk) > window*11/10 {
			t.Errorf("the floor's chat %d has %d bytes", chat, len(talk))
		}
	}
}
