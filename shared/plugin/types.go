package plugin

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/hearthfaas/hearth/shared/fault"
)

// list is the word of the tag types for a list of what else the tag names.
const list = "list"

// nameTypes gives parameters of raw JSON the types and bounds that their tags name.
func nameTypes(t reflect.Type, s *jsonschema.Schema) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	for _, field := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		property := s.Properties[name]
		if property == nil {
			continue
		}
		if err := nameType(field, property); err != nil {
			return err
		}
		if err := nameTypes(field.Type, property); err != nil {
			return err
		}
	}
	return nil
}

// nameType sets the types of a parameter or, of a list or a map, those of its elements: `types:"string|list"` is a
// text or a list of texts. `most:"100"` bounds a list, which then has at least one element, and `letters:"1000"` a
// text, which then is not empty.
func nameType(field reflect.StructField, s *jsonschema.Schema) error {
	tag, named := field.Tag.Lookup("types")
	if !named {
		return nil
	}
	switch field.Type.Kind() {
	case reflect.Map:
		s = s.AdditionalProperties
	case reflect.Slice:
		if s.Items != nil {
			s = s.Items
		}
	}
	words := strings.Split(tag, "|")
	known := []string{"string", "number", "boolean", "null", "object", list}
	if slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(known, w) }) {
		return fault.New(fault.Internal, "types:%q wants some of %s, with | between", tag, strings.Join(known, ", ")).At(field.Name)
	}
	most, err := bound(field, "most")
	if err != nil {
		return err
	}
	letters, err := bound(field, "letters")
	if err != nil {
		return err
	}
	one := 1
	element := &jsonschema.Schema{MaxLength: letters}
	if letters != nil {
		element.MinLength = &one
	}
	setTypes(element, slices.DeleteFunc(slices.Clone(words), func(w string) bool { return w == list }))
	s.MinLength, s.MaxLength = element.MinLength, element.MaxLength
	types := slices.Clone(words)
	if i := slices.Index(types, list); i >= 0 {
		types[i], s.Items, s.MaxItems = "array", element, most
		if most != nil {
			s.MinItems = &one
		}
	}
	setTypes(s, types)
	return nil
}

// bound reads the number of a tag, nil where there is none.
func bound(field reflect.StructField, tag string) (*int, error) {
	text, given := field.Tag.Lookup(tag)
	if !given {
		return nil, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return nil, fault.New(fault.Internal, "%s:%q is no bound", tag, text).At(field.Name)
	}
	return &n, nil
}

func setTypes(s *jsonschema.Schema, types []string) {
	s.Type, s.Types = "", types
	if len(types) == 1 {
		s.Type, s.Types = types[0], nil
	}
}
