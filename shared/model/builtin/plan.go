package builtin

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/manifest"
)

// enquiries are about a thing, not for it.
var enquiries = compiled(`(?i)\b(?:why|how (?:do|does|to|can i)|what(?:'s| is) an?|what does|explain)\b|什么是|是什么|为什么|怎么|如何|收到了|\b(?:already|i got|i received|i have received)\b`)

// Plan makes a plan of a request by the tools' manifests: the tools that it names, the ones that these
// need data from, and their parameters from the request's words or the manifests' examples. What is
// missing becomes a question. A request that asks for nothing gives an empty draft.
func Plan(r Request) Draft {
	r.Text, r.Tools = bounded(r.Text), named(r.Tools)
	t := recall(r)
	if !mentions(strings.ToLower(t.text), r.Tools) || t.dropped || enquiries().MatchString(t.title) {
		return Draft{}
	}
	at := when(t.text, r.Date, r.Zone)
	said := hear(at.rest, r.Date)
	tools := choose(wanted(bare(at.rest)), said.sql != "", r.Tools)
	if len(tools) == 0 {
		return Draft{}
	}
	r.Text = t.text // an address alone has no language
	d := drafting{lang: r.lang(), thread: t, said: said, low: bare(at.rest), today: r.Date, repeats: at.repeats()}
	d.draft = Draft{Title: Title(t.title), Schedule: at.trigger}
	for _, tool := range tools {
		d.add(tool)
	}
	if at.missing {
		d.ask(timeQuestion.text)
	}
	return d.finish()
}

// Title returns a request's first 60 characters, on one line.
func Title(text string) string { return clip(strings.Join(strings.Fields(bounded(text)), " "), 60) }

// repeats reports whether the request is about more than one day.
func (t timing) repeats() bool {
	return t.missing || t.trigger != nil && t.trigger.Type != "at"
}

// drafting is a plan while it is made.
type drafting struct {
	lang    string
	thread  thread
	said    said
	low     string // the request's words alone
	worded  bool   // what was dictated has its place
	today   string
	repeats bool
	draft   Draft
	made    []made // by the steps so far
}

// made is data that a step gives, and how a parameter names it.
type made struct{ kind, value string }

// add appends the step of a tool, or asks for what it lacks.
func (d *drafting) add(tool manifest.Manifest) {
	s := schemaOf(tool.Params)
	params := d.example(tool, s)
	quotes := d.said.quotes
	for _, slot := range tool.Intent.Slots {
		if p, known := s.Properties[slot.Param]; known {
			d.fill(tool, slot, p, &quotes, params)
		}
	}
	d.aim(tool, s, params)
	d.wording(s, params)
	d.require(tool, s, params)
	d.check(tool, params)
	d.step(tool, s, params)
}

// fill fills a slot, asks for it, or drops an example's value that does not fit here.
func (d *drafting) fill(tool manifest.Manifest, slot manifest.Slot, p property, quotes *[]string, params map[string]any) {
	value, found := d.value(tool, slot, p, quotes)
	switch {
	case found:
		params[slot.Param] = value
	case slot.Required:
		delete(params, slot.Param)
		d.ask(questionOf(tool, slot).text)
	case slot.Kind == "file" || slot.Kind == tool.Intent.Takes: // the example's is of a step that is not there
		delete(params, slot.Param)
	case (slot.Kind == "quoted" || slot.Kind == "text") && len(d.draft.Steps) == 0: // and so is its wording
		delete(params, slot.Param)
	case slot.Kind == "sql" && d.vague():
		d.ask(d.whichDays(questionOf(tool, slot).text))
	}
}

// wording puts what somebody dictated where a plugin has a place for it but no slot.
func (d *drafting) wording(s schema, params map[string]any) {
	for _, name := range []string{"body", "content", "text", "message"} {
		p, known := s.Properties[name]
		if _, set := params[name]; known && !set && !d.worded && d.said.free != "" && p.has("string") {
			params[name], d.worded = d.said.free, true
		}
	}
}

// require asks for the first parameter that the schema demands and nothing gave.
func (d *drafting) require(tool manifest.Manifest, s schema, params map[string]any) {
	for _, name := range s.Required {
		if _, ok := params[name]; ok {
			continue
		}
		q := questionOf(tool, slotOf(tool, name))
		answer, ok := d.thread.answers[q.key()]
		if !ok {
			d.ask(q.text)
			return
		}
		params[name] = shape(s.Properties[name], strings.TrimSpace(answer))
	}
}

// slotOf returns the tool's slot for a parameter, or one that takes any wording.
func slotOf(tool manifest.Manifest, param string) manifest.Slot {
	for _, slot := range tool.Intent.Slots {
		if slot.Param == param {
			return slot
		}
	}
	return manifest.Slot{Param: param}
}

// check holds params against the tool's schema, as every reader of the plan will.
func (d *drafting) check(tool manifest.Manifest, params map[string]any) {
	if d.draft.Ask != "" {
		return
	}
	if err := checkParams(tool.Params, params); err != nil {
		d.ask(manifest.Phrase{
			En: fmt.Sprintf("I cannot fill in the parameters of %q by rules alone (%v). Could you name them, or connect a language model?", tool.Title.In("en"), err),
			Zh: fmt.Sprintf("仅凭规则我填不好“%s”的参数（%v）。请写明参数，或接入语言模型？", tool.Title.In("zh"), err),
		})
	}
}

func checkParams(raw json.RawMessage, params map[string]any) error {
	var s jsonschema.Schema
	if err := json.Unmarshal(raw, &s); err != nil {
		return err
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		return err
	}
	plain, err := json.Marshal(params)
	if err != nil {
		return err
	}
	var value any
	if err := json.Unmarshal(plain, &value); err != nil {
		return err
	}
	return resolved.Validate(value)
}

func (d *drafting) step(tool manifest.Manifest, s schema, params map[string]any) {
	raw, err := json.Marshal(params)
	if err != nil {
		d.ask(manifest.Phrase{En: "What should the parameters of " + tool.ID + " be?", Zh: tool.ID + " 的参数应该是什么？"})
		return
	}
	d.draft.Steps = append(d.draft.Steps, flow.Step{ID: tool.ID, Plugin: tool.ID, Params: raw})
	d.draft.Reasoning += fmt.Sprintf("%d. %s\n", len(d.draft.Steps), tool.Title.In(d.lang))
	if value, ok := output(tool, s, params); ok && tool.Intent.Gives != "" {
		d.made = append(d.made, made{tool.Intent.Gives, value})
	}
}

// output returns how a later step names what this one gives: the path that it was told to write, or the
// path in its result.
func output(tool manifest.Manifest, s schema, params map[string]any) (string, bool) {
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		if path, ok := params[name].(string); ok && s.Properties[name].writes() {
			return path, true
		}
	}
	_, ok := schemaOf(tool.Result).Properties["path"]
	return "{{steps." + tool.ID + ".path}}", ok
}

// ask keeps the first question only: one at a time is answered.
func (d *drafting) ask(text manifest.Phrase) {
	if d.draft.Ask == "" {
		d.draft.Ask = text.In(d.lang)
	}
}

// finish drops the steps of a draft that asks.
func (d *drafting) finish() Draft {
	if d.draft.Ask != "" {
		d.draft.Steps = nil
	}
	d.draft.Reasoning = strings.TrimSpace(d.draft.Reasoning)
	return d.draft
}
