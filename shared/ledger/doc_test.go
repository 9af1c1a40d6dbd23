package ledger_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/ledger/ledgertest"
	"github.com/hearthfaas/hearth/shared/vault"
)

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
	runs, err := wrong.Runs(t.Context(), 10, false)
	if err != nil || len(runs) != 1 {
		t.Fatal(runs, err)
	}
	wantKind(t, runs[0].Damage, fault.Invalid)
}
