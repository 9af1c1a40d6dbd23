package main

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"
)

// note is what is known of one message. Times are zero for what did not happen.
type note struct {
	id, chat  int64
	due, sent time.Time     // when it should have been posted, and when it was
	acked     time.Time     // when the webhook's answer was read
	status    int           // of that answer; 0 for none
	answered  time.Time     // when its first reply reached the platform
	replies   int           // that the platform got for it
	done      chan struct{} // closed with the first reply
}

func (n *note) accepted() bool { return n.status >= 200 && n.status < 300 }

// book keeps the notes of all messages that are written to one target.
type book struct {
	mu    sync.Mutex
	notes map[int64]*note
	odd   int // replies that answer no message: apologies, and what nobody asked for
}

func newBook() *book { return &book{notes: map[int64]*note{}} }

// write notes a message that is to be posted when due.
func (b *book) write(id, chat int64, due time.Time) *note {
	n := &note{id: id, chat: chat, due: due, done: make(chan struct{})}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.notes[id] = n
	return n
}

func (b *book) posted(n *note, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n.sent = at
}

func (b *book) acknowledged(n *note, status int, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n.status, n.acked = status, at
}

// answer is how the model of the bench answers the message that it was asked last. Anything else that
// reaches a chat is no answer.
var answer = regexp.MustCompile(`^All is well, msg(\d+)\.`)

// arrived notes a reply that reached the platform.
func (b *book) arrived(chat int64, text string, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var n *note
	if found := answer.FindStringSubmatch(text); found != nil {
		id, _ := strconv.ParseInt(found[1], 10, 64) // digits; one that is too long is no note's
		n = b.notes[id]
	}
	if n == nil || n.chat != chat {
		b.odd++
		return
	}
	if n.replies++; n.replies == 1 {
		n.answered = at
		close(n.done)
	}
}

// await waits until all accepted notes are answered, or until the last one has had its patience. All posts
// are over.
func (b *book) await(ctx context.Context, notes []*note, patience time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, n := range b.copy(notes) {
		if !n.accepted() {
			continue
		}
		select {
		case <-n.done:
		case <-ctx.Done():
			return
		}
	}
}

// copy returns the notes as they are now.
func (b *book) copy(notes []*note) []note {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]note, len(notes))
	for i, n := range notes {
		all[i] = *n
	}
	return all
}

// tally is what became of all messages of a target. It stands in every row.
type tally struct {
	Sent       int         `json:"sent"`
	Accepted   int         `json:"accepted"`
	Refused    map[int]int `json:"refused"`    // by status
	Broken     int         `json:"broken"`     // posts without any answer
	Lost       int         `json:"lost"`       // accepted and never answered
	Doubled    int         `json:"doubled"`    // answered more than once
	Disordered int         `json:"disordered"` // answered before an earlier message of the chat
	Odd        int         `json:"odd"`        // replies that answer no message
}

// tally counts everything that the book knows.
func (b *book) tally() tally {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := tally{Refused: map[int]int{}, Odd: b.odd}
	chats := map[int64][]*note{}
	for _, n := range b.notes {
		t.Sent++
		switch {
		case n.status == 0:
			t.Broken++
		case !n.accepted():
			t.Refused[n.status]++
		default:
			t.Accepted++
			if n.replies == 0 {
				t.Lost++
			}
		}
		if n.replies > 1 {
			t.Doubled++
		}
		chats[n.chat] = append(chats[n.chat], n)
	}
	for _, notes := range chats {
		t.Disordered += disordered(notes)
	}
	return t
}

// add counts another target's tally in.
func (t *tally) add(o tally) {
	if t.Refused == nil {
		t.Refused = map[int]int{}
	}
	for status, n := range o.Refused {
		t.Refused[status] += n
	}
	t.Sent, t.Accepted, t.Broken = t.Sent+o.Sent, t.Accepted+o.Accepted, t.Broken+o.Broken
	t.Lost, t.Doubled, t.Disordered, t.Odd = t.Lost+o.Lost, t.Doubled+o.Doubled, t.Disordered+o.Disordered, t.Odd+o.Odd
}

// disordered counts the messages of one chat that were answered before an earlier one. Earlier is what was
// acknowledged before the later one was posted: of two that are on their way at once, either may be first.
func disordered(notes []*note) int {
	count := 0
	for _, n := range notes {
		overtook := func(o *note) bool {
			return o.accepted() && o.replies > 0 && !o.acked.After(n.sent) && o.answered.After(n.answered)
		}
		if n.replies > 0 && slices.ContainsFunc(notes, overtook) {
			count++
		}
	}
	return count
}
