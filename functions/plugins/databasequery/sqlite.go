package databasequery

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/hearthfaas/hearth/shared/fault"
)

// sqliteSource is a SQLite file.
type sqliteSource struct{ path string }

// maxValue bounds one value inside SQLite, so that zeroblob(1e9) costs nothing.
const maxValue = 8 << 20

func (s sqliteSource) read(ctx context.Context, r request) (Out, error) {
	st, err := guard(r.sql, sqliteSQL)
	if err != nil {
		return Out{}, err
	}
	args, err := st.bind(r.params)
	if err != nil {
		return Out{}, err
	}
	if err := st.settleZone(r.now); err != nil {
		return Out{}, err
	}
	clock, err := newSQLiteClock(r.now)
	if err != nil {
		return Out{}, err
	}
	defer clock.Close()
	db, err := sql.Open("sqlite", s.dsn(clock.name))
	if err != nil {
		return Out{}, fault.As(fault.Invalid, err, "the SQLite file cannot be opened")
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return Out{}, fault.As(fault.Unavailable, err, "the SQLite file cannot be opened").Try("hearth doctor")
	}
	defer conn.Close()
	if err := confine(conn); err != nil {
		return Out{}, err
	}
	rows, err := conn.QueryContext(ctx, st.final(), args...)
	if err != nil {
		return Out{}, st.sqliteFault(err)
	}
	defer rows.Close()
	out, err := collect(rows, r.maxRows, sqliteValue)
	return out, st.sqliteFault(err)
}

// dsn opens the file read-only, three times over: the file itself, the connection, and the schema, which is
// not trusted to call anything with an effect.
func (s sqliteSource) dsn(vfs string) string {
	options := url.Values{
		"mode": {"ro"}, "vfs": {vfs}, "_defensive": {"1"},
		"_pragma": {"query_only(1)", "trusted_schema(0)", "busy_timeout(5000)"},
	}
	return "file:" + (&url.URL{Path: s.path}).EscapedPath() + "?" + options.Encode()
}

// confine limits the connection and puts SQLite's own parser on guard: the authorizer sees what a statement
// does, whatever it looks like.
func confine(conn *sql.Conn) error {
	for limit, value := range map[int]int{
		sqlite3.SQLITE_LIMIT_LENGTH: maxValue, sqlite3.SQLITE_LIMIT_ATTACHED: 0, sqlite3.SQLITE_LIMIT_SQL_LENGTH: 2 * maxSQL,
	} {
		if _, err := sqlite.Limit(conn, limit, value); err != nil {
			return fault.As(fault.Internal, err, "limit the SQLite connection")
		}
	}
	err := conn.Raw(func(driver any) error {
		registerer, ok := driver.(sqlite.AuthorizerRegisterer)
		if !ok {
			return errors.New("the driver has no authorizer")
		}
		return registerer.RegisterAuthorizer(authorize)
	})
	if err != nil {
		return fault.As(fault.Internal, err, "confine the SQLite connection")
	}
	return nil
}

// harmlessPragmas only describe the schema; data_version is what full-text indexes ask for themselves.
var harmlessPragmas = []string{
	"table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo", "foreign_key_list", "data_version",
}

func authorize(action sqlite.AuthorizerActionCode, arg1, arg2, _, _ string) sqlite.AuthorizerReturnCode {
	switch action {
	case sqlite.AuthSelect, sqlite.AuthRead, sqlite.AuthRecursive:
		return sqlite.AuthorizerOK
	case sqlite.AuthFunction:
		if !matches(forbidden[sqliteSQL], strings.ToLower(arg2)) {
			return sqlite.AuthorizerOK
		}
	case sqlite.AuthPragma:
		if slices.Contains(harmlessPragmas, strings.ToLower(arg1)) {
			return sqlite.AuthorizerOK
		}
	}
	return sqlite.AuthorizerDeny
}

// collect reads rows into a table, up to its limits.
func collect(rows *sql.Rows, maxRows int, value func(v any, column *sql.ColumnType) any) (Out, error) {
	types, err := rows.ColumnTypes()
	if err != nil {
		return Out{}, err
	}
	names := make([]string, len(types))
	cells, pointers := make([]any, len(types)), make([]any, len(types))
	for i, t := range types {
		names[i], pointers[i] = t.Name(), &cells[i]
	}
	t := newTable(names, maxRows)
	for more := true; more && rows.Next(); {
		if err := rows.Scan(pointers...); err != nil {
			return Out{}, err
		}
		row := make([]any, len(cells))
		for i, cell := range cells {
			row[i] = value(cell, types[i])
		}
		if more, err = t.add(row); err != nil {
			return Out{}, err
		}
	}
	if err := rows.Err(); err != nil && !t.out.Truncated {
		return Out{}, err
	}
	return t.out, nil
}

// sqliteValue is a value as the driver gives it. The driver parses texts in columns declared as dates; they
// go back to ISO 8601, without a clock in a DATE and without a zone where none was stored.
func sqliteValue(v any, column *sql.ColumnType) any {
	switch v := v.(type) {
	case []byte:
		return blob(v)
	case int64:
		return integer(v)
	case float64:
		return float(v)
	case time.Time:
		midnight := v.Hour() == 0 && v.Minute() == 0 && v.Second() == 0 && v.Nanosecond() == 0
		switch {
		case midnight && column.DatabaseTypeName() == "DATE":
			return v.Format(time.DateOnly)
		case v.Location() == time.UTC:
			return v.Format("2006-01-02T15:04:05.999999999")
		default:
			return v.Format(time.RFC3339Nano)
		}
	default:
		return v
	}
}

var (
	sqliteNoise = regexp.MustCompile(`^(SQL logic error: )?(.*?) \(\d+\)$`)
	sqliteNamed = regexp.MustCompile(`near "(.+)": syntax error|no such (?:column|table|function): (?:\w+\.)?(\w+)`)
)

// sqliteFault gives an error of SQLite its kind, and its place where the message names a word that the
// statement has only once.
func (s *statement) sqliteFault(err error) error {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	message := sqliteNoise.ReplaceAllString(e.Error(), "$2")
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_READONLY:
		return fault.As(fault.Forbidden, err, "database_query only reads").At("params.sql").Try("use database_execute")
	case sqlite3.SQLITE_AUTH:
		return fault.As(fault.Forbidden, err, "database_query only reads, and this statement does more").At("params.sql").Try("use database_execute")
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM:
		return fault.As(fault.Unavailable, err, "the database file is busy or cannot be read: %s", message)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fault.As(fault.Failed, err, "the file is not a sound SQLite database")
	case sqlite3.SQLITE_TOOBIG:
		return fault.As(fault.TooLarge, err, "a value is over %d bytes", maxValue).At("params.sql")
	}
	found := sqliteNamed.FindStringSubmatch(message)
	if found == nil {
		return fault.As(fault.Invalid, err, "%s", message).At("params.sql")
	}
	return fault.As(fault.Invalid, err, "%s", message).At(s.only(found[1] + found[2]))
}

// only is the place of the one token that is name, or of the statement when there are more or none.
func (s *statement) only(name string) string {
	at := -1
	for _, t := range s.tokens {
		if strings.EqualFold(s.sql[t.pos:t.end], name) {
			if at >= 0 {
				return "params.sql"
			}
			at = t.pos
		}
	}
	if at < 0 {
		return "params.sql"
	}
	return place(s.sql, at)
}
