package excelgenerator

import "testing"

func TestGrowthMovesReferences(t *testing.T) {
	// Rows 5 to 6 of Sales become rows 5 to 15.
	g := growth{sheet: "Sales", first: 5, last: 6, delta: 9}
	for formula, want := range map[string]string{
		"SUM(E5:E6)":                     "SUM(E5:E15)",
		"SUM($E$5:$E$6)*2":               "SUM($E$5:$E$15)*2",
		"SUBTOTAL(109,E4:E6)":            "SUBTOTAL(109,E4:E15)",
		"SUM(E5:E5)":                     "SUM(E5:E5)",
		"E7/E$4":                         "E16/E$4",
		"Sales!E7&\"E7:E8\"":             "Sales!E16&\"E7:E8\"",
		"'Other Sheet'!E7+Sales!E5:E6":   "'Other Sheet'!E7+Sales!E5:E15",
		"LOG10(E7)+ATAN2(1,E5)":          "LOG10(E16)+ATAN2(1,E5)",
		"SUM(Table1[[#This Row],[E7]])":  "SUM(Table1[[#This Row],[E7]])",
		"SUM(E:E)+SUM(7:7)":              "SUM(E:E)+SUM(7:7)",
		"Tax_E7+E7_rate+RATE.E7":         "Tax_E7+E7_rate+RATE.E7",
		"IF(A5=\"it\"\"s E7\",'E7'!A7,)": "IF(A5=\"it\"\"s E7\",'E7'!A7,)",
		"销售!E7+E7":                       "销售!E7+E16",
		"E5:INDEX(E:E,E7)":               "E5:INDEX(E:E,E16)",
	} {
		if got := rewrite(formula, "Sales", "Sales", g.apply); got != want {
			t.Errorf("%s became %s, want %s", formula, got, want)
		}
	}
	if got := rewrite("SUM('My ''24 Sales'!$B$5:$B$6)", "Charts", "My '24 Sales", g.apply); got != "SUM('My ''24 Sales'!$B$5:$B$15)" {
		t.Error(got)
	}
}

func TestGrowthShrinks(t *testing.T) {
	g := growth{sheet: "S", first: 5, last: 9, delta: -4}
	for formula, want := range map[string]string{"SUM(E5:E9)": "SUM(E5:E5)", "E10": "E6", "SUM(E10:E12)": "SUM(E6:E8)"} {
		if got := rewrite(formula, "S", "S", g.apply); got != want {
			t.Errorf("%s became %s, want %s", formula, got, want)
		}
	}
}

func TestStretchMakesACellAColumn(t *testing.T) {
	g := growth{sheet: "S", first: 5, last: 5, delta: 2}
	for formula, want := range map[string]string{"S!$B$5": "S!$B$5:$B$7", "S!$B$4": "S!$B$4", "S!$B$5:$B$5": "S!$B$5:$B$7", "S!$B$6": "S!$B$8"} {
		if got := rewrite(formula, "", "S", g.stretch); got != want {
			t.Errorf("%s became %s, want %s", formula, got, want)
		}
	}
}

func TestDownKeepsDollars(t *testing.T) {
	if got := rewrite("E5*$F5+G$5+SUM($A5:A$5)", "S", "S", func(r ref) ref { return r.down(3) }); got != "E8*$F8+G$5+SUM($A8:A$5)" {
		t.Error(got)
	}
}
