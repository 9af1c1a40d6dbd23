package excelgenerator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"github.com/hearthfaas/hearth/shared/fault"
)

// template builds a workbook as people make them: title, header, samples rows of data, a formula column, a
// total, a chart, a filter, a name, a validation, a conditional format, and a second sheet that looks at it.
func template(t *testing.T, samples int) *excelize.File {
	t.Helper()
	f := excelize.NewFile()
	first, last := 4, 3+samples
	total := last + 1
	bold := style(t, f, &excelize.Style{Font: &excelize.Font{Bold: true}})
	date := style(t, f, &excelize.Style{NumFmt: 14, Border: []excelize.Border{{Type: "bottom", Color: "FF0000", Style: 1}}})
	money := style(t, f, &excelize.Style{NumFmt: 4, Fill: excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"FFFF00"}}})
	must(t, f.SetSheetName("Sheet1", "Sales data"))
	must(t, f.SetSheetRow("Sales data", "A1", &[]any{"{{title}} of {{ date }}"}))
	must(t, f.SetSheetRow("Sales data", "A3", &[]any{"Date", "Product", "Amount (USD)", "Tax", "Note"}))
	must(t, f.SetCellStyle("Sales data", "A3", "E3", bold))
	for row := first; row <= last; row++ {
		must(t, f.SetSheetRow("Sales data", fmt.Sprint("A", row), &[]any{"sample", "sample", 1, nil, "sample"}))
		must(t, f.SetCellFormula("Sales data", fmt.Sprint("D", row), fmt.Sprintf("C%d*$H$1", row)))
		must(t, f.SetCellStyle("Sales data", fmt.Sprint("A", row), fmt.Sprint("A", row), date))
		must(t, f.SetCellStyle("Sales data", fmt.Sprint("C", row), fmt.Sprint("D", row), money))
		must(t, f.SetRowHeight("Sales data", row, 21))
	}
	must(t, f.SetSheetRow("Sales data", fmt.Sprint("A", total), &[]any{"Total:"}))
	must(t, f.SetCellFormula("Sales data", fmt.Sprint("C", total), fmt.Sprintf("SUM(C%d:C%d)", first, last)))
	must(t, f.SetCellStyle("Sales data", fmt.Sprint("A", total), fmt.Sprint("E", total), bold))
	must(t, f.MergeCell("Sales data", fmt.Sprint("A", total+1), fmt.Sprint("C", total+1)))
	if samples == 0 {
		return reopen(t, f)
	}
	must(t, f.AutoFilter("Sales data", fmt.Sprintf("A3:E%d", last), nil))
	must(t, f.SetDefinedName(&excelize.DefinedName{Name: "amounts", RefersTo: fmt.Sprintf("'Sales data'!$C$%d:$C$%d", first, last)}))
	list := excelize.NewDataValidation(true)
	list.Sqref = fmt.Sprintf("E%d:E%d", first, last)
	must(t, list.SetDropList([]string{"ok", "late"}))
	must(t, f.AddDataValidation("Sales data", list))
	must(t, f.SetConditionalFormat("Sales data", fmt.Sprintf("C%d:C%d", first, last), []excelize.ConditionalFormatOptions{{Type: "data_bar", BarColor: "#638EC6", Criteria: "=", MinType: "min", MaxType: "max"}}))
	must(t, f.AddChart("Sales data", "G3", &excelize.Chart{
		Type:  excelize.Col,
		Title: excelize.ChartTitle{Paragraph: []excelize.RichTextRun{{Text: "{{title}} & more"}}},
		Series: []excelize.ChartSeries{{
			Name: "'Sales data'!$C$3", Categories: series("B", first, last), Values: series("C", first, last),
		}},
	}))
	if _, err := f.NewSheet("Summary"); err != nil {
		t.Fatal(err)
	}
	must(t, f.SetCellFormula("Summary", "A1", fmt.Sprintf("'Sales data'!C%d+SUM('Sales data'!C%d:C%d)", total, first, last)))
	return reopen(t, f)
}

// series is a column of data as a chart refers to it: one cell is no range.
func series(column string, first, last int) string {
	if first == last {
		return fmt.Sprintf("'Sales data'!$%s$%d", column, first)
	}
	return fmt.Sprintf("'Sales data'!$%s$%d:$%s$%d", column, first, column, last)
}

func sales(rows int) table {
	t := table{columns: []string{"id", "date", "product", "amount"}}
	for i := range rows {
		t.rows = append(t.rows, []any{json.Number(fmt.Sprint(i)), fmt.Sprintf("2026-11-%02d", i%28+1), fmt.Sprintf("=cmd|'/c calc'!A%d", i), json.Number(fmt.Sprintf("%d.5", i))})
	}
	return t
}

func TestFillGrowsAndShrinks(t *testing.T) {
	for _, c := range []struct{ samples, rows int }{{1, 1}, {1, 3}, {1, 500}, {3, 1}, {3, 3}, {3, 10}, {2, 0}, {0, 4}} {
		t.Run(fmt.Sprintf("%d to %d", c.samples, c.rows), func(t *testing.T) {
			f := template(t, c.samples)
			if _, err := fill(f, sales(c.rows), "", map[string]string{"title": "Sales <Ü>", "date": "2026-11-22"}); err != nil {
				t.Fatal(err)
			}
			checkFilled(t, reopen(t, f), c.rows, c.samples > 0)
		})
	}
}

func checkFilled(t *testing.T, f *excelize.File, rows int, styled bool) {
	t.Helper()
	const sheet = "Sales data"
	first, last := 4, 3+max(rows, 1)
	total := last + 1
	want(t, f, sheet, "A1", "Sales <Ü> of 2026-11-22")
	want(t, f, sheet, fmt.Sprint("A", total), "Total:")
	for i := range rows {
		row := first + i
		want(t, f, sheet, fmt.Sprint("B", row), fmt.Sprintf("=cmd|'/c calc'!A%d", i))
		if formula, err := f.GetCellFormula(sheet, fmt.Sprint("B", row)); err != nil || formula != "" {
			t.Fatalf("B%d became the formula %q (%v)", row, formula, err)
		}
		raw, err := f.GetCellValue(sheet, fmt.Sprint("C", row), excelize.Options{RawCellValue: true})
		if err != nil || raw != fmt.Sprintf("%d.5", i) {
			t.Fatalf("C%d is %q (%v)", row, raw, err)
		}
		if styled {
			wantFormula(t, f, sheet, fmt.Sprint("D", row), fmt.Sprintf("C%d*$H$1", row))
		}
	}
	if rows > 0 && styled {
		serial, err := f.GetCellValue(sheet, "A4", excelize.Options{RawCellValue: true})
		if err != nil || serial != "46327" { // 2026-11-01
			t.Errorf("A4 is no date: %q (%v)", serial, err)
		}
	}
	want(t, f, sheet, "E4", "")
	if styled {
		checkStyles(t, f, first, last)
		checkReferences(t, f, first, last)
	}
	merged, err := f.GetMergeCells(sheet)
	if err != nil || len(merged) != 1 || merged[0].GetStartAxis() != fmt.Sprint("A", total+1) {
		t.Errorf("merged cells are %v (%v)", merged, err)
	}
}

func checkStyles(t *testing.T, f *excelize.File, first, last int) {
	t.Helper()
	const sheet = "Sales data"
	for column, numFmt := range map[string]int{"A": 14, "C": 4} {
		for _, row := range []int{first, (first + last) / 2, last} {
			id, err := f.GetCellStyle(sheet, fmt.Sprint(column, row))
			if err != nil {
				t.Fatal(err)
			}
			s, err := f.GetStyle(id)
			if err != nil || s.NumFmt != numFmt {
				t.Errorf("%s%d has the format %d (%v)", column, row, s.NumFmt, err)
			}
			if column == "C" && !slices.Equal(s.Fill.Color, []string{"FFFF00"}) {
				t.Errorf("C%d lost its fill: %v", row, s.Fill.Color)
			}
			if height, err := f.GetRowHeight(sheet, row); err != nil || height != 21 {
				t.Errorf("row %d is %v high (%v)", row, height, err)
			}
		}
	}
	id, err := f.GetCellStyle(sheet, fmt.Sprint("A", last+1))
	if err != nil {
		t.Fatal(err)
	}
	if s, err := f.GetStyle(id); err != nil || !s.Font.Bold {
		t.Errorf("the total lost its style (%v)", err)
	}
}

func checkReferences(t *testing.T, f *excelize.File, first, last int) {
	t.Helper()
	const sheet = "Sales data"
	wantFormula(t, f, sheet, fmt.Sprint("C", last+1), fmt.Sprintf("SUM(C%d:C%d)", first, last))
	wantFormula(t, f, "Summary", "A1", fmt.Sprintf("'Sales data'!C%d+SUM('Sales data'!C%d:C%d)", last+1, first, last))
	raw, _ := f.Pkg.Load("xl/charts/chart1.xml")
	chart := string(raw.([]byte))
	for _, part := range []string{
		"<f>" + series("B", first, last), "<f>" + series("C", first, last),
		"<f>'Sales data'!$C$3</f>", "<a:t>Sales &lt;Ü&gt; &amp; more</a:t>", "<barChart>",
	} {
		if !strings.Contains(strings.ReplaceAll(chart, "&#39;", "'"), part) {
			t.Errorf("the chart lacks %s", part)
		}
	}
	if strings.Contains(chart, "Cache>") {
		t.Error("the chart remembers the samples")
	}
	names := map[string]string{}
	for _, n := range f.GetDefinedName() {
		names[n.Name] = n.RefersTo
	}
	wantNames := map[string]string{
		"amounts":               fmt.Sprintf("'Sales data'!$C$%d:$C$%d", first, last),
		"_xlnm._FilterDatabase": fmt.Sprintf("'Sales data'!$A$3:$E$%d", last),
	}
	if !reflect.DeepEqual(names, wantNames) {
		t.Errorf("names are %v, want %v", names, wantNames)
	}
	validations, err := f.GetDataValidations(sheet)
	if err != nil || len(validations) != 1 || validations[0].Sqref != fmt.Sprintf("E%d:E%d", first, last) {
		t.Errorf("validations are %+v (%v)", validations, err)
	}
	formats, err := f.GetConditionalFormats(sheet)
	if err != nil || len(formats[fmt.Sprintf("C%d:C%d", first, last)]) != 1 || len(formats) != 1 {
		t.Errorf("conditional formats are %v (%v)", formats, err)
	}
}

func TestFillByMarks(t *testing.T) {
	f := excelize.NewFile()
	must(t, f.SetSheetRow("Sheet1", "A1", &[]any{"日期", "产品", "单位", "缺"}))
	must(t, f.SetSheetRow("Sheet1", "A2", &[]any{"{{row.date}}", "{{row.product}}", "元 {{date}}", "{{row.nothing}}"}))
	r, err := fill(f, sales(2), "", map[string]string{"date": "2026-11-22"})
	if err != nil || r.first != 2 || r.last != 3 {
		t.Fatalf("%+v %v", r, err)
	}
	rows, err := f.GetRows("Sheet1")
	want := [][]string{{"日期", "产品", "单位", "缺"}, {"2026-11-01", "=cmd|'/c calc'!A0", "元 2026-11-22"}, {"2026-11-02", "=cmd|'/c calc'!A1", "元 2026-11-22"}}
	if err != nil || !reflect.DeepEqual(rows, want) {
		t.Fatalf("%q %v", rows, err)
	}
}

func TestFillATable(t *testing.T) {
	f := excelize.NewFile()
	must(t, f.SetSheetRow("Sheet1", "B2", &[]any{"date", "product", "amount"}))
	must(t, f.SetSheetRow("Sheet1", "B3", &[]any{"x", "y", 1}))
	must(t, f.AddTable("Sheet1", &excelize.Table{Range: "B2:D3", Name: "sales", StyleName: "TableStyleMedium9"}))
	must(t, f.SetCellFormula("Sheet1", "D6", "SUM(sales[amount])"))
	f = reopen(t, f)
	if _, err := fill(f, sales(5), "", nil); err != nil {
		t.Fatal(err)
	}
	f = reopen(t, f)
	tables, err := f.GetTables("Sheet1")
	if err != nil || len(tables) != 1 || tables[0].Range != "B2:D7" || tables[0].StyleName != "TableStyleMedium9" || tables[0].Name != "sales" {
		t.Fatalf("%+v %v", tables, err)
	}
	wantFormula(t, f, "Sheet1", "D10", "SUM(sales[amount])")
	want(t, f, "Sheet1", "C7", "=cmd|'/c calc'!A4")
}

func TestFillByName(t *testing.T) {
	f := excelize.NewFile()
	must(t, f.SetSheetRow("Sheet1", "A1", &[]any{"date", "product", "amount"})) // a header too, and the name wins
	must(t, f.SetSheetRow("Sheet1", "A9", &[]any{"date", "amount"}))
	must(t, f.SetDefinedName(&excelize.DefinedName{Name: "data", RefersTo: "Sheet1!$A$9:$B$11"}))
	r, err := fill(f, sales(5), "Sheet1", nil)
	if err != nil || r.first != 10 || r.last != 14 {
		t.Fatalf("%+v %v", r, err)
	}
	if n := f.GetDefinedName()[0].RefersTo; n != "Sheet1!$A$9:$B$14" {
		t.Errorf("the name refers to %s", n)
	}
}

func TestFillRefuses(t *testing.T) {
	f := excelize.NewFile()
	must(t, f.SetSheetRow("Sheet1", "A1", &[]any{"Name", "Wert"}))
	if _, err := fill(f, sales(1), "", nil); !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Text(err), "id, date, product, amount") {
		t.Errorf("a template for something else: %v", err)
	}
	if _, err := fill(f, sales(1), "Nope", nil); !fault.Is(err, fault.NotFound) || !strings.Contains(fault.Text(err), "Sheet1") {
		t.Errorf("a sheet that is not there: %v", err)
	}
}

func TestFresh(t *testing.T) {
	f := excelize.NewFile()
	data := sales(3)
	data.rows[1][3] = nil
	if _, err := fresh(f, data, "Q4's sales", "Sales", "amount"); err != nil {
		t.Fatal(err)
	}
	f = reopen(t, f)
	const sheet = "Q4's sales"
	want(t, f, sheet, "A1", "Sales")
	want(t, f, sheet, "B3", "date")
	want(t, f, sheet, "B4", "2026-11-01")
	want(t, f, sheet, "C4", "=cmd|'/c calc'!A0")
	want(t, f, sheet, "D4", "0.50")
	want(t, f, sheet, "D5", "")
	panes, err := f.GetPanes(sheet)
	if err != nil || !panes.Freeze || panes.YSplit != 3 {
		t.Errorf("panes %+v %v", panes, err)
	}
	raw, ok := f.Pkg.Load("xl/charts/chart1.xml")
	if !ok || !strings.Contains(string(raw.([]byte)), "$D$4:$D$6") {
		t.Error("there is no chart of amount")
	}
	if _, err := fresh(excelize.NewFile(), data, "", "", "nothing"); !fault.Is(err, fault.Invalid) {
		t.Errorf("a chart of nothing: %v", err)
	}
	if _, err := fresh(excelize.NewFile(), table{columns: []string{"a"}}, "", "", "a"); err != nil {
		t.Errorf("no rows: %v", err)
	}
}

func TestReadTable(t *testing.T) {
	whole := json.RawMessage(`{"columns":["a","b"],"rows":[[1,"x"],[2]],"truncated":false}`)
	for _, c := range []struct {
		data, input string
		want        table
	}{
		{"", string(whole), table{[]string{"a", "b"}, [][]any{{json.Number("1"), "x"}, {json.Number("2"), nil}}}},
		{`[{"z":1,"a":null},{"a":"x","q":true}]`, "", table{[]string{"z", "a", "q"}, [][]any{{json.Number("1"), nil, nil}, {nil, "x", true}}}},
		{`[["p","q"]]`, string(whole), table{[]string{"a", "b"}, [][]any{{"p", "q"}}}},
		{`{"columns":["a"],"rows":null}`, "", table{[]string{"a"}, nil}},
	} {
		got, err := readTable(json.RawMessage(c.data), json.RawMessage(c.input))
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %#v %v", c.data, got, err)
		}
	}
	for _, bad := range []string{"", "null", `"x"`, `[[1]]`, `[1]`, `{"columns":[]}`, `[{"a":1},2]`} {
		if _, err := readTable(json.RawMessage(bad), nil); !fault.Is(err, fault.Invalid) || !strings.HasPrefix(fault.Text(err), "params.data") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func want(t *testing.T, f *excelize.File, sheet, cell, want string) {
	t.Helper()
	if got, err := f.GetCellValue(sheet, cell); err != nil || got != want {
		t.Errorf("%s is %q (%v), want %q", cell, got, err, want)
	}
}

func wantFormula(t *testing.T, f *excelize.File, sheet, cell, want string) {
	t.Helper()
	if got, err := f.GetCellFormula(sheet, cell); err != nil || got != want {
		t.Errorf("%s has the formula %q (%v), want %q", cell, got, err, want)
	}
}

func style(t *testing.T, f *excelize.File, s *excelize.Style) int {
	t.Helper()
	id, err := f.NewStyle(s)
	must(t, err)
	return id
}

// reopen writes a workbook and reads it again: what a person would get.
func reopen(t *testing.T, f *excelize.File) *excelize.File {
	t.Helper()
	var b bytes.Buffer
	must(t, f.Write(&b))
	again, err := excelize.OpenReader(&b)
	must(t, err)
	t.Cleanup(func() { must(t, again.Close()) })
	return again
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
