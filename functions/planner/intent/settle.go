package intent

import (
	"bytes"
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/manifest"
)

// settle replaces what a model has no say in. A file that nobody named is the one of the tool's example, or
// none. Data written out by hand gives way to the data that an earlier step gives. A file to write without an
// ending gets the example's, wherever it is named. It returns the steps, and the names of the parameters that
// it changed.
func (r review) settle() (steps []flow.Step, changed []string) {
	r.steps = slices.Clone(r.steps)
	var renamed []string // old and new, in turn
	for i, s := range r.steps {
		tool, ok := r.tool(s.Plugin)
		var values map[string]json.RawMessage
		if !ok || json.Unmarshal(s.Params, &values) != nil {
			continue // the plan will be refused for it
		}
		params := paramsOf(tool)
		for _, name := range slices.Sorted(maps.Keys(values)) {
			before := values[name]
			value := before
			if params[name].files() {
				value = json.RawMessage(strings.NewReplacer(renamed...).Replace(string(before)))
			}
			value, keep := r.settled(i, tool, params, name, value)
			if keep && bytes.Equal(value, before) {
				continue
			}
			changed = append(changed, name)
			if values[name] = value; !keep {
				delete(values, name)
			}
			if params[name].File == "write" && keep {
				renamed = append(renamed, string(before), string(value))
			}
		}
		if raw, err := json.Marshal(values); err == nil { // they came out of JSON
			r.steps[i].Params = raw
		}
	}
	return r.steps, changed
}

// param is what a schema says of a parameter.
type param struct {
	Type  json.RawMessage `json:"type"`
	File  string          `json:"x-file"`
	Items struct {
		File string `json:"x-file"`
	} `json:"items"`
	required bool
}

func (p param) files() bool { return p.File+p.Items.File != "" }

func paramsOf(tool manifest.Manifest) map[string]param {
	var s struct {
		Properties map[string]param `json:"properties"`
		Required   []string         `json:"required"`
	}
	if json.Unmarshal(tool.Params, &s) != nil {
		return nil // nothing is known of them
	}
	for name, p := range s.Properties {
		p.required = slices.Contains(s.Required, name)
		s.Properties[name] = p
	}
	return s.Properties
}

// settled returns the value that a parameter gets, and whether it keeps one.
func (r review) settled(at int, tool manifest.Manifest, params map[string]param, name string, value json.RawMessage) (json.RawMessage, bool) {
	p, known := params[name]
	var text string
	isText := json.Unmarshal(value, &text) == nil
	switch example, given := tool.Intent.Example[name].(string); {
	case !known || bytes.Contains(value, []byte("{{steps.")):
		return value, true
	case p.File == "read" && isText && !p.required && !r.exists(at, tool, text):
		return encoded(example), given
	case p.File == "write" && isText && path.Ext(text) == "" && given:
		return encoded(text + path.Ext(example)), true
	case len(p.Type) == 0 && r.flows(at, tool, name):
		return nil, false
	default:
		return value, true
	}
}

func encoded(text string) json.RawMessage {
	raw, err := json.Marshal(text)
	if err != nil {
		return nil // a text is always JSON
	}
	return raw
}

// flows reports whether a parameter of any type is the one for what the step's tool takes, and an earlier
// step gives it: a tool that has no slot for it gets it by itself.
func (r review) flows(at int, tool manifest.Manifest, name string) bool {
	if tool.Intent.Takes == "" || slices.ContainsFunc(tool.Intent.Slots, func(s manifest.Slot) bool {
		return s.Kind == tool.Intent.Takes || s.Param == name
	}) {
		return false
	}
	return r.fed(at, tool.Intent.Takes)
}
