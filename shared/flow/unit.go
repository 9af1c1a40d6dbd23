package flow

import (
	"encoding/json"
	"fmt"
	"time"
)

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
