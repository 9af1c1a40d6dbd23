package journal

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/mail"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/manifest"
)

// Freeze makes of a run that ended well a task that does the same without a model. What people would want to
// change becomes a parameter of the plan, with the run's value as its default: recipients, the run's day and
// files named by it, and what stood in the request. lift names more, as step.param, each with the name that it
// gets. The task has no trigger: it runs by hand until somebody gives it one.
func Freeze(run *flow.Run, plugins []manifest.Manifest, id string, lift map[string]string) (flow.Plan, error) {
	if run.State != flow.StateDone || run.DryRun || run.Install {
		return flow.Plan{}, fault.New(fault.Conflict, "only a run that did its work can be frozen, and this one is %s", run.State).Try("hearth runs show " + run.ID)
	}
	if id == "" {
		_, tail, _ := strings.Cut(run.ID, "-")
		id = "frozen_" + strings.ToLower(tail)
	}
	plan := flow.Plan{TaskID: id, Title: run.Plan.Title, Params: flow.Values{}, Steps: slices.Clone(run.Plan.Steps)}
	maps.Copy(plan.Params, run.Plan.Params)
	z := &freezer{run: run, plan: &plan, names: map[string]string{}}
	for i := range plan.Steps {
		m, unknown := find(plugins, plan.Steps[i].Plugin)
		if unknown != nil {
			return plan, unknown.At("steps." + plan.Steps[i].ID + ".plugin")
		}
		if err := z.freeze(&plan.Steps[i], m, lift); err != nil {
			return plan, err
		}
	}
	for place := range lift {
		return plan, fault.New(fault.Invalid, "the run has no such parameter").At(place)
	}
	return plan, fault.Wrap(flow.Check(plan), "the frozen plan")
}

// read decodes a value and keeps numbers as they are written.
func read(raw json.RawMessage) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return nil, fault.As(fault.Internal, err, "not JSON")
	}
	return v, nil
}

// freezer lifts literals out of a plan.
type freezer struct {
	run   *flow.Run
	plan  *flow.Plan
	names map[string]string // by value: the parameter that has it
}

// freeze lifts what people would want to change out of one step.
func (z *freezer) freeze(s *flow.Step, m manifest.Manifest, lift map[string]string) error {
	var params flow.Values
	if err := json.Unmarshal(s.Params, &params); err != nil {
		return fault.As(fault.Internal, err, "the parameters of %s", s.ID)
	}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		v, err := read(params[name])
		if err != nil {
			return fault.Wrap(err, "the parameter %s.%s", s.ID, name)
		}
		as, asked := lift[s.ID+"."+name]
		delete(lift, s.ID+"."+name)
		if asked {
			params[name], err = z.lift(z.dated(v), as)
		} else {
			params[name], err = json.Marshal(z.value(v, name, s.ID, m))
		}
		if err != nil {
			return err
		}
	}
	raw, err := json.Marshal(params)
	s.Params = raw
	return err
}

// lift makes a parameter of the plan with a name that somebody chose.
func (z *freezer) lift(v any, name string) (json.RawMessage, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fault.As(fault.Internal, err, "params.%s", name)
	}
	if _, taken := z.plan.Params[name]; taken && z.names[string(raw)] != name {
		return nil, fault.New(fault.Invalid, "two values are to be params.%s", name).At("--lift")
	}
	z.plan.Params[name], z.names[string(raw)] = raw, name
	return json.Marshal("{{params." + name + "}}")
}

// value returns what stands in the plan for a value: itself, or a reference to a parameter.
func (z *freezer) value(v any, param, step string, m manifest.Manifest) any {
	if schemaOf(m, param).fixed() {
		return v
	}
	switch v := v.(type) {
	case string:
		if z.changes(v, param, m) {
			return z.reference(z.dated(v), param, step)
		}
		return z.dated(v)
	case json.Number:
		if z.said(v.String()) {
			return z.reference(v, param, step)
		}
	case []any:
		if addresses(v) && slices.Contains(m.Control, param) {
			return z.reference(v, param, step)
		}
		for i := range v {
			if text, ok := v[i].(string); ok {
				v[i] = z.value(text, param, step, m)
			}
		}
	}
	return v
}

// changes reports whether people would want to change a text.
func (z *freezer) changes(text, param string, m manifest.Manifest) bool {
	file := schemaOf(m, param).file()
	dated := strings.Contains(text, z.run.Date) || strings.Contains(text, "{{date}}")
	if strings.Contains(strings.ReplaceAll(text, "{{date}}", ""), "{{") {
		return false // it follows from another step, or is a parameter already
	}
	_, err := mail.ParseAddress(text)
	switch {
	case err == nil && slices.Contains(m.Control, param):
		return true
	case dated && file, text == z.run.Date:
		return true
	default:
		return !dated && z.said(text)
	}
}

// dated writes the run's day in a text as the day of each run.
func (z *freezer) dated(v any) any {
	if text, ok := v.(string); ok {
		return strings.ReplaceAll(text, z.run.Date, "{{date}}")
	}
	return v
}

// said reports whether the request had a value in it, as words of its own.
func (z *freezer) said(value string) bool {
	if value = strings.TrimSpace(value); len(value) < 2 && !isNumber(value) {
		return false
	}
	exp, err := regexp.Compile(`(?i)(^|\p{Han}|[^\p{L}\p{N}.])` + regexp.QuoteMeta(value) + `($|\p{Han}|[^\p{L}\p{N}])`)
	if strings.ContainsFunc(value, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
		exp, err = regexp.Compile(regexp.QuoteMeta(value)) // Chinese has no blanks between words
	}
	return err == nil && exp.MatchString(z.run.Text)
}

func isNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

// reference names a parameter for a value. The same value has one name, wherever it stands: the file that one
// step writes is the one that another sends.
func (z *freezer) reference(v any, param, step string) any {
	raw, err := json.Marshal(v)
	if err != nil {
		return v
	}
	name, known := z.names[string(raw)]
	for _, candidate := range []string{param, step + "_" + param} {
		if _, taken := z.plan.Params[candidate]; !known && !taken {
			name, known = candidate, true
		}
	}
	if !known {
		return v
	}
	z.names[string(raw)], z.plan.Params[name] = name, raw
	return "{{params." + name + "}}"
}

// addresses reports whether a list is one of mail addresses.
func addresses(list []any) bool {
	for _, v := range list {
		text, ok := v.(string)
		if _, err := mail.ParseAddress(text); !ok || err != nil {
			return false
		}
	}
	return len(list) > 0
}

// property is what a schema says of a parameter.
type property struct {
	Enum  []json.RawMessage `json:"enum"`
	Const json.RawMessage   `json:"const"`
	File  string            `json:"x-file"`
	Items struct {
		File string `json:"x-file"`
	} `json:"items"`
	op bool
}

func schemaOf(m manifest.Manifest, param string) property {
	var s struct {
		Properties map[string]property `json:"properties"`
	}
	_ = json.Unmarshal(m.Params, &s) // of a schema that cannot be read nothing is known
	p := s.Properties[param]
	p.op = param == "op" && len(m.Ops) > 0 || slices.ContainsFunc(m.Cases, func(c manifest.Case) bool { return c.Param == param })
	return p
}

// fixed reports whether a parameter chooses what a step does: that is the plan's own.
func (p property) fixed() bool { return p.op || len(p.Enum) > 0 || len(p.Const) > 0 }

func (p property) file() bool { return p.File+p.Items.File != "" }
