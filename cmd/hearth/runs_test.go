package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares what a command left behind with testdata/<name>.golden.
func golden(t *testing.T, name string, got result) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	text := fmt.Sprintf("exit %d\n-- stdout --\n%s-- stderr --\n%s", got.code, got.out, got.err)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("%s\n got:\n%s\nwant:\n%s", path, text, want)
	}
}

func seconds(n int) time.Time { return noon.Add(time.Duration(n) * time.Second) }

func attempt(n, from, to int, problem string) flow.ViewAttempt {
	a := flow.ViewAttempt{N: n, Started: seconds(from), Ended: seconds(to)}
	if problem != "" {
		a.Error = &flow.Problem{Kind: "unavailable", Message: problem}
	}
	return a
}

// report is a run of three steps that waits for its approval.
func report(id string) flow.View {
	return flow.View{
		ID: id, Rev: 1, Title: "生成报表并发送邮件", Origin: "chat", User: "mei", Lang: "zh", Created: noon, Zone: "Asia/Shanghai", Date: "2026-11-22",
		State: flow.WaitingApproval, Exit: 7, Digest: strings.Repeat("9f2c", 16),
		Approval: &flow.ViewApproval{Needed: true, State: "open", Expires: noon.Add(time.Hour)},
		Card: &flow.Card{
			Lines:      []string{"Query the sales: SELECT * FROM sales", "Fill a workbook → /output/2026-11-22.xlsx", "Send a mail: team@example.com"},
			Recipients: []flow.Recipient{{To: "team@example.com", External: true}}, Undoable: 2, Total: 3,
		},
		Steps: []flow.ViewStep{
			{ID: "query", Plugin: "database_query", Title: "Query the sales", Effect: "read", State: flow.Planned},
			{ID: "sheet", Plugin: "excel_generator", Title: "Fill a workbook", Effect: "compensable", State: flow.Planned, Needs: []string{"query"}},
			{ID: "mail", Plugin: "email_sender", Title: "Send a mail", Effect: "irreversible", State: flow.Planned, Needs: []string{"sheet"}},
		},
		Can: flow.Can{Approve: true, Deny: true, Cancel: true},
	}
}

// approved makes a report run.
func approved(v *flow.View) {
	v.State, v.Exit, v.Can = flow.Running, 1, flow.Can{Cancel: true}
}

// works is how a report that runs goes well.
var works = []func(v *flow.View){
	func(v *flow.View) {
		v.Steps[0].State, v.Steps[0].Summary = flow.UnitDone, "3 rows"
		v.Steps[0].Attempts = []flow.ViewAttempt{attempt(1, 0, 1, "")}
	},
	func(v *flow.View) {
		v.Steps[1].State, v.Steps[1].Attempts = flow.UnitRunning, []flow.ViewAttempt{{N: 1, Started: seconds(1)}}
	},
	func(v *flow.View) {
		v.Steps[1].State, v.Steps[1].Summary = flow.UnitDone, "3 rows into /output/2026-11-22.xlsx"
		v.Steps[1].Attempts = []flow.ViewAttempt{attempt(1, 1, 3, "")}
		v.Steps[1].Files = json.RawMessage(`[{"path":"/output/2026-11-22.xlsx","version":1}]`)
	},
	func(v *flow.View) {
		v.Steps[2].State, v.Steps[2].Until = flow.UnitHeld, seconds(33)
	},
	func(v *flow.View) {
		v.Steps[2].State, v.Steps[2].Summary, v.Steps[2].Until = flow.UnitDone, "sent to team@example.com", time.Time{}
		v.Steps[2].Attempts = []flow.ViewAttempt{attempt(1, 33, 34, "")}
		v.State, v.Exit, v.Ended, v.Can = flow.StateDone, 0, seconds(34), flow.Can{Undo: true}
	},
}

// breaks is how it goes when the mail server is away: the workbook is taken back.
var breaks = []func(v *flow.View){
	works[0],
	works[2],
	func(v *flow.View) {
		v.Steps[2].State, v.Steps[2].Params = flow.UnitFailed, json.RawMessage(`{"to":["team@example.com"],"subject":"Sales"}`)
		v.Steps[2].Attempts = []flow.ViewAttempt{attempt(1, 3, 5, "the mail server is away"), attempt(2, 8, 9, "the mail server is away")}
		v.State, v.Error = flow.RollingBack, &flow.ViewError{Step: "mail", Kind: "unavailable", Message: "the mail server is away"}
	},
	func(v *flow.View) { v.Steps[1].State = flow.UnitUndoing },
	func(v *flow.View) {
		v.Steps[1].State = flow.UnitUndone
		v.State, v.Exit, v.Ended, v.Can = flow.RolledBack, 5, seconds(12), flow.Can{Retry: true}
	},
}

// after returns a view as it is after these changes.
func after(v flow.View, changes ...func(*flow.View)) flow.View {
	approved(&v)
	for _, change := range changes {
		change(&v)
	}
	return v
}

func TestRuns(t *testing.T) {
	for _, c := range []struct {
		name     string
		args     []string
		settings map[string]string
	}{
		{"list", []string{"runs", "list"}, nil},
		{"list-json", []string{"runs", "list", "-o", "json", "--limit", "1"}, nil},
		{"show-waiting", []string{"runs", "show", "r3f-aaaaaaaaaa"}, nil},
		{"show-done", []string{"runs", "show", "r3f-bbb"}, map[string]string{"LANG": "zh_CN.UTF-8"}},
		{"show-failed", []string{"runs", "show", "r3f-c"}, nil},
		{"show-ambiguous", []string{"runs", "show", "r3f-"}, nil},
		{"show-missing", []string{"runs", "show", "r99"}, nil},
		{"watch-done", []string{"runs", "watch", "r3f-b"}, nil},
		{"watch-failed", []string{"runs", "watch", "r3f-c"}, nil},
		{"cancel-over", []string{"runs", "cancel", "r3f-b"}, nil},
		{"no-verb", []string{"runs", "ls"}, nil},
		{"no-id", []string{"runs", "show"}, nil},
		{"no-form", []string{"runs", "list", "-o", "xml"}, nil},
		{"no-flag", []string{"runs", "list", "--all"}, nil},
		{"stranger", []string{"runs", "list"}, map[string]string{"HEARTH_TOKEN": "ht_other"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			f.addRun(after(report("r3f-cccccccccc"), breaks...))
			f.addRun(after(report("r3f-bbbbbbbbbb"), works...))
			f.addRun(report("r3f-aaaaaaaaaa"))
			golden(t, "runs-"+c.name, f.hearth("", c.settings, c.args...))
		})
	}
}

func TestWatchFollowsToTheEnd(t *testing.T) {
	for name, script := range map[string][]func(*flow.View){"works": works, "breaks": breaks} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.addRun(report("r3f-aaaaaaaaaa"))
			f.script["r3f-aaaaaaaaaa"] = append([]func(*flow.View){approved}, script...) // somebody else approves
			f.broken[runsPath+"/r3f-aaaaaaaaaa"] = []error{nil, nil, fault.New(fault.Unavailable, "draining")}
			golden(t, "watch-"+name, f.hearth("", nil, "runs", "watch", "r3f-aaaaaaaaaa"))
		})
	}
}

func TestWatchGivesUpInTime(t *testing.T) {
	f := newFake(t)
	f.addRun(report("r3f-aaaaaaaaaa"))
	ends := make(chan struct{})
	f.script["r3f-aaaaaaaaaa"] = []func(*flow.View){func(*flow.View) { <-ends }}
	got := f.hearth("", nil, "runs", "watch", "r3f-aaaaaaaaaa", "--timeout", "50ms")
	close(ends)
	if got.code != 124 || !strings.Contains(got.err, "next: hearth runs watch r3f-aaaaaaaaaa") {
		t.Errorf("%+v", got)
	}
}

func TestUndo(t *testing.T) {
	undone := func(v *flow.View) {
		v.Steps[1].State = flow.UnitUndone
		v.State, v.Exit, v.Can = flow.StateUndone, 0, flow.Can{}
	}
	stuck := func(v *flow.View) {
		v.Steps[1].State = flow.UndoBroken
		v.Steps[1].Undo = &flow.ViewUndo{Error: &flow.Problem{Kind: "conflict", Message: "the file has changed since"}}
		v.State, v.Exit, v.Can = flow.NeedsHuman, 6, flow.Can{Undo: true}
	}
	for name, c := range map[string]struct {
		args []string
		end  func(*flow.View)
	}{
		"undo":         {[]string{"undo", "r3f-a"}, undone},
		"undo-of-runs": {[]string{"runs", "undo", "r3f-a"}, stuck},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.addRun(after(report("r3f-aaaaaaaaaa"), works...))
			f.decided = func(v *flow.View, _, _ string) { v.State, v.Exit = flow.Undoing, 1 }
			f.script["r3f-aaaaaaaaaa"] = []func(*flow.View){func(v *flow.View) { v.Steps[1].State = flow.UnitUndoing }, c.end}
			golden(t, name, f.hearth("", nil, c.args...))
		})
	}
}

func TestRetry(t *testing.T) {
	f := newFake(t)
	f.addRun(after(report("r3f-aaaaaaaaaa"), breaks...))
	f.decided = func(v *flow.View, _, _ string) {
		approved(v)
		v.Error, v.Steps[1].State, v.Steps[2].State = nil, flow.Planned, flow.Planned
	}
	f.script["r3f-aaaaaaaaaa"] = works[2:]
	golden(t, "retry", f.hearth("", nil, "runs", "retry", "r3f-a", "--from", "sheet"))
	if want := `POST /function/system-tasks/runs/r3f-aaaaaaaaaa/retry {"from":"sheet"}`; f.requests[0] != want {
		t.Errorf("asked %q", f.requests[0])
	}
}

func TestDecisions(t *testing.T) {
	digest := `{"digest":"` + strings.Repeat("9f2c", 16) + `"}`
	for _, c := range []struct {
		name  string
		args  []string
		state flow.State
		asked string
	}{
		{"approve", []string{"approve", "r3f-a"}, flow.Running, "approve " + digest},
		{"approve-follow", []string{"approve", "r3f-a", "--follow"}, flow.Running, "approve " + digest},
		{"deny", []string{"deny", "r3f-a"}, flow.StateDenied, "deny " + digest},
		{"cancel", []string{"runs", "cancel", "r3f-a", "-o", "json"}, flow.Running, "cancel {}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			f.addRun(report("r3f-aaaaaaaaaa"))
			f.decided = func(v *flow.View, verb, body string) {
				if verb+" "+body != c.asked {
					t.Errorf("asked %s %s", verb, body)
				}
				approved(v)
				v.State = c.state
			}
			f.script["r3f-aaaaaaaaaa"] = works
			golden(t, c.name, f.hearth("", nil, c.args...))
		})
	}
}

func TestStop(t *testing.T) {
	for _, c := range []struct {
		args  []string
		body  string
		until string
	}{
		{[]string{"stop"}, `{"run":"","user":""}`, "hearth resume"}, // a script that says stop means it
		{[]string{"stop", "--user", "mei"}, `{"run":"","user":"mei"}`, "hearth resume --user mei"},
		{[]string{"stop", "--run", "r3f-a"}, `{"run":"r3f-aaaaaaaaaa","user":""}`, ""},
	} {
		f := newFake(t)
		f.addRun(report("r3f-aaaaaaaaaa"))
		f.extra["POST /function/system-tasks/stop"] = func(body []byte) (any, error) {
			if string(body) != c.body {
				t.Errorf("%v asked %s", c.args, body)
			}
			return map[string]any{"stopped": []string{"r3f-aaaaaaaaaa"}, "lasts": c.until != ""}, nil
		}
		want := "Stopped: r3f-aaaaaaaaaa\n"
		if c.until != "" {
			want += "Nothing begins until: " + c.until + "\n"
		}
		if got := f.hearth("", nil, c.args...); got != (result{0, want, "hearth undo RUN takes back what was done\n"}) {
			t.Errorf("%v: %+v", c.args, got)
		}
	}
	f := newFake(t)
	if got := f.hearth("", nil, "stop", "--user", "mei", "--run", "r3f-a"); got.code != 2 || len(f.requests) != 0 {
		t.Errorf("%+v %v", got, f.requests)
	}
}
