package tasks

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/hearthfaas/hearth/shared/alert"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/manifest"
)

// deadline is what the pump asks to be looked at: the run of a slot should have ended well by now.
type deadline struct {
	Task string    `json:"task" validate:"required"`
	Slot time.Time `json:"slot"`
}

// expect looks at the run of a slot whose deadline has come, and raises an alert unless it ended well. What became
// of it later is for the run to tell.
func (h *handler) expect(ctx context.Context, d deadline) (struct{}, error) {
	t, plan, _, err := h.load(ctx, d.Task)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return struct{}{}, err
	}
	if err == nil && plan.Trigger != nil && plan.Trigger.Expect != "" {
		a, late, err := h.late(ctx, t, plan, d.Slot)
		if err == nil && late {
			err = alert.Raise(ctx, h.ledger, a)
		}
		if err != nil {
			return struct{}{}, err
		}
	}
	return struct{}{}, h.ledger.Unwatch(ctx, ledger.Watch(d))
}

// late returns the alert about a slot, unless its run ended well. A run that failed has an alert of its own by then,
// under the key that is returned here too.
func (h *handler) late(ctx context.Context, t journal.Task, plan flow.Plan, slot time.Time) (alert.Alert, bool, error) {
	run, err := journal.Load(ctx, h.ledger, h.runOf(plan.TaskID, slot))
	var why manifest.Phrase
	switch {
	case fault.Is(err, fault.NotFound):
		if why, err = h.unfired(ctx, plan.TaskID, slot); err != nil {
			return alert.Alert{}, false, err
		}
		run = &flow.Run{}
	case err != nil:
		return alert.Alert{}, false, err
	case run.State == flow.StateDone || run.Back == flow.UndoAsked: // or somebody took it back on purpose
		return alert.Alert{}, false, nil
	default:
		if a, ok := alert.Ended(run); ok && run.State.Over() {
			return a, true, nil
		}
		why = stateOf(run.Shown(h.env.Now()))
	}
	at := slot.In(h.zoneOf(plan))
	trigger := *plan.Trigger
	trigger.Calendar = "" // it moves slots, and no deadline of one
	schedule, err := flow.NewSchedule(trigger, h.zoneOf(plan), nil)
	if err != nil {
		return alert.Alert{}, false, err
	}
	by := schedule.Deadline(at).Format(time.TimeOnly)
	name := plan.Title
	if name == "" {
		name = plan.TaskID
	}
	return alert.Alert{
		Key: "late/" + plan.TaskID + "/" + slot.UTC().Format(time.RFC3339Nano), Kind: alert.Missed,
		User: t.Owner, Task: plan.TaskID, Run: run.ID, At: h.env.Now(),
		Title: manifest.Phrase{En: name + " has not ended well in time", Zh: name + " 未按时完成"},
		Text: manifest.Phrase{
			En: fmt.Sprintf("The run of %s was expected by %s: %s\n\n`hearth task history %s`", at.Format(time.DateTime), by, why.En, plan.TaskID),
			Zh: fmt.Sprintf("%s 的运行应在 %s 前完成：%s\n\n`hearth task history %s`", at.Format(time.DateTime), by, why.Zh, plan.TaskID),
		},
	}, true, nil
}

// stateOf says in words where a run stands.
func stateOf(s flow.State) manifest.Phrase {
	switch s {
	case flow.WaitingApproval:
		return manifest.Phrase{En: "it waits for approval", Zh: "正在等待批准"}
	case flow.Stopped, flow.StateDenied:
		return manifest.Phrase{En: "it was " + string(s), Zh: "已被人停止或拒绝"}
	default:
		return manifest.Phrase{En: "it is " + string(s), Zh: "当前状态 " + string(s)}
	}
}

// unfired says why a slot has no run.
func (h *handler) unfired(ctx context.Context, task string, slot time.Time) (manifest.Phrase, error) {
	notes, err := h.ledger.Fires(ctx, task, flow.MaxSkipped)
	if err != nil {
		return manifest.Phrase{}, err
	}
	for _, note := range notes {
		var r row
		if err := json.Unmarshal(note, &r); err != nil {
			return manifest.Phrase{}, fault.As(fault.Internal, err, "a row of %s", task)
		}
		if r.At.Equal(slot) && !r.Fired {
			return manifest.Phrase{En: "it was skipped: " + r.Why, Zh: "已跳过：" + r.Why}, nil
		}
	}
	return manifest.Phrase{En: "it has not begun", Zh: "尚未开始"}, nil
}

// runOf names the run of a slot.
func (h *handler) runOf(task string, slot time.Time) ledger.Lane {
	return h.ledger.RunFor(h.ledger.TasksLane(), task+"@"+slot.UTC().Format(time.RFC3339Nano))
}
