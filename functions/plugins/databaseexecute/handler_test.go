package databaseexecute_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hearthfaas/hearth/functions/plugins/databaseexecute"
	"github.com/hearthfaas/hearth/shared/database/databasetest"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/plugin"
	"github.com/hearthfaas/hearth/shared/plugin/plugintest"
)

// shop is a database with a shop in it, and a connection beside the plugin's.
type shop struct {
	address string
	run     func(statement string) (string, error) // returns the rows as text
}

// open fills an empty database.
func open(t *testing.T, address string, run func(string) (string, error), more ...string) *shop {
	t.Helper()
	s := &shop{address: address, run: run}
	for _, statement := range append([]string{
		"CREATE TABLE sales (region VARCHAR(20) NOT NULL, id INTEGER NOT NULL, day DATE, amount DECIMAL(20,2), note VARCHAR(100), PRIMARY KEY (region, id))",
		"INSERT INTO sales VALUES ('north', 1, '2026-01-01', 10.50, 'old'), ('north', 2, '2026-01-02', 20, NULL), ('south', 1, '2026-01-02', 99999999999999.99, '三')",
		"CREATE TABLE loose (a INTEGER)", "INSERT INTO loose VALUES (1)",
	}, more...) {
		s.exec(t, statement)
	}
	return s
}

func (s *shop) exec(t *testing.T, statement string) string {
	t.Helper()
	rows, err := s.run(statement)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return rows
}

// dump is the tables as text.
func (s *shop) dump(t *testing.T, more ...string) string {
	t.Helper()
	var all strings.Builder
	for _, query := range append([]string{"SELECT * FROM sales ORDER BY region, id", "SELECT * FROM loose"}, more...) {
		all.WriteString(s.exec(t, query))
	}
	return all.String()
}

// through runs statements on a connection of database/sql.
func through(t *testing.T, driver, address string) func(string) (string, error) {
	t.Helper()
	db, err := sql.Open(driver, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return func(statement string) (string, error) {
		rows, err := db.Query(statement)
		if err != nil {
			return "", err
		}
		defer rows.Close()
		columns, err := rows.Columns()
		if err != nil {
			return "", err
		}
		cells, pointers := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range cells {
			pointers[i] = &cells[i]
		}
		var all strings.Builder
		for rows.Next() {
			if err := rows.Scan(pointers...); err != nil {
				return "", err
			}
			fmt.Fprintln(&all, cells)
		}
		return all.String(), rows.Err()
	}
}

// The tables special have a value of every awkward kind.
func sqliteShop(t *testing.T) *shop {
	t.Helper()
	path := filepath.Join(t.TempDir(), "shop 100%.db")
	return open(t, "sqlite:"+url.PathEscape(path), through(t, "sqlite", "file:"+url.PathEscape(path)+"?_pragma=busy_timeout(5000)"),
		"CREATE TABLE special (id INTEGER PRIMARY KEY AUTOINCREMENT, at DATETIME, flag BOOLEAN, f REAL, b BLOB, big INTEGER, any, twice INTEGER AS (big * 2) STORED)",
		"INSERT INTO special (id, at, flag, f, b, big, any) VALUES (7, '2026-1-2 3:04', 1, 0.1, x'00ff', 4611686018427387903, '12'), (8, 5, NULL, 1e300, x'', 1, 12)",
		"CREATE TABLE parent (id INTEGER PRIMARY KEY)", "CREATE TABLE child (id INTEGER PRIMARY KEY, p INTEGER REFERENCES parent ON DELETE CASCADE)", "INSERT INTO parent VALUES (1)",
		"CREATE TABLE watched (id INTEGER PRIMARY KEY)", "CREATE TRIGGER watch AFTER INSERT ON watched BEGIN INSERT INTO loose VALUES (2); END",
	)
}

func TestPlugin(t *testing.T) {
	var s *shop
	setup := func(t *testing.T, h *plugintest.Host) {
		s = sqliteShop(t)
		h.Set("DATABASE_URL", s.address)
	}
	world := func(t *testing.T, _ *plugintest.Host) string { return s.dump(t, "SELECT * FROM special") }
	gives := func(result, summary string) func(*testing.T, *plugintest.Host, plugin.Response) {
		return func(t *testing.T, _ *plugintest.Host, resp plugin.Response) {
			if string(resp.Result) != result || resp.Summary != summary {
				t.Errorf("%s\n%s", resp.Result, resp.Summary)
			}
		}
	}
	does := func(name, params string, check func(*testing.T, *plugintest.Host, plugin.Response)) plugintest.Case {
		return plugintest.Case{Name: name, Params: params, Setup: setup, World: world, Check: check}
	}
	fails := func(sql string, kind fault.Kind) plugintest.Case {
		return plugintest.Case{Name: sql, Params: fmt.Sprintf(`{"sql":%q}`, sql), Setup: setup, World: world, Fails: kind}
	}
	plugintest.Run(t, databaseexecute.Function,
		does("update", `{"sql":"UPDATE sales SET note = $2, amount = amount + 1 WHERE region = $1 AND id < 2;","params":["north","new"]}`, gives(
			`{"action":"update","affected":1,"columns":["region","id","day","amount","note"],"before":[["north",1,"2026-01-01",{"float":"10.5"},"old"]],"after":[["north",1,"2026-01-01",{"float":"11.5"},"new"]]}`,
			"Updated 1 row.")),
		does("delete", `{"sql":"DELETE FROM sales AS s WHERE s.day = CURRENT_DATE OR s.id IN (SELECT 7)"}`, func(t *testing.T, h *plugintest.Host, resp plugin.Response) {
			if resp.Summary != "Deleted 2 rows." || !strings.HasPrefix(world(t, h), "[{north true} {1 true}") {
				t.Error(resp.Summary, world(t, h))
			}
		}),
		does("insert", `{"sql":"INSERT INTO sales (region, id, day) VALUES ('west', ?, CURRENT_DATE), ('east', 1, NULL)","params":[4]}`, func(t *testing.T, h *plugintest.Host, resp plugin.Response) {
			if resp.Summary != "Inserted 2 rows." || !strings.Contains(world(t, h), "{2026-01-02T00:00:00Z true} { false} { false}]") {
				t.Error(resp.Summary, world(t, h))
			}
		}),
		does("insert what was selected", `{"sql":"INSERT INTO sales SELECT 'copy', id, day, amount, note FROM sales WHERE region = 'north' ORDER BY id LIMIT 2"}`, nil),
		does("every kind of value", `{"sql":"DELETE FROM special"}`, nil),
		does("every kind of value, changed", `{"sql":"UPDATE special SET at = 1, flag = 2, f = 3, b = 'x', big = 5, any = x'01'"}`, nil),
		does("a number that the database gives", `{"sql":"INSERT INTO special (big) VALUES (1)"}`, nil),
		does("no row", `{"sql":"UPDATE sales SET note = 'x' WHERE id = 77"}`, gives(
			`{"action":"update","affected":0,"columns":["region","id","day","amount","note"],"before":[],"after":[]}`, "Updated 0 rows.")),
		fails("DROP TABLE sales", fault.Forbidden),
		fails("SELECT 1", fault.Invalid),
		fails("WITH a AS (SELECT 1) DELETE FROM sales", fault.Invalid),
		fails("DELETE FROM sales; DELETE FROM loose", fault.Invalid),
		fails("REPLACE INTO sales (region, id) VALUES ('north', 1)", fault.Forbidden),
		fails("INSERT OR REPLACE INTO sales (region, id) VALUES ('north', 1)", fault.Invalid),
		fails("INSERT INTO sales (region, id) VALUES ('north', 1) ON CONFLICT DO UPDATE SET note = 'x'", fault.Forbidden),
		fails("INSERT INTO sales (region, id) VALUES ('north', 1)", fault.Invalid),
		fails("UPDATE sales SET note = 'x' FROM loose", fault.Forbidden),
		fails("UPDATE sales SET note = 'x' WHERE id = 1) OR (1 = 1", fault.Invalid),
		fails("UPDATE sales SET id = id + 10", fault.Forbidden),
		fails("UPDATE sales SET nope = 1", fault.Invalid),
		fails("UPDATE nope SET a = 1", fault.NotFound),
		fails("UPDATE loose SET a = 2", fault.Forbidden),
		fails("DELETE FROM loose", fault.Forbidden),
		fails("DELETE FROM parent", fault.Forbidden),
		fails("INSERT INTO watched VALUES (1)", fault.Forbidden),
		fails("DELETE FROM hearth_effects", fault.Forbidden),
		fails("DELETE FROM sqlite_sequence", fault.Forbidden),
		fails("UPDATE sales SET note = load_extension('x')", fault.Forbidden),
		plugintest.Case{Name: "too many rows", Params: `{"sql":"DELETE FROM sales","max_rows":2}`, Setup: setup, World: world, Fails: fault.TooLarge},
		plugintest.Case{Name: "too many new rows", Params: `{"sql":"INSERT INTO sales (region, id) VALUES ('a',1),('a',2)","max_rows":1}`, Setup: setup, World: world, Fails: fault.TooLarge},
		plugintest.Case{Name: "too many bytes", Params: `{"sql":"UPDATE special SET any = hex(zeroblob(300000))"}`, Setup: setup, World: world, Fails: fault.TooLarge},
		plugintest.Case{Name: "no such data source", Params: `{"sql":"DELETE FROM sales","datasource":"nope"}`, Setup: setup, World: world, Fails: fault.NotFound},
	)
}

func TestSQLite(t *testing.T) { story(t, sqliteShop(t)) }

func TestPostgres(t *testing.T) {
	address := databasetest.Postgres(t)
	conn, err := pgconn.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	run := func(statement string) (string, error) {
		results, err := conn.Exec(t.Context(), statement).ReadAll()
		var all strings.Builder
		for _, result := range results {
			for _, row := range result.Rows {
				fmt.Fprintf(&all, "%q\n", row)
			}
		}
		return all.String(), err
	}
	story(t, open(t, address, run,
		`CREATE TABLE special (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz, f float8, r real, b bytea, j jsonb, list text[], i interval, twice float8 GENERATED ALWAYS AS (f * 2) STORED)`,
		`INSERT INTO special (at, f, r, b, j, list, i) VALUES (now(), 0.1, 0.1, '\x00ff', '{"k": [1, "<a>"]}', '{a,NULL,"b c"}', '1 year 2 days 03:04:05.6'), (NULL, 'NaN', 1e30, '', 'null', '{}', NULL)`,
		`CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (id int PRIMARY KEY, p int REFERENCES parent ON DELETE SET NULL)`,
		`CREATE TABLE watched (id int PRIMARY KEY); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER w BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION f()`,
	))
}

func TestMySQL(t *testing.T) {
	u, err := url.Parse(databasetest.MySQL(t))
	if err != nil {
		t.Fatal(err)
	}
	config := mysql.NewConfig()
	config.Net, config.Addr, config.User, config.DBName = "tcp", u.Host, "root", "test_shop"
	root, err := sql.Open("mysql", "root@tcp("+u.Host+")/")
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if _, err := root.Exec("CREATE DATABASE test_shop CHARACTER SET utf8mb4"); err != nil {
		t.Fatal(err)
	}
	u.Path = "/test_shop"
	s := open(t, u.String(), through(t, "mysql", config.FormatDSN()),
		"CREATE TABLE special (id bigint unsigned AUTO_INCREMENT PRIMARY KEY, at timestamp(3) NULL ON UPDATE CURRENT_TIMESTAMP(3), f double, r float, b blob, bits bit(9), j json, e enum('a','b'), twice double AS (f * 2) STORED)",
		"INSERT INTO special (id, at, f, r, b, bits, j, e) VALUES (18446744073709551610, '2026-01-01 10:00:00.123', 0.1, 0.1, x'00ff', b'100000001', '{\"k\": [1]}', 'b'), (3, NULL, NULL, 1e30, '', NULL, 'null', NULL)",
		"CREATE TABLE parent (id int PRIMARY KEY)", "CREATE TABLE child (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE)",
		"CREATE TABLE watched (id int PRIMARY KEY)", "CREATE TRIGGER w BEFORE INSERT ON watched FOR EACH ROW SET @x = 1",
		"CREATE TABLE old (id int PRIMARY KEY) ENGINE=MyISAM",
	)
	story(t, s)
	h := plugintest.Open(t, databaseexecute.Function)
	h.Set("DATABASE_URL", s.address)
	if _, err := h.Do(`{"sql":"INSERT INTO old VALUES (1)"}`); !fault.Is(err, fault.Forbidden) {
		t.Errorf("an engine without transactions: %v", err)
	}
}

// story is what holds on every database.
func story(t *testing.T, s *shop) {
	h := plugintest.Open(t, databaseexecute.Function)
	h.Set("DATABASE_URL", s.address)
	dump := func() string { return s.dump(t, "SELECT * FROM special ORDER BY id") }
	first := dump()
	for i, params := range []string{
		`{"sql":"UPDATE sales SET note = $1, amount = amount * 2 WHERE region = $2 AND note IS NULL","params":["数","north"]}`,
		`{"sql":"DELETE FROM sales WHERE id = ? OR note = '三'","params":[1]}`,
		`{"sql":"INSERT INTO sales (id, region, day) VALUES (9, 'x', CURRENT_DATE), (10, 'x', ?)","params":[null]}`,
		`{"sql":"INSERT INTO sales SELECT 'copy', id, day, amount, note FROM sales WHERE region = 'north'"}`,
		`{"sql":"UPDATE special SET f = 7"}`,
		`{"sql":"DELETE FROM special"}`,
		`{"sql":"INSERT INTO special (f) VALUES (2)"}`,
	} {
		h.Key = fmt.Sprint("r3f/step/", i)
		resp, err := h.Do(params)
		if err != nil {
			t.Fatalf("%s: %v", params, err)
		}
		done := dump()
		if done == first {
			t.Fatalf("%s changed nothing", params)
		}
		again, err := h.Do(params)
		if err != nil || dump() != done || string(again.Result) != string(resp.Result) {
			t.Fatalf("%s a second time: %v\n%s\n%s\n%s", params, err, dump(), resp.Result, again.Result)
		}
		receipt := &resp
		if i%2 == 1 {
			receipt = nil // nobody knows the outcome
		}
		for range 2 {
			if err := h.Undo(params, receipt); err != nil || dump() != first {
				t.Fatalf("the undo of %s: %v\n%s\n%s", params, err, dump(), first)
			}
		}
	}
	refuses(t, s, h)
	together(t, s)
	conflicts(t, s, h)
}

// together: of attempts at the same time, in processes of their own, one acts, and all tell what it did.
func together(t *testing.T, s *shop) {
	first := s.dump(t)
	params := `{"sql":"UPDATE sales SET amount = amount + 1"}`
	hosts := make([]*plugintest.Host, 3)
	answers, errs := make([]plugin.Response, len(hosts)), make([]error, len(hosts))
	var all sync.WaitGroup
	for i := range hosts {
		hosts[i] = plugintest.Open(t, databaseexecute.Function)
		hosts[i].Set("DATABASE_URL", s.address)
		hosts[i].Key = "together"
		req := hosts[i].Request(plugin.OpDo, params)
		all.Go(func() { answers[i], errs[i] = hosts[i].Send(req) })
	}
	all.Wait()
	for i, err := range errs {
		if err != nil || string(answers[i].Result) != string(answers[0].Result) {
			t.Errorf("attempt %d: %v\n%s\n%s", i, err, answers[i].Result, answers[0].Result)
		}
	}
	if err := hosts[0].Undo(params, nil); err != nil || s.dump(t) != first {
		t.Errorf("the undo: %v\n%s\n%s", err, s.dump(t), first)
	}
}

func refuses(t *testing.T, s *shop, h *plugintest.Host) {
	before := s.dump(t, "SELECT * FROM special ORDER BY id")
	for sql, kind := range map[string]fault.Kind{
		"DELETE FROM parent": fault.Forbidden, "INSERT INTO watched VALUES (1)": fault.Forbidden, "UPDATE loose SET a = 2": fault.Forbidden,
		"UPDATE sales SET id = id + 10": fault.Forbidden, "DELETE FROM nowhere": fault.NotFound, "UPDATE sales SET nope = 1": fault.Invalid,
		"INSERT INTO sales (region, id) VALUES ('north', 1)": fault.Invalid, "DELETE FROM sales WHERE nope = 1": fault.Invalid,
	} {
		h.Key = "refused " + sql
		if _, err := h.Do(fmt.Sprintf(`{"sql":%q}`, sql)); !fault.Is(err, kind) {
			t.Errorf("%s: %v (%s), want %s", sql, err, fault.KindOf(err), kind)
		}
	}
	if after := s.dump(t, "SELECT * FROM special ORDER BY id"); after != before {
		t.Errorf("the refused statements changed\n%s\ninto\n%s", before, after)
	}
}

// conflicts: when somebody changed a row since, its undo leaves everything and says what.
func conflicts(t *testing.T, s *shop, h *plugintest.Host) {
	for i, c := range []struct{ params, change, repair, says, shows string }{
		{`{"sql":"UPDATE sales SET note = 'mine'"}`, "UPDATE sales SET note = 'theirs' WHERE region = 'south'", "UPDATE sales SET note = 'mine'", `has note "theirs", not "mine"`, `[{sales region="south" id=`},
		{`{"sql":"UPDATE sales SET note = 'mine'"}`, "DELETE FROM sales WHERE region = 'south'", "", "is gone", `[{sales region="south" id=`},
		{`{"sql":"INSERT INTO sales (region, id) VALUES ('y', 1)"}`, "UPDATE sales SET note = 'theirs' WHERE region = 'y'", "UPDATE sales SET note = NULL WHERE region = 'y'", `has note "theirs", not null`, `[{sales region="y" id=`},
		{`{"sql":"DELETE FROM sales WHERE region = 'north' AND id = 2"}`, "INSERT INTO sales (region, id) VALUES ('north', 2)", "DELETE FROM sales WHERE region = 'north' AND id = 2", "is there again", `[{sales region="north" id=`},
	} {
		h.Key = fmt.Sprint("conflict ", i)
		before := s.dump(t)
		resp, err := h.Do(c.params)
		if err != nil {
			t.Fatal(err)
		}
		s.exec(t, c.change)
		changed := s.dump(t)
		for _, receipt := range []*plugin.Response{&resp, nil} {
			_, look := h.Preview(c.params, receipt)
			for when, err := range map[string]error{"undo": h.Undo(c.params, receipt), "look": look} {
				if !fault.Is(err, fault.Conflict) || !strings.Contains(fault.Text(err), c.says) || !strings.HasPrefix(fmt.Sprint(fault.Changes(err)), c.shows) {
					t.Errorf("%s: %s: %v, shows %v", c.params, when, err, fault.Changes(err))
				}
			}
		}
		if s.dump(t) != changed {
			t.Errorf("%s: the refused undo changed something", c.params)
		}
		if c.repair == "" {
			continue
		}
		s.exec(t, c.repair)
		if err := h.Undo(c.params, &resp); err != nil || s.dump(t) != before {
			t.Errorf("%s after the repair: %v\n%s\n%s", c.params, err, s.dump(t), before)
		}
	}
	// Nobody is shown what a column for secrets holds.
	h.Key = "secret"
	s.exec(t, "CREATE TABLE account (id INTEGER PRIMARY KEY, password VARCHAR(20))")
	params := `{"sql":"INSERT INTO account VALUES (1, 'hunter1')"}`
	resp, err := h.Do(params)
	if err != nil {
		t.Fatal(err)
	}
	s.exec(t, "UPDATE account SET password = 'hunter2'")
	err = h.Undo(params, &resp)
	if changes := fault.Changes(err); len(changes) != 1 || !strings.HasSuffix(changes[0].What, "password") || strings.Contains(fmt.Sprint(err, changes), "hunter") {
		t.Errorf("%v shows %v", err, changes)
	}
	// The line of a step that acted must be there.
	h.Key = "line"
	params = `{"sql":"UPDATE sales SET note = 'line' WHERE region = 'north'"}`
	if resp, err = h.Do(params); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Do(`{"sql":"UPDATE sales SET note = 'other'"}`); !fault.Is(err, fault.Conflict) {
		t.Errorf("another statement under the key: %v", err)
	}
	s.exec(t, "DELETE FROM hearth_effects WHERE step_key = 'line'")
	if err := h.Undo(params, &resp); !fault.Is(err, fault.Conflict) {
		t.Errorf("an undo without the line: %v", err)
	}
}
