package tasks

import (
	"context"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/policy"
	"github.com/hearthfaas/hearth/shared/vault"
)

// preview answers what an undo of a run would do now. planner-rollback asks the plugins.
func (h *handler) preview(ctx context.Context, r gateway.Request) (any, error) {
	lane, _, err := h.find(ctx, r, r.PathValue("run"), policy.See)
	if err != nil {
		return nil, err
	}
	var plan flow.UndoPlan
	call := vault.Call{User: r.By.User, Role: string(r.By.Role), Lane: string(lane)}
	return &plan, h.gateway.Call(ctx, "planner-rollback/preview", call, map[string]string{"run": string(lane)}, &plan)
}

// settle writes down what a person says of a step that nobody could tell of. Saying the same again is fine.
func (h *handler) settle(ctx context.Context, lane ledger.Lane, run *flow.Run, by policy.Principal, in decision) (*earlier, error) {
	u, open := run.Settle(in.Step)
	switch {
	case u == nil:
		return nil, fault.New(fault.Invalid, "the run has no step %q", in.Step).At("step")
	case in.Did == nil:
		return nil, fault.New(fault.Invalid, "say true when it happened, and false when it did not").At("did")
	case open:
		e := flow.Event{Type: flow.Settled, At: h.env.Now(), By: by.User, Role: string(by.Role), Step: in.Step, Did: *in.Did}
		return h.write(ctx, lane, run, e, ledger.KeepStop)
	case u.Settler == "":
		return nil, fault.New(fault.Conflict, "%s is %s: there is nothing to settle", in.Step, u.State).Try("hearth runs show " + run.ID)
	case *in.Did == (u.State == flow.UnitFailed):
		return nil, fault.New(fault.Conflict, "%s already said otherwise", u.Settler).Try("hearth runs show " + run.ID)
	default:
		return nil, nil
	}
}

// explain says why a run cannot be undone or retried now, where there is more to say than its state.
func (h *handler) explain(run *flow.Run, verb string) error {
	ended := run.UndoEnded(h.env.Now())
	switch {
	case verb == "undo" && run.State.Over() && !ended.IsZero():
		if zone, err := time.LoadLocation(run.Zone); err == nil {
			ended = ended.In(zone)
		}
		return fault.New(fault.Conflict, "the run cannot undo now: the time for it ended at %s", ended.Format("2006-01-02 15:04 MST"))
	case verb == "retry" && run.Unsettled():
		return fault.New(fault.Conflict, "nobody knows whether a step of the run happened, and it must not happen twice").
			Try("hearth runs settle " + run.ID + " STEP --happened, or --did-not")
	default:
		return nil
	}
}
