// Command teeth takes one protection at a time out of the bundle and shows that the fault suite notices. It exits
// with 1 when one can be taken out unnoticed, or when the suite has something against the bundle as it is.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/hearthfaas/hearth/tests/faults"
)

// tooth is a protection, and how it is taken out.
type tooth struct {
	name, file string
	edits      [][2]string // anchor and replacement; each anchor stands there once
	behind     bool        // shows where a primary dies whose replicas lag
}

const scripts = faults.ScriptFile

var teeth = []tooth{
	{name: "nothing"},
	{name: "nothing, with failovers", behind: true},
	{name: "the WAIT", file: "shared/ledger/confirm.go", behind: true, edits: [][2]string{
		{"\tif l.volatile {\n\t\t_, err := l.rdb.Pipelined", "\tif true {\n\t\t_, err := l.rdb.Pipelined"},
	}},
	{name: "the fence", file: scripts, edits: [][2]string{{"return h[1] ~= own or h[2] ~= ep or own == ''", "return false"}}},
	{name: "the dedupe", file: scripts, edits: [][2]string{{"if known then return {0, tonumber(known)} end", ""}}},
	{name: "the mark of a repeat", file: scripts, edits: [][2]string{{"elseif h[4] == id then doubt = '1' end", "end"}}},
	{name: "the journal before the effect", file: "functions/planner/execute/act.go", edits: [][2]string{
		{intent, ""},
		{"\traw, err := json.Marshal(receipt)\n", intent + "\traw, err := json.Marshal(receipt)\n"},
	}},
	{name: "the undo intent", file: "functions/planner/rollback/handler.go", edits: [][2]string{
		{"\tif err := j.Write(ctx, flow.Event{Type: flow.UndoIntent, Step: u.ID, Attempt: attempt}); err != nil {\n\t\treturn err\n\t}\n", ""},
	}},
	{name: "the stop", file: scripts, edits: [][2]string{{"  redis.call('HSET', KEYS[1], 'stop', now)\n", ""}}},
	{name: "the way back, newest first", file: "shared/flow/next.go", edits: [][2]string{{"u.Acted > newest.Acted", "u.Acted < newest.Acted"}}},
	{name: "the needs of a step", file: "shared/flow/next.go", edits: [][2]string{{"if over, ok := n.over(); !over || !ok {", "if _, _ = n.over(); false {"}}},
}

// intent writes the line of the journal that stands before an effect.
const intent = "\tif err := h.announce(ctx, j, p, attempt); err != nil {\n\t\thold.Settle(ctx, nil)\n\t\treturn err\n\t}\n"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ok, err := run(ctx, os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "teeth:", err)
	}
	if !ok || err != nil {
		os.Exit(1)
	}
}

// run tries the teeth with these words in their names, all without any.
func run(ctx context.Context, only []string) (ok bool, err error) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		return false, errors.New("no redis-server on the PATH (make dev-setup)")
	}
	dir, err := os.MkdirTemp("", "hearth-teeth-")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	ok = true
	for i, t := range teeth {
		if len(only) > 0 && !strings.Contains(t.name, strings.Join(only, " ")) {
			continue
		}
		found, err := t.try(ctx, filepath.Join(dir, fmt.Sprint(i)))
		if err != nil {
			return false, fmt.Errorf("without %s: %w", t.name, err)
		}
		if !t.report(found) {
			ok = false
		}
	}
	return ok, nil
}

// report says what was found without a protection, and reports whether that is as it should be.
func (t tooth) report(found []string) bool {
	verdict, want := "green", len(t.edits) == 0
	if len(found) > 0 {
		verdict, want = "red", len(t.edits) > 0
	}
	counts := map[string]int{}
	for _, line := range found {
		invariant, _, _ := strings.Cut(line, ":")
		counts[invariant]++
	}
	fmt.Printf("without %-32s %s", t.name, verdict)
	if len(found) > 0 {
		fmt.Printf(" %v, as in %s", counts, found[0])
	}
	if !want {
		fmt.Print("  <-- WRONG")
	}
	fmt.Println()
	return want
}

// try builds the bundle without the protection, runs the suite on it and returns what it has against it.
func (t tooth) try(ctx context.Context, dir string) ([]string, error) {
	var overlay, lua string
	if len(t.edits) > 0 {
		var err error
		if overlay, lua, err = faults.Overlay(dir, t.file, t.edits); err != nil {
			return nil, err
		}
	}
	programs, err := faults.Build(filepath.Join(dir, "bin"), overlay, lua)
	if err != nil {
		return nil, err
	}
	start, suite := faults.Start, faults.Short
	if t.behind {
		start, suite = faults.StartBehind, faults.ShortBehind
	}
	c, err := start(ctx, filepath.Join(dir, "run"), 7, programs)
	defer func() { _ = c.Stop() }() // what counts has been read
	if err != nil {
		return nil, err
	}
	var found []string
	switch err := suite(ctx, c); {
	case errors.Is(err, faults.ErrUnmet):
		return nil, err
	case err != nil:
		found = append(found, "I4: "+err.Error())
	}
	more, err := c.Failures(ctx)
	return append(more, found...), err
}
