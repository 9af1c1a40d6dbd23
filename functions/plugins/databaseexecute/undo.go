package databaseexecute

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hearthfaas/hearth/shared/database"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/plugin"
)

// shownRows is how many changed rows a refusal names.
const shownRows = 3

// takeBack puts the rows back as they were, if they still are as the step left them. What it did is in the
// database itself, so that it does not matter whether anybody knows the outcome.
func takeBack(c *plugin.Call, in In, out *Out) error {
	ctx, cancel := context.WithTimeout(c, database.Patience)
	defer cancel()
	j, err := open(ctx, c, in)
	if err != nil {
		return err
	}
	defer j.conn.Close()
	line, err := j.line(ctx)
	if err != nil {
		return err
	}
	if !line.there && out != nil {
		return fault.New(fault.Conflict, "the line of this step was deleted from %s, and with it what the rows were", recordTable)
	}
	if line.out == nil {
		return nil
	}
	done := *line.out
	if err := j.restore(ctx, done); err != nil {
		return err
	}
	if c.DryRun { // and all of it goes with the connection
		c.Summary(fmt.Sprintf("Would put %d rows back.", done.Affected), fmt.Sprintf("将还原 %d 行。", done.Affected))
		return nil
	}
	if err := j.record.forget(ctx, j.conn); err != nil {
		return err
	}
	c.Summary(fmt.Sprintf("Put %d rows back.", done.Affected), fmt.Sprintf("已还原 %d 行。", done.Affected))
	return j.conn.Commit(ctx)
}

// recorded returns the result that the step's line has, nil when there is none or the step was taken back.
func recorded(c *plugin.Call, in In) (*Out, error) {
	ctx, cancel := context.WithTimeout(c, database.Patience)
	defer cancel()
	j, err := open(ctx, c, in)
	if err != nil {
		return nil, err
	}
	defer j.conn.Close()
	line, err := j.line(ctx)
	if err != nil || line.out == nil {
		return nil, err
	}
	c.Summary(summary(*line.out))
	return line.out, nil
}

// line is what the database knows of a step.
type line struct {
	there bool
	out   *Out // nil when the step was taken back
}

// line begins a transaction and reads the step's line. It waits for a forward attempt that is still on its way.
// Without a commit, nothing of it stays.
func (j job) line(ctx context.Context) (line, error) {
	if err := j.record.prepare(ctx, j.conn); err != nil { // that it cannot be read does not mean that it is not there
		return line{}, err
	}
	if err := j.conn.Begin(ctx); err != nil {
		return line{}, err
	}
	fresh, err := j.record.enter(ctx, j.conn) // the attempt holds its line, and this stops until it lets go
	if err != nil || fresh {
		return line{}, err
	}
	out, err := j.record.read(ctx, j.conn)
	return line{there: true, out: out}, err
}

// restore checks that the rows are as the step left them and puts them back.
func (j job) restore(ctx context.Context, done Out) error {
	before, err := decodeRows(done.Before)
	if err != nil {
		return err
	}
	after, err := decodeRows(done.After)
	if err != nil {
		return err
	}
	t, err := j.describe(ctx, j.conn)
	if err != nil {
		return err
	}
	if !slices.Equal(t.names(), done.Columns) {
		return fault.New(fault.Conflict, "the columns of %s are no longer those that the step saw (%s)", t.text, strings.Join(done.Columns, ", "))
	}
	keys, left, want := t.sides(done.Action, before, after)
	now, err := t.keyed(ctx, j.conn, j.Statement, keys)
	if err != nil {
		return err
	}
	if err := t.compare(keys, left, now); err != nil {
		return err
	}
	for i := range keys {
		if err := j.putBack(ctx, t, keys[i], want[i], done.Action); err != nil {
			return err
		}
	}
	if now, err = t.keyed(ctx, j.conn, j.Statement, keys); err != nil {
		return err
	}
	for i, r := range now {
		if !same(r, want[i]) {
			return fault.New(fault.Failed, "%s did not come back as it was; nothing was changed", t.label(keys[i]))
		}
	}
	return nil
}

// sides are, for each key, the row that the step left and the row to come back; nil where there is none.
func (t table) sides(action string, before, after []row) (keys, left, want []row) {
	left, want = after, before
	known := after
	switch action {
	case "insert":
		want = make([]row, len(after))
	case "delete":
		left, known = make([]row, len(before)), before
	}
	for _, r := range known {
		keys = append(keys, t.keyOf(r))
	}
	return keys, left, want
}

// compare is a Conflict that says what somebody changed since.
func (t table) compare(keys, left, now []row) error {
	var texts []string
	var changes []fault.Change
	for i := range keys {
		if !same(left[i], now[i]) {
			texts = append(texts, t.label(keys[i])+" "+t.difference(left[i], now[i]))
			changes = append(changes, t.changes(keys[i], left[i], now[i])...)
		}
	}
	if len(texts) == 0 {
		return nil
	}
	text := strings.Join(texts[:min(len(texts), shownRows)], "; ")
	if more := len(texts) - shownRows; more > 0 {
		text += fmt.Sprintf("; and %d more rows", more)
	}
	return fault.New(fault.Conflict, "somebody changed rows since: %s", text).Showing(changes...)
}

// changes are the cells of a row that are no longer what the step left, or the row that came or went.
func (t table) changes(key, left, now row) []fault.Change {
	if left == nil || now == nil {
		return []fault.Change{{What: t.label(key), Then: t.words(left), Now: t.words(now)}}
	}
	var cells []fault.Change
	for i, c := range t.columns {
		if string(encode(left[i])) != string(encode(now[i])) {
			cells = append(cells, fault.Change{What: t.label(key) + " · " + c.name, Then: t.shown(i, left[i]), Now: t.shown(i, now[i])})
		}
	}
	return cells
}

// words is a row for people; "" for none.
func (t table) words(r row) string {
	var cells []string
	for i, v := range r {
		cells = append(cells, t.columns[i].name+"="+t.shown(i, v))
	}
	return strings.Join(cells, " ")
}

// shown is a cell for people, unless its column is for secrets.
func (t table) shown(i int, v any) string {
	if fault.Secretive(t.columns[i].name) {
		return fault.Hidden
	}
	return brief(encode(v))
}

// difference says how a row is no longer what the step left.
func (t table) difference(left, now row) string {
	if now == nil {
		return "is gone"
	}
	if left == nil {
		return "is there again"
	}
	var cells []string
	for i, c := range t.columns {
		if was, is := encode(left[i]), encode(now[i]); string(was) != string(is) {
			cells = append(cells, fmt.Sprintf("has %s %s, not %s", c.name, t.shown(i, now[i]), t.shown(i, left[i])))
		}
	}
	return strings.Join(cells, ", ")
}

// label names a row by its key.
func (t table) label(key row) string {
	parts := make([]string, len(key))
	for i, v := range key {
		parts[i] = t.columns[t.key[i]].name + "=" + brief(encode(v))
	}
	return t.text + " " + strings.Join(parts, " ")
}

func brief(raw []byte) string {
	if len(raw) > 60 {
		return strings.ToValidUTF8(string(raw[:60]), "") + "…"
	}
	return string(raw)
}

// putBack makes one row what it was; nil for none.
func (j job) putBack(ctx context.Context, t table, key, want row, action string) error {
	var args []any
	next := func(v any) string {
		args = append(args, v)
		return j.Mark(len(args))
	}
	var names, marks, sets []string
	for i, c := range t.columns {
		if c.generated || want == nil || action == "update" && slices.Contains(t.key, i) {
			continue
		}
		name, mark := quote(c.name, t.dialect), next(want[i])
		names, marks, sets = append(names, name), append(marks, mark), append(sets, name+" = "+mark)
	}
	var sql string
	switch action {
	case "insert":
		sql = "DELETE FROM " + t.text + " WHERE " + t.having([]row{key}, j.Statement, &args)
	case "delete":
		sql = "INSERT INTO " + t.text + " (" + strings.Join(names, ", ") + ")" + t.overriding() + " VALUES (" + strings.Join(marks, ", ") + ")"
	default:
		if len(sets) == 0 { // nothing but the key
			return nil
		}
		sql = "UPDATE " + t.text + " SET " + strings.Join(sets, ", ") + " WHERE " + t.having([]row{key}, j.Statement, &args)
	}
	n, err := j.conn.Exec(ctx, nil, sql, args)
	if err != nil {
		return fault.Wrap(err, "put %s back", t.label(key))
	}
	if n != 1 {
		return fault.New(fault.Failed, "%s cannot be put back: %d rows changed", t.label(key), n)
	}
	return nil
}
