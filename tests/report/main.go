// Command report reads `go test -json` and prints what people want to know of it: a line per package, all
// output of what failed, and last of all what was skipped for want of something, and of what.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

func main() {
	if !report(os.Stdin, os.Stdout) {
		os.Exit(1)
	}
}

// event is a line of `go test -json`; `go doc test2json` describes it.
type event struct {
	Action     string
	Package    string
	ImportPath string // of build output
	Test       string
	Output     string
	Elapsed    float64 // seconds
}

// test names a test, or a package where Test is empty.
type test struct{ Package, Test string }

// tally is what is known so far.
type tally struct {
	output  map[test][]string
	skipped map[string]int // by reason
	passed  int
	failed  []string
}

// report copies what matters from in to out and reports whether all is well. No events at all are a failure
// too: go test could not even begin.
func report(in io.Reader, out io.Writer) bool {
	t := &tally{output: map[test][]string{}, skipped: map[string]int{}}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			fmt.Fprintln(out, lines.Text())
			continue
		}
		t.add(e, out)
	}
	if err := lines.Err(); err != nil {
		t.failed = append(t.failed, err.Error())
	}
	return t.sum(out)
}

func (t *tally) add(e event, out io.Writer) {
	key := test{e.Package, e.Test}
	switch e.Action {
	case "output":
		t.output[key] = append(t.output[key], e.Output)
	case "build-output":
		fmt.Fprint(out, e.Output)
	case "pass":
		if e.Test == "" {
			t.passed++
			fmt.Fprintf(out, "ok    %s  %.1fs\n", e.Package, e.Elapsed)
		}
		delete(t.output, key)
	case "fail":
		t.failed = append(t.failed, strings.TrimSpace(e.Package+" "+e.Test))
		fmt.Fprintf(out, "FAIL  %s %s\n%s", e.Package, e.Test, t.unfinished(key))
	case "skip":
		if e.Test != "" {
			t.skipped[reason(t.output[key])]++
		}
		delete(t.output, key)
	}
}

// unfinished returns the output of a test, or with that of a package also what its tests wrote that never
// came to an end: a panic or a timeout takes them all along.
func (t *tally) unfinished(of test) string {
	var b strings.Builder
	for key, output := range t.output {
		if key == of || of.Test == "" && key.Package == of.Package {
			b.WriteString(strings.Join(output, ""))
			delete(t.output, key)
		}
	}
	return b.String()
}

// reason finds in a skipped test's output the line that Skip wrote, without its place.
func reason(output []string) string {
	for _, line := range slices.Backward(output) {
		place, text, found := strings.Cut(strings.TrimSpace(line), ": ")
		if found && strings.Contains(place, ".go:") {
			return strings.TrimSpace(strings.TrimPrefix(text, "SKIP:"))
		}
	}
	return "no reason given"
}

func (t *tally) sum(out io.Writer) bool {
	fmt.Fprintf(out, "\n%d packages passed, %d failures\n", t.passed, len(t.failed))
	for _, name := range t.failed {
		fmt.Fprintln(out, "FAIL ", name)
	}
	reasons := slices.SortedFunc(maps.Keys(t.skipped), func(a, b string) int {
		return cmp.Or(cmp.Compare(t.skipped[b], t.skipped[a]), cmp.Compare(a, b))
	})
	for _, why := range reasons {
		fmt.Fprintf(out, "SKIP  %d tests: %s\n", t.skipped[why], why)
	}
	return len(t.failed) == 0 && t.passed > 0
}
