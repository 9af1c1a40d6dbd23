package databaseexecute

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hearthfaas/hearth/shared/database"
	"github.com/hearthfaas/hearth/shared/database/sqltext"
	"github.com/hearthfaas/hearth/shared/fault"
)

// row is a row as the database would take it back: nil, string, int64, uint64, float64 and []byte.
type row []any

// cell brings a value of a driver into that form. Of MySQL, everything but numbers arrives as bytes, and so do whole
// numbers over 2^63.
func cell(v any, kind string, d sqltext.Dialect) (any, error) {
	switch x := v.(type) {
	case nil, int64, uint64, float64:
		return v, nil
	case float32:
		return float64(x), nil
	case bool:
		return map[bool]int64{true: 1}[x], nil
	case []byte:
		binary := strings.HasSuffix(kind, "BLOB") || strings.HasSuffix(kind, "BINARY") || kind == "BIT" || kind == "GEOMETRY"
		if n, err := strconv.ParseUint(string(x), 10, 64); err == nil && strings.HasSuffix(kind, "INT") {
			return n, nil
		}
		if d == sqltext.MySQL && !binary {
			return cell(string(x), kind, d)
		}
		return slices.Clone(x), nil
	case string:
		if !utf8.ValidString(x) {
			return nil, fault.New(fault.Failed, "a value is no valid text, and could not be put back").At("params.sql")
		}
		return v, nil
	}
	return nil, fault.New(fault.Failed, "a value of type %s could not be put back", kind).At("params.sql")
}

// rows reads rows into that form.
func (t table) rows(ctx context.Context, conn *database.Conn, s *sqltext.Statement, sql string, args []any) ([]row, error) {
	result, err := conn.Query(ctx, s, sql, args)
	if err != nil {
		return nil, err
	}
	var list []row
	for {
		values, err := result.Next()
		if err != nil || values == nil {
			return list, err
		}
		for i, v := range values {
			if values[i], err = cell(v, result.Columns[i].Type, t.dialect); err != nil {
				return nil, err
			}
		}
		list = append(list, values)
	}
}

// having is the condition that a row has one of these keys.
func (t table) having(keys []row, s *sqltext.Statement, args *[]any) string {
	if len(keys) == 0 {
		return "1 = 0"
	}
	next := func(v any) string {
		*args = append(*args, v)
		return s.Mark(len(*args))
	}
	alternatives := make([]string, len(keys))
	if len(t.key) == 1 {
		for i, key := range keys {
			alternatives[i] = next(key[0])
		}
		return quote(t.columns[t.key[0]].name, t.dialect) + " IN (" + strings.Join(alternatives, ", ") + ")"
	}
	for i, key := range keys {
		parts := make([]string, len(key))
		for n, v := range key {
			parts[n] = quote(t.columns[t.key[n]].name, t.dialect) + " = " + next(v)
		}
		alternatives[i] = strings.Join(parts, " AND ")
	}
	return "(" + strings.Join(alternatives, " OR ") + ")"
}

// keyed reads the rows with these keys, all columns, and locks them. The result has a nil where there is none.
func (t table) keyed(ctx context.Context, conn *database.Conn, s *sqltext.Statement, keys []row) ([]row, error) {
	var args []any
	sql := "SELECT " + t.list(t.everything()) + " FROM " + t.text + " WHERE " + t.having(keys, s, &args) + t.locks()
	found, err := t.rows(ctx, conn, nil, sql, args)
	if err != nil {
		return nil, err
	}
	list := make([]row, len(keys))
	for i, key := range keys {
		if at := slices.IndexFunc(found, func(r row) bool { return same(t.keyOf(r), key) }); at >= 0 {
			list[i] = found[at]
		}
	}
	return list, nil
}

func (t table) keyOf(r row) row {
	key := make(row, len(t.key))
	for i, at := range t.key {
		key[i] = r[at]
	}
	return key
}

// same reports whether two rows are equal in every cell.
func same(a, b row) bool {
	return slices.EqualFunc(a, b, func(x, y any) bool { return string(encode(x)) == string(encode(y)) })
}

// encode writes a cell as JSON, each value in one way only.
func encode(v any) json.RawMessage {
	switch x := v.(type) {
	case float64:
		v = map[string]string{"float": strconv.FormatFloat(x, 'g', -1, 64)}
	case []byte:
		v = map[string]string{"bytes": base64.StdEncoding.EncodeToString(x)}
	}
	raw, _ := json.Marshal(v) // texts, whole numbers and null have no way to fail
	return raw
}

// decodeCell reads what encode wrote.
func decodeCell(raw json.RawMessage) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	switch x := v.(type) {
	case nil, string:
		return v, nil
	case json.Number:
		if i, err := x.Int64(); err == nil {
			return i, nil
		}
		return strconv.ParseUint(x.String(), 10, 64)
	case map[string]any:
		if text, ok := x["float"].(string); ok {
			return strconv.ParseFloat(text, 64)
		}
		if text, ok := x["bytes"].(string); ok {
			return base64.StdEncoding.DecodeString(text)
		}
	}
	return nil, fmt.Errorf("%.40s is no cell", raw)
}

func encodeRows(rows []row) [][]json.RawMessage {
	list := make([][]json.RawMessage, len(rows))
	for i, r := range rows {
		list[i] = make([]json.RawMessage, len(r))
		for n, v := range r {
			list[i][n] = encode(v)
		}
	}
	return list
}

func decodeRows(list [][]json.RawMessage) ([]row, error) {
	rows := make([]row, len(list))
	for i, cells := range list {
		rows[i] = make(row, len(cells))
		for n, raw := range cells {
			var err error
			if rows[i][n], err = decodeCell(raw); err != nil {
				return nil, fault.As(fault.Failed, err, "the record of this step is damaged")
			}
		}
	}
	return rows, nil
}
