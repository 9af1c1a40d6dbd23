package ledger_test

import (
	"fmt"
	"testing"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/ledger"
)

// poisoned lets a message be given up, and returns the claim of its apology.
func poisoned(t *testing.T, l *ledger.Ledger, lane ledger.Lane) *ledger.Work {
	t.Helper()
	for {
		w := claim(t, l, lane)
		if w.Outbox != nil {
			return w
		}
		if err := l.Retry(t.Context(), w.Claim, 0); err != nil {
			t.Fatal(err)
		}
	}
}

func letters(t *testing.T, l *ledger.Ledger, want int) []ledger.Letter {
	t.Helper()
	list, err := l.Letters(t.Context(), 100)
	if err != nil || len(list) != want {
		t.Fatalf("%d letters, want %d: %v", len(list), want, err)
	}
	return list
}

// TestUnreadableRunIsPutAside claims a run again and again, as holders do that cannot read it.
func TestUnreadableRunIsPutAside(t *testing.T) {
	each(t, func(t *testing.T, l *ledger.Ledger) {
		ctx, lane := t.Context(), l.NewRun(l.TasksLane())
		if _, err := l.Spawn(ctx, ledger.Spawn{Lane: lane, Header: []byte("header")}); err != nil {
			t.Fatal(err)
		}
		last := 0
		for w := claim(t, l, lane); w != nil; w = tryClaim(t, l, lane) {
			last = w.Attempt
			if err := l.Retry(ctx, w.Claim, 0); err != nil {
				t.Fatal(err)
			}
		}
		if last <= 8 { // planner-execute ends a run itself after eight
			t.Errorf("given up after %d attempts", last)
		}
		d := letters(t, l, 1)[0]
		if d.Kind != ledger.Unreadable || string(d.Body) != "header" || d.Lane != lane || d.At.IsZero() {
			t.Fatalf("%+v", d)
		}
		if err := l.Redrive(ctx, d); err != nil {
			t.Fatal(err)
		}
		letters(t, l, 0)
		if w := claim(t, l, lane); w.Attempt != 1 || string(w.Header) != "header" {
			t.Fatalf("%+v", w)
		}
	})
}

func TestDeadMessageIsRedriven(t *testing.T) {
	each(t, func(t *testing.T, l *ledger.Ledger) {
		ctx, lane := t.Context(), l.Session("x")
		accept(t, l, lane, "poison")
		w := poisoned(t, l, lane)
		if _, err := l.Sent(ctx, w.Claim, w.Outbox.ID, false); err != nil {
			t.Fatal(err)
		}
		d := letters(t, l, 1)[0]
		if d.Kind != ledger.Unanswered || string(d.Body) != "body of poison" || d.Lane != lane || d.ID != string(lane)+".1" || d.At.IsZero() {
			t.Fatalf("%+v", d)
		}
		if err := l.Redrive(ctx, d); err != nil {
			t.Fatal(err)
		}
		letters(t, l, 0)
		wantKind(t, l.Redrive(ctx, d), fault.NotFound)
		if w = claim(t, l, lane); w.Inbox == nil || w.Inbox.Seq != 2 || w.Attempt != 1 || string(w.Inbox.Body) != "body of poison" {
			t.Fatalf("%+v", w)
		}
		finish(t, l, w, ledger.Finish{Answer: []byte("at last")})
		if _, err := l.Sent(ctx, w.Claim, ledger.AnswerID(2), false); err != nil {
			t.Fatal(err)
		}
	})
}

// TestDeadAnswerIsRedriven gives up an answer at once, and an apology whose platform never comes back.
func TestDeadAnswerIsRedriven(t *testing.T) {
	each(t, func(t *testing.T, l *ledger.Ledger) {
		ctx, lane := t.Context(), l.Session("x")
		accept(t, l, lane, "a")
		w := claim(t, l, lane)
		finish(t, l, w, ledger.Finish{Answer: []byte("answer")})
		if _, err := l.Sent(ctx, w.Claim, ledger.AnswerID(1), true); err != nil {
			t.Fatal(err)
		}
		accept(t, l, lane, "poison")
		w = poisoned(t, l, lane)
		tries := 0
		for ; w != nil && w.Outbox.ID == "m2"; w = tryClaim(t, l, lane) {
			if w.Outbox.Tries != tries {
				t.Fatalf("%d tries, want %d", w.Outbox.Tries, tries)
			}
			tries++
			if err := l.Undelivered(ctx, w.Claim, 0, true); err != nil {
				t.Fatal(err)
			}
		}
		if tries != 101 || w != nil {
			t.Fatalf("given up after %d tries: %+v", tries, w)
		}
		list := letters(t, l, 3) // the apology, the message that it is for, and the answer
		kinds := map[string]string{}
		for _, d := range list {
			kinds[fmt.Sprint(d.ID[len(lane):], d.Kind == ledger.Undelivered)] = string(d.Body)
		}
		want := map[string]string{".1atrue": "answer", ".2false": "body of poison", ".2atrue": "body of poison"}
		if fmt.Sprint(kinds) != fmt.Sprint(want) {
			t.Fatalf("%v", kinds)
		}
		for _, d := range list {
			if d.ID == string(lane)+".1a" {
				if err := l.Redrive(ctx, d); err != nil {
					t.Fatal(err)
				}
			} else if err := l.Discard(ctx, d); err != nil {
				t.Fatal(err)
			}
		}
		wantKind(t, l.Discard(ctx, list[0]), fault.NotFound)
		letters(t, l, 0)
		if w := claim(t, l, lane); w.Outbox == nil || string(w.Outbox.Body) != "answer" || w.Outbox.Tries != 0 || w.Outbox.Dead {
			t.Fatalf("%+v", w)
		}
	})
}

// TestRedriveIntoAFullInbox keeps the letter.
func TestRedriveIntoAFullInbox(t *testing.T) {
	each(t, func(t *testing.T, l *ledger.Ledger) {
		lane := l.Session("x")
		accept(t, l, lane, "poison")
		w := poisoned(t, l, lane)
		if _, err := l.Sent(t.Context(), w.Claim, w.Outbox.ID, false); err != nil {
			t.Fatal(err)
		}
		for i := range 64 {
			accept(t, l, lane, fmt.Sprint(i))
		}
		wantKind(t, l.Redrive(t.Context(), letters(t, l, 1)[0]), fault.Limited)
		letters(t, l, 1)
	})
}

// TestDeadLettersAreSeenOnce: a message that nobody could answer, an entry that nobody would take, and one whose
// holders died again and again are on the list until somebody has seen them.
func TestDeadLettersAreSeenOnce(t *testing.T) {
	each(t, func(t *testing.T, l *ledger.Ledger) {
		ctx := t.Context()
		poison, refused, fatal := l.Session("poison"), l.Session("refused"), l.Session("fatal")
		accept(t, l, poison, "a")
		for range 8 {
			retry(t, l, claim(t, l, poison))
		}
		claim(t, l, poison) // dead, and an apology waits
		if _, err := l.Post(ctx, refused, "k", []byte("nobody takes this")); err != nil {
			t.Fatal(err)
		}
		w := claim(t, l, refused)
		if _, err := l.Sent(ctx, w.Claim, w.Outbox.ID, true); err != nil {
			t.Fatal(err)
		}
		accept(t, l, fatal, "a")
		w = claim(t, l, fatal)
		finish(t, l, w, ledger.Finish{Answer: []byte("deadly")})
		for ; w != nil; w = tryClaim(t, l, fatal) {
			retry(t, l, w)
		}
		letters, err := l.Unseen(ctx)
		got := map[ledger.Lane]ledger.Letter{}
		for _, letter := range letters {
			got[letter.Lane] = letter
		}
		if err != nil || len(letters) != 3 {
			t.Fatalf("%+v %v", letters, err)
		}
		if m := got[poison]; m.Kind != ledger.Unanswered || m.ID != string(poison)+".1" || string(m.Body) != "body of a" || m.Key != "" {
			t.Errorf("%+v", m)
		}
		if m := got[refused]; m.Kind != ledger.Undelivered || m.Key != "k" || string(m.Body) != "nobody takes this" {
			t.Errorf("%+v", m)
		}
		if m := got[fatal]; m.Kind != ledger.Undelivered || m.ID != string(fatal)+".1a" || m.Key != "" || string(m.Body) != "deadly" {
			t.Errorf("%+v", m)
		}
		for i := range letters {
			if err := l.Seen(ctx, letters[i]); err != nil {
				t.Fatal(err)
			}
		}
		if letters, err := l.Unseen(ctx); err != nil || len(letters) > 0 {
			t.Errorf("seen, and still there: %+v %v", letters, err)
		}
	})
}

func retry(t *testing.T, l *ledger.Ledger, w *ledger.Work) {
	t.Helper()
	if err := l.Retry(t.Context(), w.Claim, 0); err != nil {
		t.Fatal(err)
	}
}
