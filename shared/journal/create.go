package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/plugin"
	"github.com/hearthfaas/hearth/shared/policy"
)

// Defaults of a run.
const (
	ApprovalFor   = time.Hour        // how long an approval stays open
	DefaultRecall = 30 * time.Second // of irreversible steps that were asked for in chat
	DefaultUndo   = 30 * 24 * time.Hour
)

// The origins of a run.
const (
	FromChat    = "chat"
	FromTask    = "task" // its schedule
	FromWebhook = "webhook"
	FromMessage = "message"
	FromHand    = "manual"
	FromFork    = "fork" // of another run; asks for approval as a chat does
)

// Request is what a run is created from.
type Request struct {
	ID      string
	Plan    flow.Plan // parsed and normalised
	By      policy.Principal
	Origin  string
	Text    string          // the request in the person's words
	Session string          // the lane that hears the result, "" for none
	Reply   json.RawMessage // the frozen place for it
	Lang    string
	Zone    *time.Location
	Now     time.Time
	Event   json.RawMessage
	DryRun  bool
	Ask     bool          // approval even where policy asks for none
	Domains []string      // mail domains that are our own
	Recall  time.Duration // how long irreversible steps wait before they act, when they were asked for in chat

	Author   flow.Author // who made the plan
	FourEyes bool        // nobody approves a plan of their own
	Install  bool        // approved, the plan becomes a task
	Fork     *flow.Fork  // what is taken over from another run
	Date     string      // the day of the run, where it is not today
	ByName   bool        // mistakes name the step, not its place in a file: steps.mail.params.to
}

// Under returns the request with what the settings say of all runs: HEARTH_DOMAINS, HEARTH_RECALL and
// HEARTH_APPROVAL.
func (r Request) Under(env *fn.Env) (Request, error) {
	var err error
	if r.Recall, err = time.ParseDuration(env.Setting("HEARTH_RECALL", DefaultRecall.String())); err != nil {
		return r, fault.As(fault.Invalid, err, "want a time such as 30s").At("HEARTH_RECALL")
	}
	r.Domains = strings.FieldsFunc(env.Setting("HEARTH_DOMAINS", ""), func(c rune) bool { return c == ',' || c == ' ' })
	r.FourEyes, err = FourEyes(env)
	return r, err
}

// Prepare fixes everything about a run that must not change later: day and zone, the values of the plan's
// parameters, effects as the plugins declare them now, the blast radius, and the digest that an approval is
// bound to. It refuses a plan that names unknown plugins or parameters, with the place.
func Prepare(r Request, plugins []manifest.Manifest) (flow.Header, error) {
	h := flow.Header{
		ID: r.ID, Plan: r.Plan, Text: r.Text, User: r.By.User, Role: string(r.By.Role), Session: r.Session, Reply: r.Reply,
		Lang: r.Lang, Created: r.Now, Zone: r.Zone.String(), Date: r.Date, Event: r.Event,
		Origin: r.Origin, DryRun: r.DryRun, Facts: map[string]flow.Fact{}, Card: &flow.Card{}, Digest: flow.Digest(r.Plan),
		Author: r.Author, FourEyes: r.FourEyes, Install: r.Install, Fork: r.Fork, Approve: r.Install,
	}
	if h.Date == "" {
		h.Date = r.Now.In(r.Zone).Format(time.DateOnly)
	}
	scope := flow.Scope{Now: r.Now.In(r.Zone), Date: h.Date, Run: r.ID}
	var err error
	if h.Params, err = r.Plan.Resolve(scope); err != nil {
		return h, err
	}
	scope.Params, scope.Event, scope.Steps = h.Params, r.Event, map[string]json.RawMessage{}
	if r.Install { // each run of the task will have a day and values of its own
		scope.Date, h.Params = "", nil
	}
	for i, s := range r.Plan.Steps {
		if err := add(&h, s, scope, r, plugins); err != nil {
			return h, place(err, placeOf(r, i, s))
		}
	}
	if r.DryRun {
		h.Approve = false
	}
	if h.Approve {
		h.Expires = r.Now.Add(ApprovalFor)
	}
	if r.Origin == FromChat || r.Origin == FromMessage || r.Origin == FromFork {
		h.Recall = r.Recall
	}
	return h, nil
}

func placeOf(r Request, i int, s flow.Step) string {
	if r.ByName {
		return "steps." + s.ID + "."
	}
	return fmt.Sprintf("steps[%d].", i)
}

// add adds what follows from one step to a header, and what is known of its result beforehand to scope.
func add(h *flow.Header, s flow.Step, scope flow.Scope, r Request, plugins []manifest.Manifest) error {
	m, unknown := find(plugins, s.Plugin)
	if unknown != nil {
		return unknown.At("plugin")
	}
	known, open, err := preview(&s, scope)
	if err != nil {
		return err
	}
	if err := checkParams(m, known, open); err != nil {
		return err
	}
	fact := factOf(m, s, r.Lang)
	fact.Reconcile = fact.Reconcile && !r.DryRun
	h.Facts[s.ID] = fact
	if r.Fork.Takes(s.ID) {
		if result := taken(r.Fork, s); result != nil {
			scope.Steps[s.ID] = result
		}
		h.Card.Lines = append(h.Card.Lines, fact.Title+words(r.Lang, " (taken over from ", "（沿用运行 ")+"`"+r.Fork.Run+"`"+words(r.Lang, ")", " 的结果）"))
		return nil
	}
	if result := foreseen(m, s); result != nil {
		scope.Steps[s.ID] = result
	}
	describe(h.Card, m, s, fact, r)
	if !r.Install && asks(s, fact, r) {
		h.Approve = true
		h.Approver = strongest(h.Approver, s.Approval)
	}
	return nil
}

func find(plugins []manifest.Manifest, id string) (manifest.Manifest, *fault.Error) {
	i := slices.IndexFunc(plugins, func(m manifest.Manifest) bool { return m.ID == id })
	if i >= 0 {
		return plugins[i], nil
	}
	names := make([]string, len(plugins))
	for i, m := range plugins {
		names[i] = m.ID
	}
	return manifest.Manifest{}, fault.New(fault.Invalid, "no plugin %q is deployed; there are: %s", id, strings.Join(names, ", "))
}

// preview puts into the parameters of s what is known before the run. It returns those that are known as a
// whole, and the names of the others.
func preview(s *flow.Step, scope flow.Scope) (known flow.Values, open []string, err error) {
	var params flow.Values
	if err := json.Unmarshal(s.Params, &params); len(s.Params) > 0 && err != nil {
		return nil, nil, fault.As(fault.Invalid, err, "parameters are an object").At("params")
	}
	shown, known := flow.Values{}, flow.Values{}
	for name, value := range params {
		whole := false
		if shown[name], whole = flow.Preview(value, scope); whole {
			known[name] = shown[name]
		} else {
			open = append(open, name)
		}
	}
	s.Params, err = json.Marshal(shown)
	return known, open, err
}

// checkParams validates the parameters that are known; the others are validated when they are.
func checkParams(m manifest.Manifest, known flow.Values, open []string) error {
	schema := m.Params
	if len(open) > 0 {
		var err error
		if schema, err = without(schema, open); err != nil || schema == nil {
			return err
		}
	}
	raw, err := json.Marshal(known)
	if err != nil {
		return fault.As(fault.Internal, err, "the parameters of %s", m.ID)
	}
	return plugin.Validate(schema, raw)
}

// without returns a schema that does not miss the properties that are open, or nil where one property may
// ask for another.
func without(schema json.RawMessage, open []string) (json.RawMessage, error) {
	var s map[string]json.RawMessage
	var required []string
	if json.Unmarshal(schema, &s) != nil || s["required"] != nil && json.Unmarshal(s["required"], &required) != nil {
		return nil, nil // plugin.Validate will say so when all is known
	}
	for _, word := range []string{"allOf", "anyOf", "oneOf", "not", "if", "dependentRequired", "dependentSchemas", "minProperties"} {
		if s[word] != nil {
			return nil, nil
		}
	}
	required = slices.DeleteFunc(required, func(name string) bool { return slices.Contains(open, name) })
	var err error
	if s["required"], err = json.Marshal(append([]string{}, required...)); err != nil {
		return nil, fault.As(fault.Internal, err, "a schema")
	}
	raw, err := json.Marshal(s)
	return raw, err
}

// place puts a prefix in front of the place of a mistake.
func place(err error, prefix string) error {
	e, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return fault.Wrap(err, "%s", strings.TrimSuffix(prefix, "."))
	}
	return e.At(strings.TrimSuffix(prefix+e.Field, "."))
}

// factOf freezes what the plugin says of the step's operation.
func factOf(m manifest.Manifest, s flow.Step, lang string) flow.Fact {
	op := m.EffectOf(s.Params)
	fact := flow.Fact{Title: m.Title.In(lang), Effect: string(op.Effect), Undo: op.Undo, UndoFor: m.Limits.Undo, Labels: m.Labels, Wall: m.Limits.Wall}
	fact.Reconcile = m.Reconciles(s.Params)
	if fact.Undo && fact.UndoFor == 0 {
		fact.UndoFor = DefaultUndo
	}
	return fact
}

// asks reports whether a step needs a person's approval: what cannot be taken back and was asked for in
// chat, and whatever its plan says so of.
func asks(s flow.Step, fact flow.Fact, r Request) bool {
	switch {
	case s.Approval != "" && s.Approval != flow.ApprovalNever || r.Ask:
		return true
	case s.Approval == flow.ApprovalNever && r.Origin != FromChat && r.Origin != FromFork:
		return false
	}
	reversible := fact.Effect == string(manifest.Read) || fact.Effect == string(manifest.Idempotent) || fact.Effect == string(manifest.Compensable)
	return !reversible && (r.Origin == FromChat || r.Origin == FromMessage || r.Origin == FromFork)
}

// strongest returns the stronger of a role, "" for none, and what a step says of its approval.
func strongest(role, approval string) string {
	if asked := policy.Role(approval); asked.Valid() && asked.Above(policy.Role(role)) {
		return approval
	}
	return role
}
