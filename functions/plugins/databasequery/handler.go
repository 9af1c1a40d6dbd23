// Package databasequery is the plugin that reads from databases: one statement, in a read-only transaction,
// with limits on rows, bytes and time, on the calendar of the run.
package databasequery

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/hearthfaas/hearth/shared/database"
	"github.com/hearthfaas/hearth/shared/database/sqltext"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/plugin"
)

// Limits of a query.
const (
	defaultRows = 1000
	largestRows = 10000
)

// In are the parameters.
type In struct {
	SQL        string            `json:"sql" jsonschema:"one SELECT statement; CURRENT_DATE is the day of the run"`
	Params     []json.RawMessage `json:"params,omitempty" types:"string|number|boolean|null" jsonschema:"values for ? or $1 in the statement: strings, numbers, booleans or null"`
	DataSource string            `json:"datasource,omitempty" jsonschema:"name of the data source; default is the one in DATABASE_URL"`
	MaxRows    int               `json:"max_rows,omitempty" jsonschema:"how many rows to return at most; default 1000, at most 10000"`
}

// Out is the result, a table.
type Out struct {
	Columns   []string `json:"columns"`
	Rows      [][]any  `json:"rows"`
	Truncated bool     `json:"truncated"` // there were more rows than max_rows, or more bytes than fit
	RowCount  int      `json:"row_count"` // of the rows returned
}

// Function is the plugin.
var Function = plugin.Define(plugin.Spec{
	ID:      "database_query",
	Title:   manifest.Phrase{En: "Query a database", Zh: "查询数据库"},
	Summary: "Reads rows from an SQL database with one SELECT statement; never changes data.",
	Effect:  manifest.Read,
	Grants: manifest.Grants{
		Hosts:   []string{"config:DATABASE_URL", "config:DATABASE_*_URL"},
		Secrets: []string{"DATABASE_URL", "DATABASE_*_URL"},
	},
	Limits:  manifest.Limits{Wall: 30 * time.Second, Output: maxBytes + 64<<10},
	Control: []string{"sql", "datasource"},
	Intent: manifest.Intent{
		Phrases: []string{
			"query", "database", "sql", "select", "data", "sales", "orders", "revenue", "numbers", "figures", "statistics", "stats",
			"records", "rows", "table", "look up", "how many", "how much", "today's sales",
			"查询", "数据库", "数据", "销售", "销售额", "订单", "统计", "报表", "报告", "日报", "今天", "今日", "业绩", "多少", "查一下", "明细",
		},
		Gives:   "table",
		Slots:   []manifest.Slot{{Param: "sql", Kind: "sql"}},
		Example: map[string]any{"sql": "SELECT * FROM sales WHERE date=CURRENT_DATE"},
		Order:   10,
	},
	Version: "1",
}, query)

func query(c *plugin.Call, in In) (Out, error) {
	maxRows := in.MaxRows
	if maxRows == 0 {
		maxRows = defaultRows
	}
	if maxRows < 1 || maxRows > largestRows {
		return Out{}, fault.New(fault.Invalid, "want 1 to %d, not %d", largestRows, in.MaxRows).At("params.max_rows")
	}
	list, err := sqltext.Values(in.Params)
	if err != nil {
		return Out{}, err
	}
	now, err := sqltext.Moment(c.Now, c.Zone, c.Date)
	if err != nil {
		return Out{}, err
	}
	src, err := database.Find(in.DataSource, c.Setting)
	if err != nil {
		return Out{}, err
	}
	ctx, cancel := context.WithTimeout(c, database.Patience)
	defer cancel()
	out, err := read(ctx, src, request{sql: in.SQL, params: list, maxRows: maxRows, now: now})
	if ctx.Err() != nil {
		return Out{}, fault.As(fault.Timeout, err, "the query took over %s", database.Patience).Try("narrow it with WHERE or LIMIT")
	}
	if err != nil {
		return Out{}, err
	}
	c.Summary(summary(out))
	return out, nil
}

func summary(out Out) (en, zh string) {
	if out.Truncated {
		return fmt.Sprintf("Read the first %d rows; there are more.", out.RowCount), fmt.Sprintf("读取了前 %d 行，还有更多。", out.RowCount)
	}
	if out.RowCount == 1 {
		return "Read 1 row.", "读取了 1 行。"
	}
	return fmt.Sprintf("Read %d rows.", out.RowCount), fmt.Sprintf("读取了 %d 行。", out.RowCount)
}
