package execute

import (
	"context"
	"encoding/json"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/plugin/remote"
)

// checkWall bounds one question to a plugin.
const checkWall = 60 * time.Second

// check asks a unit's plugin whether it happened, and writes down what it says. That it did not is final only
// once no call of it can be under way any more; before, it is asked again.
func (h *handler) check(ctx context.Context, j *journal.Journal, u *flow.Unit) error {
	receipt, applied, err := h.reconcile(ctx, j.Run(), u)
	if ctx.Err() != nil {
		return context.Cause(ctx) // not the plugin's failure: we are being stopped
	}
	e, now := flow.Event{Type: flow.Unclear, Step: u.ID, Attempt: u.Checks + 1}, h.env.Now()
	switch final := j.Run().Final(u); {
	case err != nil:
		fn.Logger(ctx, h.env.Log).Warn("a plugin cannot tell whether a step happened", "run", j.Run().ID, "step", u.ID, "err", err)
		// A question may be repeated, so one whose answer was lost is asked again.
		e.Problem = &flow.Problem{Kind: string(fault.KindOf(err)), Message: fault.Text(err), Retry: fault.Retryable(err) || fault.InDoubt(err)}
		e.Until = now.Add(max(u.CheckPause(), fault.After(err)))
	case applied:
		e.Type, e.Receipt = flow.Found, receipt
	case now.Before(final):
		e.Until = final
	default:
		e.Type, e.Until = flow.Missing, now.Add(j.Run().Backoff(u, 0))
	}
	if err := j.Write(ctx, e); err != nil {
		return err
	}
	h.tell(ctx, j, u.ID, string(e.Type))
	return nil
}

// reconcile asks the plugin under the key of the unit's attempts. The receipt is there when it happened.
func (h *handler) reconcile(ctx context.Context, run *flow.Run, u *flow.Unit) (receipt []byte, applied bool, err error) {
	m, err := h.registry.Get(ctx, run.Of(u).Plugin)
	if err != nil {
		return nil, false, err
	}
	ctx, cancel := context.WithTimeout(ctx, checkWall)
	defer cancel()
	got, applied, err := h.plugins.Reconcile(ctx, remote.Job{Run: run, Unit: u, Manifest: m, Params: u.Params})
	if err != nil || !applied {
		return nil, false, err
	}
	if receipt, err = json.Marshal(got); err != nil {
		return nil, false, fault.As(fault.Internal, err, "the receipt of %s", u.ID)
	}
	return receipt, true, nil
}
