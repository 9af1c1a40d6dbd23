package tasks

import (
	"context"

	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/policy"
)

// fork starts a new run that is made from an old one. It belongs to the one who asks, whose authority and
// files it has. With an idempotency key, asked again it is the same run.
func (h *handler) fork(ctx context.Context, r gateway.Request) (any, error) {
	var in struct {
		From   string      `json:"from"` // the step to begin with; none: all run anew
		Set    flow.Values `json:"set"`  // by step.param, or params.name; null takes a parameter out
		Now    bool        `json:"now"`  // the day and the zone of today, not the recorded ones
		DryRun bool        `json:"dry_run"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	_, old, err := h.find(ctx, r, r.PathValue("run"), policy.Act)
	if err != nil {
		return nil, err
	}
	o, err := h.once(r, "fork "+old.ID)
	if err != nil {
		return nil, err
	}
	run, err := h.start(ctx, o, func(id string) (flow.Header, error) {
		plugins, err := h.registry.All(ctx)
		if err != nil {
			return flow.Header{}, err
		}
		f := journal.Forking{ID: id, By: r.By, From: in.From, Set: in.Set, Fresh: in.Now, DryRun: in.DryRun, Lang: lang(r), Zone: h.zone, Now: h.env.Now()}
		if f.Lang == "" {
			f.Lang = old.Lang
		}
		return f.Prepare(h.env, old, plugins)
	})
	if err != nil {
		return nil, err
	}
	return run.View(h.env.Now()), nil
}

// freeze makes a task of a run that ended well. It keeps nothing: whoever wants the task applies it.
func (h *handler) freeze(ctx context.Context, r gateway.Request) (any, error) {
	var in struct {
		As   string            `json:"as"`   // the task's id
		Lift map[string]string `json:"lift"` // by step.param: the name that the parameter gets
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	_, run, err := h.find(ctx, r, r.PathValue("run"), policy.See)
	if err != nil {
		return nil, err
	}
	plugins, err := h.registry.All(ctx)
	if err != nil {
		return nil, err
	}
	return journal.Freeze(run, plugins, in.As, in.Lift)
}

// replay shows what happened in a run, line by line of its journal. It calls nobody and changes nothing.
func (h *handler) replay(ctx context.Context, r gateway.Request) (any, error) {
	lane, run, err := h.find(ctx, r, r.PathValue("run"), policy.See)
	if err != nil {
		return nil, err
	}
	moments, err := journal.Replay(ctx, h.ledger, lane)
	if err != nil {
		return nil, err
	}
	return map[string]any{"run": run.View(h.env.Now()), "moments": moments}, nil
}
