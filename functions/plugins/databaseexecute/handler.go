// Package databaseexecute is the plugin that changes rows of databases: one INSERT, UPDATE or DELETE in a
// transaction that also records what the rows were before, so that the step can be taken back, and under which key
// it was done, so that it is never done twice.
package databaseexecute

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/hearthfaas/hearth/shared/database"
	"github.com/hearthfaas/hearth/shared/database/sqltext"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/plugin"
)

// Limits of a change.
const (
	defaultRows = 100
	largestRows = 500
	maxReceipt  = 512 << 10 // bytes of the rows before and after, as JSON
)

// In are the parameters.
type In struct {
	SQL        string            `json:"sql" jsonschema:"one INSERT, UPDATE or DELETE of one table with a primary key; CURRENT_DATE is the day of the run"`
	Params     []json.RawMessage `json:"params,omitempty" types:"string|number|boolean|null" jsonschema:"values for ? or $1 in the statement: strings, numbers, booleans or null"`
	DataSource string            `json:"datasource,omitempty" jsonschema:"name of the data source; default is the one in DATABASE_URL"`
	MaxRows    int               `json:"max_rows,omitempty" jsonschema:"how many rows may change at most, or nothing does; default 100, at most 500"`
}

// Out is the result, and what the undo needs. A cell is null, a text, a whole number, {"float":"1.5"} or
// {"bytes":"base64"}; PostgreSQL's are all texts.
type Out struct {
	Action   string              `json:"action"` // insert, update or delete
	Affected int                 `json:"affected"`
	Columns  []string            `json:"columns"`
	Before   [][]json.RawMessage `json:"before"` // the rows as they were; none of an insert
	After    [][]json.RawMessage `json:"after"`  // the rows as they are now; none of a delete
}

// Function is the plugin.
var Function = plugin.Define(plugin.Spec{
	ID:      "database_execute",
	Title:   manifest.Phrase{En: "Change a database", Zh: "修改数据库"},
	Summary: "Changes rows of an SQL database with one INSERT, UPDATE or DELETE statement; can be undone while nobody else changed them.",
	Effect:  manifest.Compensable,
	Grants: manifest.Grants{
		Hosts:   []string{"config:DATABASE_URL", "config:DATABASE_*_URL"},
		Secrets: []string{"DATABASE_URL", "DATABASE_*_URL"},
	},
	Limits:  manifest.Limits{Output: 2*maxReceipt + 64<<10},
	Control: []string{"sql", "params", "datasource"},
	Intent: manifest.Intent{
		Phrases: []string{
			"update the database", "change the database", "insert into", "delete from", "execute sql", "run the update",
			"修改数据库", "更新数据库", "写入数据库", "插入数据", "删除数据", "执行更新",
		},
		Gives: "receipt",
		Slots: []manifest.Slot{{Param: "sql", Kind: "quoted", Required: true, Ask: manifest.Phrase{
			En: "Which change? Please give me the INSERT, UPDATE or DELETE statement in quotes.", Zh: "要做什么修改？请用引号给出 INSERT、UPDATE 或 DELETE 语句。",
		}}},
		Example: map[string]any{"sql": "UPDATE sales SET quantity = 2 WHERE id = 1"},
		Order:   40,
	},
	Version: "1",
}, execute, plugin.Undo(takeBack), plugin.Preview(), plugin.Reconcile(recorded))

// job is a call that is ready to run.
type job struct {
	change
	conn   *database.Conn
	record record
	most   int // rows
}

func execute(c *plugin.Call, in In) (Out, error) {
	ctx, cancel := context.WithTimeout(c, database.Patience)
	defer cancel()
	out, err := attempt(ctx, c, in)
	if err != nil && ctx.Err() != nil && !fault.Is(err, fault.Unknown) { // before the commit, so without effect
		return Out{}, fault.As(fault.Unavailable, err, "the statement took over %s", database.Patience).Try("narrow it with WHERE")
	}
	return out, err
}

func attempt(ctx context.Context, c *plugin.Call, in In) (Out, error) {
	j, err := open(ctx, c, in)
	if err != nil {
		return Out{}, err
	}
	defer j.conn.Close()
	if c.DryRun {
		return j.rehearse(ctx, c)
	}
	if err := j.record.prepare(ctx, j.conn); err != nil {
		return Out{}, err
	}
	if err := j.conn.Begin(ctx); err != nil {
		return Out{}, err
	}
	earlier, err := j.record.claim(ctx, j.conn)
	if err != nil {
		return Out{}, err
	}
	if earlier != nil {
		c.Summary(summary(*earlier))
		return *earlier, nil
	}
	out, err := j.run(ctx)
	if err != nil {
		return Out{}, err
	}
	if err := j.record.keep(ctx, j.conn, out); err != nil {
		return Out{}, err
	}
	c.Summary(summary(out))
	return out, j.conn.Commit(ctx)
}

// open reads the parameters and connects.
func open(ctx context.Context, c *plugin.Call, in In) (job, error) {
	j := job{most: in.MaxRows}
	if j.most == 0 {
		j.most = defaultRows
	}
	if j.most < 1 || j.most > largestRows {
		return j, fault.New(fault.Invalid, "want 1 to %d, not %d", largestRows, in.MaxRows).At("params.max_rows")
	}
	list, err := sqltext.Values(in.Params)
	if err != nil {
		return j, err
	}
	now, err := sqltext.Moment(c.Now, c.Zone, c.Date)
	if err != nil {
		return j, err
	}
	src, err := database.Find(in.DataSource, c.Setting)
	if err != nil {
		return j, err
	}
	if j.change, err = parse(in.SQL, src.Dialect); err != nil {
		return j, err
	}
	if _, err := j.Bind(list); err != nil {
		return j, err
	}
	if err := j.Freeze(now); err != nil {
		return j, err
	}
	if j.record, err = newRecord(c, in, src.Dialect); err != nil {
		return j, err
	}
	j.conn, err = src.Open(ctx, database.Session{Now: now, Writes: []string{j.writes(), recordTable}})
	return j, err
}

// rehearse does everything and keeps nothing.
func (j job) rehearse(ctx context.Context, c *plugin.Call) (Out, error) {
	if err := j.conn.Begin(ctx); err != nil {
		return Out{}, err
	}
	out, err := j.run(ctx)
	if err != nil {
		return Out{}, err
	}
	c.Summary(fmt.Sprintf("Would %s %d rows.", out.Action, out.Affected), fmt.Sprintf("将%s %d 行。", inChinese(out.Action), out.Affected))
	return out, nil
}

func summary(out Out) (en, zh string) {
	done := map[string]string{"insert": "Inserted", "update": "Updated", "delete": "Deleted"}[out.Action]
	rows := "rows"
	if out.Affected == 1 {
		rows = "row"
	}
	return fmt.Sprintf("%s %d %s.", done, out.Affected, rows), fmt.Sprintf("已%s %d 行。", inChinese(out.Action), out.Affected)
}

func inChinese(action string) string {
	return map[string]string{"insert": "插入", "update": "更新", "delete": "删除"}[action]
}
