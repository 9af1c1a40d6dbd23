package plugin

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/manifest"
)

// Defaults of manifest.Limits. Define writes them into the manifest, so that hosts need not know them.
const (
	DefaultWall   = 30 * time.Second
	DefaultMemory = 256 << 20
	DefaultOutput = 1 << 20
	DefaultRecall = 30 * time.Second
	DefaultUndo   = 30 * 24 * time.Hour
)

// maxRequest bounds a call's body in bytes: parameters, the result of the step before and a receipt.
const maxRequest = 8 << 20

// transfer is what a call may take beyond Limits.Wall, for verifying it and answering.
const transfer = 15 * time.Second

// Spec is what a plugin says of itself besides its types.
type Spec struct {
	ID      string // the name in tasks, such as database_query; the function is plugin-database-query
	Title   manifest.Phrase
	Summary string          // one English sentence for planners
	Effect  manifest.Effect // of the whole plugin; with Ops, the one that counts for an operation not in it
	Ops     map[string]manifest.Op
	Cases   []manifest.Case // effects by other parameters than op; Effect counts for a call that fits none
	Grants  manifest.Grants
	Limits  manifest.Limits // zero values take the defaults above
	Labels  []string        // taint put on the results
	Control []string        // parameters that steer the effect (recipient, path, sql), checked against taint
	Intent  manifest.Intent
	Version string
}

// Option adds an ability to a plugin.
type Option func(*definition)

// definition is a plugin whose types are erased.
type definition struct {
	manifest manifest.Manifest
	params   *jsonschema.Schema
	check    *jsonschema.Resolved
	in, out  reflect.Type
	do       func(c *Call, params json.RawMessage) (any, error)
	undo     func(c *Call, params, result json.RawMessage) error
	preview  bool
	ask      func(c *Call, params json.RawMessage) (any, error) // nil for a step that did not happen
	needs    []string                                           // parameters without which it cannot be asked
	err      error                                              // of the definition; the plugin then refuses to start
}

// Define makes the function of a plugin. do gets validated parameters, and returns the result or a fault
// whose kind says what the engine may do next: Unavailable and Limited mean "certainly without effect,
// try again", Failed and Invalid "certainly without effect, do not", anything without a kind "may have
// happened". A mistake in the definition shows when the function starts.
//
// A field of In is a parameter: its json tag gives the name, omitempty makes it optional, jsonschema:"…"
// describes it, and file:"read" or file:"write" marks a workspace path or a list of them. One of raw JSON names what
// it takes: types:"string|list" with most:"100" and letters:"1000" is a text, or up to 100 of them.
func Define[In, Out any](spec Spec, do func(c *Call, in In) (Out, error), opts ...Option) fn.Function {
	defined := sync.OnceValue(func() *definition { return define(spec, do, opts) }) // the start of other functions does not wait for it
	return fn.Function{
		Name:     Name(spec.ID),
		Manifest: func() *manifest.Manifest { return &defined().manifest },
		Timeout:  limits(spec).Wall + transfer,
		MaxBody:  maxRequest,
		New: func(_ context.Context, env *fn.Env) (http.Handler, error) {
			d := defined()
			if d.err != nil {
				return nil, d.err
			}
			return newHost(d, env), nil
		},
	}
}

// define erases the types of a plugin and makes its manifest.
func define[In, Out any](spec Spec, do func(c *Call, in In) (Out, error), opts []Option) *definition {
	d := &definition{in: reflect.TypeFor[In](), out: reflect.TypeFor[Out]()}
	d.do = func(c *Call, params json.RawMessage) (any, error) {
		in, err := decode[In](params, "params")
		if err != nil {
			return nil, err
		}
		return do(c, in)
	}
	for _, opt := range opts {
		opt(d)
	}
	d.describe(spec)
	return d
}

// Undo gives a plugin its undo. It receives the parameters of the step and its recorded result; out is
// nil when nobody knows whether the step took effect, and undo then finds out. It must tolerate to be
// called twice, and for a step that was never applied. When the world has changed since, it leaves it
// alone and returns a Conflict that says what changed.
func Undo[In, Out any](undo func(c *Call, in In, out *Out) error) Option {
	return func(d *definition) {
		if d.in != reflect.TypeFor[In]() || d.out != reflect.TypeFor[Out]() {
			d.err = fault.New(fault.Internal, "Undo takes other types than the operation that it undoes")
			return
		}
		d.undo = func(c *Call, params, result json.RawMessage) error {
			in, err := decode[In](params, "params")
			if err != nil {
				return err
			}
			if result == nil {
				return undo(c, in, nil)
			}
			out, err := decode[Out](result, "receipt.result")
			if err != nil {
				return err
			}
			return undo(c, in, &out)
		}
	}
}

// Preview says that the undo keeps to Call.DryRun: it then looks whether the step can be taken back, with
// the same errors, and changes nothing. People see that before they decide.
func Preview() Option { return func(d *definition) { d.preview = true } }

// Reconcile gives a plugin the answer to "did it happen?", for a step of which nobody knows. It gets the
// parameters and the key of the step, changes nothing, and returns the result that the step would have given
// if it was applied, nil if it was not, and any error when that cannot be told: one to try again, such as
// Unavailable, makes the engine ask again. Nil is believed only once no attempt can be under way any more.
// needs names parameters without which a call cannot be asked about.
func Reconcile[In, Out any](ask func(c *Call, in In) (*Out, error), needs ...string) Option {
	return func(d *definition) {
		if d.in != reflect.TypeFor[In]() || d.out != reflect.TypeFor[Out]() {
			d.err = fault.New(fault.Internal, "Reconcile takes other types than the operation that it asks about")
			return
		}
		d.needs = needs
		d.ask = func(c *Call, params json.RawMessage) (any, error) {
			in, err := decode[In](params, "params")
			if err != nil {
				return nil, err
			}
			out, err := ask(c, in)
			if err != nil || out == nil {
				return nil, err
			}
			return *out, nil
		}
	}
}

// Name returns the deployed name of a plugin: plugin-database-query for database_query.
func Name(id string) string { return "plugin-" + strings.ReplaceAll(id, "_", "-") }

// describe fills the manifest from the specification and the types.
func (d *definition) describe(spec Spec) {
	d.manifest = manifest.Manifest{
		ID: spec.ID, Title: spec.Title, Summary: spec.Summary, Effect: spec.Effect, Undo: d.undo != nil, Preview: d.preview,
		Ops: spec.Ops, Cases: spec.Cases, Grants: spec.Grants, Limits: limits(spec), Labels: spec.Labels, Control: spec.Control,
		Intent: spec.Intent, Version: spec.Version,
	}
	if d.ask != nil {
		d.manifest.Reconcile = &manifest.Reconcile{Needs: d.needs}
	}
	if d.err == nil && d.preview && d.undo == nil {
		d.err = fault.New(fault.Internal, "Preview is of an undo, and there is none")
	}
	if d.err == nil {
		d.err = d.derive()
	}
	if d.err == nil {
		d.err = sane(&d.manifest)
	}
	if d.err != nil {
		d.err = fault.Wrap(d.err, "the definition of %s is wrong", spec.ID)
	}
}

// derive makes both schemas from the types.
func (d *definition) derive() error {
	var err error
	if d.params, err = paramsSchema(d.in, d.manifest.Ops); err != nil {
		return err
	}
	if d.check, err = d.params.Resolve(nil); err != nil {
		return fault.As(fault.Internal, err, "the schema of the parameters does not resolve")
	}
	if d.manifest.Params, err = json.Marshal(d.params); err != nil {
		return fault.As(fault.Internal, err, "encode the schema of the parameters")
	}
	d.manifest.Result, err = resultSchema(d.out)
	return err
}

func limits(spec Spec) manifest.Limits {
	l := spec.Limits
	l.Wall = max(l.Wall, 0)
	if l.Wall == 0 {
		l.Wall = DefaultWall
	}
	if l.Memory == 0 {
		l.Memory = DefaultMemory
	}
	if l.Output == 0 {
		l.Output = DefaultOutput
	}
	if l.Recall == 0 && has(spec, manifest.Irreversible) {
		l.Recall = DefaultRecall
	}
	if l.Undo == 0 && has(spec, manifest.Compensable) {
		l.Undo = DefaultUndo
	}
	return l
}

// has reports whether the plugin or one of its operations has the effect.
func has(spec Spec, effect manifest.Effect) bool {
	for _, op := range spec.Ops {
		if op.Effect == effect {
			return true
		}
	}
	for _, c := range spec.Cases {
		if c.Effect == effect {
			return true
		}
	}
	return spec.Effect == effect
}

// decode reads what the schema has already accepted into its type.
func decode[T any](raw json.RawMessage, what string) (T, error) {
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, fault.As(fault.Invalid, err, "does not fit %T", v).At(what)
	}
	return v, nil
}
