package model

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/model/builtin"
)

const (
	maxPlanSteps  = 8    // more than a small model can keep in order
	maxPlanTokens = 1500 // of the answer
)

// drafted is what the model answers to a request for a plan, under planSchema.
type drafted struct {
	Reasoning string        `json:"reasoning"`
	Ask       string        `json:"ask,omitempty"`
	Steps     []draftedStep `json:"steps,omitempty"`
}

type draftedStep struct {
	ID     string          `json:"id"`
	Plugin string          `json:"plugin"`
	Params json.RawMessage `json:"params"`
}

// Plan drafts a plan in one call: the model reasons in the schema's first field and then fills in the
// rest. The schedule is read by rules, which do not get times wrong, and an address that a model made up
// becomes a question.
func (c *Client) Plan(ctx context.Context, r PlanRequest) (Draft, error) {
	draft := Draft{Title: builtin.Title(r.Text)}
	if len(r.Tools) == 0 {
		return draft, nil
	}
	r.Lang = language(r)
	raw, err := c.Choose(ctx, Prompt{
		System: planningText(r), Turns: planningTurns(r), MaxTokens: maxPlanTokens,
	}, planSchema(r.Tools))
	if err != nil {
		return Draft{}, err
	}
	var d drafted
	if err := json.Unmarshal(raw, &d); err != nil {
		return Draft{}, fault.As(fault.Internal, err, "the schema of plans lets through what it should not")
	}
	draft.Reasoning, draft.Ask = strings.TrimSpace(d.Reasoning), strings.TrimSpace(d.Ask)
	if draft.Ask != "" {
		return draft, nil
	}
	for _, s := range d.Steps {
		if tool, address, found := invented(r, s.Plugin, s.Params); found {
			return Draft{Title: draft.Title, Reasoning: draft.Reasoning, Ask: whose(tool, address, r.Lang)}, nil
		}
		if question := unaddressed(r, s.Plugin, s.Params); question != "" {
			return Draft{Title: draft.Title, Reasoning: draft.Reasoning, Ask: question}, nil
		}
		draft.Steps = append(draft.Steps, flow.Step{ID: s.ID, Plugin: s.Plugin, Params: s.Params})
	}
	if len(draft.Steps) > 0 {
		draft.Schedule = builtin.Schedule(r.Text, r.Date, r.Zone)
	}
	return draft, nil
}

var address = regexp.MustCompile(`[A-Za-z0-9._%+\-]+@[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)+`)

// invented finds an email address in a step that nobody named: neither the person, nor the conversation,
// nor the tool's example. A model made it up, and a question is due.
func invented(r PlanRequest, plugin string, params json.RawMessage) (tool manifest.Manifest, found string, yes bool) {
	at := slices.IndexFunc(r.Tools, func(m manifest.Manifest) bool { return m.ID == plugin })
	if at < 0 {
		return tool, "", false
	}
	tool = r.Tools[at]
	known := strings.ToLower(r.Text)
	for _, raw := range r.Turns {
		known += " " + strings.ToLower(string(raw))
	}
	for _, value := range exampleOf(tool) {
		known += " " + strings.ToLower(fmt.Sprint(value))
	}
	for _, a := range address.FindAllString(string(params), -1) {
		if !strings.Contains(known, strings.ToLower(a)) {
			return tool, a, true
		}
	}
	return tool, "", false
}

// unaddressed returns the question of a tool whose recipient a model filled with something that is no
// address, such as "the team" or nothing at all.
func unaddressed(r PlanRequest, plugin string, params json.RawMessage) string {
	at := slices.IndexFunc(r.Tools, func(m manifest.Manifest) bool { return m.ID == plugin })
	var values map[string]json.RawMessage
	if at < 0 || json.Unmarshal(params, &values) != nil {
		return "" // the schema says so
	}
	for _, slot := range r.Tools[at].Intent.Slots {
		value := values[slot.Param]
		if slot.Kind == "email" && slot.Required && !address.Match(value) && !bytes.Contains(value, []byte("{{")) {
			return slot.Ask.In(r.Lang)
		}
	}
	return ""
}

// whose asks for the address that a model made up: with the tool's own question where it has one.
func whose(tool manifest.Manifest, made, lang string) string {
	for _, slot := range tool.Intent.Slots {
		if slot.Kind == "email" && slot.Ask.In(lang) != "" {
			return slot.Ask.In(lang)
		}
	}
	return manifest.Phrase{
		En: "Which address should it be? Nobody named " + made + ".", Zh: "应该用哪个地址？没有人提到过 " + made + "。",
	}.In(lang)
}

func language(r PlanRequest) string {
	if r.Lang != "" {
		return r.Lang
	}
	if builtin.Chinese(r.Text) {
		return "zh"
	}
	return "en"
}

// answered returns a draft in the form in which a model writes it, or "" when its parameters are no JSON,
// which the problem says already.
func answered(d Draft) string {
	out := drafted{Reasoning: d.Reasoning, Ask: d.Ask}
	for _, s := range d.Steps {
		out.Steps = append(out.Steps, draftedStep{s.ID, s.Plugin, s.Params})
	}
	raw, err := json.Marshal(out)
	if err != nil {
		return ""
	}
	return string(raw)
}

// planningTurns are the end of the conversation, the request, and what was wrong with the last draft.
func planningTurns(r PlanRequest) []json.RawMessage {
	turns := append(r.Turns[:len(r.Turns):len(r.Turns)], Message("user", r.Text))
	if len(r.Problems) == 0 {
		return turns
	}
	return append(turns,
		Message("assistant", clip(answered(r.Previous))),
		Message("user", "This plan was refused:\n- "+strings.Join(r.Problems, "\n- ")+"\nAnswer with a corrected plan, or ask."))
}
