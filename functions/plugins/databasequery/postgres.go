package databasequery

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hearthfaas/hearth/shared/fault"
)

// postgresSource is a PostgreSQL server. A call has a connection of its own, which dies with it: no setting
// of one query reaches the next.
type postgresSource struct {
	setting string // where the address came from
	url     string
}

// Object identifiers of built-in types (PostgreSQL source, src/include/catalog/pg_type.dat).
const (
	oidBool        = 16
	oidBytea       = 17
	oidInt8        = 20
	oidInt2        = 21
	oidInt4        = 23
	oidOID         = 26
	oidFloat4      = 700
	oidFloat8      = 701
	oidTimestamp   = 1114
	oidTimestamptz = 1184
	oidNumeric     = 1700
)

func (p postgresSource) read(ctx context.Context, r request) (Out, error) {
	s, err := guard(r.sql, postgresSQL)
	if err != nil {
		return Out{}, err
	}
	params, err := s.bind(r.params)
	if err != nil {
		return Out{}, err
	}
	s.freezePostgres(r.now)
	conn, err := p.connect(ctx)
	if err != nil {
		return Out{}, err
	}
	// What the server still sends of a truncated result goes nowhere.
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, preparePostgres(r.now)).ReadAll(); err != nil {
		return Out{}, postgresFault(err, nil)
	}
	rows := conn.ExecParams(ctx, s.final(), textParams(params), nil, nil, nil)
	return p.collect(s, rows, r.maxRows)
}

func (p postgresSource) connect(ctx context.Context) (*pgconn.PgConn, error) {
	config, err := pgconn.ParseConfig(p.url)
	if err != nil {
		return nil, fault.New(fault.Invalid, "not a PostgreSQL address").At(p.setting) // the cause quotes the address
	}
	config.ConnectTimeout = 5 * time.Second
	config.MaxProtocolMessageBodyLen = 2 * maxValue
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, postgresFault(err, nil)
	}
	return conn, nil
}

// preparePostgres opens a read-only transaction whose settings end with it. The statements are ours; the
// user's goes through the extended protocol, which takes exactly one.
func preparePostgres(now time.Time) string {
	zone := "'" + now.Location().String() + "'"
	if !zoneName.MatchString(now.Location().String()) {
		zone = "INTERVAL '" + offset(now) + "' HOUR TO MINUTE"
	}
	ms := queryTime.Milliseconds()
	return fmt.Sprintf(`BEGIN READ ONLY;
SET LOCAL statement_timeout = %d;
SET LOCAL lock_timeout = %d;
SET LOCAL idle_in_transaction_session_timeout = %d;
SET LOCAL standard_conforming_strings = on;
SET LOCAL DateStyle = ISO;
SET LOCAL bytea_output = hex;
SET LOCAL TIME ZONE %s`, ms, ms/5, 2*ms, zone)
}

// zoneName is an IANA name that both sides know.
var zoneName = regexp.MustCompile(`^(UTC|[A-Z][A-Za-z_]+(/[A-Za-z0-9_+-]+)+)$`)

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

func (p postgresSource) collect(s *statement, rows *pgconn.ResultReader, maxRows int) (Out, error) {
	fields := rows.FieldDescriptions()
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	t := newTable(names, maxRows)
	for rows.NextRow() {
		row := make([]any, len(fields))
		for i, raw := range rows.Values() {
			if raw != nil {
				row[i] = postgresValue(string(raw), fields[i].DataTypeOID)
			}
		}
		more, err := t.add(row)
		if err != nil {
			return Out{}, err
		}
		if !more {
			return t.out, nil
		}
	}
	if _, err := rows.Close(); err != nil {
		return Out{}, postgresFault(err, s)
	}
	return t.out, nil
}

// postgresValue reads a value in the server's text format. Types that JSON has no match for stay text.
func postgresValue(text string, oid uint32) any {
	switch oid {
	case oidBool:
		return text == "t"
	case oidInt2, oidInt4, oidInt8, oidOID, oidNumeric, oidFloat4, oidFloat8:
		return decimal(text)
	case oidBytea:
		if b, err := hex.DecodeString(strings.TrimPrefix(text, `\x`)); err == nil {
			return blob(b)
		}
	case oidTimestamp:
		return strings.Replace(text, " ", "T", 1)
	case oidTimestamptz:
		for _, layout := range []string{"2006-01-02 15:04:05.999999-07", "2006-01-02 15:04:05.999999-07:00"} {
			if t, err := time.Parse(layout, text); err == nil {
				return t.Format(time.RFC3339Nano)
			}
		}
	}
	return text
}

// postgresFault gives an error of the server its kind by its SQLSTATE (PostgreSQL documentation, appendix
// A), and its place in s. What is not from the server never reached a decision, and a query has no effect.
func postgresFault(err error, s *statement) error {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return fault.As(fault.Unavailable, err, "the PostgreSQL server cannot be reached or went away").Try("hearth doctor")
	}
	where := "params.sql"
	if s != nil && e.Position > 0 {
		where = place(s.sql, s.origin(byteOffset(s.final(), int(e.Position)-1)))
	}
	message := e.Message
	if e.Hint != "" {
		message += " (" + e.Hint + ")"
	}
	switch class := e.Code[:min(2, len(e.Code))]; {
	case e.Code == "25006":
		return fault.As(fault.Forbidden, err, "database_query only reads: %s", e.Message).At(where).Try("use database_execute")
	case e.Code == "42501":
		return fault.As(fault.Forbidden, err, "the database user may not: %s", e.Message).At(where)
	case e.Code == "57014":
		return fault.As(fault.Timeout, err, "the query took over %s", queryTime).Try("narrow it with WHERE or LIMIT")
	case class == "28":
		return fault.As(fault.Unauthorized, err, "the PostgreSQL server refused the user or the password")
	case class == "08" || class == "40" || class == "53" || class == "55" || class == "57" || class == "58":
		return fault.As(fault.Unavailable, err, "the PostgreSQL server: %s", e.Message)
	}
	return fault.As(fault.Invalid, err, "%s", message).At(where)
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
