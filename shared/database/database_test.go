package database_test

import (
	"database/sql"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/database"
	"github.com/hearthfaas/hearth/shared/fault"
)

// shop makes a SQLite file with two tables and a trigger from the one to the other.
func shop(t *testing.T) database.Source {
	t.Helper()
	path := filepath.Join(t.TempDir(), "销售 100%#?.db")
	db, err := sql.Open("sqlite", "file:"+url.PathEscape(path))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range []string{
		"CREATE TABLE sales (id INTEGER PRIMARY KEY AUTOINCREMENT, note TEXT)", "INSERT INTO sales VALUES (1, 'a')",
		"CREATE INDEX by_note ON sales (note)", "CREATE TABLE log (note TEXT)", "CREATE TABLE watched (id INTEGER PRIMARY KEY)",
		"CREATE TRIGGER watch AFTER INSERT ON watched BEGIN INSERT INTO log VALUES ('seen'); END",
	} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	src, err := database.Find("", func(string, string) string { return "sqlite:" + url.PathEscape(path) })
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func begun(t *testing.T, src database.Source, writes ...string) *database.Conn {
	t.Helper()
	conn, err := src.Open(t.Context(), database.Session{Now: time.Now(), Writes: writes})
	if err == nil {
		t.Cleanup(conn.Close)
		err = conn.Begin(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// never are statements that no session may run, whatever a guard before it let pass.
var never = []string{
	"DROP TABLE sales", "CREATE TABLE x(a)", "CREATE TEMP TABLE x(a)", "ATTACH ':memory:' AS x", "PRAGMA query_only=0", "PRAGMA writable_schema=1",
	"VACUUM INTO '/tmp/hearth-copy.db'", "REINDEX", "CREATE VIRTUAL TABLE x USING fts5(a)", "SELECT load_extension('x')", "INSERT INTO log VALUES ('x')",
	"UPDATE sqlite_schema SET sql = ''",
}

// TestSQLiteReads: the connection itself refuses what changes anything, and shows the schema.
func TestSQLiteReads(t *testing.T) {
	conn := begun(t, shop(t))
	for _, statement := range append([]string{"DELETE FROM sales", "BEGIN"}, never...) {
		if _, err := conn.Exec(t.Context(), nil, statement, nil); err == nil {
			t.Errorf("%s ran", statement)
		}
	}
	rows, err := conn.Query(t.Context(), nil, "SELECT count(*) FROM pragma_table_info('sales')", nil)
	if err != nil {
		t.Fatal(err)
	}
	if row, err := rows.Next(); err != nil || row[0] != int64(2) {
		t.Errorf("the schema cannot be seen: %v %v", row, err)
	}
}

// TestSQLiteWritesWhatItMay: the tables of the session and no others, not even through a trigger.
func TestSQLiteWritesWhatItMay(t *testing.T) {
	src := shop(t)
	conn := begun(t, src, "sales", "watched")
	for _, statement := range append([]string{"INSERT INTO watched VALUES (1)"}, never...) {
		if _, err := conn.Exec(t.Context(), nil, statement, nil); err == nil {
			t.Errorf("%s ran", statement)
		}
	}
	if n, err := conn.Exec(t.Context(), nil, "INSERT INTO sales (note) VALUES (?1)", []any{"b"}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if err := conn.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows, err := begun(t, src).Query(t.Context(), nil, "SELECT note FROM sales ORDER BY id", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"a", "b"} {
		if row, err := rows.Next(); err != nil || row[0] != want {
			t.Errorf("%v %v, want %s", row, err, want)
		}
	}
}

// TestCloseTakesBack: what is not committed did not happen.
func TestCloseTakesBack(t *testing.T) {
	src := shop(t)
	conn := begun(t, src, "sales")
	if _, err := conn.Exec(t.Context(), nil, "DELETE FROM sales", nil); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	rows, err := begun(t, src).Query(t.Context(), nil, "SELECT note FROM sales", nil)
	if err != nil {
		t.Fatal(err)
	}
	if row, err := rows.Next(); err != nil || row == nil {
		t.Errorf("the row is gone: %v", err)
	}
}

func TestFind(t *testing.T) {
	for address, kind := range map[string]fault.Kind{
		"": fault.NotFound, "oracle://x": fault.Invalid, "mysql://u:hunter2@[broken": fault.Invalid,
	} {
		if _, err := database.Find("", func(string, string) string { return address }); !fault.Is(err, kind) {
			t.Errorf("%q: %v", address, err)
		}
	}
	asked := ""
	if _, err := database.Find("stock", func(name, _ string) string { asked = name; return "sqlite:x" }); err != nil || asked != "DATABASE_STOCK_URL" {
		t.Error(asked, err)
	}
	if _, err := database.Find("../x", func(string, string) string { return "sqlite:x" }); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}
