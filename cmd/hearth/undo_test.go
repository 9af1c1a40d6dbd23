package main

import (
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
)

func TestUndoPreview(t *testing.T) {
	plan := flow.UndoPlan{Run: "r3f-aaaaaaaaaa", Title: "Report", Can: true, Steps: []flow.UndoStep{
		{ID: "mail", Plugin: "email_sender", Blocked: flow.Irreversible},
		{ID: "sheet", Plugin: "excel_generator", Until: noon.Add(720 * time.Hour), Look: flow.LookReady, Would: "would remove /output/a.xlsx"},
		{ID: "note", Plugin: "file_manager", Until: noon.Add(720 * time.Hour), Look: flow.LookChanged, Problem: &flow.Problem{
			Message: "/n.md was changed since",
			Changes: []fault.Change{{What: "/n.md", Then: "v1 · 2 B", Now: "v2 · 3 B", Diff: []string{"@@ -1,1 +1,1 @@", "-a", "+b"}}, {What: "sales id=1", Then: "id=1"}},
		}},
		{ID: "old", Plugin: "file_manager", Until: noon.Add(-time.Hour), Blocked: flow.TooLate},
		{ID: "rows", Plugin: "database_execute", Look: flow.LookUnknown},
	}}
	for _, c := range []struct {
		name string
		args []string
		lang string
	}{
		{"undo-preview", []string{"undo", "r3f-a", "--preview"}, "C"},
		{"undo-preview-zh", []string{"runs", "undo", "r3f-a", "--preview"}, "zh_CN.UTF-8"},
	} {
		f := newFake(t)
		f.addRun(after(report("r3f-aaaaaaaaaa"), works...))
		f.extra["GET /function/system-tasks/runs/r3f-aaaaaaaaaa/preview"] = func([]byte) (any, error) { return plan, nil }
		golden(t, c.name, f.hearth("", map[string]string{"LANG": c.lang}, c.args...))
	}
}

func TestSettle(t *testing.T) {
	for _, c := range []struct {
		name  string
		flags []string
		body  string // "" for nothing
	}{
		{"settle-happened", []string{"--happened"}, `{"did":true,"step":"mail"}`},
		{"settle-did-not", []string{"--did-not"}, `{"did":false,"step":"mail"}`},
		{"settle-neither", nil, ""},
		{"settle-both", []string{"--happened", "--did-not"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			v := after(report("r3f-aaaaaaaaaa"), works...)
			v.State, v.Can = flow.NeedsHuman, flow.Can{Settle: true}
			f.addRun(v)
			asked := ""
			f.decided = func(_ *flow.View, verb, body string) { asked = verb + " " + body }
			golden(t, c.name, f.hearth("", nil, append([]string{"runs", "settle", "r3f-a", "mail"}, c.flags...)...))
			if want := "settle " + c.body; c.body != "" && asked != want || c.body == "" && asked != "" {
				t.Errorf("asked %q", asked)
			}
		})
	}
}

// TestShowOfADoubt shows what is in doubt, how doubts ended, and why an undo was refused.
func TestShowOfADoubt(t *testing.T) {
	v := after(report("r3f-aaaaaaaaaa"), works...)
	v.State, v.Exit, v.Can = flow.NeedsHuman, 6, flow.Can{Settle: true}
	v.Steps[0].Check = &flow.ViewCheck{State: "happened"}
	v.Steps[1].State = flow.UndoBroken
	v.Steps[1].Undo = &flow.ViewUndo{Error: &flow.Problem{Message: "changed since", Changes: []fault.Change{{What: "/a", Then: "v1", Now: "v2"}}}}
	v.Steps[2].State, v.Steps[2].Settle = flow.UnitUnknown, true
	f := newFake(t)
	f.addRun(v)
	golden(t, "runs-show-doubt", f.hearth("", nil, "runs", "show", "r3f-a"))
}
