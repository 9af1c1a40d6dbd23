package database

import (
	"context"
	"crypto/tls"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/hearthfaas/hearth/shared/database/sqltext"
	"github.com/hearthfaas/hearth/shared/fault"
)

// mysqlLink is a connection to a MySQL or MariaDB server.
type mysqlLink struct{ standard }

func (s Source) openMySQL(ctx context.Context, session Session) (*mysqlLink, error) {
	config, err := s.mysqlConfig()
	if err != nil {
		return nil, err
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, fault.As(fault.Invalid, err, "not a MySQL address").At(s.setting)
	}
	l := &mysqlLink{standard{db: sql.OpenDB(connector)}}
	if l.conn, err = l.db.Conn(ctx); err == nil {
		err = l.prepare(ctx, session)
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// mysqlConfig reads the address. Options of the driver that would let a server read files here or run several
// statements are not the address's to set.
func (s Source) mysqlConfig() (*mysql.Config, error) {
	config := mysql.NewConfig()
	config.Net, config.Addr = "tcp", s.url.Host
	if s.url.Port() == "" {
		config.Addr = s.url.Hostname() + ":3306"
	}
	config.User = s.url.User.Username()
	config.Passwd, _ = s.url.User.Password()
	config.DBName = strings.TrimPrefix(s.url.Path, "/")
	config.Timeout, config.ReadTimeout, config.WriteTimeout = 5*time.Second, Patience+5*time.Second, 5*time.Second
	config.MaxAllowedPacket = 2 * maxValue
	config.ClientFoundRows = true      // an UPDATE counts what it matched, as elsewhere
	config.Logger = &mysql.NopLogger{} // it would write past our log
	options := s.url.Query()
	switch mode := options.Get("tls"); mode {
	case "", "false":
	case "true":
		config.TLS = &tls.Config{ServerName: s.url.Hostname(), MinVersion: tls.VersionTLS12}
	case "preferred", "skip-verify":
		config.TLSConfig = mode
	default:
		return nil, fault.New(fault.Invalid, "tls is true, false, preferred or skip-verify, not %q", mode).At(s.setting)
	}
	options.Del("tls")
	for name := range options {
		return nil, fault.New(fault.Invalid, "unknown option %q; known is tls", name).At(s.setting)
	}
	return config, nil
}

// prepare gives the session the run's clock and our limits. SET timestamp freezes NOW() and CURRENT_DATE, also
// in views; the SQL mode is the one that sqltext reads by.
func (l *mysqlLink) prepare(ctx context.Context, session Session) error {
	var version string
	if err := l.conn.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return err
	}
	limit := fmt.Sprintf("max_execution_time = %d", Patience.Milliseconds())
	if strings.Contains(version, "MariaDB") {
		limit = fmt.Sprintf("max_statement_time = %d", int(Patience.Seconds()))
	}
	settings := fmt.Sprintf("SET SESSION sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION', SESSION %s, SESSION innodb_lock_wait_timeout = %d, timestamp = %d",
		limit, int(Patience.Seconds())/5, session.Now.Unix())
	if session.Rows > 0 {
		settings += fmt.Sprintf(", SESSION sql_select_limit = %d", session.Rows+1)
	}
	if _, err := l.conn.ExecContext(ctx, settings); err != nil {
		return err
	}
	if zone := session.Now.Location().String(); zoneName().MatchString(zone) {
		if _, err := l.conn.ExecContext(ctx, "SET SESSION time_zone = ?", zone); err == nil {
			return nil
		}
	}
	// Most servers have no table of zones; the offset is right for today.
	_, err := l.conn.ExecContext(ctx, "SET SESSION time_zone = ?", sqltext.Offset(session.Now))
	return err
}

func (l *mysqlLink) begin(ctx context.Context, session Session) error {
	mode := "READ ONLY"
	if len(session.Writes) > 0 {
		mode = "READ WRITE"
	}
	_, err := l.conn.ExecContext(ctx, "START TRANSACTION "+mode)
	return err
}

// mysqlFault gives an error of the server its kind by its number (MySQL and MariaDB server error references),
// and its place where the message quotes the rest of the statement.
func mysqlFault(e *mysql.MySQLError, s *sqltext.Statement) error {
	switch e.Number {
	case 1792, 1290, 1836: // read-only transaction, server or database
		return readOnly(e, e.Message)
	case 1044, 1142, 1143, 1227, 1370:
		return fault.As(fault.Forbidden, e, "the database user may not: %s", e.Message).At("params.sql")
	case 1045, 1698, 1524:
		return fault.As(fault.Unauthorized, e, "the MySQL server refused the user or the password")
	case 3024, 1969, 1317:
		return tookTooLong(e)
	case 1040, 1041, 1053, 1129, 1203, 1205, 1213, 1226, 1927:
		return fault.As(fault.Unavailable, e, "the MySQL server: %s", e.Message)
	}
	return fault.As(fault.Invalid, e, "%s", e.Message).At(near(s, e.Message))
}

// near is the place of the text that a message quotes: MySQL gives up to 80 characters of what it could not
// read any more.
func near(s *sqltext.Statement, message string) string {
	_, rest, found := strings.Cut(message, "near '")
	rest, _, closed := strings.Cut(rest, "' at line ")
	if s == nil || !found || !closed || rest == "" {
		return "params.sql"
	}
	if at := strings.LastIndex(s.Final(), rest); at >= 0 {
		return s.Place(at)
	}
	return "params.sql"
}
