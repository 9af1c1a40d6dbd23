package rollback

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/plugin/remote"
)

// Bounds of a preview: of one look, of looks at once, and of looks at all. Steps beyond show what the journal
// tells.
const (
	lookWall = 20 * time.Second
	atOnce   = 8
	mostSeen = 32
)

// PreviewRequest asks what an undo of a run would do now.
type PreviewRequest struct {
	Run string `json:"run" validate:"required"`
}

// preview tells what an undo would take back, and lets the plugins that can look how they find the world. It
// changes nothing and needs no claim.
func (h *handler) preview(ctx context.Context, in PreviewRequest) (flow.UndoPlan, error) {
	lane, err := ledger.ParseLane(in.Run)
	if err != nil {
		return flow.UndoPlan{}, err
	}
	run, err := journal.Load(ctx, h.ledger, lane)
	if err != nil {
		return flow.UndoPlan{}, err
	}
	plan := run.PlanUndo(h.env.Now())
	if !plan.Can {
		return plan, nil
	}
	var group errgroup.Group
	group.SetLimit(atOnce)
	newer := map[string]bool{}
	for i := range plan.Steps[:min(len(plan.Steps), mostSeen)] {
		step := &plan.Steps[i]
		if step.Blocked != "" {
			continue
		}
		covered := newer[step.Plugin]
		newer[step.Plugin] = true
		group.Go(func() error {
			h.look(ctx, run, step, covered)
			return nil
		})
	}
	return plan, group.Wait()
}

// look asks a step's plugin what its undo would do. A step that a newer one may have covered can look changed
// now and be taken back after that one.
func (h *handler) look(ctx context.Context, run *flow.Run, step *flow.UndoStep, covered bool) {
	m, err := h.registry.Get(ctx, step.Plugin)
	if err == nil && !m.Preview {
		return
	}
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, lookWall)
		defer cancel()
		step.Would, err = h.plugins.Preview(ctx, remote.Job{Run: run, Unit: step.Unit, Manifest: m, Params: step.Unit.Params})
	}
	switch {
	case err == nil:
		step.Look = flow.LookReady
	case fault.Is(err, fault.Conflict) && !covered:
		step.Look, step.Problem = flow.LookChanged, problem(err)
	default:
		step.Look, step.Problem = flow.LookUnknown, problem(err)
	}
}
