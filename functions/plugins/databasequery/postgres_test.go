package databasequery

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hearthfaas/hearth/shared/database"
	"github.com/hearthfaas/hearth/shared/database/databasetest"
	"github.com/hearthfaas/hearth/shared/fault"
)

func TestPostgres(t *testing.T) {
	address := databasetest.Postgres(t)
	conn, err := pgconn.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), `CREATE TABLE sales (id int8, date date, at timestamptz, plain timestamp, amount numeric(16,2), note text, file bytea, ok bool, j jsonb);
		INSERT INTO sales VALUES (1, '2026-11-21', '2026-11-21 10:00:00Z', '2026-11-21 10:00:00', 10.5, '昨天', NULL, true, '{"k":1}'),
		(9007199254740993, '2026-11-22', '2026-11-21 16:10:00Z', '2026-11-22 00:10:00', 99999999999999.99, '=1+1', '\x00ff', false, NULL);
		CREATE SEQUENCE s; CREATE ROLE clerk LOGIN; GRANT SELECT ON sales TO clerk; CREATE TABLE secret (a int);
		CREATE FUNCTION sneaky() RETURNS int LANGUAGE sql AS 'INSERT INTO secret VALUES (1) RETURNING 1'`).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	src := source(t, address)
	t.Run("values", func(t *testing.T) { postgresValues(t, src) })
	t.Run("clock", func(t *testing.T) { postgresClock(t, src) })
	t.Run("read only", func(t *testing.T) { postgresReadOnly(t, src, conn) })
	t.Run("errors", func(t *testing.T) { postgresErrors(t, src, address) })
	t.Run("limits", func(t *testing.T) { postgresLimits(t, src) })
}

func postgresValues(t *testing.T, src database.Source) {
	out, err := read(t.Context(), src, atHalfPastMidnight(t, "SELECT *, $2::int + 1 AS more, id FROM sales WHERE date=CURRENT_DATE AND note LIKE $1", "=%", int64(41)))
	if err != nil {
		t.Fatal(err)
	}
	want := Out{
		Columns: []string{"id", "date", "at", "plain", "amount", "note", "file", "ok", "j", "more", "id_2"},
		Rows: [][]any{{
			"9007199254740993", "2026-11-22", "2026-11-22T00:10:00+08:00", "2026-11-22T00:10:00", "99999999999999.99", "=1+1",
			"AP8=", false, nil, json.Number("42"), "9007199254740993",
		}},
		RowCount: 1,
	}
	if !reflect.DeepEqual(out, want) {
		t.Fatalf("%#v", out)
	}
	out, err = read(t.Context(), src, atHalfPastMidnight(t, "SELECT id, amount, j FROM sales WHERE id = ? AND j ?& array['k'] AND ok", int64(1)))
	if err != nil || !reflect.DeepEqual(out.Rows, [][]any{{json.Number("1"), json.Number("10.50"), `{"k": 1}`}}) {
		t.Fatalf("%v %v", out.Rows, err)
	}
}

func postgresClock(t *testing.T, src database.Source) {
	for query, want := range map[string]any{
		"SELECT CURRENT_DATE": "2026-11-22",
		"SELECT now()":        "2026-11-22T00:30:00+08:00",
		"SELECT to_char(now(), 'YYYY-MM-DD HH24:MI')":   "2026-11-22 00:30",
		"SELECT LOCALTIMESTAMP(0)":                      "2026-11-22T00:30:00",
		"SELECT current_setting('TimeZone')":            "Asia/Shanghai",
		"SELECT (CURRENT_DATE - interval '7 day')":      "2026-11-15T00:00:00",
		"SELECT '2026-11-21 16:30:00Z'::timestamptz":    "2026-11-22T00:30:00+08:00",
		"SELECT date_trunc('day', CURRENT_TIMESTAMP)":   "2026-11-22T00:00:00+08:00",
		"SELECT 'NaN'::float8":                          "NaN",
		"SELECT 0.1::float8":                            json.Number("0.1"),
		"SELECT extract(hour FROM CURRENT_TIME)::int":   json.Number("0"),
		"SELECT date FROM sales WHERE date < now()":     "2026-11-21",
		"SHOW transaction_read_only":                    "on",
		"EXPLAIN (FORMAT TEXT, COSTS OFF) SELECT 1 + 1": "Result",
	} {
		out, err := read(t.Context(), src, atHalfPastMidnight(t, query))
		if err != nil || len(out.Rows) == 0 || out.Rows[0][0] != want {
			t.Errorf("%s: %v %v, want %v", query, out.Rows, err, want)
		}
	}
}

func postgresReadOnly(t *testing.T, src database.Source, conn *pgconn.PgConn) {
	for _, query := range []string{
		"DELETE FROM sales",
		"WITH gone AS (DELETE FROM sales RETURNING id) SELECT * FROM gone",
		"SELECT sneaky()",
		"SELECT set_config('transaction_read_only', 'off', true)",
		"EXPLAIN ANALYZE DELETE FROM sales",
	} {
		_, err := read(t.Context(), src, atHalfPastMidnight(t, query))
		if !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s: %v (%s)", query, err, fault.KindOf(err))
		}
	}
	rows, err := conn.Exec(t.Context(), "SELECT (SELECT count(*) FROM sales), (SELECT count(*) FROM secret)").ReadAll()
	if err != nil || string(rows[0].Rows[0][0]) != "2" || string(rows[0].Rows[0][1]) != "0" {
		t.Fatalf("the tables changed: %s %v", rows[0].Rows, err)
	}
}

func postgresErrors(t *testing.T, src database.Source, address string) {
	for query, want := range map[string]string{
		"SELECT CURRENT_DATE,\n  amont FROM sales": `params.sql, line 2, column 3: column "amont" does not exist`,
		"SELECT '数量', FORM sales":                  `params.sql, line 1, column 14: column "form" does not exist`,
		"SELECT 1/0":                               "params.sql: division by zero",
	} {
		_, err := read(t.Context(), src, atHalfPastMidnight(t, query))
		if !fault.Is(err, fault.Invalid) || !strings.HasPrefix(fault.Text(err), want) {
			t.Errorf("%q: %s", query, fault.Text(err))
		}
	}
	clerk := source(t, strings.Replace(address, "hearth@", "clerk@", 1))
	if _, err := read(t.Context(), clerk, atHalfPastMidnight(t, "SELECT * FROM secret")); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a table of somebody else: %v", err)
	}
	nowhere := source(t, "postgres://u:hunter2@127.0.0.1:1/x?sslmode=disable")
	if _, err := read(t.Context(), nowhere, atHalfPastMidnight(t, "SELECT 1")); !fault.Is(err, fault.Unavailable) || strings.Contains(fault.Text(err), "hunter2") {
		t.Errorf("no server: %v", err)
	}
	_, err := database.Find("", func(string, string) string { return "postgres://u:hunter2@127.0.0.1:port/x" })
	if !fault.Is(err, fault.Invalid) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a broken address: %v", err)
	}
	wrong := source(t, "postgres://u:hunter2@127.0.0.1/x?sslmode=nonsense")
	if _, err := read(t.Context(), wrong, atHalfPastMidnight(t, "SELECT 1")); !fault.Is(err, fault.Invalid) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a wrong option: %v", err)
	}
}

func postgresLimits(t *testing.T, src database.Source) {
	r := atHalfPastMidnight(t, "SELECT i, repeat('x', 100) FROM generate_series(1, 10000000) i")
	r.maxRows = 50
	out, err := read(t.Context(), src, r)
	if err != nil || out.RowCount != 50 || !out.Truncated {
		t.Fatalf("%d rows, truncated %v, %v", out.RowCount, out.Truncated, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := read(ctx, src, atHalfPastMidnight(t, "SELECT count(*) FROM generate_series(1, 10000000000) i")); err == nil {
		t.Fatal("an endless query ended")
	}
	if _, err := read(t.Context(), src, atHalfPastMidnight(t, "SELECT repeat('x', 100000000)")); err == nil {
		t.Fatal("a giant value came through")
	}
}
