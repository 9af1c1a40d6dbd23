package database

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/hearthfaas/hearth/shared/database/sqltext"
	"github.com/hearthfaas/hearth/shared/fault"
)

// sqliteLink is a connection to a SQLite file.
type sqliteLink struct {
	standard
	clock *sqliteClock
}

func (s Source) openSQLite(ctx context.Context, session Session) (*sqliteLink, error) {
	clock, err := newSQLiteClock(session.Now)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", sqliteAddress(s.path(), clock.name, session))
	if err != nil {
		clock.Close()
		return nil, fault.As(fault.Invalid, err, "the SQLite file cannot be opened")
	}
	l := &sqliteLink{standard: standard{db: db}, clock: clock}
	if l.conn, err = db.Conn(ctx); err != nil {
		l.close()
		return nil, fault.As(fault.Unavailable, err, "the SQLite file cannot be opened").Try("hearth doctor")
	}
	return l, nil
}

// sqliteAddress opens a file for reading three times over: the file itself, the connection, and the schema, which
// is never trusted to call anything with an effect.
func sqliteAddress(path, vfs string, session Session) string {
	options := url.Values{
		"mode": {"ro"}, "vfs": {vfs}, "_defensive": {"1"},
		"_pragma": {"query_only(1)", "trusted_schema(0)", "busy_timeout(5000)"},
	}
	if len(session.Writes) > 0 {
		options["mode"], options["_pragma"] = []string{"rw"}, []string{"foreign_keys(1)", "trusted_schema(0)", "busy_timeout(5000)"}
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + options.Encode()
}

// begin limits the connection and puts SQLite's own parser on guard: the authorizer sees what a statement does,
// whatever it looks like. A single reading statement is a transaction by itself.
func (l *sqliteLink) begin(ctx context.Context, session Session) error {
	if len(session.Writes) > 0 {
		if _, err := l.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
			return err
		}
	}
	for limit, value := range map[int]int{
		sqlite3.SQLITE_LIMIT_LENGTH: maxValue, sqlite3.SQLITE_LIMIT_ATTACHED: 0, sqlite3.SQLITE_LIMIT_SQL_LENGTH: 4 * sqltext.MaxSQL,
	} {
		if _, err := sqlite.Limit(l.conn, limit, value); err != nil {
			return fault.As(fault.Internal, err, "limit the SQLite connection")
		}
	}
	err := l.conn.Raw(func(driver any) error {
		registerer, ok := driver.(sqlite.AuthorizerRegisterer)
		if !ok {
			return errors.New("the driver has no authorizer")
		}
		return registerer.RegisterAuthorizer(authorizer(session.Writes))
	})
	if err != nil {
		return fault.As(fault.Internal, err, "confine the SQLite connection")
	}
	return nil
}

func (l *sqliteLink) close() {
	l.standard.close()
	l.clock.Close()
}

// harmlessPragmas only describe the schema; data_version is what full-text indexes ask for themselves.
var harmlessPragmas = []string{
	"table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo", "foreign_key_list", "data_version",
}

// authorizer lets statements read, and write into these tables and no others: what a trigger or a foreign key
// would do elsewhere is refused with the statement that sets it off.
func authorizer(writes []string) func(sqlite.AuthorizerActionCode, string, string, string, string) sqlite.AuthorizerReturnCode {
	return func(action sqlite.AuthorizerActionCode, arg1, arg2, _, _ string) sqlite.AuthorizerReturnCode {
		allowed := false
		switch action {
		case sqlite.AuthSelect, sqlite.AuthRead, sqlite.AuthRecursive:
			allowed = true
		case sqlite.AuthFunction:
			allowed = !sqltext.Forbidden(sqltext.SQLite, strings.ToLower(arg2))
		case sqlite.AuthPragma:
			allowed = slices.Contains(harmlessPragmas, strings.ToLower(arg1))
		case sqlite.AuthInsert, sqlite.AuthUpdate, sqlite.AuthDelete:
			allowed = slices.Contains(writes, strings.ToLower(arg1)) || len(writes) > 0 && arg1 == "sqlite_sequence"
		case sqlite.AuthTransaction:
			allowed = len(writes) > 0
		}
		if allowed {
			return sqlite.AuthorizerOK
		}
		return sqlite.AuthorizerDeny
	}
}

var (
	sqliteNoise = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(SQL logic error: )?(.*?) \(\d+\)$`) })
	sqliteNamed = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`near "(.+)": syntax error|no such (?:column|table|function): (?:\w+\.)?(\w+)`)
	})
)

// sqliteFault gives an error of SQLite its kind, and its place where the message names a word that the
// statement has only once.
func sqliteFault(e *sqlite.Error, s *sqltext.Statement) error {
	message := sqliteNoise().ReplaceAllString(e.Error(), "$2")
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_READONLY:
		return readOnly(e, message)
	case sqlite3.SQLITE_AUTH:
		return fault.As(fault.Forbidden, e, "the statement does more than it may here").At("params.sql")
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_FULL:
		return fault.As(fault.Unavailable, e, "the database file is busy or cannot be used: %s", message)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fault.As(fault.Failed, e, "the file is not a sound SQLite database")
	case sqlite3.SQLITE_TOOBIG:
		return fault.As(fault.TooLarge, e, "a value is over %d bytes", maxValue).At("params.sql")
	case sqlite3.SQLITE_INTERRUPT:
		return tookTooLong(e)
	}
	found := sqliteNamed().FindStringSubmatch(message)
	if found == nil || s == nil {
		return fault.As(fault.Invalid, e, "%s", message).At("params.sql")
	}
	return fault.As(fault.Invalid, e, "%s", message).At(s.Only(found[1] + found[2]))
}
