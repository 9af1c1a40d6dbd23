package ledger_test

import (
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/ledger"
)

// TestPostIsDeliveredOnceBesideTheOthers: what is posted comes out once, after what was there, and neither
// disturbs who works on the session nor is forgotten when they are done.
func TestPostIsDeliveredOnceBesideTheOthers(t *testing.T) {
	each(t, func(t *testing.T, l *ledger.Ledger) {
		ctx, lane := t.Context(), l.Session("x")
		accept(t, l, lane, "a")
		w := claim(t, l, lane)
		for i, want := range []bool{true, false} {
			posted, err := l.Post(ctx, lane, "alert", []byte("look"))
			if err != nil || posted != want {
				t.Fatal(i, posted, err)
			}
		}
		if other := tryClaim(t, l, lane); other != nil {
			t.Fatal("a post took the session from its holder")
		}
		if finish(t, l, w, ledger.Finish{Answer: []byte("answer")}) {
			t.Fatal("the answer overtook the post")
		}
		for _, want := range []string{"look", "answer"} {
			w = claim(t, l, lane)
			if w.Outbox == nil || string(w.Outbox.Body) != want || w.Outbox.Dead {
				t.Fatalf("%+v, want %s", w.Outbox, want)
			}
			if _, err := l.Sent(ctx, w.Claim, w.Outbox.ID, false); err != nil {
				t.Fatal(err)
			}
		}
		if posted, err := l.Post(ctx, lane, "alert", []byte("look")); err != nil || posted {
			t.Fatal("posted again after it was delivered", err)
		}
		idle := l.Session("nobody was here")
		if _, err := l.Post(ctx, idle, "alert", []byte("look")); err != nil {
			t.Fatal(err)
		}
		if w := claim(t, l, idle); w.Outbox == nil || w.Epoch < time.Now().Add(-time.Hour).UnixMicro() {
			t.Fatalf("%+v", w)
		}
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
		letters, err := l.Letters(ctx)
		got := map[ledger.Lane]ledger.Letter{}
		for _, letter := range letters {
			got[letter.Lane] = letter
		}
		if err != nil || len(letters) != 3 {
			t.Fatalf("%+v %v", letters, err)
		}
		if m := got[poison]; !m.Message || m.ID != "m1" || string(m.Body) != "body of a" || m.Posted {
			t.Errorf("%+v", m)
		}
		if m := got[refused]; m.Message || !m.Posted || string(m.Body) != "nobody takes this" {
			t.Errorf("%+v", m)
		}
		if m := got[fatal]; m.Message || m.ID != "m1" || m.Posted || string(m.Body) != "deadly" {
			t.Errorf("%+v", m)
		}
		for i := range letters {
			if err := l.Seen(ctx, letters[i]); err != nil {
				t.Fatal(err)
			}
		}
		if letters, err := l.Letters(ctx); err != nil || len(letters) > 0 {
			t.Errorf("seen, and still there: %+v %v", letters, err)
		}
	})
}

func retry(t *testing.T, l *ledger.Ledger, w *ledger.Work) {
	t.Helper()
	if err := l.Retry(t.Context(), w.Claim, 0, false); err != nil {
		t.Fatal(err)
	}
}
