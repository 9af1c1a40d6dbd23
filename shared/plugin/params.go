package plugin

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
)

// validate checks params against the plugin's schema and names the place of the first mistake.
func (d *definition) validate(params json.RawMessage) error {
	var v any
	if err := fn.Decode(params, &v); err != nil {
		return fault.Wrap(err, "the parameters")
	}
	if d.check.Validate(v) == nil {
		return nil
	}
	return mistake(d.params, v, "params")
}

// Validate checks params against a manifest's schema, as the plugin itself does. The error is Invalid
// and names the place.
func Validate(schema, params json.RawMessage) error {
	var d definition
	if err := json.Unmarshal(schema, &d.params); err != nil {
		return fault.As(fault.Invalid, err, "the manifest's schema of the parameters is broken")
	}
	var err error
	if d.check, err = d.params.Resolve(nil); err != nil {
		return fault.As(fault.Invalid, err, "the manifest's schema of the parameters does not resolve")
	}
	return d.validate(params)
}

// mistake descends to the innermost place where v does not fit s. The library judges; its messages name
// places in the schema and quote values, so people get these instead.
func mistake(s *jsonschema.Schema, v any, place string) error {
	if object, ok := v.(map[string]any); ok {
		if err := inObject(s, object, place); err != nil {
			return err
		}
	}
	if list, ok := v.([]any); ok && s.Items != nil {
		for i, item := range list {
			if !fits(s.Items, item) {
				return mistake(s.Items, item, fmt.Sprintf("%s[%d]", place, i))
			}
		}
	}
	if problem := beyond(s, v); problem != "" {
		return fault.New(fault.Invalid, "%s", problem).At(place)
	}
	return fault.New(fault.Invalid, "want %s, not %s", wanted(s), kindOf(v)).At(place)
}

// beyond says which bound of s a text or a list of the right type is over, "" for none.
func beyond(s *jsonschema.Schema, v any) string {
	n, what, least, most := 0, "", s.MinLength, s.MaxLength
	switch v := v.(type) {
	case string:
		n, what = utf8.RuneCountInString(v), "characters"
	case []any:
		n, what, least, most = len(v), "elements", s.MinItems, s.MaxItems
	default:
		return ""
	}
	switch {
	case most != nil && n > *most:
		return fmt.Sprintf("has %d %s, and at most %d are allowed", n, what, *most)
	case least != nil && n < *least:
		return fmt.Sprintf("has %d %s, and at least %d is needed", n, what, *least)
	default:
		return ""
	}
}

// inObject names a property that is missing, unknown or wrong, or returns nil.
func inObject(s *jsonschema.Schema, object map[string]any, place string) error {
	for _, name := range s.Required {
		if _, given := object[name]; !given {
			return fault.New(fault.Invalid, "missing").At(place + "." + name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		property := s.Properties[name]
		if property == nil {
			property = s.AdditionalProperties
		}
		if property == nil || fits(property, object[name]) {
			continue
		}
		if s.Properties[name] == nil && len(s.Properties) > 0 {
			return fault.New(fault.Invalid, "unknown parameter; known are %s", strings.Join(slices.Sorted(maps.Keys(s.Properties)), ", ")).
				At(place + "." + name)
		}
		return mistake(property, object[name], place+"."+name)
	}
	return nil
}

func fits(s *jsonschema.Schema, v any) bool {
	resolved, err := s.CloneSchemas().Resolve(nil)
	return err == nil && resolved.Validate(v) == nil
}

// wanted says what a schema accepts.
func wanted(s *jsonschema.Schema) string {
	if len(s.Enum) > 0 {
		return "one of " + strings.Trim(fmt.Sprint(s.Enum), "[]")
	}
	text := s.Type
	if text == "" {
		text = strings.Join(s.Types, " or ")
	}
	if s.Minimum != nil {
		text += fmt.Sprintf(" of at least %v", *s.Minimum)
	}
	if s.Maximum != nil {
		text += fmt.Sprintf(" and at most %v", *s.Maximum)
	}
	return text
}

// kindOf names what v is. A long value is not quoted: people look at the place instead.
func kindOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case float64:
		return fmt.Sprintf("the number %v", v)
	case string:
		if len(v) <= 40 {
			return fmt.Sprintf("%q", v)
		}
		return "a longer text"
	case []any:
		return "a list"
	default:
		return "an object"
	}
}
