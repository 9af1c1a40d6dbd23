package excelgenerator

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/hearthfaas/hearth/shared/fault"
)

// put writes a value into a cell. Texts stay texts, whatever they begin with: nothing that comes from data
// ever becomes a formula. A text in a date's form becomes a date where the cell shows dates.
func put(f *excelize.File, sheet, cell string, v any, dates bool) error {
	switch v := v.(type) {
	case nil:
		return f.SetCellValue(sheet, cell, nil)
	case bool:
		return f.SetCellBool(sheet, cell, v)
	case json.Number:
		return putNumber(f, sheet, cell, v)
	case string:
		if at, ok := parseTime(v); ok && dates {
			return f.SetCellValue(sheet, cell, at)
		}
		return f.SetCellStr(sheet, cell, v)
	default:
		raw, err := json.Marshal(v)
		if err != nil {
			return fault.As(fault.Internal, err, "a value is not JSON")
		}
		return f.SetCellStr(sheet, cell, string(raw))
	}
}

// putNumber writes a number; one that a spreadsheet's 15 digits would change stays text.
func putNumber(f *excelize.File, sheet, cell string, n json.Number) error {
	if len(strings.Trim(strings.NewReplacer("-", "", ".", "").Replace(n.String()), "0")) > 15 {
		return f.SetCellStr(sheet, cell, n.String())
	}
	if i, err := strconv.ParseInt(n.String(), 10, 64); err == nil {
		return f.SetCellInt(sheet, cell, i)
	}
	value, err := n.Float64()
	if err != nil {
		return f.SetCellStr(sheet, cell, n.String())
	}
	return f.SetCellFloat(sheet, cell, value, -1, 64)
}

// parseTime reads a day or a time in ISO 8601. A zone's offset is dropped: cells have none, and people mean
// the time on the clock.
func parseTime(s string) (time.Time, bool) {
	if len(s) < len(time.DateOnly) || s[4] != '-' {
		return time.Time{}, false
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04:05.999999999", time.DateTime, time.RFC3339Nano} {
		if t, err := time.Parse(layout, s); err == nil {
			return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC), t.Year() >= 1900
		}
	}
	return time.Time{}, false
}

var (
	literalFormat = regexp.MustCompile(`"[^"]*"|\[[^\]]*\]|\\.`)
	dateFormat    = regexp.MustCompile(`[ydmhYDMH]`)
)

// showsDates reports whether a style shows numbers as dates (ECMA-376 part 1, 18.8.30 for the built-in
// formats, with the East Asian ones).
func showsDates(f *excelize.File, style int) bool {
	s, err := f.GetStyle(style)
	if err != nil {
		return false
	}
	if s.CustomNumFmt != nil {
		return dateFormat.MatchString(literalFormat.ReplaceAllString(*s.CustomNumFmt, ""))
	}
	n := s.NumFmt
	return n >= 14 && n <= 22 || n >= 27 && n <= 36 || n >= 45 && n <= 47 || n >= 50 && n <= 58
}

// name is the reference of a cell.
func name(column, row int) string {
	cell, err := excelize.CoordinatesToCellName(column, row)
	if err != nil {
		panic(err) // columns and rows come from the library or are bounded
	}
	return cell
}
