package tasks

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/policy"
)

// calendarSpace is where holiday calendars are kept in the ledger, by their name.
const calendarSpace = "calendars"

// calendar is a holiday calendar as it is stored.
type calendar struct {
	Name string          `json:"name"`
	Days json.RawMessage `json:"days"` // as it was written: {"holidays": […], "workdays": […]}
	By   string          `json:"by"`
	At   time.Time       `json:"at"`
}

// schedule compiles the schedule of a task with a timed trigger.
func (h *handler) schedule(ctx context.Context, plan flow.Plan) (*flow.Schedule, error) {
	var days *flow.Calendar
	if name := plan.Trigger.Calendar; name != "" {
		c, _, err := h.calendar(ctx, name)
		if err != nil && !fault.Is(err, fault.NotFound) { // NewSchedule says where that name stands
			return nil, err
		}
		if err == nil {
			if days, err = flow.ParseCalendar(c.Days); err != nil {
				return nil, fault.Wrap(err, "the calendar %s", name)
			}
		}
	}
	s, err := flow.NewSchedule(*plan.Trigger, h.zoneOf(plan), days)
	if err != nil {
		return nil, err
	}
	return s.Of(plan.TaskID), nil
}

// next returns a task's next slot after a time, zero for none.
func (h *handler) next(ctx context.Context, plan flow.Plan, after time.Time) (ledger.Slot, error) {
	if plan.Trigger == nil || !plan.Trigger.Timed() {
		return ledger.Slot{}, nil
	}
	s, err := h.schedule(ctx, plan)
	if err != nil {
		return ledger.Slot{}, err
	}
	// The ledger keeps milliseconds, and a slot has to have one name.
	return slotOf(s, s.Next(after).Truncate(time.Millisecond)), nil
}

func slotOf(s *flow.Schedule, at time.Time) ledger.Slot {
	return ledger.Slot{Time: at, At: s.At(at), Deadline: s.Deadline(at)}
}

func (h *handler) calendar(ctx context.Context, name string) (calendar, ledger.Doc, error) {
	doc, err := h.ledger.Get(ctx, calendarSpace, name)
	if fault.Is(err, fault.NotFound) {
		err = fault.New(fault.NotFound, "no calendar %.40q", name).Try("hearth calendar list")
	}
	if err != nil {
		return calendar{}, ledger.Doc{ID: name, Rev: ledger.Absent}, err
	}
	var c calendar
	if err := json.Unmarshal(doc.Body, &c); err != nil {
		return c, doc, fault.As(fault.Internal, err, "the calendar %s cannot be read", name)
	}
	return c, doc, nil
}

func (h *handler) listCalendars(ctx context.Context, r gateway.Request) (any, error) {
	if err := policy.May(r.By, policy.See, ""); err != nil {
		return nil, err
	}
	docs, err := h.ledger.List(ctx, calendarSpace)
	if err != nil {
		return nil, err
	}
	used, err := h.users(ctx)
	if err != nil {
		return nil, err
	}
	type entry struct {
		calendar
		Tasks []string `json:"tasks"`
	}
	list := []entry{}
	for _, doc := range docs {
		var c calendar
		if err := json.Unmarshal(doc.Body, &c); err != nil {
			return nil, fault.As(fault.Internal, err, "the calendar %s cannot be read", doc.ID)
		}
		list = append(list, entry{c, idsOf(used[doc.ID])})
	}
	return map[string]any{"calendars": list}, nil
}

func (h *handler) getCalendar(ctx context.Context, r gateway.Request) (any, error) {
	if err := policy.May(r.By, policy.See, ""); err != nil {
		return nil, err
	}
	c, _, err := h.calendar(ctx, r.PathValue("name"))
	return c, err
}

// putCalendar checks a calendar before it replaces the last good one, and plans the tasks that use it anew.
func (h *handler) putCalendar(ctx context.Context, r gateway.Request) (any, error) {
	name := r.PathValue("name")
	if err := policy.May(r.By, policy.Command, ""); err != nil {
		return nil, err
	}
	if err := flow.CheckID(name); err != nil {
		return nil, err
	}
	if _, err := flow.ParseCalendar(r.Body); err != nil {
		return nil, err
	}
	_, doc, err := h.calendar(ctx, name)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	doc.Body, err = json.Marshal(calendar{Name: name, Days: r.Body, By: r.By.User, At: h.env.Now()})
	if err != nil {
		return nil, fault.As(fault.Internal, err, "the calendar %s", name)
	}
	if _, err := h.ledger.Put(ctx, calendarSpace, doc, 0); err != nil {
		return nil, err
	}
	tasks, err := h.replan(ctx, name)
	return map[string]any{"name": name, "tasks": tasks}, err
}

// replan gives the tasks that use a calendar their next slot by what it says now. A slot that has come already is
// still fired.
func (h *handler) replan(ctx context.Context, name string) ([]view, error) {
	used, err := h.users(ctx)
	if err != nil {
		return nil, err
	}
	slots, err := h.ledger.Scheduled(ctx)
	if err != nil {
		return nil, err
	}
	now, views := h.env.Now(), []view{}
	for _, u := range used[name] {
		slot := slots[u.plan.TaskID]
		if !u.task.Off && (slot.Time.IsZero() || slot.Time.After(now)) {
			if slot, err = h.next(ctx, u.plan, now); err != nil {
				return nil, err
			}
			if err := h.ledger.Schedule(ctx, u.plan.TaskID, slot); err != nil {
				return nil, err
			}
		}
		views = append(views, h.view(u.plan.TaskID, u.task, u.plan, slot))
	}
	return views, nil
}

func (h *handler) deleteCalendar(ctx context.Context, r gateway.Request) (any, error) {
	name := r.PathValue("name")
	if err := policy.May(r.By, policy.Command, ""); err != nil {
		return nil, err
	}
	_, doc, err := h.calendar(ctx, name)
	if err != nil {
		return nil, err
	}
	used, err := h.users(ctx)
	if err != nil {
		return nil, err
	}
	if ids := idsOf(used[name]); len(ids) > 0 {
		return nil, fault.New(fault.Conflict, "the calendar %s is used by %v", name, ids).Try("hearth task delete " + ids[0])
	}
	return map[string]string{"deleted": name}, h.ledger.Delete(ctx, calendarSpace, name, doc.Rev)
}

// user is a task that uses a calendar.
type user struct {
	task journal.Task
	plan flow.Plan
}

// users returns the tasks that use calendars, by the calendar's name.
func (h *handler) users(ctx context.Context) (map[string][]user, error) {
	docs, err := h.ledger.List(ctx, journal.TaskSpace)
	if err != nil {
		return nil, err
	}
	used := map[string][]user{}
	for _, doc := range docs {
		var t journal.Task
		if err := json.Unmarshal(doc.Body, &t); err != nil {
			return nil, fault.As(fault.Internal, err, "the task %s cannot be read", doc.ID)
		}
		plan, err := flow.Parse(t.Plan)
		if err != nil {
			return nil, fault.Wrap(err, "task %s", doc.ID)
		}
		if plan.Trigger != nil && plan.Trigger.Calendar != "" {
			used[plan.Trigger.Calendar] = append(used[plan.Trigger.Calendar], user{t, flow.Normalize(plan)})
		}
	}
	return used, nil
}

func idsOf(tasks []user) []string {
	ids := []string{}
	for _, u := range tasks {
		ids = append(ids, u.plan.TaskID)
	}
	slices.Sort(ids)
	return ids
}
