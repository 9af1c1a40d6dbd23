package ledger_test

import (
	"fmt"
	"testing"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/ledger"
)

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
