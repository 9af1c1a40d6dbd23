package tasks

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
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
	At    time.Time `json:"at"`
	Fired bool      `json:"fired"`
	Run   string    `json:"run,omitempty"`
	Why   string    `json:"why,omitempty"` // why it was skipped, or fired late
}

// fire takes the slots of a task that have come: each becomes a run or a row that says why not. Only the
// one replica that the ledger lets through creates the run.
func (h *handler) fire(ctx context.Context, s slot) (struct{}, error) {
	t, plan, doc, err := h.load(ctx, s.Task)
	if fault.Is(err, fault.NotFound) {
		return struct{}{}, h.ledger.Schedule(ctx, s.Task, time.Time{})
	}
	if err != nil {
		return struct{}{}, err
	}
	if plan.Trigger == nil || t.Off {
		return struct{}{}, h.ledger.Schedule(ctx, s.Task, time.Time{})
	}
	due, err := flow.Missed(*plan.Trigger, s.Expected, h.env.Now(), h.zoneOf(plan))
	if err != nil {
		return struct{}{}, err
	}
	busy, err := h.busy(ctx, t)
	if err != nil {
		return struct{}{}, err
	}
	if busy && plan.Trigger.Overlap == "queue" {
		return struct{}{}, nil // the slot stays due until the last run has ended
	}
	skip := map[time.Time]string{}
	for _, at := range due.Skipped {
		skip[at] = "missed while the scheduler was away"
	}
	slots := merged(due.Run, due.Skipped)
	if len(slots) == 0 {
		return struct{}{}, h.ledger.Schedule(ctx, s.Task, due.Next)
	}
	expected := s.Expected
	for i, at := range slots {
		next := due.Next
		if i+1 < len(slots) {
			next = slots[i+1]
		}
		why := skip[at]
		if why == "" && busy && plan.Trigger.Overlap != "allow" {
			why = "the last run, " + t.LastRun + ", still goes"
		}
		if i == 0 && due.More > 0 {
			why = strings.TrimPrefix(fmt.Sprintf("%s; so were %d before it", why, due.More), "; ")
		}
		run, fired, err := h.fireOne(ctx, t, plan, ledger.Fire{Task: plan.TaskID, Expected: expected, Next: next}, row{At: at, Why: why})
		expected = next
		if err != nil || !fired {
			return struct{}{}, err
		}
		if run != "" {
			busy = true
			if err := h.remember(ctx, doc, t, run); err != nil {
				return struct{}{}, err
			}
			if err := h.gateway.Ring(ctx, "planner-execute", string(run)); err != nil {
				return struct{}{}, err
			}
		}
	}
	return struct{}{}, nil
}

// fireOne moves the schedule from one slot to the next.
func (h *handler) fireOne(ctx context.Context, t journal.Task, plan flow.Plan, f ledger.Fire, r row) (ledger.Lane, bool, error) {
	var lane ledger.Lane
	if r.Fired = r.Why == ""; r.Fired {
		lane = h.ledger.RunFor(h.ledger.TasksLane(), plan.TaskID+"@"+r.At.UTC().Format(time.RFC3339Nano))
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

// merged puts two ascending lists of times into one.
func merged(a, b []time.Time) []time.Time {
	var all []time.Time
	for len(a) > 0 || len(b) > 0 {
		if len(b) == 0 || len(a) > 0 && a[0].Before(b[0]) {
			all, a = append(all, a[0]), a[1:]
		} else {
			all, b = append(all, b[0]), b[1:]
		}
	}
	return all
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
	notes, err := h.ledger.Fires(ctx, id, 100)
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
