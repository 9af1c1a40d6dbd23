package excelgenerator

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestLibreOfficeReadsIt: a program that is not our library opens the result and computes its formulas.
func TestLibreOfficeReadsIt(t *testing.T) {
	office, err := exec.LookPath("soffice")
	if err != nil {
		t.Skip("needs LibreOffice: apt-get install libreoffice-calc-nogui")
	}
	dir := t.TempDir()
	f := template(t, 1)
	must(t, f.SetCellInt("Sales data", "H1", 2))
	if _, err := fill(f, sales(12), "", map[string]string{"title": "Sales", "date": "2026-11-22"}); err != nil {
		t.Fatal(err)
	}
	must(t, f.SaveAs(filepath.Join(dir, "report.xlsx")))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, office, "-env:UserInstallation=file://"+filepath.Join(dir, "profile"), "--headless", "--convert-to", "csv", "--outdir", dir, "report.xlsx")
	cmd.Dir, cmd.Env = dir, []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8"}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	csv, err := os.ReadFile(filepath.Join(dir, "report.csv"))
	must(t, err)
	for _, line := range []string{"Sales of 2026-11-22", `11/12/2026,=cmd|'/c calc'!A11,11.5,23,`, "Total:,,72,,"} {
		if !strings.Contains(string(csv), line) {
			t.Errorf("LibreOffice does not show %q:\n%s", line, csv)
		}
	}
}
