package execute

import (
	"context"
	"encoding/json"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/vault"
)

// install makes the plan of a run a task of the one whose run it is. To install the same task again changes
// nothing, so a crash in between does no harm.
func (h *handler) install(ctx context.Context, j *journal.Journal) error {
	run, c := j.Run(), j.Claim()
	call := vault.Call{User: run.User, Role: run.Role, Lane: string(c.Lane), Owner: c.Owner, Epoch: c.Epoch}
	var task json.RawMessage
	err := h.gateway.Call(ctx, "system-tasks/"+run.Plan.TaskID+"/install", call, run.Plan, &task)
	if fault.Retryable(err) || fault.Is(err, fault.Internal) || ctx.Err() != nil {
		return err
	}
	if err != nil {
		return h.end(ctx, j, flow.StateFailed, &flow.Problem{Kind: string(fault.KindOf(err)), Message: fault.Text(err)})
	}
	return j.Write(ctx, flow.Event{Type: flow.Installed, Receipt: task})
}
