package flow

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Event is one line of a run's journal. A line is written once under its key; the state of a run is the
// fold of its lines in the order written.
type Event struct {
	Type    Type              `json:"type"`
	At      time.Time         `json:"at"`
	Step    string            `json:"step,omitempty"`    // the unit it is about: a step, or an item of one: mail[2]
	Attempt int               `json:"attempt,omitempty"` // from 1
	Params  json.RawMessage   `json:"params,omitempty"`  // intent: what the plugin is called with
	Receipt json.RawMessage   `json:"receipt,omitempty"` // done: what the plugin answered
	Items   []json.RawMessage `json:"items,omitempty"`   // items: what a foreach goes over
	Problem *Problem          `json:"problem,omitempty"`
	By      string            `json:"by,omitempty"`    // decisions: who
	Role    string            `json:"role,omitempty"`  // decisions: with which role
	Until   time.Time         `json:"until,omitzero"`  // held, failed: not before
	From    string            `json:"from,omitempty"`  // retry: from this step
	State   State             `json:"state,omitempty"` // end
	Did     bool              `json:"did,omitempty"`   // settled: it happened

	Revision int   `json:"revision,omitempty"` // approved, denied, edited: how often the plan had been edited when it was seen
	Edit     *Edit `json:"edit,omitempty"`     // edited: what the plan is now
}

// Type says what happened.
type Type string

// The types of event.
const (
	Approved   Type = "approved"    // by a person
	Denied     Type = "denied"      // by a person
	Stop       Type = "stop"        // by a person: no further effect begins
	UndoAsked  Type = "undo"        // by a person, after the end
	RetryAsked Type = "retry"       // by a person, after the end
	Edited     Type = "edited"      // by a person: the plan that waits is another one now
	Installed  Type = "installed"   // the plan became a task
	Items      Type = "items"       // the condition holds, and a foreach has its list
	Skipped    Type = "skipped"     // its condition does not hold
	Held       Type = "held"        // an irreversible step is in its recall window
	Intent     Type = "intent"      // about to act: written before the effect
	Done       Type = "done"        // acted
	Failed     Type = "failed"      // did not act, or may have (Problem.Doubt)
	Found      Type = "found"       // in doubt, its plugin was asked: it had acted
	Missing    Type = "missing"     // in doubt, its plugin was asked: it had not acted
	Unclear    Type = "unclear"     // in doubt, its plugin was asked: nobody can tell now
	Settled    Type = "settled"     // in doubt, a person says whether it had acted (Did)
	GoBack     Type = "rollback"    // the run goes back
	UndoIntent Type = "undo_intent" // about to undo
	Undone     Type = "undone"      // undone, or never applied
	UndoFailed Type = "undo_failed" // cannot be undone now
	Ended      Type = "end"
)

// Known reports whether this version knows what an event says. While an update goes on, newer functions write beside
// older ones; whoever acts by a journal has to know all of it. Fields that it does not know change nothing of that.
func (e Event) Known() bool {
	switch e.Type {
	case Approved, Denied, Stop, UndoAsked, RetryAsked, Edited, Installed, Items, Skipped, Held, Intent, Done, Failed,
		Found, Missing, Unclear, Settled, GoBack, UndoIntent, Undone, UndoFailed:
		return true
	case Ended:
		return e.State.Over()
	default:
		return false
	}
}

// Problem is why something failed.
type Problem struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
	Doubt   bool   `json:"doubt,omitempty"` // it may have taken effect
	Retry   bool   `json:"retry,omitempty"` // trying again can help

	Changes []fault.Change `json:"changes,omitempty"` // of an undo: what is not as the step left it
}

// Key is the journal key of an event in round k (rounds are counted by RetryAsked and UndoAsked, so that a
// run that goes on after its end never meets its earlier lines).
func (e Event) Key(round int) string {
	switch e.Type {
	case Approved, Denied:
		if e.Revision == 0 {
			return "decision"
		}
		return fmt.Sprintf("decision/%d", e.Revision)
	case Edited:
		return fmt.Sprintf("edit/%d", e.Revision)
	case Stop, UndoAsked, RetryAsked, Settled:
		return fmt.Sprintf("ask/%d", round)
	case GoBack, Ended:
		return fmt.Sprintf("%s/%d", e.Type, round)
	case Items, Skipped, Held:
		return fmt.Sprintf("%s/%s/%d", e.Type, e.Step, round)
	case Done, Failed:
		return fmt.Sprintf("out/%s/%d/%d", e.Step, round, e.Attempt)
	case Found, Missing, Unclear:
		return fmt.Sprintf("check/%s/%d/%d", e.Step, round, e.Attempt)
	case Undone, UndoFailed:
		return fmt.Sprintf("undo_out/%s/%d/%d", e.Step, round, e.Attempt)
	default:
		return fmt.Sprintf("%s/%s/%d/%d", e.Type, e.Step, round, e.Attempt)
	}
}

// State is where a run stands.
type State string

// The states of a run.
const (
	WaitingApproval State = "waiting_approval"
	Running         State = "running"
	Waiting         State = "waiting" // for a time: recall window or backoff
	RollingBack     State = "rolling_back"
	Undoing         State = "undoing"
	StateDone       State = "done"
	StateFailed     State = "failed"
	RolledBack      State = "rolled_back"
	NeedsHuman      State = "needs_human"
	Stopped         State = "stopped"
	StateUndone     State = "undone"
	StateDenied     State = "denied"
	Expired         State = "expired"
)

// Exit is the exit code of the command line for a state (the table in the README).
func (s State) Exit() int {
	switch s {
	case StateDone, StateUndone:
		return 0
	case RolledBack:
		return 5
	case NeedsHuman:
		return 6
	case WaitingApproval:
		return 7
	case StateDenied:
		return 4
	default:
		return 1
	}
}

// Over reports whether the run has ended in this state.
func (s State) Over() bool {
	switch s {
	case StateDone, StateFailed, RolledBack, NeedsHuman, Stopped, StateUndone, StateDenied, Expired:
		return true
	default:
		return false
	}
}
