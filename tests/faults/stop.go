package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/hearthfaas/hearth/tests/faults/record"
)

// alone makes a chat one in which somebody else than the owner writes, as a user of their own: a stop in it ends
// what is done for that user, and nothing else.
func (c *Cluster) alone(ctx context.Context, chat int64) error {
	c.mu.Lock()
	if c.people == nil {
		c.people = map[int64]bool{}
	}
	c.people[chat] = true
	c.mu.Unlock()
	return c.pair(ctx, chat, fmt.Sprintf("u%d", chat), "operator") // who may start the owner's tasks
}

// Halt says stop in a chat: to a run, or to all that is done there without one. It is said in Chinese, so that the
// judge can tell what is said to the stop from the answers that were stopped.
func (c *Cluster) Halt(ctx context.Context, chat int64, run string) error {
	order := "/stop"
	if run != "" {
		order += " " + run
	}
	s := record.Stop{Chat: chat, Run: run, Asked: time.Now()}
	if err := c.deliver(ctx, c.updateIn("zh", chat, order), 1); err != nil {
		return fmt.Errorf("stop %d %s: %w", chat, run, err)
	}
	s.Acked = time.Now()
	return c.stops.Append(s)
}

// stopped says something in a chat of Cluster.alone, its n-th message from 1, and stops it while it is worked on,
// by its run or as all of the chat. It returns the run when that may be taken back in the end.
func (c *Cluster) stopped(ctx context.Context, dice *rand.Rand, chat int64, n int) (run string, err error) {
	task := []string{slowly, "long", "lasting"}[dice.IntN(3)]
	p := posting(chat, task)
	p.Undo, p.Run = task == "long", c.RunOf(chat, n)
	if err := c.Say(ctx, p, task, 1+dice.IntN(2)); err != nil {
		return "", err
	}
	if p.Undo {
		run = p.Run
	}
	if err := sleep(ctx, time.Duration(100+dice.IntN(1400))*time.Millisecond); err != nil {
		return "", err
	}
	target := ""
	if task != slowly && dice.IntN(2) == 0 {
		target = p.Run
	}
	return run, c.Halt(ctx, chat, target)
}

// stopping stops messages in so many chats, a few in each, and takes back in the end what can be taken back.
func (c *Cluster) stopping(ctx context.Context, chats, each int) error {
	return Each(chats, chats, func(i int) error {
		chat, dice := nextChat(), rand.New(rand.NewPCG(c.Seed, uint64(i)))
		if err := c.alone(ctx, chat); err != nil {
			return err
		}
		var undo undos
		for n := range each {
			run, err := c.stopped(ctx, dice, chat, n+1)
			if err != nil {
				return err
			}
			if run != "" {
				undo.add(chat, run+" yes")
			}
		}
		if err := c.settled(ctx, append(c.lanesOf(chat), c.Lane(chat)), 2*time.Minute); err != nil {
			return err
		}
		return undo.ask(ctx, c)
	})
}
