package sqltext

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/hearthfaas/hearth/shared/fault"
)

// maxParams bounds the values of a statement; SQLite and PostgreSQL take no more than 32766 anyway.
const maxParams = 1000

// Values decodes parameters into nil, bool, int64, float64 and string. A number that neither integer nor
// float holds exactly stays a string, which every server reads as that number.
func Values(params []json.RawMessage) ([]any, error) {
	if len(params) > maxParams {
		return nil, fault.New(fault.TooLarge, "over %d values", maxParams).At("params.params")
	}
	list := make([]any, len(params))
	for i, raw := range params {
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.UseNumber()
		var v any
		if err := dec.Decode(&v); err != nil {
			return nil, fault.As(fault.Invalid, err, "not JSON").At(fmt.Sprintf("params.params[%d]", i))
		}
		switch v := v.(type) {
		case nil, bool, string:
			list[i] = v
		case json.Number:
			list[i] = exact(v)
		default:
			return nil, fault.New(fault.Invalid, "a value is a string, a number, a boolean or null").At(fmt.Sprintf("params.params[%d]", i))
		}
	}
	return list, nil
}

func exact(n json.Number) any {
	if i, err := n.Int64(); err == nil {
		return i
	}
	if f, err := n.Float64(); err == nil && Lossless(n.String()) {
		return f
	}
	return n.String()
}

// Bind rewrites the places of the parameters into the form that the dialect's driver wants, and returns
// the values in the order of that form. People may write ? or $1 for every data source.
func (s *Statement) Bind(list []any) ([]any, error) {
	var marks []int
	numbered := 0
	for i, t := range s.Tokens {
		if t.Kind == Param && !s.isOperator(i, len(list)) {
			marks = append(marks, i)
			if len(t.Value) > 1 {
				numbered++
			}
		}
	}
	if numbered > 0 && numbered < len(marks) {
		return nil, fault.New(fault.Invalid, "use either ? or $1, not both").At("params.sql")
	}
	s.bound = map[int]any{}
	ordered := make([]any, 0, len(marks))
	used := make([]bool, len(list))
	for n, i := range marks {
		number := n + 1
		if t := s.Tokens[i]; len(t.Value) > 1 {
			number, _ = strconv.Atoi(t.Value[1:]) // digits; one that overflows is out of range
		}
		if number < 1 || number > len(list) {
			return nil, fault.New(fault.Invalid, "there is no value number %d in params, which has %d", number, len(list)).
				At(s.At(i))
		}
		used[number-1] = true
		ordered = append(ordered, list[number-1])
		s.bound[s.Tokens[i].Pos] = list[number-1]
		s.Change(i, i, s.Mark(number))
	}
	for i, u := range used {
		if !u {
			return nil, fault.New(fault.Invalid, "the statement does not use this value").At(fmt.Sprintf("params.params[%d]", i))
		}
	}
	if s.Dialect == MySQL {
		return ordered, nil
	}
	return list, nil
}

// isOperator reports whether token i is one of PostgreSQL's operators ?, ?| and ?& rather than a place for
// a value.
func (s *Statement) isOperator(i, have int) bool {
	if s.Dialect != Postgres || s.Tokens[i].Value != "?" {
		return false
	}
	numbered := func(t Token) bool { return t.Kind == Param && strings.HasPrefix(t.Value, "$") }
	next := i+1 < len(s.Tokens) && s.Tokens[i+1].Pos == s.Tokens[i].End && strings.Contains("|&", s.Tokens[i+1].Value)
	for _, t := range s.Tokens {
		if numbered(t) {
			return true
		}
	}
	return next || have == 0
}

// Mark is the place of the value with this number, counted from 1, as the dialect's driver wants it.
func (s *Statement) Mark(number int) string {
	switch s.Dialect {
	case Postgres:
		return fmt.Sprintf("$%d", number)
	case SQLite:
		return fmt.Sprintf("?%d", number)
	default:
		return "?"
	}
}

// Lossless reports whether a float64 keeps the number: 15 significant digits always fit (IEEE 754 double), and
// so do whole numbers up to 2^53.
func Lossless(text string) bool {
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i >= -1<<53 && i <= 1<<53
	}
	mantissa, _, _ := strings.Cut(strings.ToLower(text), "e")
	digits := strings.TrimLeft(strings.NewReplacer("-", "", ".", "").Replace(mantissa), "0")
	f, err := strconv.ParseFloat(text, 64)
	return err == nil && len(digits) <= 15 && (f != 0 || digits == "")
}
