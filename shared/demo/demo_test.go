package demo_test

import (
	"bytes"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/hearthfaas/hearth/shared/demo"
)

var today = time.Date(2026, 11, 22, 23, 30, 0, 0, time.FixedZone("", 8*3600))

func TestDatabaseHasRowsForEachDay(t *testing.T) {
	db := database(t, today)
	var days, rows int
	var first, last string
	err := db.QueryRow("SELECT count(DISTINCT date), count(*), min(date), max(date) FROM sales").Scan(&days, &rows, &first, &last)
	if err != nil || days != 396 || rows < 4*396 || first != "2026-10-23" || last != "2027-11-22" {
		t.Fatalf("%d days, %d rows, %s to %s, %v", days, rows, first, last, err)
	}
	var wrong int
	if err := db.QueryRow("SELECT count(*) FROM sales WHERE abs(amount - quantity*unit_price) > 0.001 OR amount <= 0").Scan(&wrong); err != nil || wrong != 0 {
		t.Fatalf("%d rows do not add up (%v)", wrong, err)
	}
}

func TestDatabaseIsTheSameAndGrows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "demo #1.db")
	for _, now := range []time.Time{today, today, today.AddDate(0, 0, 100)} {
		if err := demo.Database(t.Context(), path, now); err != nil {
			t.Fatal(err)
		}
	}
	grown := open(t, path)
	other := database(t, today.AddDate(0, 0, 50))
	const query = "SELECT group_concat(id || date || region || product || quantity || customer) FROM (SELECT * FROM sales WHERE date BETWEEN '2026-12-15' AND '2027-12-15' ORDER BY id)"
	var a, b string
	if err := grown.QueryRow(query).Scan(&a); err != nil {
		t.Fatal(err)
	}
	if err := other.QueryRow(query).Scan(&b); err != nil {
		t.Fatal(err)
	}
	if a != b || len(a) < 10000 {
		t.Fatal("the rows of a day depend on when they were made")
	}
}

// TestDatabaseKeepsChanges: what a person deletes does not come back at the next start.
func TestDatabaseKeepsChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "demo.db")
	if err := demo.Database(t.Context(), path, today); err != nil {
		t.Fatal(err)
	}
	db := open(t, path)
	if _, err := db.Exec("DELETE FROM sales WHERE date = '2026-11-22'"); err != nil {
		t.Fatal(err)
	}
	if err := demo.Database(t.Context(), path, today); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := db.QueryRow("SELECT count(*) FROM sales WHERE date = '2026-11-22'").Scan(&n); err != nil || n != 0 {
		t.Fatalf("%d rows came back (%v)", n, err)
	}
}

func TestTemplate(t *testing.T) {
	first, err := demo.Template()
	if err != nil {
		t.Fatal(err)
	}
	second, err := demo.Template()
	if err != nil || !bytes.Equal(first, second) {
		t.Fatalf("two templates differ (%v)", err)
	}
	f, err := excelize.OpenReader(bytes.NewReader(first))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	formula, err := f.GetCellFormula("Sales", "G6")
	if err != nil || formula != "SUM(G5:G5)" {
		t.Errorf("the total is %q (%v)", formula, err)
	}
	if chart, ok := f.Pkg.Load("xl/charts/chart1.xml"); !ok || !strings.Contains(string(chart.([]byte)), "Sales!$G$5:$G$5") {
		t.Error("the chart is missing")
	}
}

func TestTaskIsTheOneOfTheContract(t *testing.T) {
	task := demo.Task()
	if task.TaskID != "daily_report_gen" || len(task.Steps) != 3 || task.Trigger.Schedule != "0 9 * * *" || task.Steps[2].Plugin != "email_sender" {
		t.Fatalf("%+v", task)
	}
}

func database(t *testing.T, now time.Time) *sql.DB {
	t.Helper()
	path := filepath.Join(t.TempDir(), "demo.db")
	if err := demo.Database(t.Context(), path, now); err != nil {
		t.Fatal(err)
	}
	return open(t, path)
}

func open(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+strings.ReplaceAll(path, "#", "%23"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}
