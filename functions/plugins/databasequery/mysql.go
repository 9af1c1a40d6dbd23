package databasequery

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/hearthfaas/hearth/shared/fault"
)

// mysqlSource is a MySQL or MariaDB server. As with PostgreSQL, a call has a connection of its own.
type mysqlSource struct {
	setting string
	url     *url.URL
}

func (m mysqlSource) read(ctx context.Context, r request) (Out, error) {
	s, err := guard(r.sql, mysqlSQL)
	if err != nil {
		return Out{}, err
	}
	params, err := s.bind(r.params)
	if err != nil {
		return Out{}, err
	}
	config, err := m.config()
	if err != nil {
		return Out{}, err
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return Out{}, fault.As(fault.Invalid, err, "not a MySQL address").At(m.setting)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return Out{}, mysqlFault(err, nil)
	}
	defer conn.Close()
	if err := prepareMySQL(ctx, conn, r); err != nil {
		return Out{}, err
	}
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return Out{}, mysqlFault(err, nil)
	}
	// There is nothing to keep, and the connection dies with the call.
	defer func() { _ = tx.Rollback() }()
	rows, err := tx.QueryContext(ctx, s.final(), params...)
	if err != nil {
		return Out{}, mysqlFault(err, s)
	}
	defer rows.Close()
	out, err := collect(rows, r.maxRows, mysqlValue)
	return out, mysqlFault(err, s)
}

// config reads the address. Options of the driver that would let a server read files here or run several
// statements are not the address's to set.
func (m mysqlSource) config() (*mysql.Config, error) {
	config := mysql.NewConfig()
	config.Net, config.Addr = "tcp", m.url.Host
	if m.url.Port() == "" {
		config.Addr = m.url.Hostname() + ":3306"
	}
	config.User = m.url.User.Username()
	config.Passwd, _ = m.url.User.Password()
	config.DBName = strings.TrimPrefix(m.url.Path, "/")
	config.Timeout, config.ReadTimeout, config.WriteTimeout = 5*time.Second, queryTime+5*time.Second, 5*time.Second
	config.MaxAllowedPacket = 2 * maxValue
	config.Logger = &mysql.NopLogger{} // it would write past our log
	options := m.url.Query()
	switch mode := options.Get("tls"); mode {
	case "", "false":
	case "true":
		config.TLS = &tls.Config{ServerName: m.url.Hostname(), MinVersion: tls.VersionTLS12}
	case "preferred", "skip-verify":
		config.TLSConfig = mode
	default:
		return nil, fault.New(fault.Invalid, "tls is true, false, preferred or skip-verify, not %q", mode).At(m.setting)
	}
	options.Del("tls")
	for name := range options {
		return nil, fault.New(fault.Invalid, "unknown option %q; known is tls", name).At(m.setting)
	}
	return config, nil
}

// prepareMySQL gives the session the run's clock and our limits. SET timestamp freezes NOW() and CURRENT_DATE,
// also in views; the SQL mode is the one that the guard reads by.
func prepareMySQL(ctx context.Context, conn *sql.Conn, r request) error {
	var version string
	if err := conn.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return mysqlFault(err, nil)
	}
	limit := fmt.Sprintf("max_execution_time = %d", queryTime.Milliseconds())
	if strings.Contains(version, "MariaDB") {
		limit = fmt.Sprintf("max_statement_time = %d", int(queryTime.Seconds()))
	}
	settings := fmt.Sprintf("SET SESSION sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION', SESSION %s, SESSION sql_select_limit = %d, timestamp = %d",
		limit, r.maxRows+1, r.now.Unix())
	if _, err := conn.ExecContext(ctx, settings); err != nil {
		return mysqlFault(err, nil)
	}
	if zone := r.now.Location().String(); zoneName.MatchString(zone) {
		if _, err := conn.ExecContext(ctx, "SET SESSION time_zone = ?", zone); err == nil {
			return nil
		}
	}
	// Most servers have no table of zones; the offset is right for today.
	_, err := conn.ExecContext(ctx, "SET SESSION time_zone = ?", offset(r.now))
	return mysqlFault(err, nil)
}

// mysqlValue is a value as the driver gives it: numbers are numbers, and everything else arrives as bytes.
func mysqlValue(v any, column *sql.ColumnType) any {
	switch v := v.(type) {
	case int64:
		return integer(v)
	case uint64:
		return decimal(fmt.Sprint(v))
	case float32:
		return decimal(fmt.Sprint(v))
	case float64:
		return float(v)
	case []byte:
		return mysqlBytes(v, column.DatabaseTypeName())
	default:
		return v
	}
}

func mysqlBytes(b []byte, kind string) any {
	switch {
	case strings.HasSuffix(kind, "BLOB"), strings.HasSuffix(kind, "BINARY"), kind == "BIT", kind == "GEOMETRY":
		return blob(b)
	case kind == "DECIMAL", kind == "DOUBLE", kind == "FLOAT", strings.HasSuffix(kind, "INT"), kind == "YEAR":
		return decimal(string(b))
	case kind == "DATETIME", kind == "TIMESTAMP":
		return strings.Replace(string(b), " ", "T", 1)
	default:
		return string(b)
	}
}

// mysqlFault gives an error of the server its kind by its number (MySQL and MariaDB server error references),
// and its place where the message quotes the rest of the statement.
func mysqlFault(err error, s *statement) error {
	if err == nil {
		return nil
	}
	if _, ours := errors.AsType[*fault.Error](err); ours {
		return err
	}
	e, ok := errors.AsType[*mysql.MySQLError](err)
	if !ok {
		return fault.As(fault.Unavailable, err, "the MySQL server cannot be reached or went away").Try("hearth doctor")
	}
	switch e.Number {
	case 1792, 1290, 1836: // read-only transaction, server or database
		return fault.As(fault.Forbidden, err, "database_query only reads: %s", e.Message).At("params.sql").Try("use database_execute")
	case 1044, 1142, 1143, 1227, 1370:
		return fault.As(fault.Forbidden, err, "the database user may not: %s", e.Message).At("params.sql")
	case 1045, 1698, 1524:
		return fault.As(fault.Unauthorized, err, "the MySQL server refused the user or the password")
	case 3024, 1969, 1317:
		return fault.As(fault.Timeout, err, "the query took over %s", queryTime).Try("narrow it with WHERE or LIMIT")
	case 1040, 1041, 1053, 1129, 1203, 1205, 1213, 1226, 1927:
		return fault.As(fault.Unavailable, err, "the MySQL server: %s", e.Message)
	}
	return fault.As(fault.Invalid, err, "%s", e.Message).At(s.near(e.Message))
}

// near is the place of the text that a message quotes: MySQL gives up to 80 characters of what it could not
// read any more.
func (s *statement) near(message string) string {
	if s == nil {
		return "params.sql"
	}
	_, rest, found := strings.Cut(message, "near '")
	rest, _, closed := strings.Cut(rest, "' at line ")
	if at := strings.LastIndex(s.final(), rest); found && closed && rest != "" && at >= 0 {
		return place(s.sql, s.origin(at))
	}
	return "params.sql"
}
