package ledger_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/ledger/ledgertest"
)

// spawned returns the claim of a new run.
func spawned(t *testing.T, l *ledger.Ledger) *ledger.Work {
	t.Helper()
	lane := l.NewRun(l.Session("web", "chat"))
	if _, err := l.Spawn(t.Context(), ledger.Spawn{Lane: lane, Header: []byte("h")}); err != nil {
		t.Fatal(err)
	}
	return claim(t, l, lane)
}

func TestBrakeRefusesIntents(t *testing.T) {
	each(t, func(t *testing.T, l *ledger.Ledger) {
		ctx, r := t.Context(), spawned(t, l)
		intent := func(user, key string) error { return l.Intent(ctx, r.Claim, user, key, []byte("i")) }
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(intent("ann", "before"))
		must(l.Brake(ctx, "ann", true))
		wantKind(t, intent("ann", "a"), fault.Forbidden)
		must(intent("bo", "b"))
		must(intent("ann", "before")) // it stands already
		must(l.Brake(ctx, ledger.Everybody, true))
		wantKind(t, intent("bo", "c"), fault.Forbidden)
		must(l.Release(ctx, ledger.Everybody))
		must(intent("bo", "c"))
		wantKind(t, intent("ann", "a"), fault.Forbidden)
		must(l.Release(ctx, "ann"))
		must(intent("ann", "a"))
		must(l.Brake(ctx, "ann", false)) // ends what goes on, and does not last
		must(intent("ann", "d"))
		must(l.Step(ctx, r.Claim, 0, "outcome", []byte("o")))
	})
}

// TestStoppedRunPasses ends a run beside a stop, which comes while its holder is at work or when it has just ended:
// what is kept of it passes like that of any other.
func TestStoppedRunPasses(t *testing.T) {
	url := "redis://" + ledgertest.Server(t)
	l, rdb := ledgertest.Dial(t, url), dialed(t, url)
	for _, late := range []bool{false, true} {
		ctx, r := t.Context(), spawned(t, l)
		stop := func() error {
			_, _, err := l.Decide(ctx, r.Lane, "ask/1", []byte("stop"), ledger.SetStop)
			return err
		}
		end := func() error { return l.End(ctx, r.Claim, ledger.End{Key: "end", Body: []byte("e")}) }
		order := []func() error{stop, end}
		if late {
			slices.Reverse(order)
		}
		if err := errors.Join(order[0](), order[1]()); err != nil {
			t.Fatal(err)
		}
		if w := claim(t, l, r.Lane); w == nil {
			t.Fatal("nobody looks at what was decided")
		} else if err := l.Rest(ctx, w.Claim); err != nil {
			t.Fatal(err)
		}
		keys, err := rdb.Keys(ctx, "*"+string(r.Lane)+"*").Result()
		if err != nil || len(keys) < 2 {
			t.Fatal(keys, err)
		}
		for _, key := range keys {
			if life, err := rdb.PTTL(ctx, key).Result(); err != nil || life <= 0 {
				t.Errorf("late %v: %s is kept for %s: %v", late, key, life, err)
			}
		}
	}
}

func TestBrakeHoldsWhatIsClaimedLater(t *testing.T) {
	each(t, func(t *testing.T, l *ledger.Ledger) {
		ctx, lane := t.Context(), l.Session("web", "chat")
		accept(t, l, lane, "a")
		if err := l.Brake(ctx, "ann", true); err != nil {
			t.Fatal(err)
		}
		w := claim(t, l, lane)
		if !l.Held(w, "ann") || l.Held(w, "bo") || l.Held(w, "") {
			t.Error("a brake holds the wrong people")
		}
		if on, err := l.Braked(ctx, "ann"); !on || err != nil {
			t.Error(on, err)
		}
		if on, err := l.Braked(ctx, "bo"); on || err != nil {
			t.Error(on, err)
		}
	})
}

func TestHeedEndsOnAStop(t *testing.T) {
	each(t, func(t *testing.T, l *ledger.Ledger) {
		lane := l.Session("web", "chat")
		for name, stop := range map[string]func(ctx context.Context) error{
			"the session":       func(ctx context.Context) error { _, err := l.Halt(ctx, lane); return err },
			"the user":          func(ctx context.Context) error { return l.Brake(ctx, "ann", false) },
			"the user for long": func(ctx context.Context) error { return l.Brake(ctx, "ann", true) },
			"everybody":         func(ctx context.Context) error { return l.Brake(ctx, ledger.Everybody, true) },
		} {
			for _, late := range []bool{false, true} { // said between the claim and the heeding
				accept(t, l, lane, fresh())
				w := claim(t, l, lane)
				if late {
					if err := stop(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				heeding, release := l.Heed(t.Context(), w, "ann")
				if !late {
					if err := stop(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				<-heeding.Done()
				if cause := context.Cause(heeding); !errors.Is(cause, ledger.ErrStopped) {
					t.Errorf("%s: %v", name, cause)
				}
				release()
				for _, user := range []string{"ann", ledger.Everybody} {
					if err := l.Release(t.Context(), user); err != nil {
						t.Fatal(err)
					}
				}
				finish(t, l, w, ledger.Finish{})
			}
		}
	})
}

// TestHeedIsForOneUser stops others, and then the lane itself, so that the end is waited for.
func TestHeedIsForOneUser(t *testing.T) {
	each(t, func(t *testing.T, l *ledger.Ledger) {
		ctx, r := t.Context(), spawned(t, l)
		other := spawned(t, l)
		ours, release := l.Heed(ctx, r, "ann")
		defer release()
		theirs, release := l.Heed(ctx, other, "bo")
		defer release()
		if err := l.Brake(ctx, "bo", true); err != nil {
			t.Fatal(err)
		}
		<-theirs.Done()
		if ours.Err() != nil {
			t.Fatal("another user's stop ended it")
		}
		if _, _, err := l.Decide(ctx, r.Lane, "ask/1", []byte("stop"), ledger.SetStop); err != nil {
			t.Fatal(err)
		}
		<-ours.Done()
	})
}

// TestHaltIsForWhatWasAccepted lets the next message through.
func TestHaltIsForWhatWasAccepted(t *testing.T) {
	each(t, func(t *testing.T, l *ledger.Ledger) {
		lane := l.Session("web", "chat")
		if n, err := l.Halt(t.Context(), lane); n != 0 || err != nil {
			t.Fatal(n, err)
		}
		accept(t, l, lane, "a")
		accept(t, l, lane, "b")
		if n, err := l.Halt(t.Context(), lane); n != 2 || err != nil {
			t.Fatal(n, err)
		}
		accept(t, l, lane, "c")
		for _, want := range []bool{true, true, false} {
			w := claim(t, l, lane)
			if l.Held(w, "ann") != want {
				t.Errorf("message %d: held is not %v", w.Inbox.Seq, want)
			}
			finish(t, l, w, ledger.Finish{})
		}
	})
}

var count int

// fresh is a key that no message had yet.
func fresh() string {
	count++
	return "fresh-" + string(rune('a'+count/26%26)) + string(rune('a'+count%26))
}

// TestNothingStartsAfterAHalt: whoever was held up between the answer and its end starts no run any more.
func TestNothingStartsAfterAHalt(t *testing.T) {
	each(t, func(t *testing.T, l *ledger.Ledger) {
		ctx, lane := t.Context(), l.Session("web", "chat")
		accept(t, l, lane, "a")
		w := claim(t, l, lane)
		if n, err := l.Halt(ctx, lane); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		f := ledger.Finish{Seq: w.Inbox.Seq, Answer: []byte("plan"), Run: &ledger.Spawn{Lane: l.NewRun(lane), Header: []byte("h")}}
		_, err := l.Finish(ctx, w.Claim, f)
		wantKind(t, err, fault.Forbidden)
		if runs, err := l.Runs(ctx, 10, false); len(runs) > 0 || err != nil {
			t.Fatal(runs, err)
		}
		f.Run, f.Answer = nil, []byte("stopped")
		if head, err := l.Finish(ctx, w.Claim, f); !head || err != nil {
			t.Fatal(head, err)
		}
	})
}
