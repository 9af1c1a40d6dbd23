package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
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
}

// Prepare fixes everything about a run that must not change later: day and zone, effects as the plugins
// declare them now, the blast radius, and the digest that an approval is bound to. It refuses a plan that
// names unknown plugins or parameters, with the place.
func Prepare(r Request, plugins []manifest.Manifest) (flow.Header, error) {
	h := flow.Header{
		ID: r.ID, Plan: r.Plan, Text: r.Text, User: r.By.User, Role: string(r.By.Role), Session: r.Session, Reply: r.Reply,
		Lang: r.Lang, Created: r.Now, Zone: r.Zone.String(), Date: r.Now.In(r.Zone).Format(time.DateOnly), Event: r.Event,
		Origin: r.Origin, DryRun: r.DryRun, Facts: map[string]flow.Fact{}, Card: &flow.Card{}, Digest: flow.Digest(r.Plan),
	}
	for i, s := range r.Plan.Steps {
		m, err := find(plugins, s.Plugin)
		if err != nil {
			return h, err.At(fmt.Sprintf("steps[%d].plugin", i))
		}
		if err := checkParams(m, s); err != nil {
			return h, place(err, fmt.Sprintf("steps[%d].", i))
		}
		fact := factOf(m, s, r.Lang)
		fact.Reconcile = fact.Reconcile && !r.DryRun
		h.Facts[s.ID] = fact
		describe(h.Card, m, dated(s, h.Date), fact, r)
		h.Approve = h.Approve || asks(s, fact, r)
	}
	if r.DryRun {
		h.Approve = false
	}
	if h.Approve {
		h.Expires = r.Now.Add(ApprovalFor)
	}
	if r.Origin == FromChat || r.Origin == FromMessage {
		h.Recall = r.Recall
	}
	return h, nil
}

// dated is a step as people see it: with the run's day in it.
func dated(s flow.Step, date string) flow.Step {
	s.Params = json.RawMessage(strings.ReplaceAll(string(s.Params), "{{date}}", date))
	return s
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

// checkParams validates parameters that hold no expressions; the others are validated when they are known.
func checkParams(m manifest.Manifest, s flow.Step) error {
	if bytes.Contains(s.Params, []byte("{{")) || len(s.Params) == 0 {
		return nil
	}
	return plugin.Validate(m.Params, s.Params)
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
	case s.Approval == "required" || r.Ask:
		return true
	case s.Approval == "never" && r.Origin != FromChat:
		return false
	}
	reversible := fact.Effect == string(manifest.Read) || fact.Effect == string(manifest.Idempotent) || fact.Effect == string(manifest.Compensable)
	return !reversible && (r.Origin == FromChat || r.Origin == FromMessage)
}

// describe adds a step to the card: what it reads and writes, who gets something, and one line for people.
func describe(card *flow.Card, m manifest.Manifest, s flow.Step, fact flow.Fact, r Request) {
	card.Total++
	if fact.Undo || fact.Effect == string(manifest.Read) {
		card.Undoable++
	}
	files, err := plugin.Files(m.Params, s.Params)
	if err == nil {
		for _, f := range files {
			if f.Mode == plugin.ModeWrite {
				card.Writes = append(card.Writes, f.Path)
			} else {
				card.Reads = append(card.Reads, f.Path)
			}
		}
	}
	controls := controlValues(m, s)
	for _, value := range controls {
		if address, err := mail.ParseAddress(value); err == nil {
			card.Recipients = append(card.Recipients, flow.Recipient{To: address.Address, External: external(address.Address, r.Domains)})
		}
	}
	if fact.Effect == string(manifest.Read) && len(files) == 0 {
		card.Reads = append(card.Reads, strings.Join(controls, " "))
	}
	card.Lines = append(card.Lines, lineOf(fact, files, controls))
}

func lineOf(fact flow.Fact, files []plugin.File, controls []string) string {
	line := fact.Title
	var parts []string
	for _, value := range controls {
		if !slices.ContainsFunc(files, func(f plugin.File) bool { return f.Path == value }) {
			parts = append(parts, value)
		}
	}
	for _, f := range files {
		if f.Mode == plugin.ModeWrite {
			parts = append(parts, "→ "+f.Path)
		} else {
			parts = append(parts, f.Path)
		}
	}
	if len(parts) > 0 {
		line += ": " + strings.Join(parts, ", ")
	}
	return line
}

// controlValues returns the concrete values of the parameters that steer an effect, as people must see them.
func controlValues(m manifest.Manifest, s flow.Step) []string {
	var params map[string]json.RawMessage
	if json.Unmarshal(s.Params, &params) != nil {
		return nil
	}
	var values []string
	for _, name := range m.Control {
		raw, ok := params[name]
		if !ok {
			continue
		}
		var one string
		var many []string
		switch {
		case json.Unmarshal(raw, &one) == nil:
			values = append(values, one)
		case json.Unmarshal(raw, &many) == nil:
			values = append(values, many...)
		default:
			values = append(values, string(raw))
		}
	}
	return values
}

func external(address string, own []string) bool {
	_, domain, _ := strings.Cut(address, "@")
	return !slices.ContainsFunc(own, func(d string) bool { return strings.EqualFold(d, domain) })
}
