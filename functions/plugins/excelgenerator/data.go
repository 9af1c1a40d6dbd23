package excelgenerator

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/hearthfaas/hearth/shared/fault"
)

// maxRows bounds the rows of a workbook we make.
const maxRows = 50000

// table is the data of a workbook. Cells are nil, bool, string, json.Number, or JSON of anything else.
type table struct {
	columns []string
	rows    [][]any
}

// readTable reads the table in raw: {"columns","rows"} as database_query gives it, a list of objects, or a
// list of lists, which takes its columns from input.
func readTable(raw, input json.RawMessage) (table, error) {
	if len(raw) == 0 || string(raw) == "null" {
		raw = input
	}
	if len(raw) == 0 || string(raw) == "null" {
		return table{}, fault.New(fault.Invalid, "there is no table").At("params.data").
			Try("put a step that gives a table before this one, or pass data")
	}
	t, err := decodeTable(raw, input)
	if err != nil {
		return table{}, err
	}
	if len(t.columns) == 0 {
		return table{}, fault.New(fault.Invalid, "the table has no columns").At("params.data")
	}
	if len(t.rows) > maxRows {
		return table{}, fault.New(fault.TooLarge, "over %d rows", maxRows).At("params.data")
	}
	return t, nil
}

func decodeTable(raw, input json.RawMessage) (table, error) {
	var whole struct {
		Columns []string `json:"columns"`
		Rows    [][]any  `json:"rows"`
	}
	if decode(raw, &whole) == nil && whole.Columns != nil {
		return fitted(whole.Columns, whole.Rows), nil
	}
	var lists [][]any
	if decode(raw, &lists) == nil {
		if len(input) == 0 || decode(input, &whole) != nil || whole.Columns == nil {
			return table{}, fault.New(fault.Invalid, "rows without columns; pass the whole table, such as {{steps.query}}").At("params.data")
		}
		return fitted(whole.Columns, lists), nil
	}
	var objects []json.RawMessage
	if decode(raw, &objects) != nil {
		return table{}, fault.New(fault.Invalid, `want {"columns","rows"} or a list of objects`).At("params.data")
	}
	return fromObjects(objects)
}

func decode(raw []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	return dec.Decode(v)
}

// fitted makes every row as long as the columns.
func fitted(columns []string, rows [][]any) table {
	for i, row := range rows {
		if len(row) != len(columns) {
			rows[i] = append(row, make([]any, len(columns))...)[:len(columns)]
		}
	}
	return table{columns, rows}
}

// fromObjects makes a table of objects. Columns come in the order in which their names first occur.
func fromObjects(objects []json.RawMessage) (table, error) {
	var t table
	index := map[string]int{}
	for _, raw := range objects {
		names, values, err := ordered(raw)
		if err != nil {
			return table{}, fault.As(fault.Invalid, err, `want {"columns","rows"} or a list of objects`).At("params.data")
		}
		row := make([]any, len(t.columns))
		for i, name := range names {
			if _, known := index[name]; !known {
				index[name] = len(t.columns)
				t.columns = append(t.columns, name)
				row = append(row, nil)
			}
			row[index[name]] = values[i]
		}
		t.rows = append(t.rows, row)
	}
	return fitted(t.columns, t.rows), nil
}

// ordered returns the members of an object in their order, which a map would lose.
func ordered(raw json.RawMessage) (names []string, values []any, err error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return nil, nil, errors.Join(err, errors.New("not an object"))
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, nil, err
		}
		var value any
		if err := dec.Decode(&value); err != nil {
			return nil, nil, err
		}
		names, values = append(names, name.(string)), append(values, value)
	}
	if _, err := dec.Token(); err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	return names, values, nil
}
