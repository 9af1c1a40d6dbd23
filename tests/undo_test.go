package tests

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestKilledRollback kills planner-rollback, in a process of its own, while it takes back what a run made:
// all of it is gone in the end, and the conversation hears so once.
func TestKilledRollback(t *testing.T) {
	t.Parallel()
	b := run(t, map[string]string{
		"HEARTH_INLINE": "none", "HEARTH_RECALL": "100ms",
		"SMTP_URL": "smtp://" + mailHost(t, refusal{}), "HEARTH_MAIL_FROM": "hearth@example.com",
	})
	random := dice(t)
	b.spoken("rolled", "take it all back", true)
	b.spoken("kept", "keep all of it", false)
	b.killedWhileRollingBack(random)
	b.killedWhileUndoing(random)
}

// sheets is how many files the tasks of spoken make.
const sheets = 8

// spoken makes a task that starts when somebody says its phrase: it makes many sheets, and may then send a
// mail.
func (b *tester) spoken(id, phrase string, mails bool) {
	b.Helper()
	var items []string
	for i := range sheets {
		items = append(items, fmt.Sprintf("'%s-%d'", id, i))
	}
	steps := []map[string]any{
		{"id": "query", "plugin": "database_query", "params": map[string]string{"sql": quickSQL}},
		{
			"id": "sheet", "plugin": "excel_generator", "foreach": "[" + strings.Join(items, ",") + "]",
			"params": map[string]string{"template": "/templates/report.xlsx", "output": "/output/{{item}}.xlsx"},
		},
	}
	if mails {
		steps = append(steps, map[string]any{
			"id": "mail", "plugin": "email_sender", "approval": "never",
			"params": map[string]any{"to": "team@example.com", "subject": id, "attachments": []string{"/output/" + id + "-0.xlsx"}},
		})
	}
	plan := map[string]any{"task_id": id, "trigger": map[string]string{"type": "message", "phrase": phrase}, "steps": steps}
	b.must("PUT", "/function/system-tasks/"+id, plan, nil)
}

// killedWhileRollingBack kills planner-rollback when it starts, when something is undone and more is left,
// and once more at random, after a mail was refused for good.
func (b *tester) killedWhileRollingBack(random *rand.Rand) {
	run := b.answered("rolled", b.say("rolled", "please take it all back", "1")).Run
	b.strike(run, "planner-rollback", func(v runView) bool { return v.State == "rolling_back" })
	b.strike(run, "planner-rollback", halfUndone)
	pause(time.Duration(random.IntN(150)) * time.Millisecond)
	b.killFunction("planner-rollback")
	if v := b.until(run, "ends", over); v.State != "rolled_back" {
		b.Errorf("the run is %+v", v)
	}
	b.expectSheets("rolled", 0)
	b.toldOnce("rolled", run, "Failed and rolled back")
}

// killedWhileUndoing does the same to the undo of a run that was done.
func (b *tester) killedWhileUndoing(random *rand.Rand) {
	run := b.answered("kept", b.say("kept", "keep all of it", "1")).Run
	if v := b.until(run, "ends", over); v.State != "done" {
		b.Fatalf("the run is %+v", v)
	}
	b.expectSheets("kept", sheets)
	b.must("POST", "/function/system-tasks/runs/"+run+"/undo", nil, nil)
	b.strike(run, "planner-rollback", halfUndone)
	pause(time.Duration(random.IntN(150)) * time.Millisecond)
	b.killFunction("planner-rollback")
	b.until(run, "is undone", func(v runView) bool { return v.State == "undone" })
	b.expectSheets("kept", 0)
	b.toldOnce("kept", run, "Done")
	b.toldOnce("kept", run, "Undone")
}

func halfUndone(v runView) bool {
	undone := 0
	for _, s := range v.Steps {
		if s.State == "undone" {
			undone++
		}
	}
	return undone > 0 && undone < sheets
}

// strike kills a function as soon as a run is in a condition. It fails the test when that never is.
func (b *tester) strike(run, name string, when func(v runView) bool) {
	b.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(patience); ; <-tick.C {
		var v runView
		b.must("GET", "/function/system-tasks/runs/"+run, nil, &v)
		if when(v) && b.killFunction(name) {
			return
		}
		if v.State == "rolled_back" || v.State == "undone" || time.Now().After(limit) {
			b.Fatalf("%s was not killed in time: the run is %+v", name, v)
		}
	}
}

// expectSheets counts the files that a task made and that are still there.
func (b *tester) expectSheets(id string, want int) {
	b.Helper()
	var got struct {
		Files []struct {
			Path string `json:"path"`
		} `json:"files"`
	}
	b.must("GET", "/function/system-files/list?path=/output", nil, &got)
	there := 0
	for _, f := range got.Files {
		if strings.HasPrefix(f.Path, "/output/"+id+"-") {
			there++
		}
	}
	if there != want {
		b.Errorf("%d of %d sheets of %s are there, not %d", there, sheets, id, want)
	}
}

// toldOnce expects that a session heard once how a run ended: a further message is answered after all that
// could still come.
func (b *tester) toldOnce(session, run, headline string) {
	b.Helper()
	after := b.say(session, "hello", "after "+headline)
	told := b.await(session, "the answer after "+headline, func(all []event) bool {
		return slices.ContainsFunc(all, func(e event) bool { return e.answers(after) })
	})
	told = slices.DeleteFunc(told, func(e event) bool {
		return e.Type != "answer" || e.Run != run || !strings.HasPrefix(e.Markdown, "**"+headline)
	})
	if len(told) != 1 {
		b.Errorf("%s hears %d times %q of %s: %+v", session, len(told), headline, run, told)
	}
}
