package database

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"

	"github.com/hearthfaas/hearth/shared/database/sqltext"
	"github.com/hearthfaas/hearth/shared/fault"
)

// Patience is what a statement may take. It is under what a call of a plugin may, so that there is time to say
// so.
const Patience = 25 * time.Second

// maxValue bounds one value in bytes, so that zeroblob(1e9) costs nothing.
const maxValue = 8 << 20

// Session says what a connection is for.
type Session struct {
	Now    time.Time // the clock that statements see; its location is the run's zone
	Writes []string  // tables that may be written, in lower case; with none, the connection only reads
	Rows   int       // more rows than this need not come; 0 for all
}

// Conn is a connection for one transaction. It dies with the call: no setting of one reaches the next.
type Conn struct {
	source  Source
	session Session
	link    link
	closed  sync.Once // what a link holds is in C memory, and must not be freed twice
}

// link is what the drivers have in common.
type link interface {
	begin(ctx context.Context, s Session) error
	query(ctx context.Context, sql string, args []any) (*Rows, error)
	exec(ctx context.Context, sql string, args []any) (int64, error)
	close()
}

// Open connects. Errors are faults.
func (s Source) Open(ctx context.Context, session Session) (*Conn, error) {
	c := &Conn{source: s, session: session}
	var err error
	switch s.Dialect {
	case sqltext.SQLite:
		c.link, err = s.openSQLite(ctx, session)
	case sqltext.Postgres:
		c.link, err = s.openPostgres(ctx)
	default:
		c.link, err = s.openMySQL(ctx, session)
	}
	if err != nil {
		return nil, s.fault(err, nil)
	}
	return c, nil
}

// Close ends the connection, and with it a transaction that is not committed. Closing again does nothing.
func (c *Conn) Close() { c.closed.Do(c.link.close) }

// Begin starts the transaction. From here on, the connection does what the session is for and nothing else, as
// far as the database can hold it to that.
func (c *Conn) Begin(ctx context.Context) error {
	return c.source.fault(c.link.begin(ctx, c.session), nil)
}

// Query runs a statement of ours or of somebody's, s, which places errors; nil if it is ours. The caller reads
// all rows, or closes the connection.
func (c *Conn) Query(ctx context.Context, s *sqltext.Statement, sql string, args []any) (*Rows, error) {
	rows, err := c.link.query(ctx, sql, args)
	if err != nil {
		return nil, c.source.fault(err, s)
	}
	rows.fault = func(err error) error { return c.source.fault(err, s) }
	return rows, nil
}

// Exec is Query for a statement without rows. It returns how many rows the statement matched.
func (c *Conn) Exec(ctx context.Context, s *sqltext.Statement, sql string, args []any) (int64, error) {
	n, err := c.link.exec(ctx, sql, args)
	return n, c.source.fault(err, s)
}

// Commit keeps what the transaction did. When the database does not answer, the error is Unknown.
func (c *Conn) Commit(ctx context.Context) error {
	_, err := c.link.exec(ctx, "COMMIT", nil)
	if err == nil || answered(err) {
		return c.source.fault(err, nil)
	}
	return fault.As(fault.Unknown, err, "the database fell silent while it kept the change")
}

// answered reports whether an error is the database's own word, rather than that of a broken connection.
func answered(err error) bool {
	_, lite := errors.AsType[*sqlite.Error](err)
	_, postgres := errors.AsType[*pgconn.PgError](err)
	_, my := errors.AsType[*mysql.MySQLError](err)
	return lite || postgres || my
}

// Column is a column of a result.
type Column struct {
	Name string
	Type string // as the database calls it; of PostgreSQL the OID
}

// Rows are the rows of a result.
type Rows struct {
	Columns []Column

	next  func() ([]any, error) // nil at the end
	fault func(error) error
}

// Next returns the next row, or nil at the end. Values are nil, int64, uint64, float32, float64, string, bool,
// time.Time and []byte as the driver has them; PostgreSQL's are all strings in its text format.
func (r *Rows) Next() ([]any, error) {
	row, err := r.next()
	return row, r.fault(err)
}

// fault gives an error of a driver its kind, and its place in the statement if the error has one. What is a
// fault already stays as it is.
func (s Source) fault(err error, st *sqltext.Statement) error {
	if err == nil {
		return nil
	}
	if _, ours := errors.AsType[*fault.Error](err); ours {
		return err
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return sqliteFault(e, st)
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return postgresFault(e, st)
	}
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return mysqlFault(e, st)
	}
	// What is not from the database never reached a decision, and a transaction without one has no effect.
	return fault.As(fault.Unavailable, err, "the database in %s cannot be reached or went away", s.setting).Try("hearth doctor")
}

// readOnly is the refusal of a write on a connection that only reads.
func readOnly(err error, message string) error {
	return fault.As(fault.Forbidden, err, "only reading is allowed here: %s", message).At("params.sql")
}

func tookTooLong(err error) error {
	return fault.As(fault.Timeout, err, "the statement took over %s", Patience).Try("narrow it with WHERE or LIMIT")
}
