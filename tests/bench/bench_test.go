package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestMain lets the test's program be the floor, as the bench's own is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == floorVerb {
		exit(runFloor())
		return
	}
	os.Exit(m.Run())
}

// The bench measures the floor: everything but the bundle is in this.
func TestFloor(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w, err := newWorld()
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	b := &bench{
		self: self, dir: t.TempDir(), world: w, client: newClient(time.Minute), patience: time.Minute,
		n: 20, callers: 4, single: 3, rate: 200, open: 100 * time.Millisecond,
	}
	for _, s := range []scenario{messageScenario, openScenario, fullScenario, sessionScenario(10, false), costScenario} {
		got, err := s.round(t.Context(), b, theFloor)
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		for _, c := range s.columns {
			if _, ok := got.values[c.name]; !ok {
				t.Errorf("%s gives no %s", s.name, c.name)
			}
		}
		for name := range got.values {
			if !hasColumn(s, name) && s.name != "full" {
				t.Errorf("%s gives %s, which nobody sees", s.name, name)
			}
		}
		if y := got.tally; y.Sent < 200 || y.Accepted != y.Sent || y.Lost+y.Doubled+y.Odd > 0 {
			t.Errorf("%s: %+v", s.name, y)
		}
	}
	if left, _ := filepath.Glob(b.dir + "/*"); len(left) > 0 {
		t.Errorf("targets left %v", left)
	}
}

func hasColumn(s scenario, name string) bool {
	for _, c := range s.columns {
		if c.name == name {
			return true
		}
	}
	return false
}

func TestChoose(t *testing.T) {
	all := []scenario{{name: "a"}, {name: "b", asked: true}, {name: "c"}}
	for _, c := range []struct {
		only, want string
	}{
		{"", "[a c]"},
		{"b", "[b]"},
		{"c,a", "[c a]"},
		{"d", `no scenario "d"; there are a, b, c`},
	} {
		chosen, err := choose(all, c.only)
		got := fmt.Sprint(names(chosen))
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%q gives %s, want %s", c.only, got, c.want)
		}
	}
}

// Each scenario says what it does, and a ratio is one of its columns.
func TestScenarios(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range scenarios {
		if s.about == "" || s.rounds < 1 || len(s.variants) == 0 || seen[s.name] {
			t.Errorf("%q is not whole, or is there twice", s.name)
		}
		if s.ratio != "" && !hasColumn(s, s.ratio) {
			t.Errorf("%s has no column %s", s.name, s.ratio)
		}
		seen[s.name] = true
	}
}
