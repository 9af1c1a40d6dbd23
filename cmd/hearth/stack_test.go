package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/functions/catalog"
)

// TestStack writes both files, finds drift, and keeps what people added.
func TestStack(t *testing.T) {
	t.Chdir(t.TempDir())
	var said bytes.Buffer
	a := &app{out: &said, err: &said, lookup: func(string) (string, bool) { return "", false }}
	run := func(want int, args ...string) {
		t.Helper()
		said.Reset()
		if code := a.run(t.Context(), append([]string{"stack"}, args...)); code != want {
			t.Fatalf("%v: exit code %d: %s", args, code, &said)
		}
	}
	for _, tt := range []struct {
		file string
		args []string
	}{{stackFile, nil}, {stackFileCE, []string{"--ce"}}} {
		check := append([]string{"--check"}, tt.args...)
		run(1, check...)
		run(0, tt.args...)
		run(0, check...)
		first, err := os.ReadFile(tt.file)
		if err != nil {
			t.Fatal(err)
		}
		own := "  plugin-weather:\n    lang: plugin-go\n"
		write(t, tt.file, string(first)+own)
		run(0, check...)
		write(t, tt.file, strings.Replace(string(first), "skip_build: true", "skip_build: false", 1)+own)
		run(1, check...)
		if command := strings.Join(append([]string{"hearth stack"}, tt.args...), " "); !strings.Contains(said.String(), "next: "+command+")") {
			t.Errorf("%s", &said)
		}
		run(0, tt.args...)
		if again, err := os.ReadFile(tt.file); err != nil || string(again) != string(first)+own {
			t.Errorf("the second time it writes something else: %v", err)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestNeedsAreOfFunctions keeps the table free of functions that are gone.
func TestNeedsAreOfFunctions(t *testing.T) {
	names := map[string]bool{}
	for _, f := range catalog.All() {
		names[f.Name] = true
	}
	for name := range needs {
		if !names[name] {
			t.Errorf("there is no %s", name)
		}
	}
}
