package execute_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2/server"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/plugin"
	"github.com/hearthfaas/hearth/shared/policy"
)

const letter = `{"id":"m","plugin":"mail","params":{"say":"hello","to":"bo@other.example"}}`

func TestApprovalIsBoundToThePlan(t *testing.T) {
	b := open(t)
	lane := b.run(letter, inChat)
	v := b.drive(lane)
	if v.State != flow.WaitingApproval || b.deeds() != "" {
		t.Fatal(show(v), b.deeds())
	}
	for name, c := range map[string]struct {
		user string
		role policy.Role
		body string
		kind fault.Kind
	}{
		"another plan":       {"ann", policy.Member, `{"digest":"` + strings.Repeat("0", 64) + `"}`, fault.Conflict},
		"too short a prefix": {"ann", policy.Member, `{"digest":"` + v.Digest[:11] + `"}`, fault.Conflict},
		"somebody else":      {"eve", policy.Member, `{"digest":"` + v.Digest + `"}`, fault.Forbidden},
		"a guest":            {"ann", policy.Guest, `{"digest":"` + v.Digest + `"}`, fault.Forbidden},
		"an unknown field":   {"ann", policy.Member, `{"digets":"x"}`, fault.Invalid},
	} {
		if err := b.decide(c.user, c.role, lane, "approve", c.body); !fault.Is(err, c.kind) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if v := b.drive(lane); v.State != flow.WaitingApproval {
		t.Fatal(show(v))
	}
	for range 2 { // the second says the same and changes nothing
		if err := b.decide("ann", policy.Member, lane, "approve", `{"digest":"`+v.Digest[:12]+`"}`); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.decide("ann", policy.Member, lane, "deny", ""); !fault.Is(err, fault.Conflict) {
		t.Errorf("denied after approval: %v", err)
	}
	if v := b.finish(lane); v.State != flow.StateDone || v.Approval.By != "ann" || b.deeds() != "do m: hello" {
		t.Errorf("%s %+v %s", show(v), v.Approval, b.deeds())
	}
}

func TestApprovalDeniedOrLate(t *testing.T) {
	b := open(t)
	lane := b.run(letter, inChat)
	b.drive(lane)
	if err := b.decide("op", policy.Operator, lane, "deny", ""); err != nil {
		t.Fatal(err)
	}
	if v := b.finish(lane); v.State != flow.StateDenied || v.Exit != 4 || b.deeds() != "" {
		t.Errorf("%s %s", show(v), b.deeds())
	}
	late := b.run(letter, inChat)
	b.drive(late)
	b.advance(journal.ApprovalFor)
	if err := b.decide("ann", policy.Member, late, "approve", ""); !fault.Is(err, fault.Conflict) {
		t.Errorf("approved too late: %v", err)
	}
	if v := b.finish(late); v.State != flow.Expired || b.deeds() != "" {
		t.Errorf("%s %s", show(v), b.deeds())
	}
}

func TestRecallWindow(t *testing.T) {
	for name, stop := range map[string]bool{"passes": false, "is used": true} {
		b := open(t)
		lane := b.run(letter, inChat)
		if err := b.decide("ann", policy.Member, lane, "approve", ""); err != nil {
			t.Fatal(err)
		}
		v := b.drive(lane)
		if v.State != flow.Waiting || v.Steps[0].State != flow.UnitHeld || !v.Steps[0].Until.Equal(b.clock().Add(30*time.Second)) {
			t.Fatalf("%s: %s until %v", name, show(v), v.Steps[0].Until)
		}
		b.advance(29 * time.Second)
		if v := b.drive(lane); b.deeds() != "" {
			t.Fatalf("%s: acted within the window: %s", name, show(v))
		}
		want, did := flow.StateDone, "do m: hello"
		if stop {
			want, did = flow.Stopped, ""
			if err := b.decide("ann", policy.Member, lane, "cancel", ""); err != nil {
				t.Fatal(err)
			}
		}
		b.advance(time.Second)
		if v := b.drive(lane); v.State != want || b.deeds() != did || stop && (v.Steps[0].State != flow.Planned || !v.Steps[0].Until.IsZero()) {
			t.Errorf("%s: %s %s", name, show(v), b.deeds())
		}
	}
}

// TestStopInTheMiddle says stop while a mail is sent: that step ends, and nothing further begins.
func TestStopInTheMiddle(t *testing.T) {
	b := open(t)
	lane := b.run(`{"id":"a","plugin":"make","params":{"say":"one"}},` + letter + `,{"id":"c","plugin":"look","params":{"say":"three"}}`)
	b.acting = func(c *plugin.Call) {
		if c.Step == "m" {
			if err := b.decide("ann", policy.Member, lane, "cancel", ""); err != nil {
				t.Error(err)
			}
		}
	}
	if v := b.finish(lane); show(v) != "stopped a=done m=done c=planned" || b.deeds() != "do a: one, do m: hello" {
		t.Fatalf("%s: %s", show(v), b.deeds())
	}
}

// TestStopCutsOff says stop, each time in another way, while a step acts that would never end: it is cut off, and
// what it may have done is taken back.
func TestStopCutsOff(t *testing.T) {
	for name, stop := range map[string]func(b *bench, lane ledger.Lane) error{
		"the run": func(b *bench, lane ledger.Lane) error { return b.decide("ann", policy.Member, lane, "cancel", "") },
		"its user, by themselves": func(b *bench, _ ledger.Lane) error {
			return b.post("ann", policy.Member, "stop", `{"user":"ann"}`)
		},
		"its user":   func(b *bench, _ ledger.Lane) error { return b.post("op", policy.Operator, "stop", `{"user":"ann"}`) },
		"everything": func(b *bench, _ ledger.Lane) error { return b.post("op", policy.Operator, "stop", `{}`) },
		"everything, unseen by the list of runs": func(b *bench, _ ledger.Lane) error {
			return b.ledger.Brake(b.t.Context(), ledger.Everybody, true)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			lane := b.run(threeSteps)
			var cut atomic.Bool
			b.acting = func(c *plugin.Call) {
				if c.Step != "b" {
					return
				}
				if err := stop(b, lane); err != nil {
					t.Error(err)
				}
				<-c.Done()
				cut.Store(true)
			}
			v := b.drive(lane)
			if show(v) != "stopped a=done b=failed c=planned" || v.Steps[1].Attempts[0].Error.Kind != string(fault.Unknown) || !cut.Load() {
				t.Fatalf("%s: %s", show(v), b.deeds())
			}
			b.acting = nil
			if err := b.decide("ann", policy.Member, lane, "undo", ""); err != nil {
				t.Fatal(err)
			}
			if v := b.finish(lane); show(v) != "undone a=undone b=undone c=planned" {
				t.Errorf("%s: %s", show(v), b.deeds())
			}
		})
	}
}

// TestStopLasts lets nothing of a user begin until somebody with more authority says so.
func TestStopLasts(t *testing.T) {
	b := open(t)
	if err := b.post("op", policy.Operator, "stop", `{}`); err != nil {
		t.Fatal(err)
	}
	lane := b.run(threeSteps)
	if v := b.finish(lane); show(v) != "stopped a=planned b=planned c=planned" || b.deeds() != "" {
		t.Fatalf("%s: %s", show(v), b.deeds())
	}
	if err := b.post("op", policy.Operator, "resume", `{}`); !fault.Is(err, fault.Forbidden) {
		t.Errorf("an operator starts everything again: %v", err)
	}
	if err := b.post("root", policy.Admin, "resume", `{}`); err != nil {
		t.Fatal(err)
	}
	if err := b.post("root", policy.Admin, "resume", `{}`); !fault.Is(err, fault.Conflict) {
		t.Errorf("resumed twice: %v", err)
	}
	if v := b.finish(b.run(threeSteps)); v.State != flow.StateDone {
		t.Errorf("after that: %s", show(v))
	}
}

// TestWhatAnOperatorStoppedIsNotTheirsToRetry needs as much authority for starting again as stopping had.
func TestWhatAnOperatorStoppedIsNotTheirsToRetry(t *testing.T) {
	b := open(t)
	lane := b.run(letter, inChat)
	b.drive(lane)
	if err := b.decide("op", policy.Operator, lane, "cancel", ""); err != nil {
		t.Fatal(err)
	}
	b.finish(lane)
	if err := b.decide("ann", policy.Member, lane, "retry", ""); !fault.Is(err, fault.Forbidden) {
		t.Errorf("its user: %v", err)
	}
	if err := b.decide("op", policy.Operator, lane, "retry", ""); err != nil {
		t.Errorf("the operator: %v", err)
	}
}

// TestStopBesideOthers says stop when as many items act as may side by side. They come to their ends, which
// are kept, and those that waited for their turn are refused it.
func TestStopBesideOthers(t *testing.T) {
	const items, beside = 10, 8
	b := open(t)
	lane := b.run(`{"id":"a","plugin":"mail","foreach":"['0','1','2','3','4','5','6','7','8','9']","params":{"say":"{{item}}"}}`)
	var mu sync.Mutex
	asked, allAsked := map[string]bool{}, make(chan struct{})
	b.store.Server().SetPreHook(func(_ *server.Peer, _ string, args ...string) bool {
		mu.Lock()
		defer mu.Unlock()
		for _, arg := range args {
			if strings.HasPrefix(arg, "intent/a[") && !asked[arg] {
				if asked[arg] = true; len(asked) == items {
					close(allAsked)
				}
			}
		}
		return false
	})
	var inside atomic.Int32
	b.acting = func(c *plugin.Call) {
		if inside.Add(1) == beside { // the others stay until all have asked for their turn
			if err := b.decide("ann", policy.Member, lane, "cancel", ""); err != nil {
				t.Error(err)
			}
			return
		}
		select {
		case <-allAsked:
		case <-c.Done():
			t.Errorf("%s was cut off", c.Step)
		}
	}
	v := b.drive(lane)
	states := map[flow.UnitState]int{}
	for _, s := range v.Steps {
		states[s.State]++
	}
	if v.State != flow.Stopped || states[flow.UnitDone] != beside || states[flow.Planned] != items-beside || strings.Count(b.deeds(), "do ") != beside {
		t.Errorf("%s: %s", show(v), b.deeds())
	}
}

func TestUndoAfterTheEnd(t *testing.T) {
	b := open(t)
	lane := b.run(threeSteps)
	b.finish(lane)
	if err := b.decide("eve", policy.Member, lane, "undo", ""); !fault.Is(err, fault.Forbidden) {
		t.Errorf("somebody else: %v", err)
	}
	if err := b.decide("op", policy.Operator, lane, "undo", ""); err != nil {
		t.Fatal(err)
	}
	v := b.finish(lane)
	if want := "undo b: one two, undo a: one two"; v.State != flow.StateUndone || !strings.HasSuffix(b.deeds(), want) {
		t.Errorf("%s: %s", show(v), b.deeds())
	}
	if err := b.decide("ann", policy.Member, lane, "undo", ""); !fault.Is(err, fault.Conflict) {
		t.Errorf("undone twice: %v", err)
	}
	old := b.run(threeSteps)
	b.finish(old)
	b.advance(journal.DefaultUndo)
	if err := b.decide("ann", policy.Member, old, "undo", ""); !fault.Is(err, fault.Conflict) {
		t.Errorf("after its time: %v", err)
	}
}

func TestRetryFromAStep(t *testing.T) {
	b := open(t)
	b.refuse = map[string][]error{"do c": failed(1)}
	lane := b.run(`{"id":"a","plugin":"look","params":{"say":"x"}},{"id":"b","plugin":"set","params":{"say":"y"}},{"id":"c","plugin":"set","params":{"say":"z"}}`)
	if v := b.finish(lane); show(v) != "failed a=done b=done c=failed" {
		t.Fatal(show(v))
	}
	if err := b.decide("ann", policy.Member, lane, "retry", `{"from":"nowhere"}`); !fault.Is(err, fault.Invalid) {
		t.Errorf("from nowhere: %v", err)
	}
	if err := b.decide("ann", policy.Member, lane, "retry", `{"from":"b"}`); err != nil {
		t.Fatal(err)
	}
	v := b.finish(lane)
	if want := "do a: x, do b: y, do b: y, do c: z"; show(v) != "done a=done b=done c=done" || b.deeds() != want || v.Error != nil {
		t.Errorf("%s %+v: %s", show(v), v.Error, b.deeds())
	}
	if err := b.decide("ann", policy.Member, lane, "retry", ""); !fault.Is(err, fault.Conflict) {
		t.Errorf("again after success: %v", err)
	}
}

// TestTheSessionHearsTheEnd rings the conversation once the result is in its outbox.
func TestTheSessionHearsTheEnd(t *testing.T) {
	b := open(t)
	lane := b.run(`{"id":"a","plugin":"make","params":{"say":"x"}}`)
	b.finish(lane)
	session := b.ledger.Session("web", "ann")
	work, err := b.ledger.Claim(t.Context(), session, "somebody")
	if err != nil || work == nil || work.Outbox == nil {
		t.Fatal(work, err)
	}
	for _, part := range []string{"**Done: Test**", "said x", `"u:` + string(lane) + `"`, string(lane)} {
		if !strings.Contains(string(work.Outbox.Body), part) {
			t.Errorf("the result misses %q: %s", part, work.Outbox.Body)
		}
	}
	if want := "planner-intent " + string(session); !strings.Contains(strings.Join(b.rings, ", "), want) {
		t.Errorf("rings: %v", b.rings)
	}
	events, err := b.ledger.Events(t.Context(), session, "", 0, 10)
	if err != nil || len(events) < 2 || !strings.Contains(string(events[0].Body), `"step":"a"`) {
		t.Errorf("hints: %v %v", events, err)
	}
}

// TestStopAsTheRunEnds comes a moment too late to stop anything: the run stays as it ended, and is not kept for ever.
func TestStopAsTheRunEnds(t *testing.T) {
	b := open(t)
	lane := b.run(`{"id":"p","plugin":"pay","params":{"say":"one"}}`)
	want := show(b.finish(lane))
	if _, _, err := b.ledger.Decide(t.Context(), lane, "ask/1", []byte(`{"type":"stop","by":"ann"}`), ledger.SetStop); err != nil {
		t.Fatal(err)
	}
	if got := show(b.drive(lane)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	kept := 0
	for _, key := range b.store.Keys() {
		if strings.HasSuffix(key, ":"+string(lane)) {
			kept++
			if b.store.TTL(key) <= 0 {
				t.Errorf("%s stays for ever", key)
			}
		}
	}
	if kept < 2 {
		t.Errorf("%d keys of the run", kept)
	}
}
