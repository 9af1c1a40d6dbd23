package excelgenerator

import (
	"slices"
	"strings"

	"github.com/xuri/excelize/v2"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Bounds of a template.
const (
	maxCells   = 200_000
	headerRows = 60 // how far down a header is looked for
)

// region is where a template takes the data: rows first to last are its samples, and none when last is
// before first.
type region struct {
	sheet       string
	first, last int
	columns     map[int]int // data column by sheet column
	marked      bool        // the row's other cells are part of the template: it has {{row.x}} marks
}

// layout is a template as it was before we change it.
type layout struct {
	file   *excelize.File
	sheets []string
	rows   map[string][][]string
}

func readLayout(f *excelize.File) (*layout, error) {
	l := &layout{file: f, sheets: f.GetSheetList(), rows: map[string][][]string{}}
	cells := 0
	for _, sheet := range l.sheets {
		rows, err := f.GetRows(sheet, excelize.Options{RawCellValue: true})
		if err != nil {
			continue // a sheet that holds a chart has no cells
		}
		for _, row := range rows {
			cells += len(row)
		}
		l.rows[sheet] = rows
	}
	if cells > maxCells {
		return nil, fault.New(fault.TooLarge, "the template has over %d cells", maxCells).At("params.template")
	}
	return l, nil
}

// find returns the region for data with these columns: a row of {{row.x}} marks, a table or a named range
// whose header has the columns' names, or a row that has them. The first sheet with the best match wins;
// only narrows the search to one sheet.
func (l *layout) find(columns []string, only string) (region, error) {
	if only != "" && !slices.Contains(l.sheets, only) {
		return region{}, fault.New(fault.NotFound, "the template has no sheet %q; it has %s", only, strings.Join(l.sheets, ", ")).At("params.sheet")
	}
	index := map[string]int{}
	for i, c := range columns {
		index[plain(c)] = i
	}
	for _, search := range []func(sheet string, index map[string]int) (region, bool){l.byMarks, l.byTable, l.byName, l.byHeader} {
		var best region
		for _, sheet := range l.sheets {
			if only != "" && sheet != only {
				continue
			}
			if r, ok := search(sheet, index); ok && len(r.columns) > len(best.columns) {
				best = r
			}
		}
		if best.columns != nil {
			return best, nil
		}
	}
	return region{}, fault.New(fault.Invalid, "the template has no row with the names of the columns %s", strings.Join(columns, ", ")).
		At("params.template").Try("put the columns' names into a header row, or {{row.NAME}} into a row")
}

// plain is a column's name without what people vary: case, blanks, _ and -, and a unit in parentheses.
func plain(name string) string {
	name, _, _ = strings.Cut(strings.ReplaceAll(name, "（", "("), "(")
	return strings.ToLower(strings.NewReplacer(" ", "", "_", "", "-", "", "\n", "").Replace(strings.TrimSpace(name)))
}

// match returns which columns a row names, by sheet column.
func match(cells []string, index map[string]int) map[int]int {
	columns := map[int]int{}
	used := map[int]bool{}
	for i, text := range cells {
		if column, ok := index[plain(text)]; ok && text != "" && !used[column] {
			columns[i+1], used[column] = column, true
		}
	}
	return columns
}

// byMarks finds a row of marks such as {{row.amount}}, or of at least two such as {{amount}}: one alone may
// be the placeholder {{date}}.
func (l *layout) byMarks(sheet string, index map[string]int) (region, bool) {
	for i, cells := range l.rows[sheet] {
		columns, explicit := map[int]int{}, false
		for j, text := range cells {
			inner, ok := mark(text)
			if !ok {
				continue
			}
			bare, isRow := strings.CutPrefix(inner, "row.")
			if column, known := index[plain(bare)]; known {
				columns[j+1], explicit = column, explicit || isRow
			}
		}
		if explicit || len(columns) > 1 {
			return region{sheet: sheet, first: i + 1, last: i + 1, columns: columns, marked: true}, true
		}
	}
	return region{}, false
}

// mark returns the inside of a cell that is one mark.
func mark(text string) (string, bool) {
	text = strings.TrimSpace(text)
	if !strings.HasPrefix(text, "{{") || !strings.HasSuffix(text, "}}") || strings.Count(text, "{{") != 1 {
		return "", false
	}
	return strings.TrimSpace(text[2 : len(text)-2]), true
}

// byTable finds an Excel table.
func (l *layout) byTable(sheet string, index map[string]int) (region, bool) {
	tables, err := l.file.GetTables(sheet)
	if err != nil {
		return region{}, false
	}
	for _, t := range tables {
		r, ok := parseRef(strings.ReplaceAll(t.Range, "$", ""))
		if !ok || r.to.absent {
			continue
		}
		if found, ok := l.under(sheet, r.from.row, index); ok {
			found.last = r.to.row
			for found.last > found.first && l.isTotal(sheet, found.last, found.columns) {
				found.last--
			}
			return found, true
		}
	}
	return region{}, false
}

// byName finds a named range that begins with a header, or right below one.
func (l *layout) byName(sheet string, index map[string]int) (region, bool) {
	for _, defined := range l.file.GetDefinedName() {
		on, cells, _ := strings.Cut(defined.RefersTo, "!")
		r, ok := parseRef(cells)
		if strings.HasPrefix(defined.Name, "_xlnm.") || !ok || strings.Trim(on, "='") != sheet {
			continue
		}
		for _, header := range []int{r.from.row, r.from.row - 1} {
			if found, ok := l.under(sheet, header, index); ok {
				found.last = max(found.first, r.to.row)
				return found, true
			}
		}
	}
	return region{}, false
}

// byHeader finds the row that names the most columns.
func (l *layout) byHeader(sheet string, index map[string]int) (region, bool) {
	best := region{}
	for row := 1; row <= min(headerRows, len(l.rows[sheet])); row++ {
		if r, ok := l.under(sheet, row, index); ok && len(r.columns) > len(best.columns) {
			best = r
		}
	}
	return best, best.columns != nil
}

// under is the region under a header row: the rows up to a blank one or a total.
func (l *layout) under(sheet string, header int, index map[string]int) (region, bool) {
	columns := match(l.row(sheet, header), index)
	if len(columns) < min(2, len(index)) || len(columns) == 0 {
		return region{}, false
	}
	r := region{sheet: sheet, first: header + 1, last: header, columns: columns}
	for !l.isBlank(sheet, r.last+1) && !l.isTotal(sheet, r.last+1, columns) {
		r.last++
	}
	if r.last < r.first && l.isBlank(sheet, r.first) {
		r.last = r.first // an empty row that shows how the data shall look
	}
	return r, true
}

func (l *layout) row(sheet string, row int) []string {
	if rows := l.rows[sheet]; row >= 1 && row <= len(rows) {
		return rows[row-1]
	}
	return nil
}

func (l *layout) isBlank(sheet string, row int) bool {
	return !slices.ContainsFunc(l.row(sheet, row), func(s string) bool { return strings.TrimSpace(s) != "" }) && !l.hasFormula(sheet, row)
}

func (l *layout) hasFormula(sheet string, row int) bool {
	for column := range l.row(sheet, row) {
		if l.formula(sheet, column+1, row) != "" {
			return true
		}
	}
	return false
}

// formula is the formula of a cell, or nothing. Cells of a sheet that was read have no other error.
func (l *layout) formula(sheet string, column, row int) string {
	formula, err := l.file.GetCellFormula(sheet, name(column, row))
	if err != nil {
		return ""
	}
	return formula
}

// isTotal reports whether a row sums up: its first text says so, or a data column has a formula.
func (l *layout) isTotal(sheet string, row int, columns map[int]int) bool {
	for column := range columns {
		if l.formula(sheet, column, row) != "" {
			return true
		}
	}
	for _, text := range l.row(sheet, row) {
		if text = strings.TrimRight(plain(text), ":："); text != "" {
			return slices.Contains([]string{"total", "totals", "grandtotal", "sum", "subtotal", "合计", "总计", "小计", "总额"}, text)
		}
	}
	return false
}
