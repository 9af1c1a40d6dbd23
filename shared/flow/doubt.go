package flow

import "time"

// checkTries is how often in a row a plugin may say that it cannot tell what became of a step. With the
// pauses in between that is two minutes; then nobody knows, and a person is called.
const checkTries = 8

// underway is what a call may take beyond its plugin's own limit: for its way there and its verification.
const underway = 30 * time.Second

// CheckPause returns how long to wait before the plugin is asked again: doubling from a second to a minute.
func (u *Unit) CheckPause() time.Duration { return min(time.Second<<min(u.Unclear, 6), time.Minute) }

// Final returns from when on an answer that a unit did not act is final: before, a call of it may still be
// under way somewhere.
func (r *Run) Final(u *Unit) time.Time { return u.began().Add(r.Of(u).Fact.Wall + underway) }

// began is when the last attempt began.
func (u *Unit) began() time.Time {
	if n := len(u.Attempts); n > 0 {
		return u.Attempts[n-1].Started
	}
	return time.Time{}
}

// nextCheck asks about every unit that was cut off in the middle, or failed so that it may have acted. It
// comes before anything else: what follows depends on what is there.
func (r *Run) nextCheck(now time.Time) (Move, bool) {
	var units []*Unit
	var wake time.Time
	for _, s := range r.Steps {
		for _, u := range s.Units {
			switch {
			case !s.checkable(u):
			case u.Until.After(now):
				wake = earliest(wake, u.Until)
			default:
				units = append(units, u)
			}
		}
	}
	if len(units) > 0 {
		return Move{Act: ActCheck, Units: units}, true
	}
	return Move{Act: ActWait, Until: wake}, !wake.IsZero()
}

// checkable reports whether nobody knows what became of a unit and its plugin can still be asked.
func (s *StepRun) checkable(u *Unit) bool {
	return s.Fact.Reconcile && u.Unclear < checkTries && (u.State == UnitRunning || u.State == UnitDoubted)
}

// doubted is the state of a unit that failed and may have acted.
func (s *StepRun) doubted(u *Unit) UnitState {
	switch {
	case s.Fact.Reconcile && u.Unclear < checkTries:
		return UnitDoubted
	case s.irreversible():
		return UnitUnknown
	default:
		return UnitFailed
	}
}

// failed adds a failure. That this attempt had no effect says nothing of one before it.
func (r *Run) failed(u *Unit, e Event) {
	u.State, u.Problem, u.Until = UnitFailed, e.Problem, e.Until
	if e.Problem != nil && u.Open && !e.Problem.Doubt {
		problem := *e.Problem
		problem.Doubt = true
		u.Problem = &problem
	}
	if u.Problem != nil && u.Problem.Doubt {
		u.Open = true
		u.State = r.Of(u).doubted(u)
	}
	r.blame(u, e.Problem)
}

// applyCheck adds what a plugin said of a unit in doubt.
func (r *Run) applyCheck(u *Unit, e Event) {
	u.Checks++
	switch e.Type {
	case Found:
		u.happened(e.Receipt)
		u.Checked = true
		r.forgive(u)
		u.close(Event{At: e.At})
	case Missing:
		problem := Problem{Kind: "unavailable", Message: "it did not happen", Retry: true}
		u.State, u.Problem, u.Until, u.Checked, u.Unclear, u.Open = UnitFailed, &problem, e.Until, true, 0, false
		u.close(Event{At: e.At, Problem: &problem})
		r.blame(u, &problem)
	default:
		u.Until = e.Until
		u.Unclear++
		if e.Problem != nil && !e.Problem.Retry { // asking again cannot help
			u.Unclear = checkTries
		}
		if u.State == UnitDoubted {
			u.State = r.Of(u).doubted(u)
		}
	}
}

// settle adds what a person says of a unit that nobody could tell of. The run goes on when it only waited
// for that.
func (r *Run) settle(e Event) {
	u := r.unit(e.Step)
	if u == nil || !r.settleable(u) {
		r.Round++
		return
	}
	problem := &Problem{Kind: "failed", Message: "it did not happen, says " + e.By}
	if u.Settler = e.By; e.Did {
		u.happened(nil)
		problem = nil
	} else {
		u.State, u.Problem, u.Open = UnitFailed, problem, false
	}
	u.close(Event{At: e.At, Problem: problem})
	switch {
	case r.State != NeedsHuman || r.Unsettled():
		r.Round++
	case r.Back == GoBack:
		r.goOn(RollingBack, GoBack)
	case r.Back == UndoAsked:
		r.goOn(Undoing, UndoAsked)
	default:
		r.goOn(Running, "")
		r.blame(u, problem)
	}
}

// happened makes a unit done that has no outcome of its own. The time to undo it runs from its beginning:
// nobody knows when within the call it acted.
func (u *Unit) happened(receipt []byte) {
	u.State, u.Receipt, u.Problem, u.At, u.Until, u.Open = UnitDone, receipt, nil, u.began(), time.Time{}, false
}

// close ends the last attempt, unless it has ended: that it ended in doubt is part of the story.
func (u *Unit) close(e Event) {
	if n := len(u.Attempts); n > 0 && u.Attempts[n-1].Ended.IsZero() {
		u.end(e)
	}
}

// forgive takes back that the run failed because of a unit.
func (r *Run) forgive(u *Unit) {
	if r.Culprit == u.ID {
		r.Problem, r.Culprit = nil, ""
	}
}

// settleable reports whether a unit of a run that is over waits for a person to say whether it happened.
func (r *Run) settleable(u *Unit) bool {
	cutOff := u.State == UnitRunning || u.State == UnitDoubted
	return r.State.Over() && (u.State == UnitUnknown || cutOff && r.Of(u).irreversible())
}

// Settle returns the unit that a person may settle, and whether they still may: not when it is settled
// already or was never in doubt. It is nil when there is no such unit.
func (r *Run) Settle(id string) (u *Unit, open bool) {
	u = r.unit(id)
	return u, u != nil && r.settleable(u)
}

// InDoubt returns the units of a run that is over which did something irreversible of which nobody knows the
// outcome: a person may settle them.
func (r *Run) InDoubt() []*Unit {
	var units []*Unit
	for u := range r.units {
		if r.settleable(u) {
			units = append(units, u)
		}
	}
	return units
}

// Unsettled reports whether a unit of the run is in doubt for good.
func (r *Run) Unsettled() bool { return len(r.InDoubt()) > 0 }
