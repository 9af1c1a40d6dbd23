package database

import (
	"context"
	"database/sql"
)

// standard is a connection through database/sql.
type standard struct {
	db   *sql.DB
	conn *sql.Conn
	rows *sql.Rows // of the newest query: an end of the connection waits for them
}

func (l *standard) query(ctx context.Context, text string, args []any) (*Rows, error) {
	rows, err := l.conn.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	l.rows = rows
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	columns := make([]Column, len(types))
	for i, t := range types {
		columns[i] = Column{Name: t.Name(), Type: t.DatabaseTypeName()}
	}
	return &Rows{Columns: columns, next: func() ([]any, error) { return scan(rows, len(types)) }}, nil
}

func scan(rows *sql.Rows, n int) ([]any, error) {
	if !rows.Next() {
		return nil, rows.Err() // which has closed them
	}
	row, pointers := make([]any, n), make([]any, n)
	for i := range row {
		pointers[i] = &row[i]
	}
	return row, rows.Scan(pointers...)
}

func (l *standard) exec(ctx context.Context, text string, args []any) (int64, error) {
	result, err := l.conn.ExecContext(ctx, text, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// close ends the connection. There is nothing to keep in it, and nothing to do about a goodbye that fails.
func (l *standard) close() {
	if l.rows != nil {
		_ = l.rows.Close()
	}
	if l.conn != nil {
		_ = l.conn.Close()
	}
	_ = l.db.Close()
}
