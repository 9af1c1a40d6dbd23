package databaseexecute

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/hearthfaas/hearth/shared/database"
	"github.com/hearthfaas/hearth/shared/database/sqltext"
	"github.com/hearthfaas/hearth/shared/fault"
)

// table is what has to be known of a table to put its rows back.
type table struct {
	dialect sqltext.Dialect
	text    string // its name as SQL
	columns []column
	key     []int // the columns of the primary key, in its order
}

type column struct {
	name      string
	generated bool // the database computes it
}

// columnsOf asks for name, place in the primary key counted from 1 or 0, and whether the database computes it.
var columnsOf = map[sqltext.Dialect]string{
	sqltext.SQLite: `SELECT x.name, x.pk, x.hidden IN (2, 3) FROM pragma_table_xinfo(?1) x
		WHERE x.hidden <> 1 AND EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND lower(name) = lower(?1)) ORDER BY x.cid`,
	sqltext.Postgres: `SELECT a.attname, COALESCE(array_position(string_to_array(i.indkey::text, ' ')::int[], a.attnum::int), 0), (a.attgenerated <> '')::int
		FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
		WHERE a.attrelid = to_regclass($1::text) AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p') ORDER BY a.attnum`,
	sqltext.MySQL: `SELECT c.column_name, COALESCE(k.ordinal_position, 0), COALESCE(c.generation_expression, '') <> ''
		FROM information_schema.columns c LEFT JOIN information_schema.key_column_usage k ON k.constraint_name = 'PRIMARY'
		AND k.table_schema = c.table_schema AND k.table_name = c.table_name AND k.column_name = c.column_name
		WHERE c.table_schema = COALESCE(NULLIF(?, ''), DATABASE()) AND c.table_name = ? ORDER BY c.ordinal_position`,
}

// besides counts what happens besides the change itself: triggers and rules, foreign keys that change other rows
// with it, and engines without transactions.
var besides = map[sqltext.Dialect]string{
	sqltext.SQLite: `SELECT (SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND lower(tbl_name) = lower(?1)),
		(SELECT count(*) FROM sqlite_schema s, pragma_foreign_key_list(s.name) f WHERE s.type = 'table' AND lower(f."table") = lower(?1)
		AND (f.on_delete NOT IN ('NO ACTION', 'RESTRICT') OR f.on_update NOT IN ('NO ACTION', 'RESTRICT'))), 0`,
	sqltext.Postgres: `SELECT (SELECT count(*) FROM pg_trigger WHERE tgrelid = to_regclass($1::text) AND NOT tgisinternal)
		+ (SELECT count(*) FROM pg_rewrite WHERE ev_class = to_regclass($1::text)),
		(SELECT count(*) FROM pg_constraint WHERE confrelid = to_regclass($1::text) AND contype = 'f'
		AND (confdeltype NOT IN ('a', 'r') OR confupdtype NOT IN ('a', 'r'))), 0`,
	sqltext.MySQL: `SELECT (SELECT count(*) FROM information_schema.triggers WHERE event_object_schema = t.table_schema AND event_object_table = t.table_name),
		(SELECT count(*) FROM information_schema.referential_constraints r WHERE r.unique_constraint_schema = t.table_schema
		AND r.referenced_table_name = t.table_name AND (r.delete_rule NOT IN ('NO ACTION', 'RESTRICT') OR r.update_rule NOT IN ('NO ACTION', 'RESTRICT'))),
		t.engine <> 'InnoDB' FROM information_schema.tables t WHERE t.table_schema = COALESCE(NULLIF(?, ''), DATABASE()) AND t.table_name = ?`,
}

// describe looks the change's table up, and refuses one whose rows could not be put back.
func (c *change) describe(ctx context.Context, conn *database.Conn) (table, error) {
	t := table{dialect: c.Dialect, text: c.Part(c.table.first, c.table.end, new([]any))}
	args := []any{c.name}
	switch c.Dialect {
	case sqltext.Postgres:
		args = []any{t.text}
	case sqltext.MySQL:
		args = []any{c.schema, c.name}
	}
	rows, err := all(ctx, conn, columnsOf[c.Dialect], args)
	if err != nil {
		return t, err
	}
	key := map[int]int{}
	for i, row := range rows {
		t.columns = append(t.columns, column{name: words(row[0]), generated: number(row[2]) > 0})
		if place := number(row[1]); place > 0 {
			key[place-1] = i
		}
	}
	for i := range len(key) {
		t.key = append(t.key, key[i])
	}
	where := c.At(c.table.first)
	if len(rows) == 0 {
		return t, fault.New(fault.NotFound, "there is no table %s", t.text).At(where)
	}
	if len(t.key) == 0 {
		return t, fault.New(fault.Forbidden, "the table %s has no primary key, so its rows could not be found again", t.text).At(where)
	}
	if rows, err = all(ctx, conn, besides[c.Dialect], args); err != nil {
		return t, err
	}
	return t, c.refuse(t, rows, where)
}

func (c *change) refuse(t table, rows [][]any, where string) error {
	if len(rows) != 1 {
		return fault.New(fault.NotFound, "there is no table %s", t.text).At(where)
	}
	switch row := rows[0]; {
	case number(row[0]) > 0:
		return fault.New(fault.Forbidden, "the table %s has triggers, and what they do could not be taken back", t.text).At(where)
	case number(row[1]) > 0 && c.action != "insert":
		return fault.New(fault.Forbidden, "rows of other tables change with those of %s (foreign keys), and could not be put back", t.text).At(where)
	case number(row[2]) > 0:
		return fault.New(fault.Forbidden, "the table %s keeps no transactions (its engine is not InnoDB)", t.text).At(where)
	}
	return nil
}

// all reads a small result.
func all(ctx context.Context, conn *database.Conn, sql string, args []any) ([][]any, error) {
	rows, err := conn.Query(ctx, nil, sql, args)
	if err != nil {
		return nil, err
	}
	var list [][]any
	for {
		row, err := rows.Next()
		if err != nil || row == nil {
			return list, err
		}
		list = append(list, row)
	}
}

// words is a text as the driver has it.
func words(v any) string {
	if b, ok := v.([]byte); ok {
		return string(b)
	}
	return fmt.Sprint(v)
}

// number is a small number as the driver has it, or its text.
func number(v any) int {
	n, _ := strconv.Atoi(words(v)) // catalogs hold nothing else
	return n
}

// quote writes a name as SQL.
func quote(name string, d sqltext.Dialect) string {
	mark := `"`
	if d == sqltext.MySQL {
		mark = "`"
	}
	return mark + strings.ReplaceAll(name, mark, mark+mark) + mark
}

// list writes columns for a SELECT. In SQLite a value in an expression keeps its storage class, where the driver
// would read a column's by the type it was declared with.
func (t table) list(columns []int) string {
	names := make([]string, len(columns))
	for i, at := range columns {
		names[i] = quote(t.columns[at].name, t.dialect)
		if t.dialect == sqltext.SQLite {
			names[i] = "+" + names[i]
		}
	}
	return strings.Join(names, ", ")
}

// everything is all columns.
func (t table) everything() []int {
	columns := make([]int, len(t.columns))
	for i := range columns {
		columns[i] = i
	}
	return columns
}

// names are the names of all columns.
func (t table) names() []string {
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.name
	}
	return names
}

// locks is what a SELECT ends with, so that nobody else changes its rows before the end.
func (t table) locks() string {
	if t.dialect == sqltext.SQLite { // BEGIN IMMEDIATE has locked the file
		return ""
	}
	return " FOR UPDATE"
}

// overriding lets a row come back with the number that it had.
func (t table) overriding() string {
	if t.dialect == sqltext.Postgres {
		return " OVERRIDING SYSTEM VALUE"
	}
	return ""
}
