// Package flow is the one engine behind a chat request, a scheduled task and a webhook: what a plan is,
// and the pure state machine that a run is. It reads no clock and calls nobody.
package flow

import (
	"encoding/json"
	"time"
)

// Limits of a plan. They bound what a model or a task file can ask for.
const (
	MaxSteps   = 64
	MaxItems   = 256 // of one foreach
	MaxRetries = 10
)

// Plan is what to do: a DAG of steps. A task file and the planner's output are both plans.
type Plan struct {
	TaskID  string   `json:"task_id,omitempty"`
	Title   string   `json:"title,omitempty"`
	Trigger *Trigger `json:"trigger,omitempty"`
	Params  Values   `json:"params,omitempty"` // {{params.x}}: what people may change about it, each with its default
	Steps   []Step   `json:"steps"`
}

// Trigger says when a task runs.
type Trigger struct {
	Type     string `json:"type"`               // cron, every, at, webhook, message, manual
	Schedule string `json:"schedule,omitempty"` // cron: five fields or @daily · every: a duration · at: RFC 3339, or date and time in Timezone
	Timezone string `json:"timezone,omitempty"` // IANA name; the default is HEARTH_TIMEZONE
	Misfire  string `json:"misfire,omitempty"`  // skip, once (default) or all: what to do about fires missed while we were away
	Grace    string `json:"grace,omitempty"`    // how late a missed fire may still run; default 1h
	Overlap  string `json:"overlap,omitempty"`  // skip (default), queue or allow: when the last run still goes
	Phrase   string `json:"phrase,omitempty"`   // message: run when somebody says this
	Calendar string `json:"calendar,omitempty"` // name of a holiday calendar
	Jitter   string `json:"jitter,omitempty"`   // each slot fires up to this much later, always the same for a slot
	Expect   string `json:"expect,omitempty"`   // alert when the run of a slot has not ended well so long after it
}

// Step is one call of a plugin.
type Step struct {
	ID       string          `json:"id,omitempty"` // default: s1, s2 …
	Plugin   string          `json:"plugin"`
	Params   json.RawMessage `json:"params,omitempty"`  // a JSON object; strings may hold {{expressions}}
	Needs    []string        `json:"needs,omitempty"`   // edges; when no step of the plan has any, steps run in order
	If       string          `json:"if,omitempty"`      // an expression; false skips the step
	Foreach  string          `json:"foreach,omitempty"` // an expression that gives a list; the step runs once per item, as {{item}}
	Retry    *Retry          `json:"retry,omitempty"`
	Timeout  string          `json:"timeout,omitempty"`  // a duration
	OnError  string          `json:"on_error,omitempty"` // rollback (default), continue, stop
	Approval string          `json:"approval,omitempty"` // required, or a role that whoever approves must have; never for the owner of a task
}

// Retry says how often a step that failed without effect is tried again.
type Retry struct {
	Max     int    `json:"max"`                // attempts after the first
	Wait    string `json:"wait,omitempty"`     // before the second attempt; doubles; default 1s
	MaxWait string `json:"max_wait,omitempty"` // default 1m
}

// The values of Step.OnError.
const (
	Rollback = "rollback"
	Continue = "continue"
	Halt     = "stop"
)

// Header is what is fixed when a run is created. Everything else about a run follows from its journal.
type Header struct {
	ID      string          `json:"id"`
	Plan    Plan            `json:"plan"`
	Text    string          `json:"text,omitempty"` // the request in the person's words
	User    string          `json:"user"`           // whose authority the run has
	Role    string          `json:"role"`
	Session string          `json:"session,omitempty"` // the lane that hears the result
	Reply   json.RawMessage `json:"reply,omitempty"`   // the frozen place for the result, a message.Outbound without text
	Lang    string          `json:"lang"`              // zh or en
	Created time.Time       `json:"created"`
	Zone    string          `json:"zone"`              // IANA name of the run's zone
	Date    string          `json:"date"`              // {{date}} and CURRENT_DATE: the day in Zone, frozen
	Event   json.RawMessage `json:"event,omitempty"`   // {{trigger.body}}: the webhook or message that started it
	Origin  string          `json:"origin"`            // chat, task, webhook, manual
	Recall  time.Duration   `json:"recall,omitempty"`  // recall window of irreversible steps
	Approve bool            `json:"approve,omitempty"` // waits for a decision on Digest before the first step
	Digest  string          `json:"digest,omitempty"`  // SHA-256 of the canonical plan that an approval is bound to
	Expires time.Time       `json:"expires,omitzero"`  // when an open approval lapses
	Facts   map[string]Fact `json:"facts"`             // by step: what its plugin said of itself when the run was created
	Card    *Card           `json:"card,omitempty"`    // the blast radius that people saw
	DryRun  bool            `json:"dry_run,omitempty"`

	Params   json.RawMessage `json:"params,omitempty"`    // {{params}}: the values of Plan.Params in this run
	Author   Author          `json:"author,omitempty"`    // who made the plan
	Approver string          `json:"approver,omitempty"`  // the role that whoever approves must have, "" for anybody who may decide
	FourEyes bool            `json:"four_eyes,omitempty"` // nobody approves a plan of their own
	Install  bool            `json:"install,omitempty"`   // approved, the plan becomes a task; its steps do not run now
	Fork     *Fork           `json:"fork,omitempty"`      // the run that this one is made from
	Request  string          `json:"request,omitempty"`   // digest of the request whose idempotency key names the run
}

// Author says who made a plan.
type Author string

// The authors of a plan.
const (
	ByPerson Author = "person"
	ByModel  Author = "model"
	ByBoth   Author = "both"  // the model, once it had seen a problem and what the words alone make
	ByWords  Author = "words" // the words of the request alone
)

// Fact is what a run keeps of a step's manifest, so that a later change of the plugin does not change what
// was approved.
type Fact struct {
	Title     string        `json:"title"`
	Effect    string        `json:"effect"`              // read, idempotent, compensable, irreversible
	Undo      bool          `json:"undo,omitempty"`      //
	UndoFor   time.Duration `json:"undo_for,omitempty"`  //
	Reconcile bool          `json:"reconcile,omitempty"` // it can be asked afterwards whether it happened
	Wall      time.Duration `json:"wall,omitempty"`      // how long a call of it can be under way
	Labels    []string      `json:"labels,omitempty"`
}
