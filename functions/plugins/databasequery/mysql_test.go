package databasequery

import (
	"context"
	"database/sql"
	"encoding/json"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/hearthfaas/hearth/shared/database"
	"github.com/hearthfaas/hearth/shared/database/databasetest"
	"github.com/hearthfaas/hearth/shared/fault"
)

func TestMySQL(t *testing.T) {
	address, err := url.Parse(databasetest.MySQL(t))
	if err != nil {
		t.Fatal(err)
	}
	connector, err := mysql.NewConnector(&mysql.Config{User: "root", Net: "tcp", Addr: address.Host, DBName: "mysql", AllowNativePasswords: true, Loc: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	for _, statement := range []string{
		"CREATE DATABASE shop CHARACTER SET utf8mb4",
		"CREATE TABLE shop.sales (id bigint unsigned, date date, at timestamp NULL, plain datetime, amount decimal(16,2), note text, file blob, ok bool, f double)",
		"SET time_zone = '+00:00'",
		"INSERT INTO shop.sales VALUES (1, '2026-11-21', '2026-11-21 10:00:00', '2026-11-21 10:00:00', 10.5, '昨天', NULL, true, 0.1)",
		"INSERT INTO shop.sales VALUES (18446744073709551615, '2026-11-22', '2026-11-21 16:10:00', '2026-11-22 00:10:00', 99999999999999.99, '=1+1', x'00ff', false, NULL)",
		"CREATE VIEW shop.today AS SELECT id FROM shop.sales WHERE date = CURDATE()",
		"CREATE TABLE shop.touched (n int)",
		"CREATE FUNCTION shop.sneaky() RETURNS int MODIFIES SQL DATA BEGIN INSERT INTO shop.touched VALUES (1); RETURN 1; END",
		"CREATE USER clerk", "GRANT SELECT ON shop.sales TO clerk",
	} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	address.Path = "/shop"
	src := source(t, address.String())
	t.Run("values", func(t *testing.T) { mysqlValues(t, src) })
	t.Run("clock", func(t *testing.T) { mysqlClock(t, src) })
	t.Run("read only", func(t *testing.T) { mysqlReadOnly(t, src, db) })
	t.Run("errors", func(t *testing.T) { mysqlErrors(t, src, address.Host) })
	t.Run("limits", func(t *testing.T) { mysqlLimits(t, src) })
}

func mysqlValues(t *testing.T, src database.Source) {
	want := [][]any{{"18446744073709551615", "2026-11-22", "2026-11-22T00:10:00", "2026-11-22T00:10:00", "99999999999999.99", "=1+1", "AP8=", int64(0), nil}}
	// With and without values, the driver uses two protocols.
	for _, r := range []request{
		atHalfPastMidnight(t, "SELECT * FROM sales WHERE date=CURRENT_DATE"),
		atHalfPastMidnight(t, "SELECT * FROM sales WHERE date=CURRENT_DATE AND note LIKE $2 AND $1 = 1 AND $2 <> ''", int64(1), "=%"),
	} {
		out, err := read(t.Context(), src, r)
		if err != nil || !reflect.DeepEqual(out.Rows, want) {
			t.Errorf("%s: %#v %v", r.sql, out.Rows, err)
		}
	}
	for _, r := range []request{
		atHalfPastMidnight(t, "SELECT id, amount, f FROM sales WHERE id = 1"),
		atHalfPastMidnight(t, "SELECT id, amount, f FROM sales WHERE id = ?", int64(1)),
	} {
		out, err := read(t.Context(), src, r)
		raw, marshalErr := json.Marshal(out.Rows)
		if err != nil || marshalErr != nil || string(raw) != "[[1,10.50,0.1]]" {
			t.Errorf("%s: %s %v", r.sql, raw, err)
		}
	}
}

func mysqlClock(t *testing.T, src database.Source) {
	for query, want := range map[string]any{
		"SELECT CURRENT_DATE": "2026-11-22",
		"SELECT NOW()":        "2026-11-22T00:30:00",
		"SELECT DATE_FORMAT(NOW(), '%Y-%m-%d %H:%i')": "2026-11-22 00:30",
		"SELECT CURDATE() - INTERVAL 7 DAY":           "2026-11-15",
		"SELECT count(*) FROM today":                  int64(1),
		"SELECT UTC_TIMESTAMP()":                      "2026-11-21T16:30:00",
	} {
		out, err := read(t.Context(), src, atHalfPastMidnight(t, query))
		if err != nil || len(out.Rows) != 1 || out.Rows[0][0] != want {
			t.Errorf("%s: %v %v, want %v", query, out.Rows, err, want)
		}
	}
}

func mysqlReadOnly(t *testing.T, src database.Source, db *sql.DB) {
	for _, query := range []string{
		"DELETE FROM sales", "SELECT * FROM sales INTO OUTFILE '/tmp/hearth-sales'",
		"SELECT sneaky()", "ANALYZE FORMAT=JSON DELETE FROM sales",
	} {
		_, err := read(t.Context(), src, atHalfPastMidnight(t, query))
		if !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s: %v (%s)", query, err, fault.KindOf(err))
		}
	}
	var n int
	if err := db.QueryRow("SELECT count(*) + (SELECT count(*) FROM shop.touched) FROM shop.sales").Scan(&n); err != nil || n != 2 {
		t.Fatalf("the table changed: %d %v", n, err)
	}
}

func mysqlErrors(t *testing.T, src database.Source, host string) {
	_, err := read(t.Context(), src, atHalfPastMidnight(t, "SELECT *\nFORM sales WHERE 1"))
	if !fault.Is(err, fault.Invalid) || !strings.HasPrefix(fault.Text(err), "params.sql, line 2, column 1: ") {
		t.Errorf("%v", fault.Text(err))
	}
	for _, c := range []struct {
		address, sql string
		kind         fault.Kind
	}{
		{"mysql://clerk@" + host + "/shop", "SELECT * FROM today", fault.Forbidden}, // a view of somebody else
		{"mysql://clerk:hunter2@" + host + "/shop", "SELECT 1", fault.Unauthorized},
		{"mysql://127.0.0.1:1/?multiStatements=true", "SELECT 1", fault.Invalid}, // an option of the driver
		{"mysql://127.0.0.1:1/", "SELECT 1", fault.Unavailable},
	} {
		if _, err := read(t.Context(), source(t, c.address), atHalfPastMidnight(t, c.sql)); !fault.Is(err, c.kind) {
			t.Errorf("%s at %s: %v (%s)", c.sql, c.address, err, fault.KindOf(err))
		}
	}
}

func mysqlLimits(t *testing.T, src database.Source) {
	r := atHalfPastMidnight(t, "SELECT seq FROM seq_1_to_1000000")
	r.maxRows = 50
	out, err := read(t.Context(), src, r)
	if err != nil || out.RowCount != 50 || !out.Truncated {
		t.Fatalf("%d rows, truncated %v, %v", out.RowCount, out.Truncated, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := read(ctx, src, atHalfPastMidnight(t, "SELECT count(*) FROM seq_1_to_1000000 a, seq_1_to_1000000 b")); err == nil {
		t.Fatal("an endless query ended")
	}
}
