// Package manifest is what a plugin says of itself: the schema of its parameters and result, its effects,
// what it needs, and the words people use for it. Manifests are derived from code, never written by hand.
package manifest

import (
	"encoding/json"
	"time"
)

// Effect says what an operation does to the world and what can be done about it afterwards.
type Effect string

// The effects. An effect that is none of these counts as Irreversible.
const (
	Read         Effect = "read"         // changes nothing
	Idempotent   Effect = "idempotent"   // may be repeated; nothing to take back
	Compensable  Effect = "compensable"  // has an undo
	Irreversible Effect = "irreversible" // once out, it is out: recall window, and approval when asked in chat
)

// Manifest is what a plugin says of itself. Its JSON is the value of Annotation on the deployed function.
type Manifest struct {
	ID        string          `json:"id"`      // the name in tasks: database_query
	Title     Phrase          `json:"title"`   // for people
	Summary   string          `json:"summary"` // one English sentence for planners
	Effect    Effect          `json:"effect"`
	Undo      bool            `json:"undo"`                // it implements undo
	Preview   bool            `json:"preview,omitempty"`   // its undo can be asked what it would do
	Reconcile *Reconcile      `json:"reconcile,omitempty"` // it can be asked whether a call of it happened
	Params    json.RawMessage `json:"params"`              // JSON Schema, draft 2020-12, additionalProperties false
	Result    json.RawMessage `json:"result"`              // JSON Schema
	Ops       map[string]Op   `json:"ops,omitempty"`       // effects by the value of the parameter "op", where they differ
	Cases     []Case          `json:"cases,omitempty"`     // effects by other parameters, where they differ: the first that fits counts
	Grants    Grants          `json:"grants"`              // what the sandbox lets it reach
	Limits    Limits          `json:"limits"`              //
	Labels    []string        `json:"labels,omitempty"`    // taint put on its results, such as "external"
	Control   []string        `json:"control,omitempty"`
	Intent    Intent          `json:"intent"`
	Version   string          `json:"version,omitempty"`
}

// Reconcile says that a plugin can be asked afterwards whether a call of it happened: any that changes
// something, or only one with all these parameters.
type Reconcile struct {
	Needs []string `json:"needs,omitempty"`
}

// Op is one operation of a plugin whose operations differ in effect.
type Op struct {
	Effect Effect `json:"effect"`
	Undo   bool   `json:"undo"`
}

// Phrase is a text in the languages the assistant speaks.
type Phrase struct {
	En string `json:"en"`
	Zh string `json:"zh"`
}

// In returns the phrase in lang ("zh" or anything else for English).
func (p Phrase) In(lang string) string {
	if lang == "zh" && p.Zh != "" {
		return p.Zh
	}
	return p.En
}

// Grants are what a plugin may reach. Everything else is refused.
type Grants struct {
	Files   string   `json:"files,omitempty"`   // "" none · "params" the paths named in x-file parameters · "workspace" the caller's whole workspace
	Hosts   []string `json:"hosts,omitempty"`   // host:port it may connect to; "config:NAME" is the host of the setting NAME
	Secrets []string `json:"secrets,omitempty"` // secrets and settings it may read, by name
}

// Limits bound one call of a plugin.
type Limits struct {
	Wall   time.Duration `json:"wall_ns"`               // default 30 s
	Memory int64         `json:"memory_bytes"`          // default 256 MiB
	Output int64         `json:"output_bytes"`          // default 1 MiB
	Recall time.Duration `json:"recall_ns,omitempty"`   // irreversible: how long it can be recalled when asked in chat; default 30 s
	Undo   time.Duration `json:"undo_for_ns,omitempty"` // how long an undo is possible; default 30 days
}

// Intent is how planners find the plugin and fill its parameters without a language model.
type Intent struct {
	Phrases []string       `json:"phrases"`           // trigger words and phrases, in Chinese and English, lower case
	Takes   string         `json:"takes,omitempty"`   // the type of data it consumes from an earlier step: table, file; needed, unless an optional slot has this kind
	Gives   string         `json:"gives,omitempty"`   // the type of data it produces: table, file, receipt
	Slots   []Slot         `json:"slots,omitempty"`   // parameters to take from the request's words
	Example map[string]any `json:"example,omitempty"` // parameters that work as they are
	Order   int            `json:"order"`             // position in a chain: sources low, deliveries high
}

// Slot says how a parameter is found in a request.
type Slot struct {
	Param    string `json:"param"`
	Kind     string `json:"kind"` // email, url, path, text, date, sql, number, quoted, file or table (the output of an earlier step)
	Required bool   `json:"required"`
	Ask      Phrase `json:"ask"` // the question when it is missing
}

// Annotation is the function annotation that carries a manifest: a deployed function with it is a plugin.
const Annotation = "dev.hearth.manifest"

// GroupAnnotation and the name of a plugin in its group is the annotation of that plugin, where several are
// deployed as one function.
const GroupAnnotation = Annotation + "."

// File marks a parameter of the schema as a workspace path: `"x-file": "read"` or `"write"`.
const File = "x-file"
