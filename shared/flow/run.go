package flow

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Run is the state of a run: the fold of its journal over its header.
type Run struct {
	Header
	State     State
	Rev       int // journal lines
	Round     int // how often it was asked to go on after its end, or to stop
	Steps     []*StepRun
	Approved  bool
	Denied    bool
	By        string // who decided
	Decided   time.Time
	Revision  int       // how often the plan was edited while it waited
	Past      []Version // the plans that it had before, oldest first
	Stopping  bool
	StoppedBy string // the role of who stopped it last
	Back      Type   // "" forward, GoBack or UndoAsked
	Problem   *Problem
	Culprit   string // the unit the Problem is about
	Ended     time.Time

	Installed json.RawMessage // the task that the plan became, as system-tasks shows it
}

// StepRun is a step of the plan with its units: one, or one for each item of a foreach.
type StepRun struct {
	Step
	Fact  Fact
	Asked bool // its condition holds, and its list is there
	Units []*Unit
}

// UnitState is where a unit stands.
type UnitState string

// The states of a unit.
const (
	Planned     UnitState = "planned"
	UnitHeld    UnitState = "waiting" // in its recall window
	UnitRunning UnitState = "running"
	UnitDone    UnitState = "done"
	UnitFailed  UnitState = "failed"
	UnitSkipped UnitState = "skipped"
	UnitDoubted UnitState = "doubted" // it may have taken effect, and its plugin is asked
	UnitUnknown UnitState = "unknown" // it may have taken effect, and nobody can tell
	UnitUndoing UnitState = "undoing"
	UnitUndone  UnitState = "undone"
	UndoBroken  UnitState = "undo_failed"
)

// Unit is one call of a plugin: a step, or one item of a foreach.
type Unit struct {
	ID       string
	Item     json.RawMessage
	State    UnitState
	Attempts []Attempt
	Params   json.RawMessage
	Receipt  json.RawMessage
	Problem  *Problem
	Until    time.Time // not before
	Acted    int       // place of its first intent in the journal; 0 for none
	Round    int       // the round of that intent
	At       time.Time // when it was done
	Tries    int       // attempts in this round
	Open     bool      // an attempt may have acted, and nobody knows yet
	Checks   int       // how often its plugin was asked whether it happened, in this round
	Unclear  int       // how often in a row it could not tell, since the last attempt
	Checked  bool      // its outcome was found out afterwards, by its plugin
	Settler  string    // … or by this person
	Undos    int       // attempts to undo in this round
	Refused  int       // those of them that failed, and were not merely cut off
	Late     time.Time // an undo was asked for after this, its time
	UndoErr  *Problem
	UndoFrom time.Time // when the last undo began …
	UndoTo   time.Time // … and ended
	Taken    string    // the run that did it, when this one was forked from it: it is not ours to undo
}

// Attempt is one try of a unit.
type Attempt struct {
	N       int
	Started time.Time
	Ended   time.Time
	Problem *Problem
}

// Fold returns the run that a journal tells of.
func Fold(h Header, journal []Event) *Run {
	r := &Run{Header: h, State: Running}
	r.begin()
	if h.Approve {
		r.State = WaitingApproval
	}
	for _, e := range journal {
		r.Apply(e)
	}
	return r
}

// begin plans all steps.
func (r *Run) begin() {
	r.Steps = nil
	for _, s := range r.Plan.Steps {
		step := &StepRun{Step: s, Fact: r.Facts[s.ID]}
		step.plan()
		r.Steps = append(r.Steps, step)
	}
	r.takeOver()
}

// plan puts a step back to its beginning. Attempts of its only unit stay visible.
func (s *StepRun) plan() {
	var past []Attempt
	if len(s.Units) == 1 {
		past = s.Units[0].Attempts
	}
	s.Asked, s.Units = s.If == "" && s.Foreach == "", nil
	if s.Foreach == "" {
		s.Units = []*Unit{{ID: s.ID, State: Planned, Attempts: past}}
	}
}

// Apply adds one event.
func (r *Run) Apply(e Event) {
	r.Rev++
	switch e.Type {
	case Approved, Denied, Edited:
		r.decide(e)
	case Installed:
		r.Installed = e.Receipt
	case Stop:
		r.Round++
		r.Stopping, r.By, r.StoppedBy = true, e.By, e.Role
	case UndoAsked:
		r.goOn(Undoing, UndoAsked)
		r.reopen(e.At)
	case RetryAsked:
		r.goOn(Running, "")
		r.reset(e.From)
	case GoBack:
		r.State, r.Back = RollingBack, GoBack
	case Ended:
		r.State, r.Ended, r.Stopping = e.State, e.At, false
		if e.Problem != nil {
			r.Problem = e.Problem
		}
	case Items:
		r.expand(e)
	case Settled:
		r.settle(e)
	default:
		r.applyUnit(e)
	}
}

// goOn takes up a run again after its end.
func (r *Run) goOn(state State, back Type) {
	r.Round++
	r.State, r.Back, r.Ended, r.Stopping = state, back, time.Time{}, false
	if back == "" {
		r.Problem, r.Culprit = nil, ""
	}
	for u := range r.units {
		u.Tries, u.Undos, u.Refused, u.Checks, u.Unclear = 0, 0, 0, 0, 0
	}
}

// reset plans again what did not end well, and the step from with all that depend on it.
func (r *Run) reset(from string) {
	again := r.anew(from)
	for _, s := range r.Steps {
		if again[s.ID] {
			s.plan()
		}
	}
}

// anew names the steps that run again from one on: it, what did not end well, and all that depend on these.
func (r *Run) anew(from string) map[string]bool {
	again := map[string]bool{}
	for grown := true; grown; {
		grown = false
		for _, s := range r.Steps {
			needs := slices.ContainsFunc(s.Needs, func(n string) bool { return again[n] })
			if !again[s.ID] && (s.ID == from || needs || !s.well()) {
				again[s.ID], grown = true, true
			}
		}
	}
	return again
}

// well reports whether all of a step is done.
func (s *StepRun) well() bool {
	return s.Asked && !slices.ContainsFunc(s.Units, func(u *Unit) bool { return u.State != UnitDone })
}

func (r *Run) expand(e Event) {
	s := r.step(e.Step)
	if s == nil {
		return
	}
	s.Asked = true
	for i, item := range e.Items {
		s.Units = append(s.Units, &Unit{ID: fmt.Sprintf("%s[%d]", s.ID, i), Item: item, State: Planned})
	}
}

func (r *Run) applyUnit(e Event) {
	if e.Type == Skipped {
		if s := r.step(e.Step); s != nil {
			s.Asked = true
			for _, u := range s.Units {
				u.State = UnitSkipped
			}
		}
		return
	}
	u := r.unit(e.Step)
	if u == nil {
		return
	}
	switch e.Type {
	case Held:
		u.State, u.Until, u.Params = UnitHeld, e.Until, e.Params
	case Intent:
		u.begin(e, r.Rev, r.Round)
	case Done:
		u.State, u.Receipt, u.Problem, u.At, u.Open = UnitDone, e.Receipt, nil, e.At, false
		u.end(e)
	case Failed:
		u.end(e)
		r.failed(u, e)
	case Found, Missing, Unclear:
		r.applyCheck(u, e)
	case UndoIntent:
		u.State, u.UndoFrom, u.UndoTo = UnitUndoing, e.At, time.Time{}
		u.Undos++
	case Undone:
		u.State, u.UndoErr, u.UndoTo, u.Open = UnitUndone, nil, e.At, false
	case UndoFailed:
		u.State, u.UndoErr, u.Until, u.UndoTo = UndoBroken, e.Problem, e.Until, e.At
		u.Refused++
	}
}

// blame keeps the first failure of a round as the run's own, unless it is tried again.
func (r *Run) blame(u *Unit, p *Problem) {
	if r.Problem == nil || r.Culprit == u.ID {
		r.Problem, r.Culprit = p, u.ID
	}
}

func (u *Unit) begin(e Event, rev, round int) {
	u.Open = u.Open || u.State == UnitRunning // the attempt before this one was cut off
	u.State, u.Params, u.Until, u.Unclear, u.Checked = UnitRunning, e.Params, time.Time{}, 0, false
	u.Tries++
	if u.Acted == 0 {
		u.Acted, u.Round = rev, round
	}
	if n := len(u.Attempts); n == 0 || !u.Attempts[n-1].Ended.IsZero() {
		u.Attempts = append(u.Attempts, Attempt{N: n + 1, Started: e.At})
	}
}

func (u *Unit) end(e Event) {
	if n := len(u.Attempts); n > 0 {
		u.Attempts[n-1].Ended, u.Attempts[n-1].Problem = e.At, e.Problem
	} else { // it failed before it could begin
		u.Attempts = []Attempt{{N: 1, Started: e.At, Ended: e.At, Problem: e.Problem}}
	}
}

// Key is the idempotency key of a unit: the same for every attempt, across crashes, and for its undo. A
// unit that is planned again after the run's end gets another.
func (r *Run) Key(u *Unit) string {
	round := r.Round
	if u.Acted > 0 {
		round = u.Round
	}
	return fmt.Sprintf("%s/%s/%d", r.ID, u.ID, round)
}

func (r *Run) step(id string) *StepRun {
	for _, s := range r.Steps {
		if s.ID == id {
			return s
		}
	}
	return nil
}

func (r *Run) unit(id string) *Unit {
	for u := range r.units {
		if u.ID == id {
			return u
		}
	}
	return nil
}

// Of returns the step a unit belongs to.
func (r *Run) Of(u *Unit) *StepRun {
	for _, s := range r.Steps {
		if slices.Contains(s.Units, u) {
			return s
		}
	}
	return nil
}

func (r *Run) units(yield func(*Unit) bool) {
	for _, s := range r.Steps {
		for _, u := range s.Units {
			if !yield(u) {
				return
			}
		}
	}
}

// over reports whether nothing more happens in a step, and ok whether steps that need it may begin.
func (s *StepRun) over() (over, ok bool) {
	if !s.Asked {
		return false, false
	}
	ok = true
	for _, u := range s.Units {
		switch u.State {
		case UnitDone, UnitSkipped:
		case UnitFailed:
			ok = ok && s.OnError == Continue
		default:
			return false, false
		}
	}
	return true, ok
}

func (s *StepRun) irreversible() bool {
	switch s.Fact.Effect {
	case "read", "idempotent", "compensable":
		return false
	default: // what nobody knows counts as irreversible
		return true
	}
}
