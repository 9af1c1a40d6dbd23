package demo

import (
	"bytes"
	"fmt"
	"sort"
	"time"

	"github.com/xuri/excelize/v2"
)

// The parts of the template's sheet.
const (
	sheet     = "Sales"
	headerRow = 4
	dataRow   = 5
	totalRow  = 6
)

// column is a column of the template: its header and the column of the table that fills it.
type column struct {
	header string
	field  string
	width  float64
	format string
	number bool // stands on the right
	total  bool
}

var columns = []column{
	{header: "日期 Date", field: "date", width: 13, format: "yyyy-mm-dd"},
	{header: "地区 Region", field: "region", width: 13},
	{header: "产品 Product", field: "product", width: 18},
	{header: "客户 Customer", field: "customer", width: 22},
	{header: "数量 Quantity", field: "quantity", width: 14, format: "#,##0", number: true, total: true},
	{header: "单价 Unit price", field: "unit_price", width: 15, format: "#,##0.00", number: true},
	{header: "金额 Amount", field: "amount", width: 16, format: "#,##0.00", number: true, total: true},
}

// Template returns report.xlsx: a styled sheet with a row of marks, a total and a chart. The bytes are the
// same each time.
func Template() ([]byte, error) {
	f := excelize.NewFile()
	defer f.Close() // it holds no files
	for _, step := range []func(*excelize.File) error{describe, heading, table, totals, view, chart} {
		if err := step(f); err != nil {
			return nil, fmt.Errorf("build report.xlsx: %w", err)
		}
	}
	// The library lists the types of pictures in the order of a map.
	types := f.ContentTypes.Defaults
	sort.Slice(types, func(i, j int) bool { return types[i].Extension < types[j].Extension })
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		return nil, fmt.Errorf("build report.xlsx: %w", err)
	}
	return b.Bytes(), nil
}

// describe names the sheet and sets a fixed date, so that the file is always the same.
func describe(f *excelize.File) error {
	if err := f.SetSheetName("Sheet1", sheet); err != nil {
		return err
	}
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Format(time.RFC3339)
	return f.SetDocProps(&excelize.DocProperties{Creator: "Hearth", Title: "Sales report", Created: day, Modified: day})
}

func heading(f *excelize.File) error {
	title, err := f.NewStyle(&excelize.Style{Font: font(18, true, "1F3864")})
	if err != nil {
		return err
	}
	grey, err := f.NewStyle(&excelize.Style{Font: font(11, false, "7F7F7F")})
	if err != nil {
		return err
	}
	for _, cell := range []struct {
		name, text string
		style      int
	}{{"A1", "{{title}}", title}, {"A2", "{{date}}　·　{{rows}} 行 rows", grey}} {
		if err := f.SetCellStr(sheet, cell.name, cell.text); err != nil {
			return err
		}
		if err := f.SetCellStyle(sheet, cell.name, cell.name, cell.style); err != nil {
			return err
		}
	}
	return f.SetRowHeight(sheet, 1, 28)
}

func font(size float64, bold bool, color string) *excelize.Font {
	return &excelize.Font{Family: "Calibri", Size: size, Bold: bold, Color: color}
}

var line = []excelize.Border{{Type: "bottom", Color: "D9D9D9", Style: 1}}

// table writes the header and the row of marks that shows how data looks.
func table(f *excelize.File) error {
	for i, c := range columns {
		letter := string(rune('A' + i))
		side := "left"
		if c.number {
			side = "right"
		}
		head, err := f.NewStyle(&excelize.Style{
			Font:      font(11, true, "FFFFFF"),
			Fill:      excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"2F5597"}},
			Alignment: &excelize.Alignment{Vertical: "center", Horizontal: side},
		})
		if err != nil {
			return err
		}
		style := excelize.Style{Border: line, Alignment: &excelize.Alignment{Horizontal: side}}
		if c.format != "" {
			style.CustomNumFmt = &c.format
		}
		id, err := f.NewStyle(&style)
		if err != nil {
			return err
		}
		if err := f.SetColWidth(sheet, letter, letter, c.width); err != nil {
			return err
		}
		if err := write(f, letter, headerRow, c.header, head); err != nil {
			return err
		}
		if err := write(f, letter, dataRow, "{{row."+c.field+"}}", id); err != nil {
			return err
		}
	}
	return f.SetRowHeight(sheet, headerRow, 22)
}

func write(f *excelize.File, letter string, row int, text string, style int) error {
	cell := fmt.Sprint(letter, row)
	if err := f.SetCellStr(sheet, cell, text); err != nil {
		return err
	}
	return f.SetCellStyle(sheet, cell, cell, style)
}

func totals(f *excelize.File) error {
	for i, c := range columns {
		letter := string(rune('A' + i))
		style := excelize.Style{
			Font:   font(11, true, ""),
			Fill:   excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"DDE6F3"}},
			Border: []excelize.Border{{Type: "top", Color: "2F5597", Style: 2}},
		}
		if c.total {
			style.CustomNumFmt = &c.format
		}
		id, err := f.NewStyle(&style)
		if err != nil {
			return err
		}
		if err := write(f, letter, totalRow, "", id); err != nil {
			return err
		}
		if c.total {
			if err := f.SetCellFormula(sheet, fmt.Sprint(letter, totalRow), fmt.Sprintf("SUM(%s%d:%s%d)", letter, dataRow, letter, dataRow)); err != nil {
				return err
			}
		}
	}
	return f.SetCellStr(sheet, fmt.Sprint("A", totalRow), "合计 Total")
}

func view(f *excelize.File) error {
	if err := f.SetPanes(sheet, &excelize.Panes{
		Freeze: true, YSplit: headerRow, TopLeftCell: fmt.Sprint("A", dataRow), ActivePane: "bottomLeft",
	}); err != nil {
		return err
	}
	fit, landscape, wide := true, "landscape", 1
	if err := f.SetSheetProps(sheet, &excelize.SheetPropsOptions{FitToPage: &fit}); err != nil {
		return err
	}
	return f.SetPageLayout(sheet, &excelize.PageLayoutOptions{Orientation: &landscape, FitToWidth: &wide})
}

// chart draws the amounts, beside the table.
func chart(f *excelize.File) error {
	cells := func(letter string) string {
		return fmt.Sprintf("%s!$%s$%d:$%s$%d", sheet, letter, dataRow, letter, dataRow)
	}
	sameColor := false
	return f.AddChart(sheet, fmt.Sprint("I", headerRow), &excelize.Chart{
		Type:       excelize.Col,
		Series:     []excelize.ChartSeries{{Name: fmt.Sprintf("%s!$G$%d", sheet, headerRow), Categories: cells("C"), Values: cells("G")}},
		Title:      excelize.ChartTitle{Paragraph: []excelize.RichTextRun{{Text: "{{title}}"}}},
		Legend:     excelize.ChartLegend{Position: "none"},
		VaryColors: &sameColor,
		Dimension:  excelize.ChartDimension{Width: 640, Height: 360},
	})
}
