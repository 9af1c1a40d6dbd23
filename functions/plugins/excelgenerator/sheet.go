package excelgenerator

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Formats of columns (ECMA-376 part 1, 18.8.30, where there is a built-in one).
const (
	formatPlain    = 0
	formatDecimal  = 4  // #,##0.00
	formatDate     = -1 // yyyy-mm-dd
	formatDateTime = -2 // yyyy-mm-dd hh:mm:ss
)

// Widths of columns, in characters.
const (
	narrowest = 8
	widest    = 60
)

// fresh makes a sheet without a template: title, header that stays in view, formats by what the columns
// hold, a filter, and a bar chart of the column chart, if there is one.
func fresh(f *excelize.File, data table, sheet, title, chart string) (region, error) {
	if sheet == "" {
		sheet = "Sheet1"
	}
	if err := f.SetSheetName("Sheet1", sheet); err != nil {
		return region{}, fault.As(fault.Invalid, err, "not a sheet's name: %q", sheet).At("params.sheet")
	}
	header := 1
	if title != "" {
		header = 3
	}
	r := region{sheet: sheet, first: header + 1, last: header + len(data.rows), columns: map[int]int{}}
	for i := range data.columns {
		r.columns[i+1] = i
	}
	s := &freshSheet{file: f, region: r, data: data}
	for _, step := range []func() error{func() error { return s.title(title) }, s.header, s.body, s.view, func() error { return s.chart(chart) }} {
		if err := step(); err != nil {
			return region{}, fault.Wrap(err, "write the sheet %s", sheet)
		}
	}
	return r, nil
}

type freshSheet struct {
	file *excelize.File
	region
	data table
}

func (s *freshSheet) title(title string) error {
	if title == "" {
		return nil
	}
	style, err := s.file.NewStyle(&excelize.Style{Font: &excelize.Font{Bold: true, Size: 14}})
	if err != nil {
		return err
	}
	if err := s.file.SetCellStr(s.sheet, "A1", title); err != nil {
		return err
	}
	return s.file.SetCellStyle(s.sheet, "A1", "A1", style)
}

func (s *freshSheet) header() error {
	style, err := s.file.NewStyle(&excelize.Style{
		Font:      &excelize.Font{Bold: true, Color: "FFFFFF"},
		Fill:      excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"2F5597"}},
		Alignment: &excelize.Alignment{Vertical: "center"},
	})
	if err != nil {
		return err
	}
	row := s.first - 1
	for i, column := range s.data.columns {
		if err := s.file.SetCellStr(s.sheet, name(i+1, row), column); err != nil {
			return err
		}
	}
	return s.file.SetCellStyle(s.sheet, name(1, row), name(len(s.data.columns), row), style)
}

func (s *freshSheet) body() error {
	for i := range s.data.columns {
		format := s.format(i)
		for j, row := range s.data.rows {
			if err := put(s.file, s.sheet, name(i+1, s.first+j), row[i], format == formatDate || format == formatDateTime); err != nil {
				return err
			}
		}
		if err := s.style(i, format); err != nil {
			return err
		}
	}
	return nil
}

// format is the format that suits all values of a column.
func (s *freshSheet) format(column int) int {
	numbers, decimals, dates, times, others := 0, 0, 0, 0, 0
	for _, row := range s.data.rows {
		switch v := row[column].(type) {
		case nil:
		case json.Number:
			numbers++
			if strings.ContainsAny(v.String(), ".eE") {
				decimals++
			}
		case string:
			switch _, ok := parseTime(v); {
			case ok && len(v) == len("2006-01-02"):
				dates++
			case ok:
				times++
			default:
				others++
			}
		default:
			others++
		}
	}
	switch {
	case others > 0 || numbers > 0 && dates+times > 0:
		return formatPlain
	case times > 0:
		return formatDateTime
	case dates > 0:
		return formatDate
	case decimals > 0:
		return formatDecimal
	default:
		return formatPlain
	}
}

func (s *freshSheet) style(column, format int) error {
	letters, err := excelize.ColumnNumberToName(column + 1)
	if err != nil {
		return err
	}
	if err := s.file.SetColWidth(s.sheet, letters, letters, s.width(column)); err != nil {
		return err
	}
	if format == formatPlain || len(s.data.rows) == 0 {
		return nil
	}
	style := excelize.Style{NumFmt: format}
	if custom := map[int]string{formatDate: "yyyy-mm-dd", formatDateTime: "yyyy-mm-dd hh:mm:ss"}[format]; custom != "" {
		style = excelize.Style{CustomNumFmt: &custom}
	}
	id, err := s.file.NewStyle(&style)
	if err != nil {
		return err
	}
	return s.file.SetCellStyle(s.sheet, name(column+1, s.first), name(column+1, s.last), id)
}

// width fits the longest of the header and the first thousand values. A Chinese character takes two.
func (s *freshSheet) width(column int) float64 {
	longest := wide(s.data.columns[column])
	for _, row := range s.data.rows[:min(len(s.data.rows), 1000)] {
		switch v := row[column].(type) {
		case string:
			longest = max(longest, wide(v))
		case json.Number:
			longest = max(longest, len(v)+len(v)/3)
		}
	}
	return float64(min(max(longest+2, narrowest), widest))
}

// wide is the number of narrow characters that s takes.
func wide(s string) int { return (len(s) + utf8.RuneCountInString(s)) / 2 }

func (s *freshSheet) view() error {
	last := name(len(s.data.columns), max(s.last, s.first))
	if err := s.file.AutoFilter(s.sheet, name(1, s.first-1)+":"+last, nil); err != nil {
		return err
	}
	return s.file.SetPanes(s.sheet, &excelize.Panes{
		Freeze: true, YSplit: s.first - 1, TopLeftCell: name(1, s.first), ActivePane: "bottomLeft",
	})
}

// chart draws a column as bars, over the first column that is not a number.
func (s *freshSheet) chart(column string) error {
	if column == "" || len(s.data.rows) == 0 {
		return nil
	}
	values, labels := -1, 0
	for i, c := range s.data.columns {
		if plain(c) == plain(column) {
			values = i
		}
	}
	if values < 0 {
		return fault.New(fault.Invalid, "the table has no column %q; it has %s", column, strings.Join(s.data.columns, ", ")).At("params.chart")
	}
	for i := range s.data.columns {
		if _, isNumber := s.data.rows[0][i].(json.Number); !isNumber && i != values {
			labels = i
			break
		}
	}
	cells := func(column int) string {
		from, to := absolute(column+1, s.first), absolute(column+1, s.last)
		return quoteSheet(s.sheet) + "!" + from + ":" + to
	}
	return s.file.AddChart(s.sheet, name(len(s.data.columns)+2, s.first-1), &excelize.Chart{
		Type:   excelize.Col,
		Series: []excelize.ChartSeries{{Name: quoteSheet(s.sheet) + "!" + absolute(values+1, s.first-1), Categories: cells(labels), Values: cells(values)}},
		Legend: excelize.ChartLegend{Position: "bottom"},
	})
}

// absolute is the reference of a cell with dollar signs.
func absolute(column, row int) string {
	cell, err := excelize.CoordinatesToCellName(column, row, true)
	if err != nil {
		panic(err) // as in name
	}
	return cell
}
