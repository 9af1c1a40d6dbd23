package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/tests/faults"
)

// TestAnchors finds the text that each tooth is pulled by, and the clock: a change of the product must not leave one behind.
func TestAnchors(t *testing.T) {
	clock := tooth{name: "the clock", file: faults.ScriptFile, edits: faults.ClockEdits}
	for _, tooth := range append(teeth, clock) {
		if tooth.file == "" {
			continue
		}
		source, err := os.ReadFile(filepath.Join("..", "..", "..", filepath.FromSlash(tooth.file)))
		if err != nil {
			t.Fatal(err)
		}
		for _, edit := range tooth.edits {
			if n := strings.Count(string(source), edit[0]); n != 1 {
				t.Errorf("%s: %s has %d times %q", tooth.name, tooth.file, n, edit[0])
			}
		}
	}
}
