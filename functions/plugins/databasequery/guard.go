package databasequery

import (
	"slices"

	"github.com/hearthfaas/hearth/shared/database/sqltext"
	"github.com/hearthfaas/hearth/shared/fault"
)

// starts are the words a reading statement may begin with. The transaction is read-only anyway; this is
// the second layer, and the one that can say why.
var starts = map[sqltext.Dialect][]string{
	sqltext.SQLite:   {"select", "with", "values", "explain"},
	sqltext.Postgres: {"select", "with", "values", "table", "show", "explain"},
	sqltext.MySQL:    {"select", "with", "values", "table", "show", "explain", "describe", "desc"},
}

// guard returns the statement in sql if it is one, and only reads. Errors are those of sqltext.Parse, and
// Forbidden for what would write, with the place.
func guard(sql string, d sqltext.Dialect) (*sqltext.Statement, error) {
	s, err := sqltext.Parse(sql, d)
	if err != nil {
		return nil, err
	}
	first := slices.IndexFunc(s.Tokens, func(t sqltext.Token) bool { return t.Kind != sqltext.Symbol || t.Value != "(" })
	if first < 0 {
		return nil, fault.New(fault.Invalid, "there is no statement").At("params.sql")
	}
	if !slices.Contains(starts[d], s.Word(first)) {
		return nil, writes(s, first, "a statement that begins with "+s.Shown(first))
	}
	for i := range s.Tokens {
		switch next := s.Word(i + 1); {
		case s.Word(i) == "into":
			return nil, writes(s, i, "INTO")
		case s.Word(i) == "for" && slices.Contains([]string{"update", "share", "no", "key"}, next), s.Word(i) == "lock" && next == "in":
			return nil, writes(s, i, "locking rows")
		}
	}
	return s, nil
}

// writes is the refusal of what would change the database.
func writes(s *sqltext.Statement, i int, what string) error {
	return fault.New(fault.Forbidden, "database_query only reads, and %s may change data", what).
		At(s.At(i)).Try("use database_execute")
}
