package excelgenerator

import (
	"strings"

	"github.com/xuri/excelize/v2"

	"github.com/hearthfaas/hearth/shared/fault"
)

// filler puts data into a template.
type filler struct {
	*layout
	region
	growth growth
	data   table
	marks  map[string]string // placeholders such as date and title, with what replaces them
}

// formulaAt is a formula of the template and where it stood.
type formulaAt struct {
	sheet       string
	column, row int
	text        string
}

// fill puts data into f: the region gets a row per row of data in the style of its first row, and whatever
// refers to the region goes on referring to all of it.
func fill(f *excelize.File, data table, sheet string, marks map[string]string) (region, error) {
	l, err := readLayout(f)
	if err != nil {
		return region{}, err
	}
	r, err := l.find(data.columns, sheet)
	if err != nil {
		return region{}, err
	}
	before, after := r.last-r.first+1, max(len(data.rows), 1)
	fl := &filler{
		layout: l, region: r, data: data, marks: marks,
		growth: growth{sheet: r.sheet, first: r.first, last: r.last, delta: after - before},
	}
	for _, step := range []func() error{fl.replaceMarks, fl.resize, fl.write, fl.charts} {
		if err := step(); err != nil {
			return region{}, fault.Wrap(internal(err), "fill the template's sheet %s", r.sheet)
		}
	}
	r.last += fl.growth.delta
	return r, nil
}

// internal gives an error of the library a kind: a template that it opened and then stumbles over is one that
// it cannot handle.
func internal(err error) error {
	if err == nil || fault.KindOf(err) != fault.Internal {
		return err
	}
	return fault.As(fault.Failed, err, "the template has a part that cannot be filled")
}

// replaceMarks puts date, title and the like into texts that ask for them.
func (f *filler) replaceMarks() error {
	for _, sheet := range f.sheets {
		for i, cells := range f.rows[sheet] {
			if sheet == f.sheet && i+1 >= f.first && i+1 <= f.last {
				continue
			}
			for j, text := range cells {
				if changed := f.unmark(text); changed != text {
					if err := f.file.SetCellStr(sheet, name(j+1, i+1), changed); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// unmark replaces {{name}} for every name we know, with or without blanks.
func (f *filler) unmark(text string) string {
	if !strings.Contains(text, "{{") {
		return text
	}
	for mark, value := range f.marks {
		text = strings.NewReplacer("{{"+mark+"}}", value, "{{ "+mark+" }}", value).Replace(text)
	}
	return text
}

// resize makes room for the data. The library moves what stands below; what ends with the region would not
// grow with it, so references are rewritten from the template's own.
func (f *filler) resize() error {
	formulas := f.formulas()
	parts := f.parts()
	moved, err := f.lift()
	if err != nil {
		return err
	}
	if f.growth.delta > 0 {
		err = f.file.InsertRows(f.sheet, f.last+1, f.growth.delta)
	}
	for i := 0; i < -f.growth.delta && err == nil; i++ {
		err = f.file.RemoveRow(f.sheet, f.last-i)
	}
	if err != nil {
		return err
	}
	if err := moved(); err != nil {
		return err
	}
	f.restore(parts)
	return f.setFormulas(formulas)
}

// formulas are all formulas of the workbook but those in the region's rows.
func (f *filler) formulas() []formulaAt {
	var found []formulaAt
	for _, sheet := range f.sheets {
		for i, cells := range f.rows[sheet] {
			row := i + 1
			if sheet == f.sheet && row >= f.first && row <= f.last {
				continue
			}
			for j := range cells {
				if text := f.formula(sheet, j+1, row); text != "" {
					found = append(found, formulaAt{sheet, j + 1, row, text})
				}
			}
		}
	}
	return found
}

func (f *filler) setFormulas(formulas []formulaAt) error {
	for _, at := range formulas {
		row := at.row
		if at.sheet == f.sheet && row > f.growth.last {
			row += f.growth.delta
		}
		text := rewrite(at.text, at.sheet, f.sheet, f.growth.apply)
		if err := f.file.SetCellFormula(at.sheet, name(at.column, row), text); err != nil {
			return err
		}
	}
	// Values that the template remembers of its formulas are those of its samples.
	if err := f.file.UpdateLinkedValue(); err != nil {
		return err
	}
	always := true
	return f.file.SetCalcProps(&excelize.CalcPropsOptions{FullCalcOnLoad: &always})
}

// write fills the region: data, the formulas and constants of the template's first data row, and its style.
func (f *filler) write() error {
	width := len(f.row(f.sheet, f.first))
	for column := range f.columns {
		width = max(width, column)
	}
	height, err := f.file.GetRowHeight(f.sheet, f.first)
	if err != nil {
		return err
	}
	end := f.first + max(len(f.data.rows), 1) - 1
	for column := 1; column <= width; column++ {
		if err := f.writeColumn(column, end); err != nil {
			return err
		}
	}
	for row := f.first + 1; row <= end; row++ {
		if err := f.file.SetRowHeight(f.sheet, row, height); err != nil {
			return err
		}
	}
	return nil
}

func (f *filler) writeColumn(column, end int) error {
	style, err := f.file.GetCellStyle(f.sheet, name(column, f.first))
	if err != nil {
		return err
	}
	formula := f.formula(f.sheet, column, f.first)
	constant := f.constant(column)
	source, isData := f.columns[column]
	dates := isData && showsDates(f.file, style)
	for row := f.first; row <= end; row++ {
		cell, i := name(column, row), row-f.first
		switch {
		case isData && i < len(f.data.rows):
			err = put(f.file, f.sheet, cell, f.data.rows[i][source], dates)
		case formula != "" && !isData:
			err = f.file.SetCellFormula(f.sheet, cell, rewrite(formula, f.sheet, f.sheet, func(r ref) ref { return r.down(i) }))
		case constant != "" && !isData && len(f.data.rows) > 0:
			err = f.file.SetCellStr(f.sheet, cell, constant)
		default:
			err = f.file.SetCellValue(f.sheet, cell, nil)
		}
		if err != nil {
			return err
		}
	}
	// After the values: a date gives a cell without a style one of its own.
	return f.file.SetCellStyle(f.sheet, name(column, f.first), name(column, end), style)
}

// constant is what a row of marks says in a column that is no mark. A mark for a column that the data lacks
// leaves its cells empty.
func (f *filler) constant(column int) string {
	cells := f.row(f.sheet, f.first)
	if !f.marked || column > len(cells) {
		return ""
	}
	text := f.unmark(cells[column-1])
	if _, left := mark(text); left {
		return ""
	}
	return text
}
