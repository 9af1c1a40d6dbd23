package flow_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hearthfaas/hearth/shared/flow"
)

// cut lets the holder die once: at the n-th place where it can, from 0.
func cut(n int) func() bool {
	return func() bool { n--; return n == -1 }
}

func TestWhatIsInDoubtIsAskedFor(t *testing.T) {
	doubt := flow.Problem{Kind: "unknown", Doubt: true, Retry: true}
	refused := flow.Problem{Kind: "failed"}
	none := func(string) bool { return false }
	for name, c := range map[string]struct {
		plugins []string
		cut     int // where the holder dies, from 1; 0 for nowhere
		answer  func(string, int) *flow.Problem
		applied func(string) bool
		delay   time.Duration
		blind   int  // the plugin cannot tell for so many times
		forGood bool // and says that it never will
		want    flow.State
		unit    flow.UnitState // of the last step
		effects string
		checked bool
	}{
		"cut off before it acted":    {plugins: []string{"sheet", "pay"}, cut: 3, want: flow.StateDone, unit: flow.UnitDone, effects: "map[s1:1 s2:1]"},
		"cut off after it acted":     {plugins: []string{"sheet", "pay"}, cut: 4, want: flow.StateDone, unit: flow.UnitDone, effects: "map[s1:1 s2:1]", checked: true},
		"its call arrives late":      {plugins: []string{"pay"}, cut: 1, delay: 20 * time.Second, want: flow.StateDone, unit: flow.UnitDone, effects: "map[s1:1]", checked: true},
		"in doubt, and applied":      {plugins: []string{"sheet", "pay"}, answer: fails("s2", doubt, always), want: flow.StateDone, unit: flow.UnitDone, effects: "map[s1:1 s2:1]", checked: true},
		"in doubt, and not applied":  {plugins: []string{"sheet", "pay"}, answer: fails("s2", doubt, 1), applied: none, want: flow.StateDone, unit: flow.UnitDone, effects: "map[s1:1 s2:1]"},
		"never applied":              {plugins: []string{"sheet", "pay"}, answer: fails("s2", doubt, always), applied: none, want: flow.RolledBack, unit: flow.UnitFailed, effects: "map[s1:0]", checked: true},
		"cannot tell at first":       {plugins: []string{"pay"}, answer: fails("s1", doubt, always), blind: 7, want: flow.StateDone, unit: flow.UnitDone, effects: "map[s1:1]", checked: true},
		"can never tell":             {plugins: []string{"sheet", "pay"}, answer: fails("s2", doubt, always), blind: 8, want: flow.NeedsHuman, unit: flow.UnitUnknown, effects: "map[s1:1 s2:1]"},
		"says that it cannot":        {plugins: []string{"pay"}, cut: 2, blind: 1, forGood: true, want: flow.NeedsHuman, unit: flow.UnitUnknown, effects: "map[s1:1]"},
		"one that can be undone":     {plugins: []string{"book"}, cut: 2, want: flow.StateDone, unit: flow.UnitDone, effects: "map[s1:1]", checked: true},
		"it runs again if need be":   {plugins: []string{"book"}, cut: 2, blind: 8, want: flow.StateDone, unit: flow.UnitDone, effects: "map[s1:1]"},
		"found, then taken back":     {plugins: []string{"book", "mail"}, cut: 2, answer: fails("s2", refused, always), want: flow.RolledBack, unit: flow.UnitFailed, effects: "map[s1:0]"},
		"a plugin without an answer": {plugins: []string{"mail"}, cut: 2, want: flow.NeedsHuman, unit: flow.UnitUnknown, effects: "map[s1:1]"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, report(chain(c.plugins...)...))
			w.crash, w.delay = cut(c.cut-1), func() time.Duration { return c.delay }
			if c.answer != nil {
				w.answer = c.answer
			}
			if c.applied != nil {
				w.applied = c.applied
			}
			w.blind = func(_ string, check int) (bool, bool) { return check <= c.blind, c.forGood }
			r := w.finish()
			u := r.Steps[len(r.Steps)-1].Units[0]
			if r.State != c.want || u.State != c.unit || fmt.Sprint(w.effects) != c.effects || u.Checked != c.checked {
				t.Fatalf("%s, %s is %s (checked %v) with %v", r.State, u.ID, u.State, u.Checked, w.effects)
			}
			v := r.View(w.now)
			if check := v.Steps[len(v.Steps)-1].Check; (check != nil) != c.checked || c.checked && (v.Error != nil) != (c.want != flow.StateDone) {
				t.Fatalf("the view shows %+v and %+v", check, v.Error)
			}
		})
	}
}

// TestAStoppedRunAsksToo stops a run whose holder died while it paid, and one whose plugin is away until the
// undo is asked for.
func TestAStoppedRunAsksToo(t *testing.T) {
	for name, away := range map[string]bool{"at once": false, "when it is undone": true} {
		w := newWorld(t, report(chain("book", "pay")...))
		w.blind = func(_ string, check int) (bool, bool) { return away, true }
		w.crash = cut(3)
		w.turn()
		w.turn()
		w.write(0, flow.Event{Type: flow.Stop, By: "ada"})
		r := w.finish()
		pay := r.Steps[1].Units[0]
		if r.State != flow.Stopped || pay.Checked == away || r.Can(w.now).Retry == away || r.Can(w.now).Settle != away {
			t.Fatalf("%s: %s, and the payment is %s: %+v", name, r.State, pay.State, r.Can(w.now))
		}
		away = false
		w.write(r.Round+1, flow.Event{Type: flow.UndoAsked, By: "ada"})
		r = w.finish()
		if pay = r.Steps[1].Units[0]; r.State != flow.NeedsHuman || pay.State != flow.UnitDone || fmt.Sprint(w.effects) != "map[s1:0 s2:1]" {
			t.Fatalf("%s: %s, and the payment is %s with %v", name, r.State, pay.State, w.effects)
		}
	}
}

func TestPeopleSettle(t *testing.T) {
	doubt := flow.Problem{Kind: "unknown", Doubt: true}
	for name, c := range map[string]struct {
		did    bool
		after  flow.Type
		want   flow.State
		exit   int
		unit   flow.UnitState
		states string // of the three steps
	}{
		"it happened":                {did: true, want: flow.StateDone, states: "done done done"},
		"it did not":                 {want: flow.StateFailed, exit: 1, states: "done failed planned"},
		"it did not, and is undone":  {after: flow.UndoAsked, want: flow.StateUndone, states: "undone failed planned"},
		"it did not, and is redone":  {after: flow.RetryAsked, want: flow.StateDone, states: "done done done"},
		"it happened, and is undone": {did: true, after: flow.UndoAsked, want: flow.NeedsHuman, exit: 6, states: "undone done undone"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, report(chain("sheet", "mail", "sheet")...))
			w.answer = fails("s2", doubt, 1)
			r := w.finish()
			if _, open := r.Settle("s2"); r.State != flow.NeedsHuman || !open || !r.Can(w.now).Settle || r.Can(w.now).Retry {
				t.Fatalf("%s, %+v", r.State, r.Can(w.now))
			}
			w.write(r.Round+1, flow.Event{Type: flow.Settled, Step: "s2", Did: c.did, By: "ada"})
			r = w.finish()
			if c.after != "" {
				w.write(r.Round+1, flow.Event{Type: c.after, By: "ada"})
				r = w.finish()
			}
			states := ""
			for _, s := range r.Steps {
				states += string(s.Units[0].State) + " "
			}
			if r.State != c.want || states != c.states+" " || r.State.Exit() != c.exit {
				t.Fatalf("%s: %s", r.State, states)
			}
			if _, open := r.Settle("s2"); open || r.Can(w.now).Settle {
				t.Fatal("it can be settled twice")
			}
			if check := r.View(w.now).Steps[1].Check; c.after != flow.RetryAsked && (check == nil || check.By != "ada") {
				t.Fatalf("the view shows %+v", check)
			}
		})
	}
}

// TestSettlingAStoppedRun changes what is known, and nothing else.
func TestSettlingAStoppedRun(t *testing.T) {
	w := newWorld(t, report(chain("sheet", "mail", "sheet")...))
	w.crash = cut(2)
	w.turn()
	w.turn()
	w.write(0, flow.Event{Type: flow.Stop, By: "ada"})
	r := w.finish()
	w.write(r.Round+1, flow.Event{Type: flow.Settled, Step: "s2", By: "ada"})
	w.write(r.Round+2, flow.Event{Type: flow.Settled, Step: "s1", By: "ada"}) // was never in doubt
	r = w.finish()
	if r.State != flow.Stopped || r.Steps[0].Units[0].State != flow.UnitDone || r.Steps[1].Units[0].State != flow.UnitFailed || w.tries["s2"] != 0 {
		t.Fatalf("%s, %s, %s", r.State, r.Steps[0].Units[0].State, r.Steps[1].Units[0].State)
	}
}

// TestNothingIsDoubledNorDenied crashes at random points against plugins that fail in doubt, act late and
// often cannot tell. No irreversible effect happens twice, and what happened is never called not done: also
// not after a person has settled what nobody could tell.
func TestNothingIsDoubledNorDenied(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kinds := []string{"read", "sheet", "mail", "pay", "book"}
		w := newWorld(t, report(chain(rapid.SliceOfN(rapid.SampledFrom(kinds), 1, 6).Draw(t, "plugins")...)...))
		one := func(name string, of int) bool { return rapid.IntRange(1, of).Draw(t, name) == 1 }
		w.crash = func() bool { return one("crash", 6) }
		w.answer = func(string, int) *flow.Problem {
			switch rapid.IntRange(0, 7).Draw(t, "answer") {
			case 0:
				return &flow.Problem{Kind: "failed"}
			case 1:
				return &flow.Problem{Kind: "unavailable", Retry: true}
			case 2, 3:
				return &flow.Problem{Kind: "unknown", Doubt: true, Retry: true}
			}
			return nil
		}
		w.applied = func(string) bool { return one("applied", 2) }
		w.delay = func() time.Duration { return time.Duration(rapid.IntRange(0, 59).Draw(t, "delay")) * time.Second }
		w.blind = func(string, int) (bool, bool) { return one("blind", 3), false }
		w.undo = func(string, int) *flow.Problem {
			if one("undo", 4) {
				return &flow.Problem{Kind: "unavailable", Retry: true}
			}
			return nil
		}
		r := w.finish()
		w.truth(r)
		for _, s := range r.Steps {
			if _, open := r.Settle(s.ID); open {
				w.advance(w.now.Add(time.Hour))
				w.write(r.Round+1, flow.Event{Type: flow.Settled, Step: s.ID, Did: w.effects[s.ID] > 0, By: "ada"})
				r = w.finish()
				w.truth(r)
			}
		}
		if r.State.Over() && !r.Unsettled() && r.Can(w.now).Undo {
			w.write(r.Round+1, flow.Event{Type: flow.UndoAsked, By: "ada"})
			r = w.finish()
			w.truth(r)
		}
	})
}

// truth compares what a run says with what is there.
func (w *world) truth(r *flow.Run) {
	if !r.State.Over() {
		w.t.Fatalf("ended as %s", r.State)
	}
	for _, s := range r.Steps {
		u, n := s.Units[0], w.effects[s.ID]
		denied := u.State == flow.Planned || u.State == flow.UnitUndone || u.State == flow.UnitFailed && !u.Problem.Doubt
		_, open := r.Settle(s.ID)
		switch {
		case n > 1:
			w.t.Fatalf("%s happened %d times: %v", u.ID, n, w.journal)
		case n == 1 && denied:
			w.t.Fatalf("%s happened, and is called %s: %v", u.ID, u.State, w.journal)
		case n == 0 && u.State == flow.UnitDone && s.Plugin != "read":
			w.t.Fatalf("%s is called done: %v", u.ID, w.journal)
		case s.Fact.Effect == "irreversible" && u.State == flow.UnitUnknown && !open:
			w.t.Fatalf("nobody can settle %s", u.ID)
		}
		if u.State == flow.UnitDoubted || u.State == flow.UnitRunning {
			w.t.Fatalf("%s is still %s in a run that is %s", u.ID, u.State, r.State)
		}
	}
}
