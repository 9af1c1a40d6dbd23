// Package plugin is the SDK for plugins: Define makes a function of a typed operation and its undo, with
// the manifest derived from the types.
package plugin

import (
	"encoding/json"
	"time"
)

// Request is the body of a call to a plugin. It is signed with Ed25519 (vault.CallHeader), and the
// plugin verifies it with the public key in the secret "hearth-call-key".
type Request struct {
	Op        string           `json:"op"` // do, undo, preview or reconcile
	Run       string           `json:"run"`
	Step      string           `json:"step"`
	Key       string           `json:"key"` // idempotency key: the same for every attempt of this step
	Params    json.RawMessage  `json:"params"`
	Input     json.RawMessage  `json:"input,omitempty"`     // result of the step before: what the shortest task files mean by "the table so far"
	Receipt   json.RawMessage  `json:"receipt,omitempty"`   // undo: the recorded Response of the step; absent when its outcome is unknown
	Began     time.Time        `json:"began,omitzero"`      // reconcile: when the last attempt of the step began
	Files     map[string]Grant `json:"files,omitempty"`     // by workspace path: capability URLs for the x-file parameters
	Workspace string           `json:"workspace,omitempty"` // capability URL of the workspace API, with the grant files:"workspace"
	Now       time.Time        `json:"now"`
	Zone      string           `json:"zone"`
	Date      string           `json:"date"` // the run's day, YYYY-MM-DD
	Lang      string           `json:"lang"`
	DryRun    bool             `json:"dry_run,omitempty"`
}

// Grant is a capability to one file of the workspace: GET reads it, PUT writes a new version. It expires
// with the call. A plugin never sees any other file.
type Grant struct {
	URL  string `json:"url"`
	Mode string `json:"mode"` // read or write
}

// Response is the answer of a plugin, and the receipt of the step once it is recorded: Result feeds later
// steps.
type Response struct {
	Result  json.RawMessage `json:"result"`
	Summary string          `json:"summary,omitempty"` // one line for people, in the request's language
	Files   []Artifact      `json:"files,omitempty"`
	Outcome Outcome         `json:"outcome,omitempty"` // reconcile: what became of the step; with Applied, the rest is its receipt
}

// Outcome is the answer to whether a step happened. That nobody can tell is an error.
type Outcome string

// The outcomes.
const (
	Applied    Outcome = "applied"
	NotApplied Outcome = "not_applied"
)

// Artifact is a file version that a step made.
type Artifact struct {
	Path    string `json:"path"`
	Version int64  `json:"version"`
	Hash    string `json:"hash"` // SHA-256, hex
	Size    int64  `json:"size"`
	Type    string `json:"type,omitempty"`
}
