package flow_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hearthfaas/hearth/shared/flow"
)

var start = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

// world executes a run as planner-execute does, against plugins that do as they are told. It can crash
// between any two journal lines.
type world struct {
	t       interface{ Fatalf(string, ...any) }
	header  flow.Header
	journal []flow.Event
	keys    map[string]bool
	now     time.Time
	effects map[string]int                           // raw applications by unit, less undos
	order   []string                                 // undone, in order
	answer  func(unit string, try int) *flow.Problem // nil for success
	undo    func(unit string, try int) *flow.Problem
	tries   map[string]int
	crash   func() bool
	late    map[string]time.Time                                // calls under way without their caller: when each acts
	delay   func() time.Duration                                // how long such a call is under way; 0 for one that never arrived
	applied func(unit string) bool                              // whether a call that failed in doubt has acted
	blind   func(unit string, check int) (cannot, forGood bool) // whether a plugin cannot tell
}

func report(steps ...flow.Step) flow.Header {
	h := flow.Header{ID: "r00-x", Plan: flow.Plan{Steps: steps}, Facts: map[string]flow.Fact{}, Created: start}
	for _, s := range steps {
		fact := flow.Fact{Effect: "compensable", Undo: true, UndoFor: time.Hour}
		switch s.Plugin {
		case "read":
			fact = flow.Fact{Effect: "read"}
		case "mail":
			fact = flow.Fact{Effect: "irreversible"}
		case "pay":
			fact = flow.Fact{Effect: "irreversible", Reconcile: true, Wall: 30 * time.Second}
		case "book":
			fact.Reconcile, fact.Wall = true, 30*time.Second
		}
		h.Facts[s.ID] = fact
	}
	return h
}

func chain(plugins ...string) []flow.Step {
	steps := make([]flow.Step, len(plugins))
	for i, p := range plugins {
		steps[i] = flow.Step{ID: fmt.Sprintf("s%d", i+1), Plugin: p}
		if i > 0 {
			steps[i].Needs = []string{steps[i-1].ID}
		}
	}
	return steps
}

func newWorld(t interface{ Fatalf(string, ...any) }, h flow.Header) *world {
	ok := func(string, int) *flow.Problem { return nil }
	return &world{
		t: t, header: h, keys: map[string]bool{}, now: start, effects: map[string]int{}, tries: map[string]int{},
		answer: ok, undo: ok, crash: func() bool { return false },
		late: map[string]time.Time{}, delay: func() time.Duration { return 0 },
		applied: func(string) bool { return true }, blind: func(string, int) (bool, bool) { return false, false },
	}
}

// act changes the world. What can be undone goes by its key, so that acting again changes nothing.
func (w *world) act(unit string) {
	if f := w.header.Facts[unit]; f.Effect == "irreversible" {
		w.effects[unit]++
	} else {
		w.effects[unit] = 1
	}
}

// advance lets time pass, and calls that nobody waits for any more arrive.
func (w *world) advance(to time.Time) {
	w.now = to
	for unit, at := range w.late {
		if !at.After(to) {
			delete(w.late, unit)
			w.act(unit)
		}
	}
}

func (w *world) write(round int, e flow.Event) {
	e.At = w.now
	key := e.Key(round)
	if w.keys[key] {
		w.t.Fatalf("the line %s is written twice", key)
	}
	w.keys[key] = true
	w.journal = append(w.journal, e)
}

// turn carries out one move and reports whether the run goes on.
func (w *world) turn() bool {
	r := flow.Fold(w.header, w.journal)
	m := r.Next(w.now)
	switch m.Act {
	case flow.ActNone:
		return false
	case flow.ActWait:
		if m.Until.IsZero() {
			return false
		}
		w.advance(m.Until)
	case flow.ActCheck:
		w.check(r, m.Units[0])
	case flow.ActExpand:
		w.write(r.Round, flow.Event{Type: flow.Items, Step: m.Step.ID, Items: []json.RawMessage{[]byte("1"), []byte("2")}})
	case flow.ActRun:
		for _, u := range m.Units {
			w.do(r, u)
		}
	case flow.ActDoubt:
		u := m.Units[0]
		w.write(r.Round, flow.Event{Type: flow.Failed, Step: u.ID, Attempt: u.Tries, Problem: &flow.Problem{Kind: "unknown", Doubt: true}})
	case flow.ActBack:
		w.write(r.Round, flow.Event{Type: flow.GoBack})
	case flow.ActUndo:
		w.takeBack(r, m.Units[0])
	case flow.ActEnd:
		w.write(r.Round, flow.Event{Type: flow.Ended, State: m.State})
	}
	return true
}

func (w *world) do(r *flow.Run, u *flow.Unit) {
	w.write(r.Round, flow.Event{Type: flow.Intent, Step: u.ID, Attempt: u.Tries + 1})
	if w.crash() {
		if delay := w.delay(); delay > 0 && r.Of(u).Fact.Reconcile {
			w.late[u.ID] = w.now.Add(delay)
		}
		return
	}
	w.tries[u.ID]++
	problem := w.answer(u.ID, w.tries[u.ID])
	if problem == nil || problem.Doubt && w.applied(u.ID) {
		w.act(u.ID)
	}
	if w.crash() {
		return
	}
	if problem == nil {
		w.write(r.Round, flow.Event{Type: flow.Done, Step: u.ID, Attempt: u.Tries + 1, Receipt: []byte(`{"summary":"done"}`)})
		return
	}
	u.Tries++
	w.write(r.Round, flow.Event{Type: flow.Failed, Step: u.ID, Attempt: u.Tries, Problem: problem, Until: w.now.Add(r.Backoff(u, 0))})
}

// check asks what became of a unit, as planner-execute does.
func (w *world) check(r *flow.Run, u *flow.Unit) {
	e := flow.Event{Type: flow.Unclear, Step: u.ID, Attempt: u.Checks + 1, Until: w.now.Add(u.CheckPause())}
	cannot, forGood := w.blind(u.ID, e.Attempt)
	switch {
	case cannot:
		e.Problem = &flow.Problem{Kind: "unavailable", Retry: !forGood}
	case w.effects[u.ID] > 0:
		e.Type, e.Receipt = flow.Found, []byte(`{"summary":"found"}`)
	case w.now.Before(r.Final(u)):
		e.Until = r.Final(u)
	default:
		e.Type = flow.Missing
	}
	if w.crash() {
		return
	}
	w.write(r.Round, e)
}

func (w *world) takeBack(r *flow.Run, u *flow.Unit) {
	attempt := u.Undos + 1
	w.write(r.Round, flow.Event{Type: flow.UndoIntent, Step: u.ID, Attempt: attempt})
	if w.crash() {
		return
	}
	w.tries["undo "+u.ID]++
	problem := w.undo(u.ID, w.tries["undo "+u.ID])
	if problem == nil {
		if w.effects[u.ID] = 0; r.Of(u).Fact.Effect == "irreversible" {
			w.t.Fatalf("%s was undone", u.ID)
		}
		if !slices.Contains(w.order, u.ID) {
			w.order = append(w.order, u.ID)
		}
	}
	if w.crash() {
		return
	}
	if problem == nil {
		w.write(r.Round, flow.Event{Type: flow.Undone, Step: u.ID, Attempt: attempt})
		return
	}
	w.write(r.Round, flow.Event{Type: flow.UndoFailed, Step: u.ID, Attempt: attempt, Problem: problem, Until: w.now.Add(time.Second)})
}

func (w *world) finish() *flow.Run {
	for range 1000 {
		if !w.turn() {
			return flow.Fold(w.header, w.journal)
		}
	}
	w.t.Fatalf("the run never ends")
	return nil
}

func fails(unit string, problem flow.Problem, times int) func(string, int) *flow.Problem {
	return func(id string, try int) *flow.Problem {
		if id == unit && try <= times {
			return &problem
		}
		return nil
	}
}

const always = 1000

func TestRunEnds(t *testing.T) {
	refused := flow.Problem{Kind: "failed", Message: "550"}
	away := flow.Problem{Kind: "unavailable", Retry: true}
	doubt := flow.Problem{Kind: "unknown", Doubt: true, Retry: true}
	parallel := []flow.Step{
		{ID: "s1", Plugin: "sheet"}, {ID: "s2", Plugin: "sheet"}, {ID: "s3", Plugin: "mail", Needs: []string{"s1", "s2"}},
	}
	with := func(steps []flow.Step, i int, change func(*flow.Step)) []flow.Step {
		change(&steps[i])
		return steps
	}
	for name, c := range map[string]struct {
		steps  []flow.Step
		answer func(string, int) *flow.Problem
		undo   func(string, int) *flow.Problem
		want   flow.State
		exit   int
		undone string
	}{
		"all well":                 {steps: chain("read", "sheet", "mail"), want: flow.StateDone},
		"in parallel":              {steps: parallel, want: flow.StateDone},
		"mail refused":             {steps: chain("read", "sheet", "mail"), answer: fails("s3", refused, always), want: flow.RolledBack, exit: 5, undone: "[s2]"},
		"newest first":             {steps: chain("sheet", "sheet", "sheet", "mail"), answer: fails("s4", refused, always), want: flow.RolledBack, exit: 5, undone: "[s3 s2 s1]"},
		"nothing to undo":          {steps: chain("read", "mail"), answer: fails("s2", refused, always), want: flow.StateFailed, exit: 1},
		"away, then there":         {steps: chain("sheet", "mail"), answer: fails("s2", away, 2), want: flow.StateDone},
		"away for good":            {steps: chain("sheet", "mail"), answer: fails("s2", away, always), want: flow.RolledBack, exit: 5, undone: "[s1]"},
		"mail in doubt":            {steps: chain("sheet", "mail"), answer: fails("s2", doubt, 1), want: flow.NeedsHuman, exit: 6},
		"sheet in doubt is redone": {steps: chain("sheet", "mail"), answer: fails("s1", doubt, 1), want: flow.StateDone},
		"sheet in doubt is undone": {steps: chain("sheet", "mail"), answer: fails("s1", doubt, always), want: flow.RolledBack, exit: 5, undone: "[s1]"},
		"on_error continue": {
			steps: with(chain("read", "sheet", "sheet"), 1, func(s *flow.Step) { s.OnError = flow.Continue }), answer: fails("s2", refused, always), want: flow.StateDone,
		},
		"on_error stop": {
			steps: with(chain("sheet", "sheet"), 1, func(s *flow.Step) { s.OnError = flow.Halt }), answer: fails("s2", refused, always), want: flow.StateFailed, exit: 1,
		},
		"foreach": {steps: with(chain("sheet", "mail"), 0, func(s *flow.Step) { s.Foreach = "list" }), answer: fails("s2", refused, always), want: flow.RolledBack, exit: 5, undone: "[s1[1] s1[0]]"},
		"undo fails for good": {
			steps: chain("sheet", "sheet", "mail"), answer: fails("s3", refused, always), undo: fails("s2", flow.Problem{Kind: "conflict"}, always),
			want: flow.NeedsHuman, exit: 6, undone: "[s1]",
		},
		"undo fails at first": {
			steps: chain("sheet", "mail"), answer: fails("s2", refused, always), undo: fails("s1", away, 3), want: flow.RolledBack, exit: 5, undone: "[s1]",
		},
		"undo is away for good": {
			steps: chain("sheet", "sheet", "mail"), answer: fails("s3", refused, always), undo: fails("s2", away, always), want: flow.NeedsHuman, exit: 6, undone: "[s1]",
		},
		"mail out, then a failure": {steps: chain("mail", "sheet", "sheet"), answer: fails("s3", refused, always), want: flow.NeedsHuman, exit: 6, undone: "[s2]"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, report(c.steps...))
			if c.answer != nil {
				w.answer = c.answer
			}
			if c.undo != nil {
				w.undo = c.undo
			}
			r := w.finish()
			if r.State != c.want || r.State.Exit() != c.exit || fmt.Sprint(w.order) != cmp.Or(c.undone, "[]") {
				t.Fatalf("%s (exit %d), undone %v; want %s (%d), %s", r.State, r.State.Exit(), w.order, c.want, c.exit, c.undone)
			}
		})
	}
}

func TestPeopleDecide(t *testing.T) {
	h := report(chain("sheet", "mail")...)
	h.Approve, h.Expires = true, start.Add(time.Hour)

	w := newWorld(t, h)
	if r := w.finish(); r.State != flow.Expired || len(w.effects) > 0 {
		t.Fatalf("unasked: %s with %v", r.State, w.effects)
	}

	w = newWorld(t, h)
	w.write(0, flow.Event{Type: flow.Denied, By: "eve"})
	if r := w.finish(); r.State != flow.StateDenied || len(w.effects) > 0 {
		t.Fatalf("denied: %s with %v", r.State, w.effects)
	}

	w = newWorld(t, h)
	w.write(0, flow.Event{Type: flow.Approved, By: "ada"})
	w.turn() // the sheet
	w.write(0, flow.Event{Type: flow.Stop, By: "ada"})
	r := w.finish()
	if r.State != flow.Stopped || w.effects["s1"] != 1 || w.effects["s2"] != 0 || !r.Can(w.now).Undo {
		t.Fatalf("stopped: %s with %v, can %+v", r.State, w.effects, r.Can(w.now))
	}
	if r.Can(start.Add(2 * time.Hour)).Undo {
		t.Fatal("an undo is offered after its time")
	}
	w.write(r.Round+1, flow.Event{Type: flow.UndoAsked, By: "ada"})
	if r = w.finish(); r.State != flow.StateUndone || w.effects["s1"] != 0 {
		t.Fatalf("undone: %s with %v", r.State, w.effects)
	}
	w.write(r.Round+1, flow.Event{Type: flow.RetryAsked, By: "ada"})
	if r = w.finish(); r.State != flow.StateDone || w.effects["s1"] != 1 || w.effects["s2"] != 1 {
		t.Fatalf("again: %s with %v", r.State, w.effects)
	}
}

// TestStopTellsWhatWasCutOff stops a run whose holder died while it mailed.
func TestStopTellsWhatWasCutOff(t *testing.T) {
	w := newWorld(t, report(chain("sheet", "mail")...))
	w.turn() // the sheet
	w.crash = func() bool { return true }
	w.turn() // the intent to mail
	w.write(0, flow.Event{Type: flow.Stop, By: "ada"})
	w.crash = func() bool { return false }
	r := w.finish()
	if mail := r.Steps[1].Units[0]; r.State != flow.Stopped || mail.State != flow.UnitUnknown || w.tries["s2"] != 0 {
		t.Fatalf("%s, and the mail is %s after %d tries", r.State, mail.State, w.tries["s2"])
	}
}

// TestCrashAnywhere crashes at random points, also while it rolls back: a run that ends rolled back leaves
// no effect, one that ends done has all, newest first, and no irreversible effect is tried twice.
func TestCrashAnywhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plugins := rapid.SliceOfN(rapid.SampledFrom([]string{"read", "sheet", "mail"}), 1, 6).Draw(t, "plugins")
		w := newWorld(t, report(chain(plugins...)...))
		failing := fmt.Sprintf("s%d", rapid.IntRange(1, 8).Draw(t, "fails"))
		w.answer = fails(failing, flow.Problem{Kind: "failed"}, always)
		w.crash = func() bool { return rapid.IntRange(0, 5).Draw(t, "crash") == 0 }
		r := w.finish()
		for i, s := range r.Steps {
			u := s.Units[0]
			switch {
			case s.Plugin == "mail" && w.tries[u.ID] > 1:
				t.Fatalf("%s was sent %d times", u.ID, w.tries[u.ID])
			case r.State == flow.StateDone && w.effects[u.ID] != 1:
				t.Fatalf("done without %s", u.ID)
			case r.State == flow.RolledBack && s.Plugin != "read" && w.effects[u.ID] != 0:
				t.Fatalf("rolled back, but %s is there", u.ID)
			case i > 0 && slices.Contains(w.order, u.ID) && slices.Contains(w.order, r.Steps[i-1].ID) &&
				slices.Index(w.order, u.ID) > slices.Index(w.order, r.Steps[i-1].ID):
				t.Fatalf("undone in the order %v", w.order)
			}
		}
		if !r.State.Over() {
			t.Fatalf("ended as %s", r.State)
		}
	})
}

func TestViewShowsWhatHappened(t *testing.T) {
	w := newWorld(t, report(chain("read", "sheet", "mail")...))
	w.answer = fails("s3", flow.Problem{Kind: "failed", Message: "mailbox unknown"}, always)
	v := w.finish().View(w.now)
	if v.Exit != 5 || v.Error == nil || v.Error.Step != "s3" || v.Error.Message != "mailbox unknown" || v.Can.Undo || !v.Can.Retry {
		t.Fatalf("%+v %+v %+v", v, v.Error, v.Can)
	}
	if s := v.Steps[1]; s.State != flow.UnitUndone || s.Undo == nil || s.Undo.Possible || s.Summary != "done" || len(s.Attempts) != 1 {
		t.Fatalf("%+v", s)
	}
}
