package databaseexecute

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/hearthfaas/hearth/shared/database/sqltext"
	"github.com/hearthfaas/hearth/shared/fault"
)

// run makes the change within the transaction and returns what it was.
func (j job) run(ctx context.Context) (Out, error) {
	t, err := j.describe(ctx, j.conn)
	if err != nil {
		return Out{}, err
	}
	out := Out{Action: j.action, Columns: t.names()}
	var before, after []row
	if j.action == "insert" {
		after, err = j.insert(ctx, t)
		out.Affected = len(after)
	} else {
		before, after, err = j.alter(ctx, t)
		out.Affected = len(before)
	}
	if err != nil {
		return Out{}, err
	}
	out.Before, out.After = encodeRows(before), encodeRows(after)
	raw, err := json.Marshal(out)
	if err != nil {
		return Out{}, fault.As(fault.Internal, err, "encode the rows")
	}
	if len(raw) > maxReceipt {
		return Out{}, fault.New(fault.TooLarge, "the rows before and after are over %d bytes, too many to keep for an undo", maxReceipt).
			At("params.sql").Try("change fewer rows at a time")
	}
	return out, nil
}

// alter updates or deletes exactly the rows that its WHERE finds now: they are locked, read, and named in the
// statement itself.
func (j job) alter(ctx context.Context, t table) (before, after []row, err error) {
	var args []any
	find := "SELECT " + t.list(t.key) + " FROM " + j.Part(j.target.first, j.target.end, &args) +
		j.condition(&args) + "1 = 1 LIMIT " + strconv.Itoa(j.most+1) + t.locks()
	keys, err := t.rows(ctx, j.conn, j.written(), find, args)
	if err != nil {
		return nil, nil, err
	}
	if len(keys) > j.most {
		return nil, nil, j.tooMany()
	}
	if before, err = t.keyed(ctx, j.conn, j.Statement, keys); err != nil {
		return nil, nil, err
	}
	args = nil
	sql := j.Part(0, j.where, &args) + j.condition(&args)
	sql += t.having(keys, j.Statement, &args)
	n, err := j.conn.Exec(ctx, j.written(), sql, args)
	if err != nil {
		return nil, nil, err
	}
	if after, err = t.keyed(ctx, j.conn, j.Statement, keys); err != nil {
		return nil, nil, err
	}
	left := slices.DeleteFunc(slices.Clone(after), func(r row) bool { return r == nil })
	switch {
	case n != int64(len(keys)) || slices.ContainsFunc(before, func(r row) bool { return r == nil }):
		return nil, nil, fault.New(fault.Failed, "%d rows matched, and %d would have changed; nothing was done", len(keys), n).
			At("params.sql").Try("write a WHERE that finds the same rows each time")
	case j.action == "delete" && len(left) > 0:
		return nil, nil, fault.New(fault.Failed, "%d rows are still there after the DELETE; nothing was done", len(left)).At("params.sql")
	case j.action == "update" && len(left) < len(keys):
		return nil, nil, fault.New(fault.Forbidden, "the statement would change the primary key, by which rows are found again").At("params.sql")
	}
	return before, left, nil
}

// insert adds rows and returns them as the database keeps them.
func (j job) insert(ctx context.Context, t table) ([]row, error) {
	var args []any
	sql := j.Part(0, len(j.Tokens), &args)
	keys, err := j.added(ctx, t, sql, args)
	if err != nil {
		return nil, err
	}
	if len(keys) > j.most {
		return nil, j.tooMany()
	}
	after, err := t.keyed(ctx, j.conn, j.Statement, keys)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(after, func(r row) bool { return r == nil }) {
		return nil, fault.New(fault.Failed, "a row cannot be found again after it was inserted; nothing was done").At("params.sql")
	}
	return after, nil
}

// added runs the INSERT and returns the keys of its rows. MySQL, unlike MariaDB, only tells the number it gave to
// a single row.
func (j job) added(ctx context.Context, t table, sql string, args []any) ([]row, error) {
	if j.Dialect == sqltext.MySQL {
		version, err := all(ctx, j.conn, "SELECT VERSION()", nil)
		if err != nil {
			return nil, err
		}
		if !strings.Contains(words(version[0][0]), "MariaDB") {
			return j.numbered(ctx, t, sql, args)
		}
	}
	return t.rows(ctx, j.conn, j.written(), sql+" RETURNING "+t.list(t.key), args)
}

// numbered adds one row to a table that numbers its rows.
func (j job) numbered(ctx context.Context, t table, sql string, args []any) ([]row, error) {
	n, err := j.conn.Exec(ctx, j.written(), sql, args)
	if err != nil {
		return nil, err
	}
	id, err := all(ctx, j.conn, "SELECT LAST_INSERT_ID()", nil)
	if err != nil {
		return nil, err
	}
	if n != 1 || len(t.key) != 1 || words(id[0][0]) == "0" {
		return nil, fault.New(fault.Forbidden, "MySQL does not say which rows it added; nothing was done").
			At("params.sql").Try("insert one row at a time, into a table with AUTO_INCREMENT that gives it its key")
	}
	return t.rows(ctx, j.conn, nil, "SELECT LAST_INSERT_ID()", nil)
}

func (j job) tooMany() error {
	return fault.New(fault.TooLarge, "the statement would %s over %d rows; nothing was done", j.action, j.most).
		At("params.sql").Try("narrow it with WHERE, or raise max_rows up to " + strconv.Itoa(largestRows))
}

// written is the statement that an error of the database can be placed in. PostgreSQL counts in what it got, which
// is the statement only when nothing of ours stands in front.
func (j job) written() *sqltext.Statement {
	if j.Dialect == sqltext.Postgres && j.action != "insert" {
		return nil
	}
	return j.Statement
}
