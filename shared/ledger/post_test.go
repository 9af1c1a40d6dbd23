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
