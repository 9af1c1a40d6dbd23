package flow

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Values are JSON values by name.
type Values map[string]json.RawMessage

// maxValues bounds the parameters of a plan.
const maxValues = 64

var errUnnamed = fault.New(fault.Invalid, "name the parameter, as in params.to")

// early are the names that the default of a plan's parameter can read: it is resolved when the run is
// created, before any step.
var early = []string{"date", "now", "run", "time"}

// checkValues checks the parameters of a plan, and that its steps use no others.
func checkValues(p Plan) error {
	if len(p.Params) > maxValues {
		return fault.New(fault.Invalid, "%d parameters; at most %d", len(p.Params), maxValues).At("params")
	}
	for _, name := range slices.Sorted(maps.Keys(p.Params)) {
		if !isName(name) || len(name) > 63 {
			return fault.New(fault.Invalid, "%q is no name: letters, digits, _ and -, 63 bytes at most", name).At("params")
		}
		if err := checkDefault(p.Params[name], "params."+name); err != nil {
			return err
		}
	}
	for i, s := range wired(p).Steps {
		if err := p.checkUse(s, "steps["+number(i).String()+"]"); err != nil {
			return err
		}
	}
	return nil
}

func checkDefault(value json.RawMessage, place string) error {
	tree, err := decode(value)
	if err != nil {
		return placedAt(err, place)
	}
	for text, place := range eachString(tree, place) {
		parts, err := parseTemplate(text)
		if err != nil {
			return placedAt(err, place)
		}
		for _, part := range parts {
			if part.expr != nil && !slices.Contains(early, part.expr.path[0].name) {
				return fault.New(fault.Invalid, "%s is not known before the steps run; a default may read %s", part.expr.path, strings.Join(early, ", ")).At(place)
			}
		}
	}
	return nil
}

// checkUse refuses a step that reads parameters which the plan does not have.
func (p Plan) checkUse(s Step, place string) error {
	tree, err := decode(s.Params)
	if err != nil {
		return placedAt(err, place)
	}
	for text, at := range eachString(tree, place+".params") {
		raw, err := encode(text)
		if err != nil {
			return err
		}
		if err := p.known(SourcesOf(raw), at); err != nil {
			return err
		}
	}
	for _, f := range s.conditions() {
		read, err := sourcesOf(f.value)
		if err != nil {
			return placedAt(err, place+"."+f.name)
		}
		if err := p.known(read, place+"."+f.name); err != nil {
			return err
		}
	}
	return nil
}

func (p Plan) known(read Sources, place string) error {
	for _, name := range read.Params {
		if name == "" {
			return errUnnamed.At(place)
		}
		if _, ok := p.Params[name]; !ok {
			return p.unknownValue(name).At(place)
		}
	}
	return nil
}

func (p Plan) unknownValue(name string) *fault.Error {
	return fault.New(fault.Invalid, "the plan has no params.%s; it has: %s", name, some(slices.Sorted(maps.Keys(p.Params))))
}

// With returns the plan with other values for some of its parameters. A name that it does not have is
// Invalid.
func (p Plan) With(values Values) (Plan, error) {
	if len(values) == 0 {
		return p, nil
	}
	p.Params = maps.Clone(p.Params)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if _, ok := p.Params[name]; !ok {
			return p, p.unknownValue(name).At("params." + name)
		}
		p.Params[name] = values[name]
	}
	return p, Check(p)
}

// Resolve returns the values of the plan's parameters as one object, nil when it has none.
func (p Plan) Resolve(scope Scope) (json.RawMessage, error) {
	if len(p.Params) == 0 {
		return nil, nil
	}
	raw, err := encode(p.Params)
	if err != nil {
		return nil, err
	}
	scope.Place = "params"
	return Expand(raw, scope)
}

// Preview is Expand as far as things are known before a run: what it cannot know stays as it is written, and
// whole is false then. Known are the date, if scope has one, the event, the plan's parameters and the results
// in scope.Steps, which may have only some of their fields.
func Preview(params json.RawMessage, scope Scope) (shown json.RawMessage, whole bool) {
	tree, err := decode(params)
	if err != nil {
		return params, false
	}
	p := &preview{lookup: newLookup(scope), whole: true}
	shown, err = encode(p.value(tree))
	if err != nil || len(shown) > MaxExpanded {
		return params, false
	}
	return shown, p.whole
}

type preview struct {
	*lookup
	whole bool
}

func (p *preview) value(v any) any {
	switch v := v.(type) {
	case string:
		return p.text(v)
	case []any:
		for i := range v {
			v[i] = p.value(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = p.value(v[key])
		}
	}
	return v
}

func (p *preview) text(s string) any {
	parts, err := parseTemplate(s)
	if err != nil {
		p.whole = false
		return s
	}
	if len(parts) == 1 && parts[0].expr != nil {
		if v, ok := p.known(parts[0].expr); ok {
			return v
		}
		return s
	}
	var b strings.Builder
	for _, part := range parts {
		text := part.text
		if part.expr != nil {
			if v, ok := p.known(part.expr); ok {
				text, err = asText(v)
				p.whole = p.whole && err == nil
			}
		}
		b.WriteString(text)
	}
	return b.String()
}

// known evaluates an expression whose value cannot change any more.
func (p *preview) known(x *expression) (any, bool) {
	_, err := p.get(x.path)
	switch root := x.path[0].name; {
	case root == "steps" && err != nil, root == "trigger" && len(p.scope.Event) == 0, root == "date" && p.scope.Date == "",
		root == "now", root == "time", root == "item", root == "index":
		p.whole = false
		return nil, false
	}
	v, err := p.eval(x)
	p.whole = p.whole && err == nil
	return v, err == nil
}
