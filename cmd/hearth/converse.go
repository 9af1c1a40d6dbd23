package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"strings"
	"sync"

	"github.com/hearthfaas/hearth/shared/fault"
)

// maxLine is how much somebody can say in one line, in bytes.
const maxLine = 256 << 10

// conversation is a chat that goes on: messages line by line, and what comes back, whenever it comes. Also
// the results of runs, and what is said on other devices.
type conversation struct {
	*chat
	mine  map[string]bool // keys of what was said here
	waits map[string]bool // what the answers to come can be told by
}

// converse holds a conversation until the input ends and everything said has its answer, or until /quit.
func (c *chat) converse(ctx context.Context, a *app) error {
	after, err := c.client.catchUp(ctx, c.session)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var follower sync.WaitGroup
	defer follower.Wait()
	defer cancel()
	events, ended := make(chan chatEvent), make(chan error, 1)
	follower.Go(func() { ended <- c.listen(ctx, after, events) })
	lines := readLines(ctx, a)
	c.note("session %s; /quit ends the conversation", c.session)
	talk := conversation{chat: c, mine: map[string]bool{}, waits: map[string]bool{}}
	for lines != nil || len(talk.waits) > 0 {
		select {
		case line, more := <-lines:
			switch {
			case !more:
				lines = nil // what was said is still answered
			case line == "/quit":
				return nil
			default:
				if err := talk.say(ctx, line); err != nil {
					return err
				}
			}
		case e := <-events:
			talk.hear(e)
		case err := <-ended:
			return late(ctx, err, "the conversation goes on without us", "hearth chat --session "+c.session)
		}
	}
	return nil
}

// say posts a line. One that is refused does not end the conversation.
func (t *conversation) say(ctx context.Context, line string) error {
	key := rand.Text()
	t.mine[key] = true
	message, err := t.post(ctx, line, key)
	if fault.Is(err, fault.Invalid) || fault.Is(err, fault.TooLarge) {
		t.note("%s", fault.Text(err))
		return nil
	}
	if err == nil {
		t.waits[message] = true
	}
	return err
}

// hear writes an event.
func (t *conversation) hear(e chatEvent) {
	switch e.Type {
	case eventUser:
		if !t.mine[e.Key] {
			t.note("%s: %s", e.From, e.Text)
		}
	case eventDraft:
		for message := range t.waits {
			if e.answers(message) {
				t.draft(e)
			}
		}
	case eventAnswer:
		t.answer(e)
		for message := range t.waits {
			if e.answers(message) {
				delete(t.waits, message)
			}
		}
	}
}

// listen passes on what is said until ctx ends.
func (c *chat) listen(ctx context.Context, after string, events chan<- chatEvent) error {
	return c.client.follow(ctx, c.session, after, func(string, ...any) {}, func(e event) error {
		said, err := e.read()
		if err != nil {
			return err
		}
		select {
		case events <- said:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

// readLines passes on what somebody types. Nothing can end a read from a terminal: when ctx ends first, the
// reader ends with the process.
func readLines(ctx context.Context, a *app) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		scanner := bufio.NewScanner(a.in)
		scanner.Buffer(nil, maxLine)
		for scanner.Scan() {
			line := strings.TrimSpace(scanner.Text())
			if line == "" {
				continue
			}
			select {
			case lines <- line:
			case <-ctx.Done():
				return
			}
		}
	}()
	return lines
}
