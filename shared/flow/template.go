package flow

import (
	"encoding/json"
	"errors"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/strictjson"
)

// MaxExpanded bounds the parameters of a step after expansion, in bytes of JSON.
const MaxExpanded = 1 << 20

// Expand replaces the {{expressions}} in the strings of params, at any depth but not in keys. A string
// that is nothing but one expression becomes its value, type and all; in any other string the value is
// written into the text. What an expression brings in is data: expressions in it stay as they are.
//
// A name that does not exist, and the result of a step that was skipped or failed, are Invalid, with the
// place; `| default ”` gives a value instead. More than MaxExpanded bytes are TooLarge.
func Expand(params json.RawMessage, scope Scope) (json.RawMessage, error) {
	if len(params) == 0 {
		return params, nil
	}
	place := scope.Place
	if place == "" {
		place = "params"
	}
	tree, err := decode(params)
	if err != nil {
		return nil, err
	}
	x := &expander{lookup: newLookup(scope), left: MaxExpanded}
	tree, err = x.value(tree, place, 0)
	if err != nil {
		return nil, err
	}
	raw, err := encode(tree)
	if err == nil && len(raw) > MaxExpanded {
		return nil, tooLarge(place)
	}
	return raw, err
}

func tooLarge(place string) error {
	return fault.New(fault.TooLarge, "more than %d KiB after expansion", MaxExpanded>>10).At(place).
		Try("pass a file instead, or fewer rows")
}

// expander counts what the expressions bring in, so that a small text cannot grow without bounds before
// anybody measures it.
type expander struct {
	*lookup
	left int
}

func (x *expander) value(v any, place string, depth int) (any, error) {
	if depth > strictjson.MaxDepth {
		return nil, fault.New(fault.TooLarge, "nested deeper than %d", strictjson.MaxDepth).At(place)
	}
	var err error
	switch v := v.(type) {
	case string:
		return x.text(v, place)
	case []any:
		for i := range v {
			if v[i], err = x.value(v[i], place+"["+strconv.Itoa(i)+"]", depth+1); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if v[key], err = x.value(v[key], place+"."+key, depth+1); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// text expands one string.
func (x *expander) text(s, place string) (any, error) {
	parts, err := parseTemplate(s)
	if err != nil {
		return nil, placedAt(err, place)
	}
	if len(parts) == 1 && parts[0].expr != nil {
		v, err := x.eval(parts[0].expr)
		if err != nil {
			return nil, placedAt(err, place)
		}
		raw, err := encode(v)
		if err != nil {
			return nil, placedAt(err, place)
		}
		return raw, x.spend(len(raw), place)
	}
	var b strings.Builder
	for _, p := range parts {
		piece, err := x.piece(p)
		if err != nil {
			return nil, placedAt(err, place)
		}
		if err := x.spend(len(piece), place); err != nil {
			return nil, err
		}
		b.WriteString(piece)
	}
	return b.String(), nil
}

func (x *expander) piece(p part) (string, error) {
	if p.expr == nil {
		return p.text, nil
	}
	v, err := x.eval(p.expr)
	if err != nil {
		return "", err
	}
	return asText(v)
}

func (x *expander) spend(n int, place string) error {
	if x.left -= n; x.left < 0 {
		return tooLarge(place)
	}
	return nil
}

// placedAt gives err the place of the input it is about.
func placedAt(err error, place string) error {
	if e, ok := errors.AsType[*fault.Error](err); ok {
		return e.At(place)
	}
	return err
}

// Sources says where the values in some JSON come from: what taint and edges are made of.
type Sources struct {
	Steps   []string // ids, each once, in the order of their first use
	Trigger bool     // the event that started the run: outside data
	Item    bool     // what foreach goes over
	Params  []string // names of the plan's own parameters, likewise; "" for all of them at once
}

// SourcesOf returns what the expressions in value read. Text that is no valid template reads nothing:
// Check refuses it.
func SourcesOf(value json.RawMessage) Sources {
	var s Sources
	tree, err := decode(value)
	if err != nil {
		return s
	}
	for text := range eachString(tree, "") {
		parts, _ := parseTemplate(text)
		for _, p := range parts {
			if p.expr != nil {
				s.add(p.expr.path)
			}
		}
	}
	return s
}

// References returns the ids of the steps whose results value uses.
func References(value json.RawMessage) []string { return SourcesOf(value).Steps }

func (s *Sources) add(p path) {
	switch p[0].name {
	case "trigger":
		s.Trigger = true
	case "item", "index":
		s.Item = true
	case "params":
		name := ""
		if len(p) > 1 {
			name = p[1].name
		}
		if !slices.Contains(s.Params, name) {
			s.Params = append(s.Params, name)
		}
	case "steps":
		if len(p) > 1 && !slices.Contains(s.Steps, p[1].name) {
			s.Steps = append(s.Steps, p[1].name)
		}
	}
}

// eachString yields each string value in v with its place, in a stable order.
func eachString(v any, place string) iter.Seq2[string, string] {
	return func(yield func(text, place string) bool) { walkStrings(v, place, yield) }
}

func walkStrings(v any, place string, yield func(text, place string) bool) bool {
	switch v := v.(type) {
	case string:
		return yield(v, place)
	case []any:
		for i := range v {
			if !walkStrings(v[i], place+"["+strconv.Itoa(i)+"]", yield) {
				return false
			}
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if !walkStrings(v[key], place+"."+key, yield) {
				return false
			}
		}
	}
	return true
}
