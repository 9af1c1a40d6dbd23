package databasequery

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

// values decodes parameters into nil, bool, int64, float64 and string. A number that neither integer nor
// float holds exactly stays a string, which every server reads as that number.
func values(params []json.RawMessage) ([]any, error) {
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
	if f, err := n.Float64(); err == nil && lossless(n.String()) {
		return f
	}
	return n.String()
}

// bind rewrites the places of the parameters into the form that the dialect's driver wants, and returns
// the values in the order of that form. People may write ? or $1 for every data source.
func (s *statement) bind(list []any) ([]any, error) {
	var marks []int
	numbered := 0
	for i, t := range s.tokens {
		if t.kind == param && !s.isOperator(i, len(list)) {
			marks = append(marks, i)
			if len(t.value) > 1 {
				numbered++
			}
		}
	}
	if numbered > 0 && numbered < len(marks) {
		return nil, fault.New(fault.Invalid, "use either ? or $1, not both").At("params.sql")
	}
	ordered := make([]any, 0, len(marks))
	used := make([]bool, len(list))
	for n, i := range marks {
		number := n + 1
		if t := s.tokens[i]; len(t.value) > 1 {
			number, _ = strconv.Atoi(t.value[1:]) // digits; one that overflows is out of range
		}
		if number < 1 || number > len(list) {
			return nil, fault.New(fault.Invalid, "there is no value number %d in params, which has %d", number, len(list)).
				At(place(s.sql, s.tokens[i].pos))
		}
		used[number-1] = true
		ordered = append(ordered, list[number-1])
		s.change(i, i, s.mark(number))
	}
	for i, u := range used {
		if !u {
			return nil, fault.New(fault.Invalid, "the statement does not use this value").At(fmt.Sprintf("params.params[%d]", i))
		}
	}
	if s.dialect == mysqlSQL {
		return ordered, nil
	}
	return list, nil
}

// isOperator reports whether token i is one of PostgreSQL's operators ?, ?| and ?& rather than a place for
// a value.
func (s *statement) isOperator(i, have int) bool {
	if s.dialect != postgresSQL || s.tokens[i].value != "?" {
		return false
	}
	numbered := func(t token) bool { return t.kind == param && strings.HasPrefix(t.value, "$") }
	next := i+1 < len(s.tokens) && s.tokens[i+1].pos == s.tokens[i].end && strings.Contains("|&", s.tokens[i+1].value)
	for _, t := range s.tokens {
		if numbered(t) {
			return true
		}
	}
	return next || have == 0
}

func (s *statement) mark(number int) string {
	switch s.dialect {
	case postgresSQL:
		return fmt.Sprintf("$%d", number)
	case sqliteSQL:
		return fmt.Sprintf("?%d", number)
	default:
		return "?"
	}
}
