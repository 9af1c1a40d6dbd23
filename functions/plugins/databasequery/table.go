package databasequery

import (
	"encoding/json"
	"fmt"

	"github.com/hearthfaas/hearth/shared/fault"
)

// maxBytes bounds a result as JSON. The rest of a larger one is left out, and truncated says so.
const maxBytes = 2 << 20

// table collects a result up to its limits.
type table struct {
	out     Out
	maxRows int
	bytes   int
}

func newTable(columns []string, maxRows int) *table {
	return &table{out: Out{Columns: distinct(columns), Rows: [][]any{}}, maxRows: maxRows}
}

// add appends a row and reports whether there is room for more.
func (t *table) add(row []any) (bool, error) {
	if len(t.out.Rows) == t.maxRows {
		t.out.Truncated = true
		return false, nil
	}
	raw, err := json.Marshal(row)
	if err != nil {
		return false, fault.As(fault.Internal, err, "a row is not JSON")
	}
	if t.bytes += len(raw) + 1; t.bytes > maxBytes {
		t.out.Truncated = true
		if len(t.out.Rows) == 0 {
			return false, fault.New(fault.TooLarge, "the first row alone is over %d bytes", maxBytes).Try("select fewer columns")
		}
		return false, nil
	}
	t.out.Rows = append(t.out.Rows, row)
	t.out.RowCount++
	return true, nil
}

// distinct makes column names unique, because later steps find columns by name.
func distinct(names []string) []string {
	seen := map[string]bool{}
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = name
		for n := 2; seen[out[i]]; n++ {
			out[i] = fmt.Sprintf("%s_%d", name, n)
		}
		seen[out[i]] = true
	}
	return out
}
