package databasequery

import (
	"context"
	"time"

	"github.com/hearthfaas/hearth/shared/database"
	"github.com/hearthfaas/hearth/shared/database/sqltext"
)

// request is what every database is asked.
type request struct {
	sql     string
	params  []any // nil, bool, int64, float64 or string
	maxRows int
	now     time.Time // the run's clock; its location is the run's zone
}

// read runs the request's statement in a transaction that only reads.
func read(ctx context.Context, src database.Source, r request) (Out, error) {
	s, err := guard(r.sql, src.Dialect)
	if err != nil {
		return Out{}, err
	}
	args, err := s.Bind(r.params)
	if err != nil {
		return Out{}, err
	}
	if err := s.Freeze(r.now); err != nil {
		return Out{}, err
	}
	conn, err := src.Open(ctx, database.Session{Now: r.now, Rows: r.maxRows})
	if err != nil {
		return Out{}, err
	}
	defer conn.Close()
	if err := conn.Begin(ctx); err != nil {
		return Out{}, err
	}
	rows, err := conn.Query(ctx, s, s.Final(), args)
	if err != nil {
		return Out{}, err
	}
	return collect(rows, r.maxRows, src.Dialect)
}

// collect reads rows into a table, up to its limits.
func collect(rows *database.Rows, maxRows int, d sqltext.Dialect) (Out, error) {
	names := make([]string, len(rows.Columns))
	for i, c := range rows.Columns {
		names[i] = c.Name
	}
	t := newTable(names, maxRows)
	for {
		row, err := rows.Next()
		if err != nil || row == nil {
			return t.out, err
		}
		for i, v := range row {
			row[i] = shown(v, rows.Columns[i].Type, d)
		}
		more, err := t.add(row)
		if err != nil {
			return Out{}, err
		}
		if !more {
			return t.out, nil
		}
	}
}
