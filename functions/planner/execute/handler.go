// Package execute is the planner step that drives a run: it decides what is next, writes it down, and then
// does it. Everything it needs to go on after a crash stands in the journal.
package execute

import (
	"context"
	"net/http"
	"time"

	"github.com/hearthfaas/hearth/shared/budget"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/plugin/remote"
	"github.com/hearthfaas/hearth/shared/vault"
)

// name is the function's name.
const name = "planner-execute"

// Function is planner-execute as hosts see it. Its body is a gateway.Bell with the lane of a run.
var Function = fn.Function{Name: name, Timeout: 30 * time.Minute, New: start}

// stuckAfter is the number of claims without progress after which a run needs a person.
const stuckAfter = 8

type handler struct {
	env      *fn.Env
	ledger   *ledger.Ledger
	gateway  *gateway.Client
	registry *remote.Registry
	plugins  *remote.Caller
	budget   *budget.Book
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
	if h.budget, err = budget.Open(ctx, env); err != nil {
		return nil, err
	}
	return gateway.Signed(env, name, fn.JSON(h.serve)), nil
}

// serve answers a doorbell: it takes the run, if it is free and due, and drives it until it waits or ends.
func (h *handler) serve(ctx context.Context, bell gateway.Bell) (struct{}, error) {
	lane, err := ledger.ParseLane(bell.Lane)
	if err != nil {
		return struct{}{}, err
	}
	j, err := journal.Take(ctx, h.ledger, lane, h.env.Now)
	if err != nil || j == nil {
		return struct{}{}, err
	}
	held, release := h.ledger.Hold(ctx, j.Claim())
	heeding, forget := j.Heed(held)
	err = h.drive(held, heeding, j)
	forget()
	release()
	if fault.Is(err, fault.Stale) {
		return struct{}{}, nil // another holder goes on from the journal
	}
	if err != nil {
		fn.Logger(ctx, h.env.Log).Error("the run pauses", "run", lane, "err", err)
		return struct{}{}, j.Retry(context.WithoutCancel(ctx), pause(j.Attempt))
	}
	return struct{}{}, nil
}

// pause is how long a run rests after an error of ours: doubling from one second up to a minute.
func pause(attempt int) time.Duration {
	return min(time.Second<<min(attempt, 10), time.Minute)
}

// drive carries out one move after another until the run waits, ends, or goes to planner-rollback. heeding ends
// when somebody says stop.
func (h *handler) drive(ctx, heeding context.Context, j *journal.Journal) error {
	if j.Attempt > stuckAfter {
		return h.end(ctx, j, flow.NeedsHuman, &flow.Problem{Kind: string(fault.Internal), Message: "no progress after repeated attempts"})
	}
	if err := h.recard(ctx, j); err != nil {
		return err
	}
	for ctx.Err() == nil {
		m := j.Run().Next(h.env.Now())
		var err error
		switch m.Act {
		case flow.ActNone:
			return j.Rest(ctx)
		case flow.ActWait:
			return j.Wait(ctx, m.Until)
		case flow.ActExpand:
			err = h.expand(ctx, j, m.Step)
		case flow.ActCheck:
			err = h.check(ctx, j, m.Units[0])
		case flow.ActDoubt:
			err = h.doubt(ctx, j, m.Units[0])
		case flow.ActRun:
			err = h.runAll(ctx, heeding, j, m.Units)
		case flow.ActBack, flow.ActUndo:
			return h.handOver(ctx, j)
		case flow.ActInstall:
			err = h.install(ctx, j)
		case flow.ActEnd:
			return h.end(ctx, j, m.State, nil)
		}
		if stopped := fault.Is(err, fault.Forbidden); stopped || err == nil && heeding.Err() != nil && !j.Run().Stopping {
			err = j.Halt(ctx)
		}
		if err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// recard shows the plan anew to the conversation that asked for it, when somebody has edited it. An edit wakes the
// run, so that this is not lost in a crash after it.
func (h *handler) recard(ctx context.Context, j *journal.Journal) error {
	session, err := j.Recard(ctx)
	if err != nil || session == "" {
		return err
	}
	return h.gateway.Ring(ctx, "planner-intent", string(session))
}

// handOver lets planner-rollback go on under the same claim.
func (h *handler) handOver(ctx context.Context, j *journal.Journal) error {
	c := j.Claim()
	call := vault.Call{User: j.Run().User, Role: j.Run().Role, Lane: string(c.Lane), Owner: c.Owner, Epoch: c.Epoch}
	return h.gateway.Call(ctx, "planner-rollback", call, c, nil)
}

// doubt writes down that an irreversible step was cut off in the middle.
func (h *handler) doubt(ctx context.Context, j *journal.Journal, u *flow.Unit) error {
	problem := &flow.Problem{Kind: string(fault.Unknown), Message: "cut off while it acted: it may or may not have happened", Doubt: true}
	return j.Write(ctx, flow.Event{Type: flow.Failed, Step: u.ID, Attempt: u.Tries, Problem: problem})
}

// end ends the run and wakes the session that waits for the result.
func (h *handler) end(ctx context.Context, j *journal.Journal, state flow.State, problem *flow.Problem) error {
	session, err := j.End(ctx, flow.Event{State: state, Problem: problem})
	if err != nil || session == "" {
		return err
	}
	h.tell(ctx, j, "", string(state))
	return h.gateway.Ring(ctx, "planner-intent", string(session))
}
