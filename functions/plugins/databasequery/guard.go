package databasequery

import (
	"slices"
	"strings"

	"github.com/hearthfaas/hearth/shared/fault"
)

// maxSQL bounds a statement in bytes.
const maxSQL = 64 << 10

// starts are the words a reading statement may begin with. The transaction is read-only anyway; this is
// the second layer, and the one that can say why.
var starts = map[dialect][]string{
	sqliteSQL:   {"select", "with", "values", "explain"},
	postgresSQL: {"select", "with", "values", "table", "show", "explain"},
	mysqlSQL:    {"select", "with", "values", "table", "show", "explain", "describe", "desc"},
}

// forbidden are functions that reach outside the database or past a read-only transaction, take locks, or
// run SQL that they get as text. A trailing * stands for any ending.
var forbidden = map[dialect][]string{
	// SQLite has a real authorizer besides; these are for a fault with a place.
	sqliteSQL: {"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer", "fts5_decode"},
	// PostgreSQL documentation 9.28 (system administration), 35 (large objects), F.11 dblink, F.43 tablefunc,
	// 9.15 (XML from SQL text), 9.17 (sequences), 12.4 (ts_stat, ts_rewrite).
	postgresSQL: {
		"pg_read_*", "pg_ls_*", "pg_stat_file", "pg_file_*", "pg_sleep*", "pg_terminate_backend", "pg_cancel_backend",
		"pg_reload_conf", "pg_rotate_logfile*", "pg_switch_wal", "pg_create_*", "pg_drop_*", "pg_copy_*", "pg_promote",
		"pg_backup_*", "pg_start_backup", "pg_stop_backup", "pg_wal_replay_*", "pg_advisory_*", "pg_try_advisory_*",
		"pg_replication_*", "pg_logical_*", "pg_stat_reset*", "pg_export_snapshot", "pg_import_*", "pg_notify",
		"pg_log_*", "lo_*", "loread", "lowrite", "dblink*", "setval", "nextval", "set_config", "query_to_xml*",
		"cursor_to_xml*", "crosstab*", "connectby*", "ts_stat", "ts_rewrite", "http_*", "http",
	},
	mysqlSQL: {
		"load_file", "sleep", "benchmark", "get_lock", "release_lock", "release_all_locks", "is_used_lock", "is_free_lock",
		"master_pos_wait", "source_pos_wait", "wait_for_executed_gtid_set", "master_gtid_wait", "sys_exec", "sys_eval",
		"sys_get", "sys_set", "nextval", "setval", "lastval", "uuid_short",
	},
}

// secretive are relations that hold passwords.
var secretive = []string{"pg_authid", "pg_shadow", "pg_user_mapping", "pg_user_mappings", "global_priv"}

// statement is one reading statement, with what we change in it before the server sees it.
type statement struct {
	sql     string
	dialect dialect
	tokens  []token
	edits   []edit // by position
}

// edit replaces sql[pos:end].
type edit struct {
	pos, end int
	text     string
}

// guard returns the statement in sql if it is one, and only reads. Errors are Invalid for what is not SQL,
// and Forbidden for what would write or reach outside, with the place.
func guard(sql string, d dialect) (*statement, error) {
	if len(sql) > maxSQL {
		return nil, fault.New(fault.TooLarge, "the statement is over %d bytes", maxSQL).At("params.sql")
	}
	tokens, err := lex(sql, d)
	if err != nil {
		return nil, err
	}
	for len(tokens) > 0 && tokens[len(tokens)-1].value == ";" && tokens[len(tokens)-1].kind == symbol {
		sql, tokens = sql[:tokens[len(tokens)-1].pos], tokens[:len(tokens)-1]
	}
	s := &statement{sql: sql, dialect: d, tokens: tokens}
	if err := s.checkStart(); err != nil {
		return nil, err
	}
	for i := range tokens {
		if err := s.checkToken(i); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *statement) checkStart() error {
	first := slices.IndexFunc(s.tokens, func(t token) bool { return t.kind != symbol || t.value != "(" })
	if first < 0 {
		return fault.New(fault.Invalid, "there is no statement").At("params.sql")
	}
	t := s.tokens[first]
	if t.kind == word && slices.Contains(starts[s.dialect], t.value) {
		return nil
	}
	return writes(s.sql, t.pos, "a statement that begins with "+shown(s.sql[t.pos:t.end]))
}

func (s *statement) checkToken(i int) error {
	t := s.tokens[i]
	switch {
	case t.kind == symbol && t.value == ";":
		return fault.New(fault.Invalid, "one statement at a time").At(place(s.sql, t.pos))
	case t.kind == word && t.value == "into":
		return writes(s.sql, t.pos, "INTO")
	case t.kind == word && t.value == "for" && s.follows(i, "update", "share", "no", "key"):
		return writes(s.sql, t.pos, "locking rows")
	case t.kind == word && t.value == "lock" && s.follows(i, "in"):
		return writes(s.sql, t.pos, "locking rows")
	case t.kind != word && t.kind != quoted:
		return nil
	}
	name := strings.ToLower(t.value)
	if s.calls(i) && matches(forbidden[s.dialect], name) {
		return fault.New(fault.Forbidden, "the function %s is not for queries", name).At(place(s.sql, t.pos))
	}
	if slices.Contains(secretive, name) && s.dialect != sqliteSQL {
		return fault.New(fault.Forbidden, "%s holds passwords", name).At(place(s.sql, t.pos))
	}
	return nil
}

// follows reports whether the token after i is one of these words.
func (s *statement) follows(i int, words ...string) bool {
	return i+1 < len(s.tokens) && s.tokens[i+1].kind == word && slices.Contains(words, s.tokens[i+1].value)
}

// calls reports whether token i is the name of a function that is called.
func (s *statement) calls(i int) bool { return s.is(i+1, symbol, "(") }

// is reports whether token i exists and is this.
func (s *statement) is(i int, kind tokenKind, value string) bool {
	return i >= 0 && i < len(s.tokens) && s.tokens[i].kind == kind && s.tokens[i].value == value
}

// writes is the refusal of what would change the database.
func writes(sql string, pos int, what string) error {
	return fault.New(fault.Forbidden, "database_query only reads, and %s may change data", what).
		At(place(sql, pos)).Try("use database_execute")
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if prefix, found := strings.CutSuffix(p, "*"); found {
			return strings.HasPrefix(name, prefix)
		}
		return p == name
	})
}

// shown shortens a piece of a statement for a message.
func shown(s string) string {
	if len(s) > 20 {
		return "a longer text"
	}
	return strings.ToUpper(s)
}

// change puts text in place of the tokens from first to last.
func (s *statement) change(first, last int, text string) {
	s.edits = append(s.edits, edit{pos: s.tokens[first].pos, end: s.tokens[last].end, text: text})
	slices.SortFunc(s.edits, func(a, b edit) int { return a.pos - b.pos })
}

// final is the statement as the server gets it.
func (s *statement) final() string {
	var b strings.Builder
	at := 0
	for _, e := range s.edits {
		b.WriteString(s.sql[at:e.pos])
		b.WriteString(e.text)
		at = e.end
	}
	b.WriteString(s.sql[at:])
	return b.String()
}

// origin is the offset in the user's statement of an offset in the final one.
func (s *statement) origin(offset int) int {
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
	return min(max(offset-shift, 0), len(s.sql))
}
