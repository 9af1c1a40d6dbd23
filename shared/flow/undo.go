package flow

import (
	"slices"
	"time"
)

// reopen prepares the units for an undo that somebody asked for at a time: what could not be told is asked
// again, what could not be undone is tried again, and what is past its time stays.
func (r *Run) reopen(at time.Time) {
	for _, s := range r.Steps {
		for _, u := range s.Units {
			u.Late = time.Time{}
			switch {
			case (undoable(s, u) || u.State == UndoBroken) && !s.undoOpen(u, at):
				u.Late = s.undoUntil(u)
			case u.State == UnitUnknown && s.Fact.Reconcile:
				u.State, u.Until = UnitDoubted, time.Time{}
			case u.State == UndoBroken:
				u.UndoErr, u.Until = nil, time.Time{}
			}
		}
	}
}

// undoUntil returns until when a unit can be taken back; zero for no bound.
func (s *StepRun) undoUntil(u *Unit) time.Time {
	if s.Fact.UndoFor == 0 || u.At.IsZero() {
		return time.Time{}
	}
	return u.At.Add(s.Fact.UndoFor)
}

// undoOpen reports whether the time for an undo has not run out.
func (s *StepRun) undoOpen(u *Unit, now time.Time) bool {
	until := s.undoUntil(u)
	return until.IsZero() || now.Before(until)
}

// UndoEnded returns when the time to undo the run ended, and zero when it has not or there was none.
func (r *Run) UndoEnded(now time.Time) time.Time {
	var ended time.Time
	for _, s := range r.Steps {
		for _, u := range s.Units {
			if !undoable(s, u) && u.State != UndoBroken && u.Late.IsZero() {
				continue
			}
			if s.undoOpen(u, now) {
				return time.Time{}
			}
			if until := s.undoUntil(u); until.After(ended) {
				ended = until
			}
		}
	}
	return ended
}

// UndoPlan is what an undo of a run would do now.
type UndoPlan struct {
	Run   string     `json:"run"`
	Title string     `json:"title"`
	Can   bool       `json:"can"`   // something can be taken back
	Steps []UndoStep `json:"steps"` // newest first; what left nothing behind is not in it
}

// UndoStep is a unit that left something behind.
type UndoStep struct {
	ID      string    `json:"id"`
	Title   string    `json:"title"`
	Plugin  string    `json:"plugin"`
	State   UnitState `json:"state"`
	Summary string    `json:"summary,omitempty"` // what it did
	Until   time.Time `json:"until,omitzero"`    // how long it can be taken back
	Blocked Blocked   `json:"blocked,omitempty"` // why it cannot be
	Look    Look      `json:"look,omitempty"`    // how its plugin finds the world
	Would   string    `json:"would,omitempty"`   // what the undo would do, in the plugin's words
	Problem *Problem  `json:"problem,omitempty"` // why the undo would refuse, or why the plugin cannot tell

	Unit *Unit `json:"-"`
}

// Blocked is why a unit cannot be taken back.
type Blocked string

// The reasons.
const (
	Irreversible Blocked = "irreversible" // once out, it is out
	TooLate      Blocked = "expired"      // its time has ended
)

// Look is how a plugin finds the world when it is asked what its undo would do.
type Look string

// What it finds.
const (
	LookReady   Look = "ready"   // as the step left it
	LookChanged Look = "changed" // changed since: the undo would refuse
	LookUnknown Look = "unknown" // the plugin was asked, and could not tell
	LookNone    Look = ""        // the plugin tells only by undoing
)

// PlanUndo returns what an undo would do at now, as far as the journal tells.
func (r *Run) PlanUndo(now time.Time) UndoPlan {
	p := UndoPlan{Run: r.ID, Title: r.Title(), Can: r.Can(now).Undo, Steps: []UndoStep{}}
	for _, s := range r.Steps {
		for _, u := range s.Units {
			blocked, left := s.left(u, now)
			if !left {
				continue
			}
			p.Steps = append(p.Steps, UndoStep{
				ID: u.ID, Title: s.Fact.Title, Plugin: s.Plugin, State: shownState(u.State), Summary: u.Answer().Summary,
				Until: s.undoUntil(u), Blocked: blocked, Unit: u,
			})
		}
	}
	slices.SortStableFunc(p.Steps, func(a, b UndoStep) int { return b.Unit.Acted - a.Unit.Acted })
	return p
}

// left reports whether a unit left something behind, and what keeps it from being taken back.
func (s *StepRun) left(u *Unit, now time.Time) (Blocked, bool) {
	acted := u.State == UnitDone || u.State == UnitUnknown || u.State == UnitDoubted || u.State == UnitRunning
	switch {
	case !s.Fact.Undo:
		return Irreversible, s.irreversible() && acted
	case !s.undoOpen(u, now):
		return TooLate, acted || u.State == UndoBroken
	default:
		return "", undoable(s, u) || u.State == UndoBroken
	}
}

// Simple reports whether there is nothing to think over: one step, which can be taken back and is as it was
// left.
func (p UndoPlan) Simple() bool {
	return len(p.Steps) == 1 && p.Steps[0].Blocked == "" && p.Steps[0].Look != LookChanged
}
