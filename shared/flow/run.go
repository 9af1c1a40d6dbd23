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

// blame keeps the first failure of a round as the run's own, unless it is tried again.
func (r *Run) blame(u *Unit, p *Problem) {
	if r.Problem == nil || r.Culprit == u.ID {
		r.Problem, r.Culprit = p, u.ID
	}
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
