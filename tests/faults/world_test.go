package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/tests/faults/record"
)

// TestBadWorld lets nothing of ours fail, but much outside: a platform, a model and a backend in trouble, a person
// who has left, a message that kills whoever takes it, half-open connections, forged posts, and a full store.
func TestBadWorld(t *testing.T) {
	t.Parallel()
	c := start(t)
	const gone = 5
	if err := c.World(t.Context(), map[string]float64{"platform": 0.2, "model": 0.3, "effects": 0.2}, gone); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for what, do := range map[string]func(context.Context, *Cluster) error{
		"trouble": trouble, "gone": func(ctx context.Context, c *Cluster) error { return left(ctx, c, gone) },
		"poison": poison, "slow loris": loris, "forged": forged,
	} {
		all.Go(func() {
			if err := do(t.Context(), c); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		})
	}
	all.Wait()
	if err := c.World(t.Context(), map[string]float64{"platform": 0, "model": 0, "effects": 0}); err != nil {
		t.Fatal(err)
	}
	if err := c.Quiet(t.Context(), 3*time.Minute); err != nil {
		t.Error(err)
	}
	if err := full(t.Context(), c); err != nil {
		t.Errorf("full store: %v", err)
	}
	v := verdict(t, c, time.Minute, "-starve", "4m")
	t.Logf("%d messages, %d answers, %d apologies, %d repeats, %v", v.Messages, v.Answers, v.Apologies, v.Repeats, v.Ends)
	if v.Apologies == 0 {
		t.Error("nobody heard an apology, and one message was poison")
	}
}

// trouble is talk in a world in trouble.
func trouble(ctx context.Context, c *Cluster) error {
	return Each(30, 30, func(i int) error {
		chat := nextChat()
		for _, task := range []string{"", []string{"plain", "single", "mixed", "broken"}[i%4], ""} {
			if err := c.Say(ctx, posting(chat, task), task, 1+i%3); err != nil {
				return err
			}
		}
		return nil
	})
}

// left is talk of somebody who has left.
func left(ctx context.Context, c *Cluster, chat int64) error {
	for range 3 {
		p := posting(chat, "")
		p.Kind = record.Gone
		if err := c.Say(ctx, p, "", 1); err != nil {
			return err
		}
	}
	return nil
}

// poison is a message that kills whoever claims it, and one behind it.
func poison(ctx context.Context, c *Cluster) error {
	chat := nextChat()
	ours := c.Lane(chat)
	first, second := posting(chat, ""), posting(chat, "")
	var mu sync.Mutex
	claims := 0
	remove := c.Hook(func(p Point) error {
		if p.Name != "claim" || !p.After || p.Answer != '1' || !p.about([]string{ours}) {
			return nil
		}
		mu.Lock()
		claims++
		deadly := claims <= 8 // ledger's limit of claims without progress
		mu.Unlock()
		if deadly {
			return Kill(p)
		}
		return nil
	})
	defer remove()
	for _, p := range []record.Posted{first, second} {
		if err := c.Say(ctx, p, "", 1); err != nil {
			return err
		}
	}
	return c.settled(ctx, []string{ours}, 3*time.Minute)
}

// loris opens connections that never finish a request. They are closed, and take nobody's place.
func loris(ctx context.Context, c *Cluster) error {
	addr, _ := c.Replicas("adapter-telegram")[0].at()
	conns := make([]net.Conn, 300)
	for i := range conns {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		defer conn.Close()
		if _, err := conn.Write([]byte("POST / HTTP/1.1\r\nHost: x\r\nX-Slow: ")); err != nil {
			return err
		}
		conns[i] = conn
	}
	if err := c.Say(ctx, posting(nextChat(), ""), "", 2); err != nil {
		return err
	}
	for _, conn := range conns {
		_ = conn.SetReadDeadline(time.Now().Add(time.Minute)) // it is open
		var end bytes.Buffer
		_, err := end.ReadFrom(conn)
		if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
			return errors.New("a connection that never asks anything is kept for a minute")
		}
	}
	return nil
}

// forged posts do not come from the platform.
func forged(ctx context.Context, c *Cluster) error {
	for _, secret := range []string{"", " ", "canary", c.secrets["telegram-webhook-secret"] + "x"} {
		status, _ := c.webhook(ctx, c.update(nextChat(), "forged"), secret)
		if status != http.StatusUnauthorized {
			return fmt.Errorf("the secret %q is answered with %d", secret, status)
		}
	}
	return nil
}

// full lets the store's memory be full while messages wait: nothing more is taken, what waits is answered, and
// then all goes on.
func full(ctx context.Context, c *Cluster) error {
	open := make(chan struct{})
	remove := c.Hook(func(p Point) error {
		if !p.Store && p.Name == "planner-intent" && !p.After {
			<-open
		}
		return nil
	})
	defer remove()
	for range 10 {
		if err := c.Say(ctx, posting(nextChat(), ""), "", 1); err != nil {
			return err
		}
	}
	limit := func(bytes string) error { return c.Redis.Client().ConfigSet(ctx, "maxmemory", bytes).Err() }
	if err := limit("1mb"); err != nil {
		return err
	}
	status, _ := c.webhook(ctx, c.update(nextChat(), "too much"), c.secrets["telegram-webhook-secret"])
	close(open)
	if status != http.StatusServiceUnavailable {
		return fmt.Errorf("a message is answered with %d when nothing can be stored", status)
	}
	if err := c.Quiet(ctx, time.Minute); err != nil {
		return fmt.Errorf("what was accepted is not answered: %w", err)
	}
	if err := limit("0"); err != nil {
		return err
	}
	return c.Say(ctx, posting(nextChat(), ""), "", 1)
}

// TestCutTail lets the disk lie: with each kill of Redis the end of its log is gone, by 1 byte up to 64 kB. What
// was acknowledged then may be lost, or come twice; but no chat is stuck, and what is said afterwards is answered
// once.
func TestCutTail(t *testing.T) {
	t.Parallel()
	c := start(t)
	var last time.Time
	for _, cut := range []int64{1, 100, 4 << 10, 64 << 10} {
		err := Each(12, 12, func(i int) error {
			task := []string{"", "", "plain", "broken"}[i%4]
			return c.Say(t.Context(), posting(int64(500+i), task), task, 1)
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Redis.Kill(); err != nil {
			t.Fatal(err)
		}
		last = time.Now()
		if _, err := c.Redis.(*Redis).Cut(cut); err != nil {
			t.Fatal(err)
		}
		if err := c.Redis.Start(); err != nil {
			t.Fatalf("after a cut of %d bytes: %v", cut, err)
		}
	}
	if err := c.Quiet(t.Context(), 2*time.Minute); err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		if err := c.Say(t.Context(), posting(int64(500+i), ""), "", 2); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Quiet(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	v, err := c.Judge("-lossy", last.Format(time.RFC3339Nano))
	if err != nil {
		t.Fatal(err)
	}
	for _, violation := range v.Violations {
		t.Errorf("%s: %s", violation.Invariant, violation.What)
	}
	t.Logf("of %d messages %d were lost, and %d things came twice", v.Messages, v.Lost, v.Twice)
}
