// Package strictjson decodes JSON from outside: exactly one value, of bounded depth, without fields that
// nobody reads and without keys that appear twice. What is wrong is named with its line and column.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/hearthfaas/hearth/shared/fault"
)

// MaxDepth bounds the nesting of JSON from outside.
const MaxDepth = 64

// Decode decodes exactly one JSON value into v. Trailing data, unknown fields, keys that differ from a
// field's name in case only and repeated keys are Invalid; nesting deeper than MaxDepth is TooLarge. Two
// programs that read the same accepted text therefore read the same value. After an error v is not usable.
func Decode(raw []byte, v any) error {
	if err := checkDepth(raw); err != nil {
		return err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return placed(raw, err)
	}
	return checkKeys(raw, reflect.TypeOf(v))
}

// Place turns an offset in raw into "line 3, column 7". Columns count bytes, from 1.
func Place(raw []byte, offset int64) string {
	before := raw[:min(offset, int64(len(raw)))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - bytes.LastIndexByte(before, '\n')
	return fmt.Sprintf("line %d, column %d", line, column)
}

// checkDepth runs before the decoder because that one recurses up to 10,000 levels.
func checkDepth(raw []byte) error {
	depth, inString, escaped := 0, false, false
	for i, c := range raw {
		switch {
		case escaped:
			escaped = false
		case inString && c == '\\':
			escaped = true
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return fault.New(fault.TooLarge, "nested deeper than %d", MaxDepth).At(Place(raw, int64(i)))
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}

// placed turns an error of encoding/json into one for people, with its place.
func placed(raw []byte, err error) error {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		// The offset is that of the first byte that is wrong, counted from 1.
		return fault.New(fault.Invalid, "not JSON: %v", syntax).At(Place(raw, max(0, syntax.Offset-1)))
	}
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		what := kind.Field
		if what == "" {
			what = "this"
		}
		return fault.New(fault.Invalid, "%s has to be %s, not %s", what, noun(kind.Type), kind.Value).At(Place(raw, kind.Offset))
	}
	if e, ok := errors.AsType[*fault.Error](err); ok {
		return e
	}
	return fault.New(fault.Invalid, "%v", err)
}

// noun says in words what JSON a Go type is written as.
func noun(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	default:
		return "a number (" + t.Kind().String() + ")"
	}
}
