package plugin

import (
	"encoding/json"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/manifest"
)

// opParam is the parameter whose value selects one of manifest.Ops.
const opParam = "op"

var idPattern = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

// options correct what the schema library infers for types that encode themselves.
func options() *jsonschema.ForOptions {
	return &jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[json.RawMessage](): {},
		reflect.TypeFor[[]byte]():          {Type: "string", ContentEncoding: "base64"},
	}}
}

// paramsSchema derives the schema of parameters: nothing unknown, no null, file marks, and the names of
// the operations as the values of op.
func paramsSchema(t reflect.Type, ops map[string]manifest.Op) (*jsonschema.Schema, error) {
	if t.Kind() != reflect.Struct {
		return nil, fault.New(fault.Internal, "parameters must be a struct, not %s", t)
	}
	s, err := jsonschema.ForType(t, options())
	if err != nil {
		return nil, fault.As(fault.Internal, err, "the parameters have no JSON Schema")
	}
	withoutNull(s)
	if err := markFiles(t, s); err != nil {
		return nil, err
	}
	if err := nameTypes(t, s); err != nil {
		return nil, err
	}
	return s, addOps(s, ops)
}

// resultSchema derives the schema of a result. A nil slice is null on the wire, so null stays allowed.
func resultSchema(t reflect.Type) (json.RawMessage, error) {
	s, err := jsonschema.ForType(t, options())
	if err != nil {
		return nil, fault.As(fault.Internal, err, "the result has no JSON Schema")
	}
	raw, err := json.Marshal(s)
	if err != nil {
		return nil, fault.As(fault.Internal, err, "encode the schema of the result")
	}
	return raw, nil
}

// withoutNull takes null out of s: a parameter that is not given is left out.
func withoutNull(s *jsonschema.Schema) {
	s.Types = slices.DeleteFunc(s.Types, func(name string) bool { return name == "null" })
	if len(s.Types) == 1 {
		s.Type, s.Types = s.Types[0], nil
	}
	for _, property := range s.Properties {
		withoutNull(property)
	}
	if s.Items != nil {
		withoutNull(s.Items)
	}
	if s.AdditionalProperties != nil {
		withoutNull(s.AdditionalProperties)
	}
}

// markFiles puts x-file on the schema of every field with a file tag.
func markFiles(t reflect.Type, s *jsonschema.Schema) error {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		if t.Kind() == reflect.Slice {
			s = s.Items
		}
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || s == nil {
		return nil
	}
	for _, field := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" {
			name = field.Name
		}
		property := s.Properties[name]
		if property == nil {
			continue
		}
		if err := markFile(field, property); err != nil {
			return err
		}
		if err := markFiles(field.Type, property); err != nil {
			return err
		}
	}
	return nil
}

func markFile(field reflect.StructField, s *jsonschema.Schema) error {
	mode, marked := field.Tag.Lookup("file")
	if !marked {
		return nil
	}
	if s.Type == "array" {
		s = s.Items
	}
	if s.Type != "string" || (mode != ModeRead && mode != ModeWrite) {
		return fault.New(fault.Internal, `file:%q wants "read" or "write" on a string or a list of strings`, mode).At(field.Name)
	}
	s.Extra = map[string]any{manifest.File: mode}
	return nil
}

// addOps makes the operations the only values of op.
func addOps(s *jsonschema.Schema, ops map[string]manifest.Op) error {
	if len(ops) == 0 {
		return nil
	}
	property := s.Properties[opParam]
	if property == nil || property.Type != "string" || !slices.Contains(s.Required, opParam) {
		return fault.New(fault.Internal, `Ops needs a required string parameter "op"`)
	}
	for _, name := range slices.Sorted(maps.Keys(ops)) {
		property.Enum = append(property.Enum, name)
	}
	return nil
}

// sane refuses a manifest whose parts contradict each other.
func sane(m *manifest.Manifest) error {
	if !idPattern.MatchString(m.ID) {
		return fault.New(fault.Internal, "want lower-case words joined by _, such as database_query").At("ID")
	}
	effects := []manifest.Op{{Effect: m.Effect, Undo: m.Undo && len(m.Ops) == 0}}
	for _, c := range m.Cases {
		effects = append(effects, c.Op)
	}
	for _, name := range slices.Sorted(maps.Keys(m.Ops)) {
		effects = append(effects, m.Ops[name])
	}
	for i, op := range effects {
		if !slices.Contains([]manifest.Effect{manifest.Read, manifest.Idempotent, manifest.Compensable, manifest.Irreversible}, op.Effect) {
			return fault.New(fault.Internal, "unknown effect %q", op.Effect).At("Effect")
		}
		if op.Effect == manifest.Compensable && !m.Undo {
			return fault.New(fault.Internal, "a compensable effect needs the option Undo").At("Effect")
		}
		if i > 0 && op.Undo != (op.Effect == manifest.Compensable) {
			return fault.New(fault.Internal, "an operation has an undo exactly when it is compensable").At("Ops")
		}
	}
	return nil
}
