package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/ledger/ledgertest"
	"github.com/hearthfaas/hearth/shared/vault"
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
		finish(t, l, w, ledger.Finish{Answer: []byte("a")})
		finish(t, l, w, ledger.Finish{Answer: []byte("a")})
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

func TestRunWaitsAndIsDecided(t *testing.T) {
	each(t, func(t *testing.T, l *ledger.Ledger) {
		ctx, session := t.Context(), l.Session("x")
		accept(t, l, session, "a")
		w := claim(t, l, session)
		run := l.NewRun(session)
		finish(t, l, w, ledger.Finish{Answer: []byte("card"), Run: &ledger.Spawn{Lane: run, Header: []byte("header")}})

		r := claim(t, l, run)
		if string(r.Header) != "header" || r.Inbox != nil || r.Stopped {
			t.Fatalf("%+v", r)
		}
		if err := l.Wait(ctx, r.Claim, -1); err != nil {
			t.Fatal(err)
		}
		if tryClaim(t, l, run) != nil {
			t.Fatal("a waiting run is due")
		}
		if first, _, err := l.Decide(ctx, run, "decision", []byte("yes"), ledger.KeepStop); err != nil || !first {
			t.Fatal(first, err)
		}
		first, earlier, err := l.Decide(ctx, run, "decision", []byte("no"), ledger.KeepStop)
		if err != nil || first || string(earlier) != "yes" {
			t.Fatal(first, string(earlier), err)
		}
		r = claim(t, l, run)
		if err := l.Intent(ctx, r.Claim, "ann", "s1/intent", []byte("i")); err != nil {
			t.Fatal(err)
		}
		if _, _, err := l.Decide(ctx, run, "stop", []byte("now"), ledger.SetStop); err != nil {
			t.Fatal(err)
		}
		wantKind(t, l.Intent(ctx, r.Claim, "ann", "s2/intent", []byte("i")), fault.Forbidden)
		if err := l.Intent(ctx, r.Claim, "ann", "s1/intent", []byte("i")); err != nil {
			t.Fatalf("the intent that stands is refused: %v", err)
		}
		if err := l.Wait(ctx, r.Claim, -1); err != nil {
			t.Fatal(err)
		}
		r = claim(t, l, run) // stop came while it was worked on: it must not sleep over it
		if !r.Stopped || len(r.Journal) != 3 || r.Journal[0].Key != "decision" || r.Journal[2].Key != "stop" {
			t.Fatalf("%+v", r)
		}
		end := ledger.End{Key: "end/1", Body: []byte("stopped"), Session: session, Answer: []byte("result")}
		for range 2 {
			if err := l.End(ctx, r.Claim, end); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := l.Sent(ctx, w.Claim, "m1", false); err != nil {
			t.Fatal(err)
		}
		s := claim(t, l, session)
		if s.Outbox == nil || string(s.Outbox.Body) != "result" || s.Outbox.Doubt {
			t.Fatalf("%+v", s.Outbox)
		}
		if _, err := l.Sent(ctx, s.Claim, s.Outbox.ID, false); err != nil {
			t.Fatal(err)
		}
		if tryClaim(t, l, session) != nil || tryClaim(t, l, run) != nil {
			t.Fatal("something is still due")
		}
		if _, _, err := l.Decide(ctx, run, "undo/1", nil, ledger.ClearStop); err != nil {
			t.Fatal(err)
		}
		if r = claim(t, l, run); r.Stopped || len(r.Journal) != 5 {
			t.Fatalf("an ended run cannot be undone: %+v", r)
		}
		_, _, err = l.Decide(ctx, l.NewRun(session), "decision", nil, ledger.KeepStop)
		wantKind(t, err, fault.NotFound)
	})
}

func TestRunResultAndAnswerKeepTheirOrder(t *testing.T) {
	each(t, func(t *testing.T, l *ledger.Ledger) {
		ctx, session := t.Context(), l.Session("x")
		run := l.NewRun(session)
		if created, err := l.Spawn(ctx, ledger.Spawn{Lane: run, Header: []byte("h")}); err != nil || !created {
			t.Fatal(created, err)
		}
		if created, err := l.Spawn(ctx, ledger.Spawn{Lane: run, Header: []byte("other")}); err != nil || created {
			t.Fatal(created, err)
		}
		r := claim(t, l, run)
		accept(t, l, session, "a")
		w := claim(t, l, session)
		if err := l.End(ctx, r.Claim, ledger.End{Key: "end/1", Session: session, Answer: []byte("first")}); err != nil {
			t.Fatal(err)
		}
		if finish(t, l, w, ledger.Finish{Answer: []byte("second")}) {
			t.Fatal("an answer overtakes a result that was there before")
		}
		for _, want := range []string{"first", "second"} {
			w := claim(t, l, session)
			if string(w.Outbox.Body) != want {
				t.Fatalf("%s, want %s", w.Outbox.Body, want)
			}
			if _, err := l.Sent(ctx, w.Claim, w.Outbox.ID, false); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestRunsAreListed(t *testing.T) {
	each(t, func(t *testing.T, l *ledger.Ledger) {
		ctx := t.Context()
		for i := range 5 {
			run := l.NewRun(l.Session(fmt.Sprint(i)))
			if _, err := l.Spawn(ctx, ledger.Spawn{Lane: run, Header: []byte{byte('0' + i)}}); err != nil {
				t.Fatal(err)
			}
			if i < 2 {
				if err := l.End(ctx, claim(t, l, run).Claim, ledger.End{Key: "end/1"}); err != nil {
					t.Fatal(err)
				}
			}
		}
		all, err := l.Runs(ctx, 4, false)
		if err != nil || len(all) != 4 {
			t.Fatal(len(all), err)
		}
		active, err := l.Runs(ctx, 10, true)
		if err != nil || len(active) != 3 {
			t.Fatal(len(active), err)
		}
		run, err := l.Load(ctx, all[0].Lane)
		if err != nil || string(run.Header) != string(all[0].Header) {
			t.Fatal(run, err)
		}
		_, err = l.Load(ctx, l.NewRun(run.Lane))
		wantKind(t, err, fault.NotFound)
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

func TestEventsResumeAndWake(t *testing.T) {
	each(t, func(t *testing.T, l *ledger.Ledger) {
		ctx, lane := t.Context(), l.Session("x")
		accept(t, l, lane, "a")
		id, err := l.Append(ctx, lane, "k", []byte("two"))
		if err != nil {
			t.Fatal(err)
		}
		if again, err := l.Append(ctx, lane, "k", []byte("two")); err != nil || again != id {
			t.Fatal(again, id, err)
		}
		all, err := l.Events(ctx, lane, "", 0, 10)
		if err != nil || len(all) != 2 || string(all[0].Body) != "event of a" || all[1].ID != id {
			t.Fatalf("%v %v", all, err)
		}
		got := make(chan []ledger.Event)
		go func() {
			events, err := l.Events(ctx, lane, id, time.Minute, 10)
			if err != nil {
				t.Error(err)
			}
			got <- events
		}()
		if _, err := l.Append(ctx, lane, "", []byte("three")); err != nil {
			t.Fatal(err)
		}
		if events := <-got; len(events) != 1 || string(events[0].Body) != "three" {
			t.Fatalf("%v", events)
		}
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if events, err := l.Events(ended, lane, id, time.Minute, 1); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(events, err)
		}
		_, err = l.Events(ctx, lane, "not-an-id", 0, 10)
		wantKind(t, err, fault.Invalid)
	})
}

func TestDocsAreComparedAndSwapped(t *testing.T) {
	each(t, func(t *testing.T, l *ledger.Ledger) {
		ctx := t.Context()
		a, err := l.Put(ctx, "space", ledger.Doc{ID: "a", Rev: ledger.Absent, Body: []byte("1")}, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = l.Put(ctx, "space", ledger.Doc{ID: "a", Rev: ledger.Absent, Body: []byte("2")}, 0)
		wantKind(t, err, fault.Conflict)
		got, err := l.Get(ctx, "space", "a")
		if err != nil || got.Rev != a.Rev || string(got.Body) != "1" {
			t.Fatal(got, err)
		}
		_, err = l.Change(ctx, "space", []ledger.Doc{{ID: "b", Body: []byte("moved")}}, []ledger.Doc{{ID: "a", Rev: a.Rev + 1}})
		wantKind(t, err, fault.Conflict)
		if docs, err := l.List(ctx, "space"); err != nil || len(docs) != 1 {
			t.Fatalf("half of a change happened: %v %v", docs, err)
		}
		if _, err = l.Change(ctx, "space", []ledger.Doc{{ID: "b", Body: []byte("moved")}}, []ledger.Doc{{ID: "a", Rev: a.Rev}}); err != nil {
			t.Fatal(err)
		}
		wantKind(t, l.Delete(ctx, "space", "a", ledger.Any), fault.NotFound)
		again, err := l.Put(ctx, "space", ledger.Doc{ID: "a", Body: []byte("3")}, time.Hour)
		if err != nil || again.Rev <= a.Rev {
			t.Fatalf("a revision is used twice: %v %v", again, err)
		}
		docs, err := l.List(ctx, "space")
		if err != nil || len(docs) != 2 || docs[0].ID != "a" || string(docs[1].Body) != "moved" {
			t.Fatal(docs, err)
		}
		_, err = l.Get(ctx, "other", "a")
		wantKind(t, err, fault.NotFound)
	})
}

func TestLeaseHasOneOwner(t *testing.T) {
	each(t, func(t *testing.T, l *ledger.Ledger) {
		ctx := t.Context()
		first, held, err := l.Lease(ctx, "poll/bot", "a", time.Minute)
		if err != nil || !held {
			t.Fatal(held, err)
		}
		if _, held, err := l.Lease(ctx, "poll/bot", "b", time.Minute); err != nil || held {
			t.Fatal(held, err)
		}
		if again, held, err := l.Lease(ctx, "poll/bot", "a", time.Minute); err != nil || !held || again != first {
			t.Fatal(again, held, err)
		}
		if err := l.Unlease(ctx, "poll/bot", "a"); err != nil {
			t.Fatal(err)
		}
		if second, held, err := l.Lease(ctx, "poll/bot", "b", time.Minute); err != nil || !held || second <= first {
			t.Fatal(second, held, err)
		}
	})
}

func TestNothingReadableInTheStore(t *testing.T) {
	url := "redis://" + ledgertest.Server(t) + "/0"
	l := ledgertest.Dial(t, url)
	lane := l.Session("telegram", "secret-chat")
	if _, err := l.Accept(t.Context(), ledger.Message{Lane: lane, Key: "secret-key", Body: []byte("secret-body"), Event: []byte("secret-event")}); err != nil {
		t.Fatal(err)
	}
	w := claim(t, l, lane)
	if err := l.Step(t.Context(), w.Claim, 1, "model", []byte("secret-step")); err != nil {
		t.Fatal(err)
	}
	finish(t, l, w, ledger.Finish{Answer: []byte("secret-answer"), Turns: [][]byte{[]byte("secret-turn")}, Run: &ledger.Spawn{Lane: l.NewRun(lane), Header: []byte("secret-header")}})
	if _, err := l.Put(t.Context(), "secret-space", ledger.Doc{ID: "secret-id", Body: []byte("secret-doc")}, 0); err != nil {
		t.Fatal(err)
	}
	if dump := dump(t, url); strings.Contains(dump, "secret") {
		t.Fatalf("readable in the store:\n%.2000s", dump)
	}
	other, err := vault.Parse(vault.Generate())
	if err != nil {
		t.Fatal(err)
	}
	wrong, err := ledger.Dial(t.Context(), url, other)
	if err != nil {
		t.Fatal(err)
	}
	defer wrong.Close()
	_, err = wrong.Claim(t.Context(), lane, ledger.NewOwner())
	if err == nil {
		_, err = wrong.Runs(t.Context(), 10, false)
	}
	wantKind(t, err, fault.Invalid)
}
