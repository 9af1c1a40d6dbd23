package databasequery

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

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

// jsonNumber is the grammar of a number in JSON (RFC 8259, section 6).
var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// decimal is a number when every JSON reader gets it back exactly, and its text otherwise.
func decimal(text string) any {
	if jsonNumber.MatchString(text) && lossless(text) {
		return json.Number(text)
	}
	return text
}

// lossless reports whether a float64 keeps the number: 15 significant digits always fit (IEEE 754
// double), and so do whole numbers up to 2^53.
func lossless(text string) bool {
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i >= -1<<53 && i <= 1<<53
	}
	mantissa, _, _ := strings.Cut(strings.ToLower(text), "e")
	digits := strings.TrimLeft(strings.NewReplacer("-", "", ".", "").Replace(mantissa), "0")
	f, err := strconv.ParseFloat(text, 64)
	return err == nil && len(digits) <= 15 && (f != 0 || digits == "")
}

// float is a floating-point number; JSON has no infinities and no NaN.
func float(f float64) any {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return f
}

// blob is binary data.
func blob(b []byte) any { return base64.StdEncoding.EncodeToString(b) }

// integer is a whole number; one beyond 2^53 is its text, because most JSON readers would round it.
func integer(i int64) any {
	if i < -1<<53 || i > 1<<53 {
		return strconv.FormatInt(i, 10)
	}
	return i
}
