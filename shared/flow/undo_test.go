package flow_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/flow"
)

// TestEveryCrashOfARollback fails at each step of a plan and lets the holder die at each point of the
// rollback, and up to three times more right after it took over. Half of the plugins are away for a while.
func TestEveryCrashOfARollback(t *testing.T) {
	const steps = 12
	runs := 0
	for failing := 1; failing <= steps; failing++ {
		for first := range 2*(failing-1) + 1 {
			for more := range 4 {
				for _, away := range []int{0, 4} {
					runs++
					rollsBack(t, failing, first, more, away)
				}
			}
		}
	}
	if runs < 1000 {
		t.Errorf("only %d runs", runs)
	}
}

func rollsBack(t *testing.T, failing, first, more, away int) {
	t.Helper()
	w := newWorld(t, report(chain(slices.Repeat([]string{"sheet"}, 12)...)...))
	w.answer = fails(fmt.Sprintf("s%d", failing), flow.Problem{Kind: "failed"}, always)
	w.undo = func(_ string, try int) *flow.Problem {
		if try <= away {
			return &flow.Problem{Kind: "unavailable", Retry: true}
		}
		return nil
	}
	for !slices.ContainsFunc(w.journal, func(e flow.Event) bool { return e.Type == flow.GoBack || e.Type == flow.Ended }) {
		w.turn()
	}
	point := 0
	w.crash = func() bool { point++; return point > first && point <= first+1+more }
	r := w.finish()
	var order []string
	for i := failing - 1; i > 0; i-- {
		order = append(order, fmt.Sprintf("s%d", i))
	}
	want := flow.RolledBack
	if failing == 1 {
		want = flow.StateFailed // nothing had been done
	}
	left := 0
	for _, n := range w.effects {
		left += n
	}
	if r.State != want || left > 0 || !slices.Equal(w.order, order) {
		t.Fatalf("step %d fails, %d+%d crashes, away %d times: %s, %d effects left, undone %v", failing, first, more, away, r.State, left, w.order)
	}
}

// TestUndoInItsTime refuses an undo after the time of all receipts, and takes back what can be when only
// some have run out.
func TestUndoInItsTime(t *testing.T) {
	h := report(chain("sheet", "sheet")...)
	h.Facts["s1"] = flow.Fact{Effect: "compensable", Undo: true, UndoFor: time.Minute}
	w := newWorld(t, h)
	r := w.finish()
	late := start.Add(2 * time.Hour)
	if r.Can(late).Undo || !r.UndoEnded(late).Equal(start.Add(time.Hour)) {
		t.Fatalf("%v, ended %v", r.Can(late).Undo, r.UndoEnded(late))
	}
	w.now = start.Add(time.Minute)
	plan := r.PlanUndo(w.now)
	if len(plan.Steps) != 2 || plan.Steps[0].ID != "s2" || plan.Steps[0].Blocked != "" || plan.Steps[1].Blocked != flow.TooLate || !plan.Can || plan.Simple() {
		t.Fatalf("%+v", plan)
	}
	if !r.UndoEnded(w.now).IsZero() {
		t.Fatalf("ended %v", r.UndoEnded(w.now))
	}
	w.write(r.Round+1, flow.Event{Type: flow.UndoAsked})
	r = w.finish()
	v := r.View(w.now)
	if r.State != flow.NeedsHuman || w.effects["s1"] != 1 || w.effects["s2"] != 0 || v.Steps[0].Undo.State != "expired" || v.Can.Undo {
		t.Fatalf("%s with %v: %+v", r.State, w.effects, v.Steps[0].Undo)
	}
}

// TestUndoAgain tries again what could not be undone, when somebody asks again: the world may have been mended.
func TestUndoAgain(t *testing.T) {
	w := newWorld(t, report(chain("sheet", "mail")...))
	w.answer = fails("s2", flow.Problem{Kind: "failed"}, always)
	w.undo = fails("s1", flow.Problem{Kind: "conflict"}, 1)
	r := w.finish()
	if r.State != flow.NeedsHuman || !r.Can(w.now).Undo {
		t.Fatalf("%s, %+v", r.State, r.Can(w.now))
	}
	w.write(r.Round+1, flow.Event{Type: flow.UndoAsked})
	if r = w.finish(); r.State != flow.StateUndone || w.effects["s1"] != 0 {
		t.Fatalf("%s with %v", r.State, w.effects)
	}
}

// TestUndoPlan tells newest first what is left and what is not to be taken back.
func TestUndoPlan(t *testing.T) {
	w := newWorld(t, report(chain("read", "sheet", "mail", "sheet")...))
	plan := w.finish().PlanUndo(start)
	got := ""
	for _, s := range plan.Steps {
		got += fmt.Sprintf("%s:%s ", s.ID, s.Blocked)
	}
	if got != "s4: s3:irreversible s2: " || !plan.Can || plan.Simple() {
		t.Fatalf("%s%+v", got, plan)
	}
	if !plan.Steps[0].Until.Equal(start.Add(time.Hour)) || !plan.Steps[1].Until.IsZero() {
		t.Fatalf("%+v", plan.Steps)
	}
}
