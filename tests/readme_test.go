package tests

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// settingsOf reads the names in the first column of the table below a heading of a README.
func settingsOf(t *testing.T, file, heading string) []string {
	t.Helper()
	raw, err := os.ReadFile("../" + file)
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(raw), "\n## "+heading+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	if !found {
		t.Fatalf("%s has no section %s", file, heading)
	}
	var names []string
	for line := range strings.Lines(section) {
		if row, isRow := strings.CutPrefix(line, "| `"); isRow {
			cell, _, _ := strings.Cut(row, " | ")
			names = append(names, regexp.MustCompile(`[A-Z_<>0-9]{3,}`).FindAllString(cell, -1)...)
		}
	}
	return names
}

// codesOf reads the exit codes that a README names.
func codesOf(t *testing.T, file, begin string) []string {
	t.Helper()
	raw, err := os.ReadFile("../" + file)
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(raw), "\n"+begin)
	text, _, _ = strings.Cut(text, "\n\n")
	if !found {
		t.Fatalf("%s does not say %s", file, begin)
	}
	return regexp.MustCompile(`\d+`).FindAllString(text, -1)
}

// TestBothReadmesNameTheSame settings and exit codes, in the same order.
func TestBothReadmesNameTheSame(t *testing.T) {
	en, zh := settingsOf(t, "README.md", "Settings"), settingsOf(t, "README.zh-CN.md", "设置")
	for _, name := range en {
		if !slices.Contains(zh, name) {
			t.Errorf("README.zh-CN.md lacks %s", name)
		}
	}
	for _, name := range zh {
		if !slices.Contains(en, name) {
			t.Errorf("README.md lacks %s", name)
		}
	}
	if !slices.Equal(en, zh) || len(en) < 30 {
		t.Errorf("the tables differ:\n%q\n%q", en, zh)
	}
	if en, zh := codesOf(t, "README.md", "Exit codes:"), codesOf(t, "README.zh-CN.md", "退出码："); !slices.Equal(en, zh) || len(en) < 5 {
		t.Errorf("the exit codes differ:\n%q\n%q", en, zh)
	}
}
