package excelgenerator

import (
	"bytes"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/plugin"
	"github.com/hearthfaas/hearth/shared/plugin/plugintest"
	"github.com/hearthfaas/hearth/shared/workspace"
)

const rows = `{"columns":["id","date","product","amount"],"rows":[[1,"2026-01-02","=1+1",2.5],[2,"2026-01-02","@b",4]],"truncated":false,"row_count":2}`

func TestPlugin(t *testing.T) {
	file := workbook(t, template(t, 1))
	shared := func(_ *testing.T, h *plugintest.Host) {
		h.PutAs(workspace.TemplatesOwner, "/templates/report.xlsx", file)
	}
	plugintest.Run(t, Function,
		plugintest.Case{
			Name: "as a task writes it", Params: `{"template":"/templates/report.xlsx","output":"/output/2026-01-02.xlsx"}`, Input: rows,
			Setup: shared, Check: filled(`{"path":"/output/2026-01-02.xlsx","sheet":"Sales data","rows":2}`, "Wrote 2 rows to /output/2026-01-02.xlsx."),
		},
		plugintest.Case{
			Name: "over an older one", Params: `{"template":"/mine.xlsx","output":"/output/2026-01-02.xlsx","title":"销售","data":` + rows + `}`, Lang: "zh",
			Files: map[string]string{"/mine.xlsx": file, "/output/2026-01-02.xlsx": "older"},
			Check: filled(`{"path":"/output/2026-01-02.xlsx","sheet":"Sales data","rows":2}`, "已将 2 行写入 /output/2026-01-02.xlsx。"),
		},
		plugintest.Case{Name: "without a template", Params: `{"output":"/output/plain.xlsx","data":[{"a":1,"b":"x"}],"title":"Plain","chart":"a"}`, Check: withoutTemplate},
		plugintest.Case{Name: "no such template", Params: `{"template":"/nope.xlsx","output":"/output/x.xlsx"}`, Input: rows, Fails: fault.NotFound},
		plugintest.Case{Name: "no workbook", Params: `{"template":"/a.xlsx","output":"/output/x.xlsx"}`, Input: rows, Files: map[string]string{"/a.xlsx": "PK\x03\x04 no"}, Fails: fault.Invalid},
		plugintest.Case{Name: "another ending", Params: `{"output":"/output/x.xls"}`, Input: rows, Fails: fault.Invalid},
		plugintest.Case{Name: "no table", Params: `{"output":"/output/x.xlsx","data":"x"}`, Fails: fault.Invalid},
		plugintest.Case{Name: "a step before that gives none", Params: `{"output":"/output/x.xlsx"}`, Input: `{"path":"/x"}`, Fails: fault.Invalid},
	)
}

func filled(result, summary string) func(*testing.T, *plugintest.Host, plugin.Response) {
	return func(t *testing.T, h *plugintest.Host, resp plugin.Response) {
		if string(resp.Result) != result || resp.Summary != summary || len(resp.Files) != 1 {
			t.Errorf("%s %s %+v", resp.Result, resp.Summary, resp.Files)
		}
		f, err := excelize.OpenReader(strings.NewReader(h.Read("/output/2026-01-02.xlsx")))
		must(t, err)
		defer f.Close()
		title, err := f.GetCellValue("Sales data", "A1")
		must(t, err)
		if !strings.HasSuffix(title, " of 2026-01-02") {
			t.Errorf("the title is %q", title)
		}
		want(t, f, "Sales data", "B5", "@b")
		wantFormula(t, f, "Sales data", "C6", "SUM(C4:C5)")
	}
}

func withoutTemplate(t *testing.T, h *plugintest.Host, _ plugin.Response) {
	f, err := excelize.OpenReader(strings.NewReader(h.Read("/output/plain.xlsx")))
	must(t, err)
	defer f.Close()
	want(t, f, "Sheet1", "B4", "x")
}

func workbook(t *testing.T, f *excelize.File) string {
	t.Helper()
	var b bytes.Buffer
	must(t, f.Write(&b))
	return b.String()
}
