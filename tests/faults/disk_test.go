package faults

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/tests/smalldisk"
)

// TestFullDisk lets the disk of the store be full while messages wait. A Redis that syncs each write ends then, and
// whoever keeps it starts it again, in vain. Nothing is acknowledged meanwhile; with space, all that was is answered.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "c")
	disk := filepath.Join(dir, "redis")
	if err := os.MkdirAll(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	smalldisk.Mount(t, disk, "24m")
	c := startIn(t, dir)
	open := make(chan struct{})
	remove := c.Hook(func(p Point) error {
		if !p.Store && p.Name == "planner-intent" && !p.After {
			<-open
		}
		return nil
	})
	defer remove()
	for i := range 12 {
		task := []string{"", "plain", "broken"}[i%3]
		if err := c.Say(t.Context(), posting(nextChat(), task), task, 1); err != nil {
			t.Fatal(err)
		}
	}
	filler := filepath.Join(disk, "filler")
	if err := smalldisk.Fill(filler, 0); err != nil {
		t.Fatal(err)
	}
	release := keep(t.Context(), c.Redis.(*Redis))
	close(open)
	statuses := map[int]int{}
	for statuses[http.StatusServiceUnavailable] < 10 && statuses[http.StatusOK] < 10 { // the last page may have room
		p := posting(nextChat(), "")
		status, _ := c.webhook(t.Context(), c.update(p.Chat, "Tell me about "+p.Mark), c.secrets["telegram-webhook-secret"])
		statuses[status]++
		if status == http.StatusOK {
			p.Acked = time.Now()
			if err := c.posted.Append(p); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := statuses[http.StatusServiceUnavailable]; n < 10 || len(statuses) > 2 {
		t.Errorf("messages that cannot be stored are answered with %v", statuses)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if err := c.Say(t.Context(), posting(nextChat(), ""), "", 1); err != nil {
		t.Fatal(err)
	}
	verdict(t, c, time.Minute)
}

// keep starts a server again whenever it has ended, as hearth up does with its own, until release is called.
func keep(ctx context.Context, s *Redis) (release func() error) {
	ctx, cancel := context.WithCancel(ctx)
	over := make(chan struct{})
	var again atomic.Pointer[os.Process]
	go func() {
		defer close(over)
		_ = s.cmd.Wait() // it ends by itself, which is no success
		_ = poll(ctx, 100*time.Millisecond, func() error {
			if ctx.Err() != nil {
				return nil
			}
			cmd := exec.Command("redis-server", filepath.Join(s.dir, "redis.conf"))
			cmd.Dir, cmd.Env, cmd.SysProcAttr = s.dir, []string{"LC_ALL=C"}, withUs()
			if err := cmd.Start(); err != nil {
				return err
			}
			again.Store(cmd.Process)
			return cmp.Or(cmd.Wait(), errors.New("it ended"))
		}) // release says whether it serves
	}()
	return func() error {
		err := s.await(time.Minute)
		cancel()
		p := again.Load()
		if p == nil {
			p = s.cmd.Process // it never ended
		}
		_ = p.Kill() // what starts now is waited for as always
		<-over
		return errors.Join(err, s.Start())
	}
}
