package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/ledger"
)

func accept(t *testing.T, l *ledger.Ledger, lane ledger.Lane, key string) ledger.Accepted {
	t.Helper()
	got, err := l.Accept(t.Context(), ledger.Message{Lane: lane, Key: key, Body: []byte("body of " + key), Event: []byte("event of " + key)})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func claim(t *testing.T, l *ledger.Ledger, lane ledger.Lane) *ledger.Work {
	t.Helper()
	w := tryClaim(t, l, lane)
	if w == nil {
		t.Fatalf("%s has no work", lane)
	}
	return w
}

func tryClaim(t *testing.T, l *ledger.Ledger, lane ledger.Lane) *ledger.Work {
	t.Helper()
	w, err := l.Claim(t.Context(), lane, ledger.NewOwner())
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func finish(t *testing.T, l *ledger.Ledger, w *ledger.Work, f ledger.Finish) bool {
	t.Helper()
	f.Seq = w.Inbox.Seq
	deliver, err := l.Finish(t.Context(), w.Claim, f)
	if err != nil {
		t.Fatal(err)
	}
	return deliver
}

func wantKind(t *testing.T, err error, kind fault.Kind) {
	t.Helper()
	if !fault.Is(err, kind) {
		t.Fatalf("error %v, want the kind %s", err, kind)
	}
}

func TestMessageIsAnsweredOnceInOrder(t *testing.T) {
	each(t, func(t *testing.T, l *ledger.Ledger) {
		lane := l.Session("web", "chat")
		first, second := accept(t, l, lane, "a"), accept(t, l, lane, "b")
		again := accept(t, l, lane, "a")
		if first.Seq != 1 || second.Seq != 2 || again.Seq != 1 || !again.Duplicate {
			t.Fatal(first, second, again)
		}
		w := claim(t, l, lane)
		if w.Inbox.Seq != 1 || string(w.Inbox.Body) != "body of a" || w.Attempt != 1 {
			t.Fatalf("%+v", w)
		}
		if other := tryClaim(t, l, lane); other != nil {
			t.Fatal("two holders at once")
		}
		if !finish(t, l, w, ledger.Finish{Answer: []byte("answer a"), Turns: [][]byte{[]byte("q"), []byte("r")}}) {
			t.Fatal("the only answer is not the head")
		}
		if more, err := l.Sent(t.Context(), w.Claim, ledger.AnswerID(1), false); err != nil || !more {
			t.Fatal(more, err)
		}
		w = claim(t, l, lane)
		if w.Inbox.Seq != 2 || len(w.Turns) != 2 || string(w.Turns[1]) != "r" {
			t.Fatalf("%+v", w)
		}
		finish(t, l, w, ledger.Finish{Answer: []byte("answer b")})
		if more, err := l.Sent(t.Context(), w.Claim, ledger.AnswerID(2), false); err != nil || more {
			t.Fatal(more, err)
		}
		if w := tryClaim(t, l, lane); w != nil {
			t.Fatalf("an idle session gives %+v", w)
		}
	})
}

// TestRepeatsChangeNothing repeats every script with the same arguments, as the client does when an answer
// is lost on the way.
func TestRepeatsChangeNothing(t *testing.T) {
	each(t, func(t *testing.T, l *ledger.Ledger) {
		ctx, lane, owner := t.Context(), l.Session("x"), ledger.NewOwner()
		accept(t, l, lane, "a")
		var w *ledger.Work
		for range 2 {
			got, err := l.Claim(ctx, lane, owner)
			if err != nil || got == nil || got.Attempt != 1 {
				t.Fatalf("%+v %v", got, err)
			}
			if w != nil && got.Claim != w.Claim {
				t.Fatalf("the same claim came back as %+v", got.Claim)
			}
			w = got
		}
		for range 2 {
			if err := l.Step(ctx, w.Claim, 1, "model", []byte("said")); err != nil {
				t.Fatal(err)
			}
		}
		wantKind(t, l.Step(ctx, w.Claim, 1, "model", []byte("said otherwise")), fault.Conflict)
		for range 2 {
			if !finish(t, l, w, ledger.Finish{Answer: []byte("a")}) {
				t.Fatal("the answer is not its holder's to deliver")
			}
		}
		for range 2 {
			if _, err := l.Sent(ctx, w.Claim, ledger.AnswerID(1), false); err != nil {
				t.Fatal(err)
			}
		}
		if w := tryClaim(t, l, lane); w != nil {
			t.Fatalf("a repeat left %+v", w)
		}
	})
}

func TestLostClaimWritesNothing(t *testing.T) {
	each(t, func(t *testing.T, l *ledger.Ledger) {
		ctx, lane := t.Context(), l.Session("x")
		accept(t, l, lane, "a")
		zombie := claim(t, l, lane)
		if err := l.Retry(ctx, zombie.Claim, 0); err != nil { // as an expired lease would
			t.Fatal(err)
		}
		holder := claim(t, l, lane)
		if holder.Epoch <= zombie.Epoch || holder.Attempt != 2 {
			t.Fatalf("%+v after %+v", holder, zombie)
		}
		wantKind(t, l.Extend(ctx, zombie.Claim), fault.Stale)
		wantKind(t, l.Step(ctx, zombie.Claim, 1, "k", nil), fault.Stale)
		wantKind(t, l.Retry(ctx, zombie.Claim, 0), fault.Stale)
		_, err := l.Finish(ctx, zombie.Claim, ledger.Finish{Seq: 1, Answer: []byte("late")})
		wantKind(t, err, fault.Stale)
		finish(t, l, holder, ledger.Finish{Answer: []byte("right")})
		_, err = l.Sent(ctx, zombie.Claim, ledger.AnswerID(1), false)
		wantKind(t, err, fault.Stale)
	})
}

func TestCrashWhileSendingIsInDoubt(t *testing.T) {
	each(t, func(t *testing.T, l *ledger.Ledger) {
		ctx, lane := t.Context(), l.Session("x")
		accept(t, l, lane, "a")
		w := claim(t, l, lane)
		finish(t, l, w, ledger.Finish{Answer: []byte("hello")})
		if err := l.Retry(ctx, w.Claim, 0); err != nil { // the sender died
			t.Fatal(err)
		}
		w = claim(t, l, lane)
		if w.Outbox == nil || !w.Outbox.Doubt || string(w.Outbox.Body) != "hello" || w.Outbox.ID != "m1" {
			t.Fatalf("%+v", w.Outbox)
		}
		if err := l.Undelivered(ctx, w.Claim, 0, true); err != nil { // the platform was away: certainly not sent
			t.Fatal(err)
		}
		if w = claim(t, l, lane); w.Outbox.Doubt {
			t.Fatal("an unsent answer is in doubt")
		}
	})
}

func TestPoisonMessageDiesAndTheNextIsAnswered(t *testing.T) {
	each(t, func(t *testing.T, l *ledger.Ledger) {
		lane := l.Session("x")
		accept(t, l, lane, "poison")
		accept(t, l, lane, "good")
		for i := 1; ; i++ {
			w := claim(t, l, lane)
			if w.Outbox != nil {
				if !w.Outbox.Dead || string(w.Outbox.Body) != "body of poison" || i != 9 {
					t.Fatalf("attempt %d: %+v", i, w.Outbox)
				}
				if _, err := l.Sent(t.Context(), w.Claim, w.Outbox.ID, false); err != nil {
					t.Fatal(err)
				}
				break
			}
			if err := l.Retry(t.Context(), w.Claim, 0); err != nil {
				t.Fatal(err)
			}
		}
		if w := claim(t, l, lane); w.Inbox.Seq != 2 || w.Attempt != 1 {
			t.Fatalf("%+v", w)
		}
	})
}

func TestFullInboxIsRefused(t *testing.T) {
	each(t, func(t *testing.T, l *ledger.Ledger) {
		lane := l.Session("x")
		for i := range 64 {
			accept(t, l, lane, fmt.Sprint(i))
		}
		_, err := l.Accept(t.Context(), ledger.Message{Lane: lane, Key: "65", Body: []byte("x")})
		wantKind(t, err, fault.Limited)
		if got := accept(t, l, lane, "3"); !got.Duplicate || got.Seq != 4 {
			t.Fatalf("a known message is refused: %+v", got)
		}
	})
}

// TestBacklogIsRefused: when too many lanes of a partition are late, new messages there are refused, and only there.
func TestBacklogIsRefused(t *testing.T) {
	each(t, func(t *testing.T, l *ledger.Ledger) {
		const late = 4
		var lanes []ledger.Lane // of one partition, which a lane's first three letters name
		for i := 0; len(lanes) <= late; i++ {
			if lane := l.Session(fmt.Sprint(i)); len(lanes) == 0 || lane[:3] == lanes[0][:3] {
				lanes = append(lanes, lane)
			}
		}
		last := lanes[late]
		for i, lane := range lanes[:late] {
			accept(t, l, last, fmt.Sprint("still taken ", i))
			accept(t, l, lane, "a")
			if err := l.Retry(t.Context(), claim(t, l, lane).Claim, -4*time.Second); err != nil { // its time was long ago
				t.Fatal(err)
			}
		}
		_, err := l.Accept(t.Context(), ledger.Message{Lane: last, Key: "one too many", Body: []byte("x")})
		wantKind(t, err, fault.Limited)
		if got := accept(t, l, last, "still taken 0"); !got.Duplicate {
			t.Fatalf("a known message is refused: %+v", got)
		}
		elsewhere := l.Session("x")
		for i := 0; elsewhere[:3] == last[:3]; i++ {
			elsewhere = l.Session(fmt.Sprint("x", i))
		}
		accept(t, l, elsewhere, "a")
		claim(t, l, lanes[0])
		accept(t, l, last, "again")
	})
}

func TestConversationWindow(t *testing.T) {
	each(t, func(t *testing.T, l *ledger.Ledger) {
		lane := l.Session("x")
		turn := func(s string) [][]byte { return [][]byte{[]byte(s)} }
		for i, f := range []ledger.Finish{
			{Turns: turn("1")}, {Turns: turn("2")}, {Turns: turn("3"), Drop: 2, First: []byte("summary")}, {},
		} {
			accept(t, l, lane, fmt.Sprint(i))
			w := claim(t, l, lane)
			if i == 3 {
				if got := fmt.Sprintf("%s", w.Turns); got != "[summary 3]" {
					t.Fatal(got)
				}
			}
			if finish(t, l, w, f) {
				t.Fatal("no answer, but something to deliver")
			}
		}
	})
}

func TestDueFindsWhatIsDue(t *testing.T) {
	each(t, func(t *testing.T, l *ledger.Ledger) {
		want := map[ledger.Lane]bool{}
		for i := range 20 {
			lane := l.Session(fmt.Sprint(i))
			accept(t, l, lane, "a")
			want[lane] = true
		}
		held := l.Session("0")
		claim(t, l, held)
		delete(want, held)
		got := map[ledger.Lane]int{}
		for _, pump := range []string{"a", "b"} { // the second one shares the partitions with the first
			due, err := l.Due(t.Context(), pump)
			if err != nil {
				t.Fatal(err)
			}
			for _, lane := range due.Lanes {
				got[lane]++
			}
		}
		for lane := range want {
			if got[lane] == 0 {
				t.Errorf("%s is due and nobody saw it", lane)
			}
		}
		if got[held] > 0 {
			t.Error("a held lane is due")
		}
	})
}
