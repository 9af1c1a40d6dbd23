// Command chaos lets the bundle work while its processes, its store and the world fail, and says whether it kept
// its word. It exits with 1 when it did not.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/hearthfaas/hearth/tests/faults"
)

// options are the flags.
type options struct {
	messages, chats, kills, failovers, jumps int
	seed                                     uint64
	dir                                      string
	lasts                                    time.Duration
	hot, pickups, backward                   int
}

func main() {
	var o options
	flag.IntVar(&o.messages, "messages", 2000, "that people say")
	flag.IntVar(&o.chats, "chats", 0, "that they say them in; 0 for one in 40 messages")
	flag.IntVar(&o.kills, "kills", 100, "of processes with SIGKILL")
	flag.IntVar(&o.failovers, "failovers", 0, "of the store, which is a primary with replicas behind Sentinels then")
	flag.IntVar(&o.jumps, "jumps", 0, "of the store's clock, by an hour forth or back")
	flag.Uint64Var(&o.seed, "seed", 7, "of the messages and the faults")
	flag.StringVar(&o.dir, "dir", "", "where the records and logs stay; a new folder by default, removed when all is well")
	flag.DurationVar(&o.lasts, "for", 0, "how long; 0 for what the kills and messages need")
	flag.IntVar(&o.hot, "hot", 1000, "messages of the hot chat beside 100 quiet ones; 0 leaves that out")
	flag.IntVar(&o.pickups, "pickups", 20, "kills with nothing else going on, to see when the work is taken up; 0 leaves that out")
	flag.IntVar(&o.backward, "backward", 0, "runs that fail at each of their steps in turn, each killed on its way back")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ok, err := run(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
	}
	if !ok || err != nil {
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (ok bool, err error) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		return false, errors.New("no redis-server on the PATH (make dev-setup)")
	}
	dir := o.dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "hearth-chaos-"); err != nil {
			return false, err
		}
		defer func() {
			if ok && err == nil {
				err = os.RemoveAll(dir)
			} else {
				fmt.Fprintln(os.Stderr, "the records and logs are in", dir)
			}
		}()
	}
	fmt.Printf("seed %d\n", o.seed)
	var overlay, lua string
	if o.jumps > 0 {
		if overlay, lua, err = faults.Overlay(filepath.Join(dir, "overlay"), faults.ScriptFile, faults.ClockEdits); err != nil {
			return false, err
		}
	}
	programs, err := faults.Build(filepath.Join(dir, "bin"), overlay, lua)
	if err != nil {
		return false, err
	}
	start := faults.Start
	if o.failovers > 0 {
		start = faults.StartBehind
	}
	c, err := start(ctx, filepath.Join(dir, "run"), o.seed, programs)
	defer func() { err = errors.Join(err, c.Stop()) }()
	if err != nil {
		return false, err
	}
	var t table
	if o.backward > 0 {
		if err := t.backward(ctx, c, o.backward); err != nil {
			return false, err
		}
	}
	if o.hot > 0 {
		if err := t.fair(ctx, c, o.hot); err != nil {
			return false, err
		}
	}
	if o.pickups > 0 {
		if err := t.pickups(ctx, c, o.pickups); err != nil {
			return false, err
		}
	}
	if err := t.chaos(ctx, c, o); err != nil {
		t.violation("run", err.Error())
	}
	if err := t.judge(ctx, c); err != nil {
		return false, err
	}
	return t.print(os.Stdout), nil
}
