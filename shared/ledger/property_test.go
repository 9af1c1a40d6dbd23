package ledger_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/ledger"
)

// session is what a session must be, in plain Go: the model that the scripts are held against.
type session struct {
	known  map[string]int64 // key → number
	inbox  []int64
	outbox []string
	done   int64
	seq    int64
	held   *ledger.Claim // nobody while nil
}

// TestSessionFollowsItsModel drives the transitions in random order, also with claims that were lost
// long ago and with repeats, and compares every answer with the model's.
func TestSessionFollowsItsModel(t *testing.T) {
	each(t, func(t *testing.T, l *ledger.Ledger) {
		n := 0
		rapid.Check(t, func(rt *rapid.T) {
			n++
			m := &machine{l: l, lane: l.Session("property", fmt.Sprint(n)), want: session{known: map[string]int64{}}, t: t}
			rt.Repeat(map[string]func(*rapid.T){
				"accept": m.accept, "claim": m.claim, "finish": m.finish, "sent": m.sent, "retry": m.retry, "zombie": m.zombie, "step": m.step,
			})
			m.drain(rt)
		})
	})
}

type machine struct {
	t    *testing.T
	l    *ledger.Ledger
	lane ledger.Lane
	want session
	work *ledger.Work   // what the holder works on
	lost []ledger.Claim // of former holders
}

func (m *machine) accept(t *rapid.T) {
	key := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f"}).Draw(t, "key")
	got, err := m.l.Accept(m.t.Context(), ledger.Message{Lane: m.lane, Key: key, Body: []byte(key)})
	if err != nil {
		t.Fatal(err)
	}
	before, known := m.want.known[key]
	if known {
		if !got.Duplicate || got.Seq != before {
			t.Fatalf("%s again: %+v, first it was %d", key, got, before)
		}
		return
	}
	m.want.seq++
	if got.Duplicate || got.Seq != m.want.seq {
		t.Fatalf("%s: %+v, want the number %d", key, got, m.want.seq)
	}
	m.want.known[key] = got.Seq
	m.want.inbox = append(m.want.inbox, got.Seq)
}

func (m *machine) claim(t *rapid.T) {
	w, err := m.l.Claim(m.t.Context(), m.lane, ledger.NewOwner())
	if err != nil {
		t.Fatal(err)
	}
	idle := len(m.want.inbox) == 0 && len(m.want.outbox) == 0
	switch {
	case m.want.held != nil || idle:
		if w != nil {
			t.Fatalf("claimed %+v, though held %v or idle %v", w.Claim, m.want.held, idle)
		}
		return
	case w == nil:
		t.Fatalf("nothing to claim: %+v", m.want)
	case len(m.want.outbox) > 0:
		if w.Outbox == nil || w.Outbox.ID != m.want.outbox[0] {
			t.Fatalf("%+v, want the outbox head %s", w.Outbox, m.want.outbox[0])
		}
	case w.Inbox == nil || w.Inbox.Seq != m.want.inbox[0]:
		t.Fatalf("%+v, want the message %d", w.Inbox, m.want.inbox[0])
	}
	m.want.held, m.work = &w.Claim, w
}

func (m *machine) finish(t *rapid.T) {
	if m.work == nil || m.work.Inbox == nil {
		t.Skip("no message is worked on")
	}
	f := ledger.Finish{Seq: m.work.Inbox.Seq, Answer: []byte("answer")}
	for range rapid.IntRange(1, 2).Draw(t, "times") {
		deliver, err := m.l.Finish(m.t.Context(), m.work.Claim, f)
		if err != nil {
			t.Fatal(err)
		}
		if m.want.done < f.Seq {
			m.want.done = f.Seq
			m.want.inbox = m.want.inbox[1:]
			m.want.outbox = append(m.want.outbox, ledger.AnswerID(f.Seq))
			if !deliver {
				t.Fatal("the only answer is not to be delivered")
			}
		}
	}
	m.work.Inbox = nil
	m.work.Outbox = &ledger.Outgoing{ID: ledger.AnswerID(f.Seq)}
}

func (m *machine) sent(t *rapid.T) {
	if m.work == nil || m.work.Outbox == nil {
		t.Skip("nothing is being delivered")
	}
	more, err := m.l.Sent(m.t.Context(), m.work.Claim, m.work.Outbox.ID, false)
	if err != nil {
		t.Fatal(err)
	}
	m.want.outbox = m.want.outbox[1:]
	if more != (len(m.want.inbox)+len(m.want.outbox) > 0) {
		t.Fatalf("more is %v with %+v", more, m.want)
	}
	m.release()
}

func (m *machine) retry(t *rapid.T) {
	if m.work == nil || m.work.Attempt >= 7 { // dead messages have a test of their own
		t.Skip("nobody gives up")
	}
	if err := m.l.Retry(m.t.Context(), m.work.Claim, 0); err != nil {
		t.Fatal(err)
	}
	m.release()
}

func (m *machine) release() {
	m.lost = append(m.lost, *m.want.held)
	m.want.held, m.work = nil, nil
}

// zombie writes with a claim that was lost: nothing may come of it.
func (m *machine) zombie(t *rapid.T) {
	if len(m.lost) == 0 || m.want.seq == m.want.done {
		t.Skip("nobody lost a claim, or there is nothing to break")
	}
	c := rapid.SampledFrom(m.lost).Draw(t, "claim")
	_, finished := m.l.Finish(m.t.Context(), c, ledger.Finish{Seq: m.want.seq, Answer: []byte("late")})
	for _, err := range []error{m.l.Extend(m.t.Context(), c), m.l.Step(m.t.Context(), c, m.want.seq, "k", nil), finished} {
		if !fault.Is(err, fault.Stale) {
			t.Fatalf("a lost claim wrote: %v", err)
		}
	}
}

func (m *machine) step(t *rapid.T) {
	if m.work == nil || m.work.Inbox == nil {
		t.Skip("no message is worked on")
	}
	if err := m.l.Step(m.t.Context(), m.work.Claim, m.work.Inbox.Seq, "model", []byte("said")); err != nil {
		t.Fatal(err)
	}
	m.work.Attempt = 0
}

// drain answers what is left: everything accepted is answered once, in order.
func (m *machine) drain(t *rapid.T) {
	var order []int64
	for m.want.held != nil || len(m.want.inbox) > 0 || len(m.want.outbox) > 0 {
		if m.want.held == nil {
			m.claim(t)
		}
		if m.work.Inbox != nil {
			order = append(order, m.work.Inbox.Seq)
			m.finish(t)
		}
		m.sent(t)
	}
	if !slices.IsSorted(order) || m.want.done != m.want.seq {
		t.Fatalf("answered %v of %d", order, m.want.seq)
	}
}
