// Package excelgenerator is the plugin that writes Excel workbooks: it fills a template with a table and
// keeps the template's styles, formulas and charts, or makes a plain sheet without one.
package excelgenerator

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"strings"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/plugin"
)

// In are the parameters.
type In struct {
	Template string          `json:"template,omitempty" file:"read" jsonschema:"workbook whose styles, formulas and charts the result keeps; without it a plain sheet is made"`
	Output   string          `json:"output" file:"write" jsonschema:"where the workbook goes, such as /output/report.xlsx"`
	Data     json.RawMessage `json:"data,omitempty" jsonschema:"a table: columns and rows, or a list of objects; default is the table of the step before"`
	Sheet    string          `json:"sheet,omitempty" jsonschema:"the sheet to fill; default is the one that fits the columns"`
	Title    string          `json:"title,omitempty" jsonschema:"stands for {{title}} in the template"`
	Chart    string          `json:"chart,omitempty" jsonschema:"without a template: the column to draw as bars"`
}

// Out is the result.
type Out struct {
	Path  string `json:"path"`
	Sheet string `json:"sheet"`
	Rows  int    `json:"rows"`
}

// Function is the plugin.
var Function = plugin.Define(plugin.Spec{
	ID:      "excel_generator",
	Title:   manifest.Phrase{En: "Make an Excel workbook", Zh: "生成 Excel 表格"},
	Summary: "Writes a table into an Excel workbook, filling a template that keeps its styles, formulas and charts.",
	Effect:  manifest.Compensable,
	Grants:  manifest.Grants{Files: plugin.FilesParams},
	Limits:  manifest.Limits{Wall: time.Minute, Memory: 768 << 20},
	Control: []string{"output"},
	Intent: manifest.Intent{
		Phrases: []string{
			"excel", "spreadsheet", "workbook", "xlsx", "report", "sheet", "daily report", "weekly report", "export",
			"报表", "报告", "表格", "电子表格", "日报", "周报", "月报", "导出", "生成报表", "生成excel", "做表",
		},
		Takes: "table", Gives: "file", Order: 20,
		Example: map[string]any{"template": "/templates/report.xlsx", "output": "/output/{{date}}.xlsx"},
	},
	Version: "1",
}, generate, plugin.Undo(func(c *plugin.Call, _ In, _ *Out) error { return c.Revert() }), plugin.Preview())

func generate(c *plugin.Call, in In) (Out, error) {
	if strings.ToLower(path.Ext(in.Output)) != ".xlsx" {
		return Out{}, fault.New(fault.Invalid, "want a name that ends with .xlsx, not %q", in.Output).At("params.output")
	}
	data, err := readTable(in.Data, c.Input)
	if c.DryRun && len(in.Data) == 0 && len(c.Input) == 0 {
		data, err = table{columns: []string{"-"}}, nil // the step that gives the table did not run
	}
	if err != nil {
		return Out{}, err
	}
	local, err := c.Create(in.Output)
	if err != nil {
		return Out{}, err
	}
	if c.DryRun {
		c.Summary("Would write "+in.Output+".", "将写入 "+in.Output+"。")
		return Out{Path: in.Output, Sheet: in.Sheet, Rows: len(data.rows)}, nil
	}
	r, err := compose(c, in, data, local)
	if err != nil {
		return Out{}, err
	}
	c.Summary(fmt.Sprintf("Wrote %d rows to %s.", len(data.rows), in.Output), fmt.Sprintf("已将 %d 行写入 %s。", len(data.rows), in.Output))
	return Out{Path: in.Output, Sheet: r.sheet, Rows: len(data.rows)}, nil
}

// compose makes the workbook in the file local.
func compose(c *plugin.Call, in In, data table, local string) (region, error) {
	f, err := open(c, in.Template)
	if err != nil {
		return region{}, err
	}
	// What the library keeps in temporary files goes with the call's folder.
	defer f.Close()
	var r region
	if in.Template == "" {
		r, err = fresh(f, data, in.Sheet, in.Title, in.Chart)
	} else {
		r, err = fill(f, data, in.Sheet, marks(c, in.Title, len(data.rows)))
	}
	if err != nil {
		return region{}, err
	}
	if err := f.SaveAs(local); err != nil {
		return region{}, fault.As(fault.Unavailable, err, "the workbook cannot be written")
	}
	return r, nil
}

// open opens the template, or an empty workbook. Its limits keep a small file from unpacking into a large one.
func open(c *plugin.Call, template string) (*excelize.File, error) {
	if template == "" {
		return excelize.NewFile(), nil
	}
	local, err := c.Local(template)
	if err != nil {
		return nil, err
	}
	f, err := excelize.OpenFile(local, excelize.Options{UnzipSizeLimit: 128 << 20, UnzipXMLSizeLimit: 32 << 20, TmpDir: c.Dir})
	if os.IsNotExist(err) {
		return nil, fault.As(fault.NotFound, err, "there is no %s", template).At("params.template")
	}
	if err != nil {
		return nil, fault.As(fault.Invalid, err, "%s is not an Excel workbook (.xlsx) that can be read", template).At("params.template")
	}
	return f, nil
}

// marks are the placeholders of templates.
func marks(c *plugin.Call, title string, rows int) map[string]string {
	if title == "" {
		title = "Report"
		if c.Lang == "zh" {
			title = "报表"
		}
	}
	return map[string]string{
		"date": c.Date, "title": title, "now": c.Now.Format("2006-01-02 15:04"), "rows": fmt.Sprint(rows),
	}
}
