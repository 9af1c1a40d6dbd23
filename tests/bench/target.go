package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// variant is something that takes webhooks and answers them.
type variant struct {
	name    string
	command func(b *bench, dir string) *exec.Cmd
	webhook string                                                              // its path
	know    func(ctx context.Context, s *store) error                           // makes the sender somebody known
	fill    func(ctx context.Context, s *store, chats []int64, bytes int) error // puts conversations into the store
}

// target is a variant at work: a process of its own, with a store of its own.
type target struct {
	*people
	address string // of its gateway
	dir     string
	store   *store
	pid     int
	ready   time.Duration // what its start took, the store's included
	filled  float64       // bytes that the store took for what it was filled with
	stop    func() error
}

// filling are the conversations that a store holds before its target starts.
type filling struct {
	chats []int64
	bytes int // of each
}

// start starts a variant with fresh data.
func (b *bench) start(ctx context.Context, v variant, f filling) (*target, error) {
	dir, err := os.MkdirTemp(b.dir, "data-")
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	s, err := startStore(ctx, filepath.Join(dir, "redis"))
	if err != nil {
		return nil, err
	}
	ready := time.Since(begin)
	filled, err := b.prepare(ctx, v, s, f)
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	t := &target{dir: dir, store: s, filled: filled, people: &people{book: newBook(), client: b.client, patience: b.patience, ids: &b.ids}}
	b.world.book.Store(t.book)
	begin = time.Now()
	end, err := t.launch(v, v.command(b, dir), s)
	t.stop = sync.OnceValue(func() error { return errors.Join(end(), s.stop(), os.RemoveAll(dir)) })
	if err != nil {
		return nil, errors.Join(err, t.stop())
	}
	t.ready = ready + time.Since(begin)
	return t, b.greet(ctx, t)
}

// prepare puts into the store what is there before the target starts. Nobody else works on it meanwhile.
func (b *bench) prepare(ctx context.Context, v variant, s *store, f filling) (filled float64, err error) {
	if err := v.know(ctx, s); err != nil || len(f.chats) == 0 {
		return 0, err
	}
	before, err := s.count(ctx)
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	calm, err := s.hurry(ctx)
	if err != nil {
		return 0, err
	}
	if err := v.fill(ctx, s, f.chats, f.bytes); err != nil {
		return 0, err
	}
	if err := calm(); err != nil {
		return 0, err
	}
	fmt.Fprintf(os.Stderr, "  filled with %d sessions of %d bytes in %.1f s\n", len(f.chats), f.bytes, time.Since(begin).Seconds())
	after, err := s.count(ctx)
	return after.since(before).memory, err
}

// launch starts the process and reads its greeting. The function that it returns ends the process.
func (t *target) launch(v variant, cmd *exec.Cmd, s *store) (end func() error, err error) {
	cmd.Env = append(cmd.Env, "REDIS_URL="+s.URL, "ENCRYPTION_KEY="+s.key)
	out, err := cmd.StderrPipe()
	if err != nil {
		return func() error { return nil }, err
	}
	if err := cmd.Start(); err != nil {
		return func() error { return nil }, err
	}
	t.pid = cmd.Process.Pid
	end = func() error { return errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait()) }
	t.address, err = greeting(out)
	t.url = t.address + v.webhook
	return end, err
}

// greeting waits until a program says that it is ready, and returns the address that it said.
func greeting(out io.Reader) (string, error) {
	lines := bufio.NewScanner(out)
	address, said := "", []string(nil)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		said = append(said, lines.Text())
		if len(fields) == 2 && fields[0] == "ready" {
			address = fields[1]
		}
		if len(fields) > 0 && fields[0] == "Try:" {
			go func() { _, _ = io.Copy(io.Discard, out) }() // ends with the process
			return address, nil
		}
	}
	return "", fmt.Errorf("the program ended before it was ready: %s", strings.Join(said, "\n"))
}

// greet sends the first message, which must be answered as one of somebody known.
func (b *bench) greet(ctx context.Context, t *target) error {
	b.world.setDelay(0)
	first := t.closed(ctx, b.chats(1), 1)
	if len(first.answered()) == 1 {
		return nil
	}
	return errors.Join(fmt.Errorf("the first message was not answered; the webhook said %d", first.notes[0].status), t.stop())
}
