package execute_test

import (
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/functions/plugins/excelgenerator"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/workspace"
)

const sheetStep = `{"id":"x","plugin":"excel_generator","params":{"output":"/report.xlsx","data":[{"a":1},{"a":2}],"title":"T"}}`

// TestAWorkbookOfAKilledPlugin: the plugin dies when it has written the file and before it answers, its holder with
// it. The file says what the step made: it is not written again, and its receipt is the one that got lost.
func TestAWorkbookOfAKilledPlugin(t *testing.T) {
	for name, c := range map[string]struct {
		wrote bool
		check string
	}{
		"after it wrote":  {true, "happened"},
		"before it wrote": {false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			b.host(excelgenerator.Function)
			lane := b.run(sheetStep)
			if !c.wrote {
				j, err := journal.Take(t.Context(), b.ledger, lane, b.clock)
				if err != nil || j == nil {
					t.Fatal(j, err)
				}
				e := flow.Event{Type: flow.Intent, Step: "x", Attempt: 1, Params: j.Run().Steps[0].Params}
				if err := j.Intent(t.Context(), e); err != nil {
					t.Fatal(err)
				}
				b.advance(2 * ledger.Lease)
			}
			b.cut["plugin-excel-generator"] = map[bool]int{true: 1}[c.wrote]
			v := b.finishes(lane)
			step := v.Steps[0]
			if v.State != flow.StateDone || step.Summary != "Wrote 2 rows to /report.xlsx." || string(step.Result) != `{"path":"/report.xlsx","sheet":"Sheet1","rows":2}` {
				t.Fatalf("%s: %s %s", show(v), step.Summary, step.Result)
			}
			if c.check != "" && (step.Check == nil || step.Check.State != c.check || !strings.Contains(string(step.Files), `"/report.xlsx"`)) {
				t.Errorf("%+v %s", step.Check, step.Files)
			}
			files, err := workspace.Open(t.Context(), b.env)
			if err != nil {
				t.Fatal(err)
			}
			f, err := files.Stat(t.Context(), "ann", "/report.xlsx", workspace.Latest)
			if err != nil || f.Version != 1 || f.Step != "x" {
				t.Errorf("the workspace has %+v %v", f, err)
			}
			if err := b.decide("ann", "member", lane, "undo", ""); err != nil {
				t.Fatal(err)
			}
			if v := b.finish(lane); v.State != flow.StateUndone {
				t.Errorf("undo with that receipt: %s", show(v))
			}
		})
	}
}

// TestAWorkbookWithoutItsResult: where the result did not go with the file, the plugin cannot tell, and the step runs
// again under its key: the file stands.
func TestAWorkbookWithoutItsResult(t *testing.T) {
	b := open(t)
	b.host(excelgenerator.Function)
	long := "/" + strings.Repeat("&", 180) + ".xlsx" // JSON has six letters for each of them, and takes over 1 KiB
	lane := b.run(strings.Replace(sheetStep, "/report.xlsx", long, 1))
	b.cut["plugin-excel-generator"] = 1
	if v := b.finishes(lane); v.State != flow.StateDone || v.Steps[0].Check != nil {
		t.Fatalf("%s %+v", show(v), v.Steps[0].Check)
	}
	files, err := workspace.Open(t.Context(), b.env)
	if err != nil {
		t.Fatal(err)
	}
	if f, err := files.Stat(t.Context(), "ann", long, workspace.Latest); err != nil || f.Version != 1 {
		t.Errorf("the workspace has %+v %v", f, err)
	}
}
