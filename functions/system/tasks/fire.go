package tasks

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/policy"
)

// slot is what the pump asks to be fired.
type slot struct {
	Task     string    `json:"task" validate:"required"`
	Expected time.Time `json:"expected"`
}

// row is one past slot of a task.
type row struct {
	At      time.Time `json:"at"`
	Fired   bool      `json:"fired"`
	FiredAt time.Time `json:"fired_at,omitzero"` // later than At by its jitter, or because nobody was there
	Run     string    `json:"run,omitempty"`
	Why     string    `json:"why,omitempty"`  // why it was skipped
	More    int       `json:"more,omitempty"` // skipped slots before it that have no row of their own
}

// fire takes the slots of a task that have come: each becomes a run or a row that says why not. Only the
// one replica that the ledger lets through creates the run.
func (h *handler) fire(ctx context.Context, s slot) (struct{}, error) {
	t, plan, doc, err := h.load(ctx, s.Task)
	if fault.Is(err, fault.NotFound) {
		return struct{}{}, h.ledger.Schedule(ctx, s.Task, ledger.Slot{})
	}
	if err != nil {
		return struct{}{}, err
	}
	if plan.Trigger == nil || t.Off {
		return struct{}{}, h.ledger.Schedule(ctx, s.Task, ledger.Slot{})
	}
	schedule, err := h.schedule(ctx, plan)
	if err != nil {
		return struct{}{}, err
	}
	due := schedule.Due(s.Expected, h.env.Now())
	busy, err := h.busy(ctx, t)
	if err != nil {
		return struct{}{}, err
	}
	if busy && plan.Trigger.Overlap == flow.OverlapQueue {
		return struct{}{}, nil // the slot stays due until the last run has ended
	}
	stopped, err := h.ledger.Braked(ctx, t.Owner)
	if err != nil {
		return struct{}{}, err
	}
	rows := rowsOf(due, *plan.Trigger)
	if len(rows) == 0 {
		return struct{}{}, h.ledger.Schedule(ctx, s.Task, slotOf(schedule, due.Next))
	}
	expected := s.Expected
	for i, r := range rows {
		next := due.Next
		if i+1 < len(rows) {
			next = rows[i+1].At
		}
		if r.Why == "" && busy && plan.Trigger.Overlap != flow.OverlapAllow {
			r.Why = "the last run, " + t.LastRun + ", still goes"
		}
		if r.Why == "" && stopped {
			r.Why = "it was stopped, until hearth resume"
		}
		run, fired, err := h.fireOne(ctx, t, plan, ledger.Fire{Task: plan.TaskID, Expected: expected, Next: slotOf(schedule, next)}, r)
		expected = next
		if err != nil || !fired {
			return struct{}{}, err
		}
		if run == "" {
			continue
		}
		busy, t.LastRun = true, string(run)
		if err := h.remember(ctx, &doc, t, run); err != nil {
			return struct{}{}, err
		}
		if err := h.gateway.Ring(ctx, "planner-execute", string(run)); err != nil {
			return struct{}{}, err
		}
	}
	return struct{}{}, nil
}

// rowsOf returns the rows of the slots that have come due, oldest first, with the reason of those that are skipped.
func rowsOf(due flow.Due, t flow.Trigger) []row {
	var rows []row
	for _, at := range due.Skipped {
		rows = append(rows, row{At: at, Why: "missed while the scheduler was away (misfire " + t.Misfire + ", grace " + t.Grace + ")"})
	}
	if due.More > 0 && len(rows) > 0 {
		newest := &rows[len(rows)-1] // the oldest rows go first
		newest.More = due.More
		newest.Why += fmt.Sprintf("; so were %d older ones that have no row", due.More)
	}
	for _, at := range due.Run {
		rows = append(rows, row{At: at})
	}
	return rows
}

// fireOne moves the schedule from one slot to the next.
func (h *handler) fireOne(ctx context.Context, t journal.Task, plan flow.Plan, f ledger.Fire, r row) (ledger.Lane, bool, error) {
	var lane ledger.Lane
	if r.Fired = r.Why == ""; r.Fired {
		lane, r.FiredAt = h.runOf(plan.TaskID, r.At), h.env.Now()
		header, err := h.prepare(ctx, t, plan, journal.Request{ID: string(lane), Origin: journal.FromTask})
		if err != nil {
			return "", false, err
		}
		raw, err := json.Marshal(header)
		if err != nil {
			return "", false, fault.As(fault.Internal, err, "the run %s", lane)
		}
		f.Run, r.Run = &ledger.Spawn{Lane: lane, Header: raw}, string(lane)
	}
	note, err := json.Marshal(r)
	if err != nil {
		return "", false, fault.As(fault.Internal, err, "a row of %s", plan.TaskID)
	}
	f.Note = note
	fired, err := h.ledger.Fire(ctx, f)
	return lane, fired, err
}

// busy reports whether a task's last run still goes.
func (h *handler) busy(ctx context.Context, t journal.Task) (bool, error) {
	lane, err := ledger.ParseLane(t.LastRun)
	if err != nil {
		return false, nil
	}
	run, err := journal.Load(ctx, h.ledger, lane)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil && !run.State.Over(), err
}

// history returns the past slots of a task, newest first.
func (h *handler) history(ctx context.Context, r gateway.Request) (any, error) {
	id := r.PathValue("task")
	if detail := r.PathValue("detail"); detail != "history" {
		return nil, fault.New(fault.NotFound, "a task has no %q", detail)
	}
	t, _, _, err := h.load(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := policy.May(r.By, policy.See, t.Owner); err != nil {
		return nil, err
	}
	notes, err := h.ledger.Fires(ctx, id, flow.MaxSkipped)
	if err != nil {
		return nil, err
	}
	type fire struct {
		row
		Outcome flow.State `json:"outcome,omitempty"`
	}
	fires := make([]fire, len(notes))
	for i, note := range notes {
		if err := json.Unmarshal(note, &fires[i].row); err != nil {
			return nil, fault.As(fault.Internal, err, "a row of %s", id)
		}
		fires[i].Outcome = h.outcome(ctx, fires[i].Run)
	}
	return map[string]any{"fires": fires}, nil
}

// outcome is the state of a run that may be forgotten by now.
func (h *handler) outcome(ctx context.Context, id string) flow.State {
	lane, err := ledger.ParseLane(id)
	if err != nil {
		return ""
	}
	run, err := journal.Load(ctx, h.ledger, lane)
	if err != nil {
		return ""
	}
	return run.Shown(h.env.Now())
}
