package databasequery_test

import (
	"database/sql"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/functions/plugins/databasequery"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/plugin"
	"github.com/hearthfaas/hearth/shared/plugin/plugintest"
)

func TestPlugin(t *testing.T) {
	shop, stock := database(t, "INSERT INTO sales VALUES ('2026-01-01', '昨天', 1), ('2026-01-02', '今天', 2.5)"), database(t, "")
	setup := func(_ *testing.T, h *plugintest.Host) {
		h.Set("DATABASE_URL", "sqlite://"+shop)
		h.Set("DATABASE_STOCK_URL", "sqlite:"+stock)
		h.Set("DATABASE_BROKEN_URL", "oracle://u:hunter2@x")
	}
	gives := func(result, summary string) func(*testing.T, *plugintest.Host, plugin.Response) {
		return func(t *testing.T, _ *plugintest.Host, resp plugin.Response) {
			if string(resp.Result) != result || resp.Summary != summary {
				t.Errorf("%s\n%s", resp.Result, resp.Summary)
			}
		}
	}
	plugintest.Run(t, databasequery.Function,
		plugintest.Case{
			Name: "as a task writes it", Params: `{"sql":"SELECT * FROM sales WHERE date=CURRENT_DATE"}`, Setup: setup,
			Check: gives(`{"columns":["date","note","amount"],"rows":[["2026-01-02","今天",2.5]],"truncated":false,"row_count":1}`, "Read 1 row."),
		},
		plugintest.Case{
			Name: "values and a limit", Params: `{"sql":"SELECT note FROM sales WHERE amount >= $1 ORDER BY date","params":[1],"max_rows":1,"datasource":"default"}`, Setup: setup, Lang: "zh",
			Check: gives(`{"columns":["note"],"rows":[["昨天"]],"truncated":true,"row_count":1}`, "读取了前 1 行，还有更多。"),
		},
		plugintest.Case{
			Name: "another data source", Params: `{"sql":"SELECT * FROM sales","datasource":"stock"}`, Setup: setup,
			Check: gives(`{"columns":["date","note","amount"],"rows":[],"truncated":false,"row_count":0}`, "Read 0 rows."),
		},
		plugintest.Case{Name: "a write", Params: `{"sql":"DELETE FROM sales"}`, Setup: setup, Fails: fault.Forbidden},
		plugintest.Case{Name: "two statements", Params: `{"sql":"SELECT 1; SELECT 2"}`, Setup: setup, Fails: fault.Invalid},
		plugintest.Case{Name: "too many rows", Params: `{"sql":"SELECT 1","max_rows":10001}`, Setup: setup, Fails: fault.Invalid},
		plugintest.Case{Name: "no such data source", Params: `{"sql":"SELECT 1","datasource":"nope"}`, Setup: setup, Fails: fault.NotFound},
		plugintest.Case{Name: "a data source that is no name", Params: `{"sql":"SELECT 1","datasource":"../x"}`, Setup: setup, Fails: fault.Invalid},
		plugintest.Case{Name: "a database we do not speak", Params: `{"sql":"SELECT 1","datasource":"broken"}`, Setup: setup, Fails: fault.Invalid},
	)
}

func TestMistakesAreForPeople(t *testing.T) {
	h := plugintest.Open(t, databasequery.Function)
	h.Set("DATABASE_URL", "sqlite://"+database(t, ""))
	for sql, want := range map[string]string{
		"UPDATE sales SET amount = 0": "params.sql, line 1, column 1: database_query only reads, and a statement that begins with UPDATE may change data (next: use database_execute)",
		"SELECT * FROM sale":          "params.sql, line 1, column 15: no such table: sale",
	} {
		params, err := json.Marshal(map[string]string{"sql": sql})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Do(string(params)); fault.Text(err) != want {
			t.Errorf("%s", fault.Text(err))
		}
	}
	h.Set("DATABASE_URL", "mysql://u:hunter2@[broken")
	if _, err := h.Do(`{"sql":"SELECT 1"}`); !fault.Is(err, fault.Invalid) || strings.Contains(fault.Text(err), "hunter2") {
		t.Errorf("a broken address: %v", err)
	}
}

// database makes a SQLite file with a table of sales.
func database(t *testing.T, fill string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "shop.db")
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range []string{"CREATE TABLE sales (date TEXT, note TEXT, amount REAL)", fill} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	return path
}
