package tasks

import (
	"context"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/policy"
)

// edit changes parameters of a plan that waits for approval. The plan gets a new digest and a new card, and
// goes on waiting, unless its editor may approve it and says so.
func (h *handler) edit(ctx context.Context, r gateway.Request) (any, error) {
	var in struct {
		Digest  string      `json:"digest"` // of the plan that was seen
		Set     flow.Values `json:"set"`    // by step.param; null takes a parameter out
		Approve bool        `json:"approve"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	lane, run, err := h.find(ctx, r, r.PathValue("run"), policy.Act)
	if err != nil {
		return nil, err
	}
	switch {
	case !run.Can(h.env.Now()).Edit:
		return nil, h.cannot(run, "edit")
	case policy.Role(run.Role).Above(r.By.Role):
		return nil, fault.New(fault.Forbidden, "the plan of %s runs with the role %s, and you have %s", run.User, run.Role, r.By.Role)
	}
	if err := journal.CheckSeen(run, in.Digest); err != nil {
		return nil, err
	}
	if run, err = h.change(ctx, lane, run, r.By, in.Set); err != nil {
		return nil, err
	}
	if in.Approve && journal.MayApprove(run, r.By, h.fourEyes) == nil {
		if _, err := h.apply(ctx, lane, run, r.By, "approve", decision{Digest: run.Digest}); err != nil {
			return nil, err
		}
		if run, err = journal.Load(ctx, h.ledger, lane); err != nil {
			return nil, err
		}
	}
	return decided{View: run.View(h.env.Now())}, h.gateway.Ring(ctx, "planner-execute", string(lane))
}

// change writes an edit down and returns the run as it is then.
func (h *handler) change(ctx context.Context, lane ledger.Lane, run *flow.Run, by policy.Principal, set flow.Values) (*flow.Run, error) {
	plugins, err := h.registry.All(ctx)
	if err != nil {
		return nil, err
	}
	edit, err := journal.Edit(h.env, run, set, h.env.Now(), plugins)
	if err != nil {
		return nil, err
	}
	e := flow.Event{Type: flow.Edited, At: h.env.Now(), By: by.User, Revision: run.Revision, Edit: edit}
	if _, err := h.write(ctx, lane, run, e, ledger.KeepStop); err != nil {
		return nil, err
	}
	if run, err = journal.Load(ctx, h.ledger, lane); err != nil {
		return nil, err
	}
	if run.Digest != edit.Digest {
		return nil, overtaken(run)
	}
	return run, nil
}

// overtaken is what somebody hears whose decision was written after another one.
func overtaken(run *flow.Run) error {
	return fault.New(fault.Conflict, "somebody decided about this plan, or edited it, at the same moment").Try("hearth runs show " + run.ID)
}
