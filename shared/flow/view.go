package flow

import (
	"encoding/json"
	"time"
)

// View is a run as people and programs see it: the answer of system-tasks/runs/<id>.
type View struct {
	ID       string        `json:"id"`
	Rev      int           `json:"rev"` // grows with every change
	Title    string        `json:"title"`
	Task     string        `json:"task,omitempty"`
	Origin   string        `json:"origin"`
	Text     string        `json:"text,omitempty"`
	User     string        `json:"user"`
	Lang     string        `json:"lang"`
	Created  time.Time     `json:"created"`
	Ended    time.Time     `json:"ended,omitzero"`
	Zone     string        `json:"zone"`
	Date     string        `json:"date"`
	State    State         `json:"state"`
	Exit     int           `json:"exit"` // exit code of the command line
	Error    *ViewError    `json:"error"`
	Digest   string        `json:"digest,omitempty"`
	DryRun   bool          `json:"dry_run,omitempty"`
	Approval *ViewApproval `json:"approval"`
	Card     *Card         `json:"card,omitempty"`
	Steps    []ViewStep    `json:"steps"`
	Can      Can           `json:"can"`

	Author  Author          `json:"author,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`  // the values of the plan's own parameters
	Install bool            `json:"install,omitempty"` // approved, it becomes a task
	Fork    *ViewFork       `json:"fork,omitempty"`    // the run that this one is made from
}

// ViewError is why a run failed, and where.
type ViewError struct {
	Step    string `json:"step"`
	Kind    string `json:"kind"`
	Message string `json:"message"`
}

// ViewApproval is where an approval stands.
type ViewApproval struct {
	Needed  bool      `json:"needed"`
	State   string    `json:"state"` // open, approved, denied, expired
	By      string    `json:"by,omitempty"`
	At      time.Time `json:"at,omitzero"`
	Expires time.Time `json:"expires,omitzero"`

	Role     string `json:"role,omitempty"`      // that whoever approves must have
	FourEyes bool   `json:"four_eyes,omitempty"` // the one whose plan it is may not approve it
	Revision int    `json:"revision,omitempty"`  // how often the plan was edited
	Editor   string `json:"editor,omitempty"`    // by whom last
}

// ViewStep is a unit of a run.
type ViewStep struct {
	ID       string          `json:"id"`
	Plugin   string          `json:"plugin"`
	Title    string          `json:"title"`
	Effect   string          `json:"effect"`
	State    UnitState       `json:"state"`
	Needs    []string        `json:"needs,omitempty"`
	Attempts []ViewAttempt   `json:"attempts,omitempty"`
	Params   json.RawMessage `json:"params,omitempty"`
	Summary  string          `json:"summary,omitempty"`
	Result   json.RawMessage `json:"result,omitempty"`
	Files    json.RawMessage `json:"files,omitempty"`
	Until    time.Time       `json:"wait_until,omitzero"`
	Undo     *ViewUndo       `json:"undo,omitempty"`
	Taken    string          `json:"taken,omitempty"` // the run that did it
	Check    *ViewCheck      `json:"check,omitempty"`
	Settle   bool            `json:"settle,omitempty"` // nobody knows whether it happened: a person may say so
}

// ViewCheck says how it was found out, or is, what became of a step that was in doubt.
type ViewCheck struct {
	State string   `json:"state"`           // asking, happened, missing
	By    string   `json:"by,omitempty"`    // the person who said so; "" for its plugin
	Tries int      `json:"tries,omitempty"` // asking: how often its plugin could not tell
	Error *Problem `json:"error,omitempty"` // asking: why
}

// ViewAttempt is one try.
type ViewAttempt struct {
	N       int       `json:"n"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`
	Error   *Problem  `json:"error,omitempty"`
}

// ViewUndo says whether a step can be taken back, and until when.
type ViewUndo struct {
	Possible bool      `json:"possible"`
	Until    time.Time `json:"until,omitzero"`
	State    string    `json:"state,omitempty"`
	Error    *Problem  `json:"error,omitempty"`
	Started  time.Time `json:"started,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`
}

// Can says what may be asked of a run now, rights aside.
type Can struct {
	Approve bool `json:"approve"`
	Deny    bool `json:"deny"`
	Edit    bool `json:"edit"`
	Cancel  bool `json:"cancel"`
	Retry   bool `json:"retry"`
	Undo    bool `json:"undo"`
	Settle  bool `json:"settle,omitempty"`
}

// View returns the run as it is seen at now.
func (r *Run) View(now time.Time) View {
	v := View{
		ID: r.ID, Rev: r.Rev, Title: r.Title(), Task: r.Plan.TaskID, Origin: r.Origin, Text: r.Text, User: r.User, Lang: r.Lang,
		Created: r.Created, Ended: r.Ended, Zone: r.Zone, Date: r.Date, State: r.Shown(now), Digest: r.Digest, DryRun: r.DryRun,
		Approval: r.viewApproval(), Card: r.Card, Can: r.Can(now),
		Author: r.Author, Params: r.Header.Params, Install: r.Install, Fork: r.Fork.view(),
	}
	v.Exit = v.State.Exit()
	if r.Problem != nil {
		v.Error = &ViewError{r.Culprit, r.Problem.Kind, r.Problem.Message}
	}
	for _, s := range r.Steps {
		if len(s.Units) == 0 {
			v.Steps = append(v.Steps, ViewStep{ID: s.ID, Plugin: s.Plugin, Title: s.Fact.Title, Effect: s.Fact.Effect, State: Planned, Needs: s.Needs})
		}
		for _, u := range s.Units {
			step := s.view(u, now)
			step.Settle = r.settleable(u)
			if v.State.Over() && step.State == UnitHeld { // it was never sent, and is not going to be
				step.State, step.Until = Planned, time.Time{}
			}
			v.Steps = append(v.Steps, step)
		}
	}
	return v
}

// Title names a run for people.
func (r *Run) Title() string {
	switch {
	case r.Plan.Title != "":
		return r.Plan.Title
	case r.Plan.TaskID != "":
		return r.Plan.TaskID
	default:
		return r.Text
	}
}

// Shown is the state that people see: a run that only waits for a time is Waiting.
func (r *Run) Shown(now time.Time) State {
	if r.State == Running && r.Next(now).Act == ActWait {
		return Waiting
	}
	return r.State
}

func (r *Run) viewApproval() *ViewApproval {
	if !r.Approve {
		return nil
	}
	a := &ViewApproval{
		Needed: true, State: "open", By: r.By, At: r.Decided, Expires: r.Expires, Role: r.Approver, FourEyes: r.FourEyes, Revision: r.Revision,
	}
	if r.Revision > 0 {
		a.Editor = r.Past[r.Revision-1].By
	}
	switch {
	case r.Approved:
		a.State = "approved"
	case r.Denied:
		a.State = "denied"
	case r.State == Expired:
		a.State = "expired"
	}
	return a
}

// Can returns what may be asked of the run now.
func (r *Run) Can(now time.Time) Can {
	open := r.State == WaitingApproval && !r.Denied && (r.Expires.IsZero() || now.Before(r.Expires))
	over := r.State.Over()
	return Can{
		Approve: open,
		Deny:    open,
		Edit:    open,
		Cancel:  !over && !r.Stopping,
		Retry:   over && r.State != StateDone && r.State != StateDenied && r.State != Expired && !r.Unsettled(),
		Undo:    over && !r.DryRun && r.State != StateUndone && r.canUndo(now),
		Settle:  r.Unsettled(),
	}
}

// canUndo reports whether something can be taken back at now.
func (r *Run) canUndo(now time.Time) bool {
	for _, s := range r.Steps {
		for _, u := range s.Units {
			if (undoable(s, u) || u.State == UndoBroken) && s.undoOpen(u, now) {
				return true
			}
		}
	}
	return false
}

func (s *StepRun) view(u *Unit, now time.Time) ViewStep {
	v := ViewStep{
		ID: u.ID, Plugin: s.Plugin, Title: s.Fact.Title, Effect: s.Fact.Effect, State: shownState(u.State), Needs: s.Needs, Params: u.Params,
		Taken: u.Taken, Check: u.viewCheck(),
	}
	if v.Params == nil {
		v.Params = s.Params
	}
	if u.Until.After(now) {
		v.Until = u.Until
	}
	for _, a := range u.Attempts {
		v.Attempts = append(v.Attempts, ViewAttempt{a.N, a.Started, a.Ended, a.Problem})
	}
	if s.Fact.Undo {
		v.Undo = &ViewUndo{Possible: undoable(s, u) && s.undoOpen(u, now), Error: u.UndoErr, Started: u.UndoFrom, Ended: u.UndoTo}
		v.Undo.Until = s.undoUntil(u)
		if u.State == UnitDone && !s.undoOpen(u, now) {
			v.Undo.State = string(TooLate)
		}
	}
	receipt := u.Answer()
	v.Summary, v.Result, v.Files = receipt.Summary, receipt.Result, receipt.Files
	return v
}

// shownState is a unit's state as people see it: while its plugin is asked about it, it is not over.
func shownState(s UnitState) UnitState {
	if s == UnitDoubted {
		return UnitRunning
	}
	return s
}

func (u *Unit) viewCheck() *ViewCheck {
	switch {
	case u.State == UnitDoubted || u.State == UnitRunning && u.Unclear > 0:
		return &ViewCheck{State: "asking", Tries: u.Unclear, Error: u.Problem}
	case !u.Checked && u.Settler == "":
		return nil
	case u.State == UnitFailed:
		return &ViewCheck{State: "missing", By: u.Settler}
	default:
		return &ViewCheck{State: "happened", By: u.Settler}
	}
}

// Receipt is what the ledger keeps of a plugin's answer. Ref names the blob that holds a large result.
type Receipt struct {
	Result  json.RawMessage `json:"result,omitempty"`
	Summary string          `json:"summary,omitempty"`
	Files   json.RawMessage `json:"files,omitempty"`
	Ref     string          `json:"ref,omitempty"`
}

// Answer returns the unit's receipt, empty when it has none.
func (u *Unit) Answer() Receipt {
	var a Receipt
	// A receipt was valid JSON when it was written; what cannot be read shows as nothing.
	_ = json.Unmarshal(u.Receipt, &a)
	return a
}

// Card is the blast radius of a plan: what is read, written and sent to whom, and what can be undone.
type Card struct {
	Reads      []string    `json:"reads,omitempty"`
	Writes     []string    `json:"writes,omitempty"`
	Recipients []Recipient `json:"recipients,omitempty"`
	Undoable   int         `json:"undoable"`
	Total      int         `json:"total"`
	Lines      []string    `json:"lines"`
	Undos      []CardUndo  `json:"undos,omitempty"` // what can be taken back, and for how long
	Cost       *Cost       `json:"cost,omitempty"`  // nil where nobody has estimated it
}

// CardUndo is a step that can be taken back for a while.
type CardUndo struct {
	Step string        `json:"step"`
	For  time.Duration `json:"for_ns"`
}

// Cost is an estimate of what a plan costs.
type Cost struct {
	Tokens int64  `json:"tokens,omitempty"`
	Amount string `json:"amount,omitempty"` // with its currency
}

// Recipient is somebody who gets something.
type Recipient struct {
	To       string `json:"to"`
	External bool   `json:"external"` // outside of our own domains
}
