package flow

import (
	"time"
)

// Act says what comes next in a run.
type Act string

// The acts. Whoever holds the claim carries one out, writes its event and asks again.
const (
	ActNone   Act = "none"   // the run is over
	ActWait   Act = "wait"   // until Move.Until, or a decision when it is zero
	ActExpand Act = "expand" // evaluate the condition and the list of Move.Step
	ActRun    Act = "run"    // run Move.Units side by side
	ActCheck  Act = "check"  // ask the plugins of Move.Units what became of them
	ActDoubt  Act = "doubt"  // write down that nobody knows what became of Move.Units
	ActBack   Act = "back"   // begin to roll back
	ActUndo   Act = "undo"   // undo Move.Units, which is one
	ActEnd    Act = "end"    // end in Move.State
)

// ActInstall makes the plan a task.
const ActInstall Act = "install"

// Move is what comes next.
type Move struct {
	Act   Act
	Step  *StepRun
	Units []*Unit
	Until time.Time
	State State
}

// undoTries is how often an undo may fail before a person is needed. One that is cut off begins anew.
const undoTries = 5

// defaultRetries apply where a step says nothing: only to failures that another try can mend.
const defaultRetries = 2

// Next returns what comes next at now. It is a pure function of the journal: after a crash the next holder
// goes on where the last line left off.
func (r *Run) Next(now time.Time) Move {
	switch {
	case r.State.Over():
		return Move{Act: ActNone}
	case r.Denied:
		return end(StateDenied)
	case r.Approve && !r.Approved:
		return r.awaitApproval(now)
	case r.Stopping:
		return r.halt(now)
	case r.Back != "":
		return r.nextBack(now)
	case r.Install && r.Installed == nil:
		return Move{Act: ActInstall}
	case r.Install:
		return end(StateDone)
	default:
		return r.nextForward(now)
	}
}

// halt ends a stopped run, once it is known or written down that nobody knows what became of what was cut off.
func (r *Run) halt(now time.Time) Move {
	if m, busy := r.nextCheck(now); busy {
		return m
	}
	for _, s := range r.Steps {
		for _, u := range s.Units {
			if u.State == UnitRunning && s.irreversible() {
				return Move{Act: ActDoubt, Units: []*Unit{u}}
			}
		}
	}
	return end(Stopped)
}

func end(s State) Move { return Move{Act: ActEnd, State: s} }

func (r *Run) awaitApproval(now time.Time) Move {
	if r.Stopping {
		return end(Stopped)
	}
	if !r.Expires.IsZero() && !now.Before(r.Expires) {
		return end(Expired)
	}
	return Move{Act: ActWait, Until: r.Expires}
}

func (r *Run) nextForward(now time.Time) Move {
	if m, busy := r.nextCheck(now); busy {
		return m
	}
	var ready []*Unit
	var wake time.Time
	running := false
	for _, s := range r.Steps {
		over, ok := s.over()
		if over && ok {
			continue
		}
		if m, terminal := r.failure(s); terminal {
			return m
		}
		if !r.mayBegin(s) {
			running = true
			continue
		}
		if !s.Asked {
			return Move{Act: ActExpand, Step: s}
		}
		for _, u := range s.Units {
			switch at, begins := r.due(s, u); {
			case !begins:
			case at.After(now):
				wake = earliest(wake, at)
			default:
				ready = append(ready, u)
			}
		}
	}
	switch {
	case len(ready) > 0:
		return Move{Act: ActRun, Units: ready}
	case !wake.IsZero():
		return Move{Act: ActWait, Until: wake}
	case running:
		// Steps that wait for others, and none of those can go on: Parse refuses such plans.
		return end(StateFailed)
	default:
		return end(StateDone)
	}
}

// failure decides about a step with a unit that failed for good or is in doubt.
func (r *Run) failure(s *StepRun) (Move, bool) {
	for _, u := range s.Units {
		switch {
		case u.State == UnitUnknown:
			return end(NeedsHuman), true
		case u.State == UnitRunning && s.irreversible():
			return Move{Act: ActDoubt, Units: []*Unit{u}}, true
		case u.State != UnitFailed || r.again(s, u) || s.OnError == Continue:
			continue
		case s.OnError == Halt || u.Settler != "" || !r.anythingToUndo(): // who settled it says what is next
			return end(StateFailed), true
		default:
			return Move{Act: ActBack}, true
		}
	}
	return Move{}, false
}

func (r *Run) mayBegin(s *StepRun) bool {
	for _, need := range s.Needs {
		n := r.step(need)
		if n == nil {
			continue
		}
		if over, ok := n.over(); !over || !ok {
			return false
		}
	}
	return true
}

// due returns when a unit may begin, and whether it may at all. A unit that was running when its holder
// died runs again under the same key, unless it is irreversible.
func (r *Run) due(s *StepRun, u *Unit) (time.Time, bool) {
	switch u.State {
	case Planned, UnitRunning:
		return time.Time{}, true
	case UnitHeld:
		return u.Until, true
	case UnitFailed:
		return u.Until, r.again(s, u)
	default:
		return time.Time{}, false
	}
}

// again reports whether a failed unit is tried again.
func (r *Run) again(s *StepRun, u *Unit) bool {
	if u.Problem == nil || !u.Problem.Retry {
		return false
	}
	most := defaultRetries
	if s.Retry != nil {
		most = s.Retry.Max
	}
	return u.Tries <= most
}

// Backoff returns how long a unit that has just failed waits before its next attempt: doubling from
// Retry.Wait up to Retry.MaxWait, and not less than the plugin asked for.
func (r *Run) Backoff(u *Unit, asked time.Duration) time.Duration {
	wait, most := time.Second, time.Minute
	if s := r.Of(u); s != nil && s.Retry != nil {
		wait, most = duration(s.Retry.Wait, wait), duration(s.Retry.MaxWait, most)
	}
	for range u.Tries {
		wait = min(2*wait, most)
	}
	return max(wait/2, asked)
}

func duration(text string, def time.Duration) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return def
	}
	return d
}

// nextBack undoes newest first, one at a time.
func (r *Run) nextBack(now time.Time) Move {
	if m, busy := r.nextCheck(now); busy {
		return m
	}
	u := r.newestEffect()
	switch {
	case u == nil && r.broken():
		return end(NeedsHuman)
	case u == nil && r.Back == UndoAsked:
		return end(StateUndone)
	case u == nil:
		return end(RolledBack)
	case u.State == UndoBroken && u.Until.After(now):
		return Move{Act: ActWait, Until: u.Until}
	default:
		return Move{Act: ActUndo, Units: []*Unit{u}}
	}
}

// newestEffect returns the unit that acted last and is not taken back yet, or nil. One whose undo cannot
// be tried again is passed over: what came before it is still taken back, and a person is called.
func (r *Run) newestEffect() *Unit {
	var newest *Unit
	for _, s := range r.Steps {
		for _, u := range s.Units {
			if undoable(s, u) && (newest == nil || u.Acted > newest.Acted) {
				newest = u
			}
		}
	}
	return newest
}

func undoable(s *StepRun, u *Unit) bool {
	if u.Acted == 0 || !s.Fact.Undo || !u.Late.IsZero() {
		return false
	}
	switch u.State {
	case UnitDone, UnitUndoing, UnitUnknown, UnitDoubted, UnitRunning:
		return true
	case UnitFailed:
		return u.Problem != nil && u.Problem.Doubt // it may have acted
	case UndoBroken:
		return u.UndoErr == nil || u.UndoErr.Retry && u.Refused < undoTries
	default:
		return false
	}
}

func (r *Run) anythingToUndo() bool { return r.newestEffect() != nil }

// broken reports whether something could not be taken back: a failed undo, one that was asked for too late,
// or an irreversible effect.
func (r *Run) broken() bool {
	for _, s := range r.Steps {
		for _, u := range s.Units {
			if u.State == UndoBroken || !u.Late.IsZero() || u.Taken == "" && s.irreversible() && (u.State == UnitDone || u.State == UnitUnknown) {
				return true
			}
		}
	}
	return false
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
