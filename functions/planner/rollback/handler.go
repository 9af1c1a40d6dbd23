// Package rollback is the planner step that takes a run back: newest effect first, one at a time, each
// written down before it is tried. It ends in undone, or with a person who is called by name of the step.
package rollback

import (
	"context"
	"net/http"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/plugin/remote"
)

// name is the function's name.
const name = "planner-rollback"

// Function is planner-rollback as hosts see it. Its body is the ledger.Claim of a run, which it takes over; at
// /preview it is a PreviewRequest, and the answer what an undo would do.
var Function = fn.Function{Name: name, Timeout: 30 * time.Minute, New: start}

// undoWall bounds one undo.
const undoWall = 60 * time.Second

type handler struct {
	env      *fn.Env
	ledger   *ledger.Ledger
	gateway  *gateway.Client
	registry *remote.Registry
	plugins  *remote.Caller
}

func start(ctx context.Context, env *fn.Env) (http.Handler, error) {
	h := &handler{env: env}
	var err error
	if h.ledger, err = ledger.Open(ctx, env); err != nil {
		return nil, err
	}
	if h.gateway, err = gateway.Open(env, name); err != nil {
		return nil, err
	}
	if h.registry, err = remote.OpenRegistry(env, h.gateway); err != nil {
		return nil, err
	}
	if h.plugins, err = remote.NewCaller(ctx, env, h.gateway); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("POST /preview", fn.JSON(h.preview))
	mux.Handle("/", fn.JSON(h.serve))
	return gateway.Signed(env, name, mux), nil
}

func (h *handler) serve(ctx context.Context, claim ledger.Claim) (struct{}, error) {
	j, err := journal.Resume(ctx, h.ledger, claim, h.env.Now)
	if err != nil {
		return struct{}{}, err
	}
	held, release := h.ledger.Hold(ctx, claim)
	defer release()
	return struct{}{}, h.drive(held, j)
}

func (h *handler) drive(ctx context.Context, j *journal.Journal) error {
	for ctx.Err() == nil {
		m := j.Run().Next(h.env.Now())
		var err error
		switch m.Act {
		case flow.ActBack:
			err = j.Write(ctx, flow.Event{Type: flow.GoBack})
		case flow.ActUndo:
			err = h.undo(ctx, j, m.Units[0])
		case flow.ActWait:
			return j.Wait(ctx, m.Until)
		case flow.ActEnd:
			return h.end(ctx, j, m.State)
		default: // the run goes forward again: not ours
			return j.Retry(ctx, 0)
		}
		if err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// undo takes one unit back.
func (h *handler) undo(ctx context.Context, j *journal.Journal, u *flow.Unit) error {
	run := j.Run()
	attempt := u.Undos + 1
	if err := j.Write(ctx, flow.Event{Type: flow.UndoIntent, Step: u.ID, Attempt: attempt}); err != nil {
		return err
	}
	h.tell(ctx, j, u.ID, "undoing")
	err := h.call(ctx, run, u)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err == nil {
		h.tell(ctx, j, u.ID, "undone")
		return j.Write(ctx, flow.Event{Type: flow.Undone, Step: u.ID, Attempt: attempt})
	}
	fn.Logger(ctx, h.env.Log).Warn("an undo failed", "run", run.ID, "step", u.ID, "kind", fault.KindOf(err), "err", err)
	until := h.env.Now().Add(max(time.Second<<min(attempt-1, 5), fault.After(err)))
	return j.Write(ctx, flow.Event{Type: flow.UndoFailed, Step: u.ID, Attempt: attempt, Problem: problem(err), Until: until})
}

// problem is why an undo failed. It may be repeated, so a failure that is in doubt is tried again like one that
// is not.
func problem(err error) *flow.Problem {
	return &flow.Problem{
		Kind: string(fault.KindOf(err)), Message: fault.Text(err), Retry: fault.Retryable(err) || fault.InDoubt(err), Changes: fault.Changes(err),
	}
}

func (h *handler) call(ctx context.Context, run *flow.Run, u *flow.Unit) error {
	m, err := h.registry.Get(ctx, run.Of(u).Plugin)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, undoWall)
	defer cancel()
	return h.plugins.Undo(ctx, remote.Job{Run: run, Unit: u, Manifest: m, Params: u.Params})
}

func (h *handler) end(ctx context.Context, j *journal.Journal, state flow.State) error {
	session, err := j.End(ctx, flow.Event{State: state})
	if err != nil || session == "" {
		return err
	}
	return h.gateway.Ring(ctx, "planner-intent", string(session))
}

// tell lets screens know that the run changed.
func (h *handler) tell(ctx context.Context, j *journal.Journal, step, status string) {
	if err := j.Tell(ctx, step, status); err != nil {
		fn.Logger(ctx, h.env.Log).Debug("a hint was lost", "step", step, "err", err)
	}
}
