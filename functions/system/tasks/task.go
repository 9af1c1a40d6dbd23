package tasks

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/policy"
)

// view is a task as people see it.
type view struct {
	ID      string          `json:"task_id"`
	Title   string          `json:"title,omitempty"`
	Owner   string          `json:"owner"`
	Plan    json.RawMessage `json:"plan"`
	Next    string          `json:"next"`            // the next slot: RFC 3339 in the task's zone, "" when nothing is scheduled
	Fires   string          `json:"fires,omitempty"` // when it fires, if jitter makes that later
	LastRun string          `json:"last_run,omitempty"`
	Enabled bool            `json:"enabled"`
}

func (h *handler) load(ctx context.Context, id string) (journal.Task, flow.Plan, ledger.Doc, error) {
	doc, err := h.ledger.Get(ctx, journal.TaskSpace, id)
	if fault.Is(err, fault.NotFound) {
		err = fault.New(fault.NotFound, "no task %q", id).Try("hearth task list")
	}
	if err != nil {
		return journal.Task{}, flow.Plan{}, doc, err
	}
	var t journal.Task
	if err := json.Unmarshal(doc.Body, &t); err != nil {
		return t, flow.Plan{}, doc, fault.As(fault.Internal, err, "the task %s cannot be read", id)
	}
	plan, err := flow.Parse(t.Plan)
	return t, flow.Normalize(plan), doc, err
}

func (h *handler) view(id string, t journal.Task, plan flow.Plan, next ledger.Slot) view {
	v := view{ID: id, Title: plan.Title, Owner: t.Owner, Plan: t.Plan, LastRun: t.LastRun, Enabled: !t.Off}
	if !next.Time.IsZero() {
		v.Next = next.Time.In(h.zoneOf(plan)).Format(time.RFC3339)
	}
	if !next.At.Equal(next.Time) {
		v.Fires = next.At.In(h.zoneOf(plan)).Format(time.RFC3339)
	}
	return v
}

// zoneOf is the zone that a task's days and hours are in.
func (h *handler) zoneOf(plan flow.Plan) *time.Location {
	if plan.Trigger != nil && plan.Trigger.Timezone != "" {
		if zone, err := time.LoadLocation(plan.Trigger.Timezone); err == nil {
			return zone
		}
	}
	return h.zone
}

func (h *handler) listTasks(ctx context.Context, r gateway.Request) (any, error) {
	docs, err := h.ledger.List(ctx, journal.TaskSpace)
	if err != nil {
		return nil, err
	}
	next, err := h.ledger.Scheduled(ctx)
	if err != nil {
		return nil, err
	}
	list := []view{}
	for _, doc := range docs {
		var t journal.Task
		if err := json.Unmarshal(doc.Body, &t); err != nil {
			return nil, fault.As(fault.Internal, err, "the task %s cannot be read", doc.ID)
		}
		if policy.May(r.By, policy.See, t.Owner) != nil {
			continue
		}
		plan, err := flow.Parse(t.Plan)
		if err != nil {
			return nil, fault.Wrap(err, "task %s", doc.ID)
		}
		list = append(list, h.view(doc.ID, t, plan, next[doc.ID]))
	}
	return map[string]any{"tasks": list}, nil
}

func (h *handler) getTask(ctx context.Context, r gateway.Request) (any, error) {
	id := r.PathValue("task")
	t, plan, _, err := h.load(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := policy.May(r.By, policy.See, t.Owner); err != nil {
		return nil, err
	}
	next, err := h.ledger.Scheduled(ctx)
	return h.view(id, t, plan, next[id]), err
}

// putTask checks a task as a whole before it replaces the last good one.
func (h *handler) putTask(ctx context.Context, r gateway.Request) (any, error) {
	id := r.PathValue("task")
	raw, err := flow.Parse(r.Body)
	if err != nil {
		return nil, err
	}
	plan := flow.Normalize(raw)
	if plan.TaskID != id {
		return nil, fault.New(fault.Invalid, "the task is called %q, and the address says %q", plan.TaskID, id).At("task_id")
	}
	if slices.Contains(reserved, id) {
		return nil, fault.New(fault.Invalid, "a task cannot be called %q", id).At("task_id")
	}
	t := journal.Task{Plan: r.Body, Owner: r.By.User, Role: r.By.Role, Applied: h.env.Now()}
	if err := policy.May(r.By, policy.Act, ""); err != nil {
		return nil, err
	}
	if _, err := h.prepare(ctx, t, plan, journal.Request{Origin: journal.FromTask}); err != nil {
		return nil, err
	}
	old, _, doc, err := h.load(ctx, id)
	switch {
	case fault.Is(err, fault.NotFound):
		doc = ledger.Doc{ID: id, Rev: ledger.Absent}
	case err != nil:
		return nil, err
	default:
		if err := policy.May(r.By, policy.Act, old.Owner); err != nil {
			return nil, err
		}
		t.LastRun, t.Off = old.LastRun, old.Off
	}
	return h.keep(ctx, doc, t, plan)
}

// keep stores a task and sets its next slot.
func (h *handler) keep(ctx context.Context, doc ledger.Doc, t journal.Task, plan flow.Plan) (any, error) {
	next, err := h.next(ctx, plan, h.env.Now())
	if err != nil {
		return nil, err
	}
	if t.Off {
		next = ledger.Slot{}
	}
	if err := h.store(ctx, &doc, t); err != nil {
		return nil, err
	}
	return h.view(doc.ID, t, plan, next), h.ledger.Schedule(ctx, doc.ID, next)
}

// turn turns a task off or on again. By hand it can be run all the same.
func (h *handler) turn(ctx context.Context, r gateway.Request, off bool) (any, error) {
	t, plan, doc, err := h.load(ctx, r.PathValue("task"))
	if err != nil {
		return nil, err
	}
	if err := policy.May(r.By, policy.Act, t.Owner); err != nil {
		return nil, err
	}
	t.Off = off
	return h.keep(ctx, doc, t, plan)
}

// store writes a task into its doc, which has the new revision then.
func (h *handler) store(ctx context.Context, doc *ledger.Doc, t journal.Task) error {
	body, err := json.Marshal(t)
	if err != nil {
		return fault.As(fault.Internal, err, "the task %s", doc.ID)
	}
	doc.Body = body
	stored, err := h.ledger.Put(ctx, journal.TaskSpace, *doc, 0)
	if err == nil {
		*doc = stored
	}
	return err
}

func (h *handler) deleteTask(ctx context.Context, r gateway.Request) (any, error) {
	id := r.PathValue("task")
	t, _, doc, err := h.load(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := policy.May(r.By, policy.Act, t.Owner); err != nil {
		return nil, err
	}
	if err := h.ledger.Schedule(ctx, id, ledger.Slot{}); err != nil {
		return nil, err
	}
	return map[string]string{"deleted": id}, h.ledger.Delete(ctx, journal.TaskSpace, id, doc.Rev)
}

// prepare makes the header of a run of a task. Its authority is the owner's.
func (h *handler) prepare(ctx context.Context, t journal.Task, plan flow.Plan, r journal.Request) (flow.Header, error) {
	plugins, err := h.registry.All(ctx)
	if err != nil {
		return flow.Header{}, err
	}
	r.Plan, r.Zone, r.Now = plan, h.zoneOf(plan), h.env.Now()
	if r.Lang == "" {
		r.Lang = h.env.Setting("HEARTH_LANG", "en")
	}
	r.By = policy.Principal{User: t.Owner, Role: t.Role, Via: "task " + plan.TaskID}
	r.Author = flow.ByPerson
	if r, err = r.Under(h.env); err != nil {
		return flow.Header{}, err
	}
	return journal.Prepare(r, plugins)
}

// lang is the language of the one who asks, "" when they do not say.
func lang(r gateway.Request) string {
	switch accept := strings.ToLower(r.Header.Get("Accept-Language")); {
	case accept == "":
		return ""
	case strings.HasPrefix(accept, "zh"):
		return "zh"
	default:
		return "en"
	}
}

// runTask starts a task by hand. With an idempotency key, asked again it is the same run.
func (h *handler) runTask(ctx context.Context, r gateway.Request) (any, error) {
	var in struct {
		DryRun bool        `json:"dry_run"`
		Params flow.Values `json:"params"` // other values for the plan's parameters, in this run
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	t, plan, doc, err := h.load(ctx, r.PathValue("task"))
	if err != nil {
		return nil, err
	}
	if err := policy.May(r.By, policy.Act, t.Owner); err != nil {
		return nil, err
	}
	o, err := h.once(r, "run "+plan.TaskID)
	if err != nil {
		return nil, err
	}
	run, err := h.start(ctx, o, func(id string) (flow.Header, error) {
		plan, err := plan.With(in.Params)
		if err != nil {
			return flow.Header{}, err
		}
		return h.prepare(ctx, t, plan, journal.Request{ID: id, Origin: journal.FromHand, DryRun: in.DryRun, Lang: lang(r)})
	})
	if err != nil {
		return nil, err
	}
	answer := map[string]string{"run": run.ID}
	if run.State.Over() { // repeated late: others may have run since
		return answer, nil
	}
	return answer, h.remember(ctx, &doc, t, o.lane)
}

// remember notes a task's last run. Whoever changed the task meanwhile wins: it is only a note.
func (h *handler) remember(ctx context.Context, doc *ledger.Doc, t journal.Task, lane ledger.Lane) error {
	t.LastRun = string(lane)
	if err := h.store(ctx, doc, t); err != nil && !fault.Is(err, fault.Conflict) {
		return err
	}
	return nil
}
