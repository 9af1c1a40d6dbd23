package database

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hearthfaas/hearth/shared/database/sqltext"
	"github.com/hearthfaas/hearth/shared/fault"
)

// postgresLink is a connection to a PostgreSQL server.
type postgresLink struct{ conn *pgconn.PgConn }

func (s Source) openPostgres(ctx context.Context) (*postgresLink, error) {
	config, err := pgconn.ParseConfig(s.address)
	if err != nil {
		return nil, fault.New(fault.Invalid, "not a PostgreSQL address").At(s.setting) // the cause quotes the address
	}
	config.ConnectTimeout = 5 * time.Second
	config.MaxProtocolMessageBodyLen = 2 * maxValue
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	return &postgresLink{conn: conn}, nil
}

// begin opens a transaction whose settings end with it. The statements are ours; the user's go through the
// extended protocol, which takes exactly one.
func (l *postgresLink) begin(ctx context.Context, session Session) error {
	mode, now := "READ ONLY", session.Now
	if len(session.Writes) > 0 {
		mode = "READ WRITE"
	}
	zone := "'" + now.Location().String() + "'"
	if !zoneName().MatchString(now.Location().String()) {
		zone = "INTERVAL '" + sqltext.Offset(now) + "' HOUR TO MINUTE"
	}
	ms := Patience.Milliseconds()
	_, err := l.conn.Exec(ctx, fmt.Sprintf(`BEGIN %s;
SET LOCAL statement_timeout = %d;
SET LOCAL lock_timeout = %d;
SET LOCAL idle_in_transaction_session_timeout = %d;
SET LOCAL standard_conforming_strings = on;
SET LOCAL DateStyle = ISO;
SET LOCAL IntervalStyle = postgres;
SET LOCAL extra_float_digits = 1;
SET LOCAL bytea_output = hex;
SET LOCAL TIME ZONE %s`, mode, ms, ms/5, 2*ms, zone)).ReadAll()
	return err
}

// zoneName is an IANA name that both sides know.
var zoneName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(UTC|[A-Z][A-Za-z_]+(/[A-Za-z0-9_+-]+)+)$`)
})

// textParams hands values over as text, so that the server reads each as the type that it infers.
func textParams(values []any) [][]byte {
	params := make([][]byte, len(values))
	for i, v := range values {
		if v != nil {
			params[i] = fmt.Append(nil, v)
		}
	}
	return params
}

func (l *postgresLink) query(ctx context.Context, text string, args []any) (*Rows, error) {
	reader := l.conn.ExecParams(ctx, text, textParams(args), nil, nil, nil)
	fields := reader.FieldDescriptions()
	columns := make([]Column, len(fields))
	for i, f := range fields {
		columns[i] = Column{Name: f.Name, Type: strconv.FormatUint(uint64(f.DataTypeOID), 10)}
	}
	return &Rows{Columns: columns, next: func() ([]any, error) {
		if !reader.NextRow() {
			_, err := reader.Close()
			return nil, err
		}
		row := make([]any, len(fields))
		for i, raw := range reader.Values() {
			if raw != nil {
				row[i] = string(raw)
			}
		}
		return row, nil
	}}, nil
}

func (l *postgresLink) exec(ctx context.Context, text string, args []any) (int64, error) {
	tag, err := l.conn.ExecParams(ctx, text, textParams(args), nil, nil, nil).Close()
	return tag.RowsAffected(), err
}

// close cuts the connection: what the server still sends of a truncated result goes nowhere.
func (l *postgresLink) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = l.conn.Close(ctx) // nothing is lost with a goodbye
}

// postgresFault gives an error of the server its kind by its SQLSTATE (PostgreSQL documentation, appendix A),
// and its place in s.
func postgresFault(e *pgconn.PgError, s *sqltext.Statement) error {
	where := "params.sql"
	if s != nil && e.Position > 0 {
		where = s.Place(byteOffset(s.Final(), int(e.Position)-1))
	}
	message := e.Message
	if e.Hint != "" {
		message += " (" + e.Hint + ")"
	}
	switch class := e.Code[:min(2, len(e.Code))]; {
	case e.Code == "25006":
		return readOnly(e, e.Message)
	case e.Code == "42501":
		return fault.As(fault.Forbidden, e, "the database user may not: %s", e.Message).At(where)
	case e.Code == "57014":
		return tookTooLong(e)
	case class == "28":
		return fault.As(fault.Unauthorized, e, "the PostgreSQL server refused the user or the password")
	case class == "08" || class == "40" || class == "53" || class == "55" || class == "57" || class == "58":
		return fault.As(fault.Unavailable, e, "the PostgreSQL server: %s", e.Message)
	}
	return fault.As(fault.Invalid, e, "%s", message).At(where)
}

// byteOffset turns an offset in characters into one in bytes.
func byteOffset(s string, characters int) int {
	for i := range s {
		if characters == 0 {
			return i
		}
		characters--
	}
	return len(s)
}
