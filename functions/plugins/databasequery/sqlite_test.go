package databasequery

import (
	"context"
	"database/sql"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/database"
	"github.com/hearthfaas/hearth/shared/database/sqltext"
	"github.com/hearthfaas/hearth/shared/fault"
)

// sqliteFile makes a database in which every kind of value occurs.
func sqliteFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "销售 100%#?.db")
	db, err := sql.Open("sqlite", "file:"+url.PathEscape(path))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range []string{
		"CREATE TABLE sales (id INTEGER PRIMARY KEY, date DATE, at DATETIME, amount DECIMAL(10,2), note TEXT, file BLOB, big INTEGER)",
		"INSERT INTO sales VALUES (1, '2026-11-21', '2026-11-21 23:59:59', 10.5, '昨天', NULL, 1)",
		"INSERT INTO sales VALUES (2, '2026-11-22', '2026-11-22 00:10:00', 1e3, '=1+1', x'00ff', 9007199254740993)",
		"CREATE INDEX by_date ON sales (date)",
		"CREATE VIEW today AS SELECT id, date('now') AS day FROM sales WHERE date = CURRENT_DATE",
	} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// source is the data source with this address.
func source(t *testing.T, address string) database.Source {
	t.Helper()
	src, err := database.Find("", func(string, string) string { return address })
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// sqliteSource is a SQLite file as a data source.
func sqliteSource(t *testing.T, path string) database.Source {
	t.Helper()
	return source(t, "sqlite:"+url.PathEscape(path))
}

// atHalfPastMidnight is 00:30 in Shanghai, when it is still yesterday in UTC.
func atHalfPastMidnight(t *testing.T, sql string, params ...any) request {
	t.Helper()
	now, err := sqltext.Moment(time.Date(2026, 11, 21, 16, 30, 0, 0, time.UTC), zone(t, "Asia/Shanghai"), "2026-11-22")
	if err != nil {
		t.Fatal(err)
	}
	return request{sql: sql, params: params, maxRows: defaultRows, now: now}
}

func TestSQLiteValuesAndToday(t *testing.T) {
	src := sqliteSource(t, sqliteFile(t))
	out, err := read(t.Context(), src, atHalfPastMidnight(t, "SELECT * FROM sales WHERE date=CURRENT_DATE"))
	if err != nil {
		t.Fatal(err)
	}
	want := Out{
		Columns:  []string{"id", "date", "at", "amount", "note", "file", "big"},
		Rows:     [][]any{{int64(2), "2026-11-22", "2026-11-22T00:10:00", int64(1000), "=1+1", "AP8=", "9007199254740993"}},
		RowCount: 1,
	}
	if !reflect.DeepEqual(out, want) {
		t.Fatalf("%#v", out)
	}
}

func TestSQLiteClock(t *testing.T) {
	src := sqliteSource(t, sqliteFile(t))
	for query, want := range map[string]any{
		"SELECT CURRENT_DATE":                                      "2026-11-22",
		"SELECT current_timestamp":                                 "2026-11-22 00:30:00",
		"SELECT CURRENT_TIME":                                      "00:30:00",
		"SELECT date()":                                            "2026-11-22",
		"SELECT date('now')":                                       "2026-11-22",
		"SELECT date('now', '-7 days')":                            "2026-11-15",
		"SELECT date('NOW', 'localtime')":                          "2026-11-22",
		"SELECT strftime('%Y-%m-%d %H:%M', 'now')":                 "2026-11-22 00:30",
		"SELECT day FROM today":                                    "2026-11-22", // no rewriting would reach into a view
		"SELECT count(*) FROM today":                               int64(1),
		"SELECT 'CURRENT_DATE'":                                    "CURRENT_DATE",
		"SELECT date(?)":                                           "2026-11-22",
		"SELECT datetime('2026-11-21 16:30:00', 'localtime')":      "2026-11-22 00:30:00",
		"SELECT count(*) FROM sales WHERE date < date('now')":      int64(1),
		"SELECT julianday(CURRENT_DATE) - julianday('2026-11-01')": 21.0,
	} {
		r := atHalfPastMidnight(t, query)
		if strings.Contains(query, "?") {
			r.params = []any{"now"}
		}
		out, err := read(t.Context(), src, r)
		if err != nil || len(out.Rows) != 1 || out.Rows[0][0] != want {
			t.Errorf("%s: %v %v, want %v", query, out.Rows, err, want)
		}
	}
}

// TestSQLiteClocksAreApart: each call has its own time, at the same time.
func TestSQLiteClocksAreApart(t *testing.T) {
	src := sqliteSource(t, sqliteFile(t))
	const n = 8
	results := make(chan [2]string, n)
	for i := range n {
		go func() {
			now := time.Date(2026, 1, 1+i, 12, 0, 0, 0, time.UTC)
			out, err := read(context.Background(), src, request{sql: "SELECT CURRENT_DATE", maxRows: 1, now: now})
			if err != nil {
				results <- [2]string{err.Error(), now.Format(time.DateOnly)}
				return
			}
			results <- [2]string{out.Rows[0][0].(string), now.Format(time.DateOnly)}
		}()
	}
	for range n {
		if r := <-results; r[0] != r[1] {
			t.Errorf("got %s, want %s", r[0], r[1])
		}
	}
}

func TestSQLiteIsReadOnly(t *testing.T) {
	path := sqliteFile(t)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{
		"DELETE FROM sales",
		"WITH a AS (SELECT 1) DELETE FROM sales",
		"SELECT load_extension('x')",
		"SELECT fts3_tokenizer('x')",
		"EXPLAIN DELETE FROM sales",
	} {
		_, err := read(t.Context(), sqliteSource(t, path), atHalfPastMidnight(t, query))
		if !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s: %v (%s)", query, err, fault.KindOf(err))
		}
	}
	after, err := os.ReadFile(path)
	if err != nil || !reflect.DeepEqual(before, after) {
		t.Fatalf("the file changed (%v)", err)
	}
	if _, err := read(t.Context(), sqliteSource(t, path+"x"), atHalfPastMidnight(t, "SELECT 1 FROM sales")); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := os.Stat(path + "x"); err == nil {
		t.Error("a missing file was made")
	}
}

func TestSQLiteLimits(t *testing.T) {
	src := sqliteSource(t, sqliteFile(t))
	numbers := "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT i"
	r := atHalfPastMidnight(t, numbers+" FROM n")
	r.maxRows = 10
	out, err := read(t.Context(), src, r)
	if err != nil || out.RowCount != 10 || !out.Truncated {
		t.Fatalf("rows: %d truncated %v, %v", out.RowCount, out.Truncated, err)
	}
	r = atHalfPastMidnight(t, numbers+" FROM n LIMIT 10")
	r.maxRows = 10
	if out, err = read(t.Context(), src, r); err != nil || out.RowCount != 10 || out.Truncated {
		t.Fatalf("exactly the limit: %d truncated %v, %v", out.RowCount, out.Truncated, err)
	}
	r = atHalfPastMidnight(t, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n LIMIT 900) SELECT hex(zeroblob(2000)) FROM n")
	out, err = read(t.Context(), src, r)
	if raw, _ := json.Marshal(out.Rows); err != nil || !out.Truncated || len(raw) > maxBytes+2 {
		t.Fatalf("bytes: %d truncated %v, %v", len(raw), out.Truncated, err)
	}
	if _, err = read(t.Context(), src, atHalfPastMidnight(t, "SELECT hex(zeroblob(1500000))")); !fault.Is(err, fault.TooLarge) {
		t.Fatalf("a giant row: %v", err)
	}
	if _, err = read(t.Context(), src, atHalfPastMidnight(t, "SELECT zeroblob(1000000000)")); !fault.Is(err, fault.TooLarge) {
		t.Fatalf("a giant value: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err = read(ctx, src, atHalfPastMidnight(t, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n")); err == nil {
		t.Fatal("an endless query ended")
	}
}

func TestSQLiteErrorsHaveAPlace(t *testing.T) {
	src := sqliteSource(t, sqliteFile(t))
	for query, want := range map[string]string{
		"SELECT *\nFORM sales":               `params.sql, line 2, column 1: near "FORM": syntax error`,
		"SELECT amont FROM sales":            "params.sql, line 1, column 8: no such column: amont",
		"SELECT 1 FROM sale":                 "params.sql, line 1, column 15: no such table: sale",
		"SELECT id FROM sales WHERE nope(1)": "params.sql, line 1, column 28: no such function: nope",
	} {
		_, err := read(t.Context(), src, atHalfPastMidnight(t, query))
		if !fault.Is(err, fault.Invalid) || fault.Text(err) != want {
			t.Errorf("%q: %s", query, fault.Text(err))
		}
	}
}
