package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// told makes the notes of a chat from how its messages went: when each was sent, acknowledged and answered,
// 0 for never.
func told(times ...[3]int) []*note {
	at := func(n int) time.Time {
		if n == 0 {
			return time.Time{}
		}
		return time.Unix(int64(n), 0)
	}
	var notes []*note
	for i, s := range times {
		n := &note{id: int64(i + 1), chat: 1, sent: at(s[0]), acked: at(s[1]), answered: at(s[2])}
		if s[1] > 0 {
			n.status = http.StatusOK
		}
		if s[2] > 0 {
			n.replies = 1
		}
		notes = append(notes, n)
	}
	return notes
}

func TestDisordered(t *testing.T) {
	for _, c := range []struct {
		name  string
		notes []*note
		want  int
	}{
		{"in order", told([3]int{1, 2, 3}, [3]int{4, 5, 6}), 0},
		{"in order though the first is still answered", told([3]int{1, 2, 8}, [3]int{3, 4, 9}), 0},
		{"overtaken", told([3]int{1, 2, 9}, [3]int{3, 4, 8}), 1},
		{"overtaken twice", told([3]int{1, 2, 9}, [3]int{3, 4, 7}, [3]int{5, 6, 8}), 2},
		{"the last one overtakes both", told([3]int{1, 2, 8}, [3]int{3, 4, 9}, [3]int{5, 6, 7}), 1},
		{"on their way at once", told([3]int{1, 4, 9}, [3]int{2, 3, 8}), 0},
		{"the first is lost", told([3]int{1, 2, 0}, [3]int{3, 4, 5}), 0},
		{"the first was refused", func() []*note {
			notes := told([3]int{1, 2, 9}, [3]int{3, 4, 5})
			notes[0].status = http.StatusTooManyRequests
			return notes
		}(), 0},
	} {
		if got := disordered(c.notes); got != c.want {
			t.Errorf("%s: %d out of order, want %d", c.name, got, c.want)
		}
	}
}

func TestTally(t *testing.T) {
	b, now := newBook(), time.Now()
	post := func(id, chat int64, status int, replies ...string) {
		n := b.write(id, chat, now)
		b.posted(n, now)
		if status > 0 {
			b.acknowledged(n, status, now)
		}
		for _, r := range replies {
			b.arrived(chat, r, now)
		}
	}
	post(1, 10, 200, "All is well, msg1.")
	post(2, 20, 200, "All is well, msg2.", "All is well, msg2.\n\n(you may have got this before)")
	post(3, 30, 202)
	post(4, 40, 429)
	post(5, 50, 503)
	post(6, 60, 0)
	post(7, 70, 200, `Sorry: your message "how are you, msg7" could not be answered.`)
	post(8, 80, 200, "All is well, msg1.", "All is well, msg99.")
	post(9, 90, 429)
	got := fmt.Sprintf("%+v", b.tally())
	want := "{Sent:9 Accepted:5 Refused:map[429:2 503:1] Broken:1 Lost:3 Doubled:1 Disordered:0 Odd:3}"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	sum := b.tally()
	sum.add(b.tally())
	if got := fmt.Sprintf("%+v", sum); got != "{Sent:18 Accepted:10 Refused:map[429:4 503:2] Broken:2 Lost:6 Doubled:2 Disordered:0 Odd:6}" {
		t.Errorf("twice that is %s", got)
	}
}

// Only the messages of one chat can overtake each other.
func TestTallyOrdersWithinChats(t *testing.T) {
	b := newBook()
	for i, n := range told([3]int{1, 2, 9}, [3]int{3, 4, 8}, [3]int{5, 6, 7}) {
		n.chat = int64(i % 2) // the first and the third
		b.notes[n.id] = n
	}
	if got := b.tally().Disordered; got != 1 {
		t.Errorf("%d out of order, want 1", got)
	}
}
