package databaseexecute

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/hearthfaas/hearth/shared/database"
	"github.com/hearthfaas/hearth/shared/database/sqltext"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/plugin"
)

// recordTable is a table of ours in the database that is changed. A step writes its line in the transaction of the
// change itself, so that both happen or none does: a second attempt finds the line, and so does an undo that
// nobody could tell whether there is something to take back. Lines may be deleted when their undo is over.
const recordTable = "hearth_effects"

// maxKey bounds a step's key in bytes.
const maxKey = 200

var recordDDL = map[sqltext.Dialect]string{
	sqltext.SQLite:   "CREATE TABLE hearth_effects (step_key TEXT PRIMARY KEY, statement TEXT NOT NULL, undone INTEGER NOT NULL, at TEXT NOT NULL, receipt TEXT NOT NULL)",
	sqltext.Postgres: "CREATE TABLE hearth_effects (step_key text PRIMARY KEY, statement text NOT NULL, undone int NOT NULL, at text NOT NULL, receipt text NOT NULL)",
	sqltext.MySQL: "CREATE TABLE hearth_effects (step_key VARCHAR(200) COLLATE utf8mb4_bin PRIMARY KEY, statement CHAR(64) NOT NULL, undone INT NOT NULL, " +
		"at VARCHAR(30) NOT NULL, receipt MEDIUMTEXT NOT NULL) ENGINE=InnoDB CHARACTER SET utf8mb4",
}

// record is the line of one step.
type record struct {
	dialect   sqltext.Dialect
	key       string
	statement string // a digest: the same key is for the same statement
	at        string
}

func newRecord(c *plugin.Call, in In, d sqltext.Dialect) (record, error) {
	if len(c.Key) > maxKey {
		return record{}, fault.New(fault.Invalid, "the step's key is over %d bytes", maxKey).At("key")
	}
	raw, err := json.Marshal(in)
	if err != nil {
		return record{}, fault.As(fault.Internal, err, "encode the parameters")
	}
	digest := sha256.Sum256(raw)
	return record{dialect: d, key: c.Key, statement: hex.EncodeToString(digest[:]), at: c.Now.UTC().Format(time.RFC3339)}, nil
}

// prepare makes the table where there is none. It comes before the transaction, which MySQL would end for it.
func (r record) prepare(ctx context.Context, conn *database.Conn) error {
	if r.there(ctx, conn) {
		return nil
	}
	_, err := conn.Exec(ctx, nil, recordDDL[r.dialect], nil)
	if err == nil || r.there(ctx, conn) { // somebody else made it just now
		return nil
	}
	if e := fault.As(fault.KindOf(err), err, "the table %s, by which a step is not done twice, cannot be made: %s", recordTable, fault.Text(err)); !fault.Retryable(err) {
		return e.Try("have it made: " + recordDDL[r.dialect])
	}
	return err
}

// there reports whether the table can be read.
func (r record) there(ctx context.Context, conn *database.Conn) bool {
	_, err := all(ctx, conn, "SELECT step_key FROM hearth_effects WHERE 1 = 0", nil)
	return err == nil
}

// marked writes SQL for the dialect: each ? is the next value.
func (r record) marked(sql string) string {
	s := sqltext.Statement{Dialect: r.dialect}
	var b []byte
	n := 0
	for i := range len(sql) {
		if sql[i] != '?' {
			b = append(b, sql[i])
			continue
		}
		n++
		b = append(b, s.Mark(n)...)
	}
	return string(b)
}

// enter writes the step's line if there is none, and reports whether it did. It waits for a transaction that
// is writing the same line.
func (r record) enter(ctx context.Context, conn *database.Conn) (bool, error) {
	sql := "INSERT INTO hearth_effects (step_key, statement, undone, at, receipt) VALUES (?, ?, 0, ?, '') ON CONFLICT DO NOTHING"
	if r.dialect == sqltext.MySQL { // INSERT IGNORE would take a lock that two of them cannot both make stronger
		sql = "INSERT INTO hearth_effects (step_key, statement, undone, at, receipt) VALUES (?, ?, 0, ?, '') ON DUPLICATE KEY UPDATE step_key = step_key"
	}
	n, err := conn.Exec(ctx, nil, r.marked(sql), []any{r.key, r.statement, r.at})
	if err != nil || r.dialect != sqltext.MySQL {
		return n == 1, err
	}
	// MySQL counts 1 in both cases; only a line of this transaction has neither a receipt nor the mark.
	rows, err := all(ctx, conn, "SELECT 1 FROM hearth_effects WHERE step_key = ? AND undone = 0 AND receipt = '' FOR UPDATE", []any{r.key})
	return len(rows) == 1, err
}

// read returns what the line says: the result that was recorded, or nil when the step was taken back.
func (r record) read(ctx context.Context, conn *database.Conn) (*Out, error) {
	sql := "SELECT statement, undone, receipt FROM hearth_effects WHERE step_key = ?"
	if r.dialect != sqltext.SQLite {
		sql += " FOR UPDATE"
	}
	rows, err := all(ctx, conn, r.marked(sql), []any{r.key})
	if err != nil {
		return nil, err
	}
	if len(rows) != 1 {
		return nil, fault.New(fault.Unavailable, "the line of this step in %s is gone", recordTable)
	}
	line := rows[0]
	if words(line[0]) != r.statement {
		return nil, fault.New(fault.Conflict, "this step was done with other parameters").At("key")
	}
	if number(line[1]) > 0 {
		return nil, nil
	}
	var out Out
	if err := json.Unmarshal([]byte(words(line[2])), &out); err != nil {
		return nil, fault.As(fault.Failed, err, "the line of this step in %s is damaged", recordTable)
	}
	return &out, nil
}

// claim starts the step: it returns the result of an earlier attempt, or nil when this one is to act.
func (r record) claim(ctx context.Context, conn *database.Conn) (*Out, error) {
	mine, err := r.enter(ctx, conn)
	if err != nil || mine {
		return nil, err
	}
	return r.read(ctx, conn)
}

// keep writes the result into the line.
func (r record) keep(ctx context.Context, conn *database.Conn, out Out) error {
	raw, err := json.Marshal(out)
	if err != nil {
		return fault.As(fault.Internal, err, "encode the result")
	}
	sql := r.marked("UPDATE hearth_effects SET undone = 0, receipt = ?, at = ? WHERE step_key = ?")
	return r.write(ctx, conn, sql, []any{string(raw), r.at, r.key})
}

// forget marks the line as taken back.
func (r record) forget(ctx context.Context, conn *database.Conn) error {
	sql := r.marked("UPDATE hearth_effects SET undone = 1, receipt = '', at = ? WHERE step_key = ?")
	return r.write(ctx, conn, sql, []any{r.at, r.key})
}

func (r record) write(ctx context.Context, conn *database.Conn, sql string, args []any) error {
	n, err := conn.Exec(ctx, nil, sql, args)
	if err == nil && n != 1 {
		return fault.New(fault.Internal, "the line of this step in %s is not there", recordTable)
	}
	return err
}
