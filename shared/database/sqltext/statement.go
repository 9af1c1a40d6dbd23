// Package sqltext reads SQL as the server will: the tokens of one statement, what it may not call, the places of
// its values, and what is put in their place. It knows words and no grammar.
package sqltext

import (
	"slices"
	"strings"

	"github.com/hearthfaas/hearth/shared/fault"
)

// MaxSQL bounds a statement in bytes.
const MaxSQL = 64 << 10

// forbidden are functions that reach outside the database or past a read-only transaction, take locks, or
// run SQL that they get as text. A trailing * stands for any ending.
var forbidden = map[Dialect][]string{
	// SQLite has a real authorizer besides; these are for a fault with a place.
	SQLite: {"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer", "fts5_decode"},
	// PostgreSQL documentation 9.28 (system administration), 35 (large objects), F.11 dblink, F.43 tablefunc,
	// 9.15 (XML from SQL text), 9.17 (sequences), 12.4 (ts_stat, ts_rewrite).
	Postgres: {
		"pg_read_*", "pg_ls_*", "pg_stat_file", "pg_file_*", "pg_sleep*", "pg_terminate_backend", "pg_cancel_backend",
		"pg_reload_conf", "pg_rotate_logfile*", "pg_switch_wal", "pg_create_*", "pg_drop_*", "pg_copy_*", "pg_promote",
		"pg_backup_*", "pg_start_backup", "pg_stop_backup", "pg_wal_replay_*", "pg_advisory_*", "pg_try_advisory_*",
		"pg_replication_*", "pg_logical_*", "pg_stat_reset*", "pg_export_snapshot", "pg_import_*", "pg_notify",
		"pg_log_*", "lo_*", "loread", "lowrite", "dblink*", "setval", "nextval", "set_config", "query_to_xml*",
		"cursor_to_xml*", "crosstab*", "connectby*", "ts_stat", "ts_rewrite", "http_*", "http",
	},
	MySQL: {
		"load_file", "sleep", "benchmark", "get_lock", "release_lock", "release_all_locks", "is_used_lock", "is_free_lock",
		"master_pos_wait", "source_pos_wait", "wait_for_executed_gtid_set", "master_gtid_wait", "sys_exec", "sys_eval",
		"sys_get", "sys_set", "nextval", "setval", "lastval", "uuid_short",
	},
}

// secretive are relations that hold passwords.
var secretive = []string{"pg_authid", "pg_shadow", "pg_user_mapping", "pg_user_mappings", "global_priv"}

// Statement is one statement, with what we change in it before the server sees it.
type Statement struct {
	SQL     string // as somebody wrote it, without semicolons behind it
	Dialect Dialect
	Tokens  []Token // at least one

	edits []edit      // by position
	bound map[int]any // the value for the mark at this position, once Bind knows it
}

// edit replaces SQL[pos:end].
type edit struct {
	pos, end int
	text     string
}

// Parse returns the one statement in sql. Errors are Invalid for what is not one statement, TooLarge, and
// Forbidden for a call of what reaches outside the database; all but TooLarge with the place.
func Parse(sql string, d Dialect) (*Statement, error) {
	if len(sql) > MaxSQL {
		return nil, fault.New(fault.TooLarge, "the statement is over %d bytes", MaxSQL).At("params.sql")
	}
	tokens, err := lex(sql, d)
	if err != nil {
		return nil, err
	}
	for len(tokens) > 0 && tokens[len(tokens)-1].Value == ";" && tokens[len(tokens)-1].Kind == Symbol {
		sql, tokens = sql[:tokens[len(tokens)-1].Pos], tokens[:len(tokens)-1]
	}
	if len(tokens) == 0 {
		return nil, fault.New(fault.Invalid, "there is no statement").At("params.sql")
	}
	s := &Statement{SQL: sql, Dialect: d, Tokens: tokens}
	for i := range tokens {
		if err := s.check(i); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *Statement) check(i int) error {
	t := s.Tokens[i]
	if t.Kind == Symbol && t.Value == ";" {
		return fault.New(fault.Invalid, "one statement at a time").At(s.At(i))
	}
	if t.Kind != Word && t.Kind != Quoted {
		return nil
	}
	name := strings.ToLower(t.Value)
	if s.Is(i+1, Symbol, "(") && Forbidden(s.Dialect, name) {
		return fault.New(fault.Forbidden, "the function %s may not be called", name).At(s.At(i))
	}
	if slices.Contains(secretive, name) && s.Dialect != SQLite {
		return fault.New(fault.Forbidden, "%s holds passwords", name).At(s.At(i))
	}
	return nil
}

// Forbidden reports whether no statement may call the function with this name, in lower case.
func Forbidden(d Dialect, name string) bool {
	return slices.ContainsFunc(forbidden[d], func(p string) bool {
		if prefix, found := strings.CutSuffix(p, "*"); found {
			return strings.HasPrefix(name, prefix)
		}
		return p == name
	})
}

// Is reports whether token i exists and is this.
func (s *Statement) Is(i int, kind Kind, value string) bool {
	return i >= 0 && i < len(s.Tokens) && s.Tokens[i].Kind == kind && s.Tokens[i].Value == value
}

// Word returns the bare word that token i is, in lower case, or "".
func (s *Statement) Word(i int) string {
	if i < 0 || i >= len(s.Tokens) || s.Tokens[i].Kind != Word {
		return ""
	}
	return s.Tokens[i].Value
}

// At names the place of token i for people, or of the statement when there is none.
func (s *Statement) At(i int) string {
	if i < 0 || i >= len(s.Tokens) {
		return "params.sql"
	}
	return place(s.SQL, s.Tokens[i].Pos)
}

// Shown is token i as it was written, or a description when that is long.
func (s *Statement) Shown(i int) string {
	t := s.Tokens[i]
	if t.End-t.Pos > 20 {
		return "a longer text"
	}
	return strings.ToUpper(s.SQL[t.Pos:t.End])
}

// Change puts text in place of the tokens from first to last.
func (s *Statement) Change(first, last int, text string) {
	s.edits = append(s.edits, edit{pos: s.Tokens[first].Pos, end: s.Tokens[last].End, text: text})
	slices.SortFunc(s.edits, func(a, b edit) int { return a.pos - b.pos })
}

// Final is the statement as the server gets it.
func (s *Statement) Final() string {
	var b strings.Builder
	at := 0
	for _, e := range s.edits {
		b.WriteString(s.SQL[at:e.pos])
		b.WriteString(e.text)
		at = e.end
	}
	b.WriteString(s.SQL[at:])
	return b.String()
}

// Part is the text from token first up to but not including token end as the server gets it, for use in another
// statement of ours: its values are appended to args, and its marks are numbered as they stand there. Bind
// comes before it.
func (s *Statement) Part(first, end int, args *[]any) string {
	if first >= end {
		return ""
	}
	var b strings.Builder
	at, last := s.Tokens[first].Pos, s.Tokens[end-1].End
	for _, e := range s.edits {
		if e.pos < at || e.end > last {
			continue
		}
		b.WriteString(s.SQL[at:e.pos])
		if value, mark := s.bound[e.pos]; mark {
			*args = append(*args, value)
			b.WriteString(s.Mark(len(*args)))
		} else {
			b.WriteString(e.text)
		}
		at = e.end
	}
	b.WriteString(s.SQL[at:last])
	return b.String()
}

// Place names for people where an offset in Final lies in what they wrote.
func (s *Statement) Place(offset int) string { return place(s.SQL, s.origin(offset)) }

// origin is the offset in the user's statement of an offset in the final one.
func (s *Statement) origin(offset int) int {
	shift := 0
	for _, e := range s.edits {
		start := e.pos + shift
		if offset < start {
			break
		}
		if offset < start+len(e.text) {
			return e.pos
		}
		shift += len(e.text) - (e.end - e.pos)
	}
	return min(max(offset-shift, 0), len(s.SQL))
}

// Only is the place of the one token that is name, or of the statement when there are more or none.
func (s *Statement) Only(name string) string {
	at := -1
	for i, t := range s.Tokens {
		if strings.EqualFold(s.SQL[t.Pos:t.End], name) {
			if at >= 0 {
				return "params.sql"
			}
			at = i
		}
	}
	return s.At(at)
}
