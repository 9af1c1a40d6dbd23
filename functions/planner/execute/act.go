package execute

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/hearthfaas/hearth/shared/alert"
	"github.com/hearthfaas/hearth/shared/budget"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/plugin/remote"
)

// stopGrace is how long a step that acts may still come to its end after somebody said stop.
const stopGrace = 500 * time.Millisecond

// freshFor is how long after the announcement of an effect its holder trusts that the claim is still its own. One
// that stood still for longer asks first: somebody else may be at the effect by now.
const freshFor = ledger.Lease / 3

// runUnit acts: recall window, intent, call, outcome. Each line is in the journal before the next thing
// happens. A stop cuts off what can be repeated or taken back; what can be neither ends as it may, because
// cutting it off would only leave nobody knowing.
func (h *handler) runUnit(ctx, heeding context.Context, j *journal.Journal, p prepared) error {
	run, u := j.Run(), p.unit
	fact := run.Of(u).Fact
	if hold := recall(run, u, fact, p.manifest); hold > 0 {
		return j.Write(ctx, flow.Event{Type: flow.Held, Step: u.ID, Params: p.params, Until: h.env.Now().Add(hold)})
	}
	attempt := u.Tries + 1
	hold, err := h.reserve(ctx, run, u, p)
	if err != nil {
		return h.fail(ctx, j, u, attempt, err)
	}
	if err := h.announce(ctx, j, p, attempt); err != nil {
		hold.Settle(ctx, nil)
		return err
	}
	began := h.env.Now()
	defer func() { hold.Settle(ctx, amounts(fact, h.env.Now().Sub(began))) }()
	call, cancel := context.WithTimeout(ctx, p.wall)
	defer cancel()
	job := remote.Job{Run: run, Unit: u, Manifest: p.manifest, Params: p.params, Input: p.input}
	switch manifest.Effect(fact.Effect) {
	case manifest.Read, manifest.Idempotent, manifest.Compensable:
		defer context.AfterFunc(heeding, func() { h.cutOff(call, job) })()
	}
	receipt, err := h.plugins.Do(call, job)
	if ctx.Err() != nil {
		return context.Cause(ctx) // not the plugin's failure: we are being stopped
	}
	if err != nil && heeding.Err() != nil {
		err = cutShort(err)
	}
	if err != nil {
		return h.fail(ctx, j, u, attempt, err)
	}
	raw, err := json.Marshal(receipt)
	if err != nil {
		return fault.As(fault.Internal, err, "the receipt of %s", u.ID)
	}
	if err := j.Write(ctx, flow.Event{Type: flow.Done, Step: u.ID, Attempt: attempt, Receipt: raw}); err != nil {
		return err
	}
	h.tell(ctx, j, u.ID, "done")
	return nil
}

// announce writes down that a unit is about to act. Who was held up for long meanwhile asks whether the run is
// still theirs: another holder may be at it.
func (h *handler) announce(ctx context.Context, j *journal.Journal, p prepared, attempt int) error {
	began := h.env.Now()
	if err := j.Intent(ctx, flow.Event{Type: flow.Intent, Step: p.unit.ID, Attempt: attempt, Params: p.params}); err != nil {
		return err
	}
	h.tell(ctx, j, p.unit.ID, "running")
	if h.env.Now().Sub(began) <= freshFor {
		return nil
	}
	return h.stillOurs(ctx, j)
}

// stillOurs asks until the store says whether the claim is still held. Giving up would leave an announced effect behind
// that nobody can say of whether it happened.
func (h *handler) stillOurs(ctx context.Context, j *journal.Journal) error {
	for {
		err := h.ledger.Extend(ctx, j.Claim())
		if !fault.Is(err, fault.Unavailable) || ctx.Err() != nil {
			return err
		}
	}
}

// reserve takes the most that a unit can use from the budgets that its run counts against.
func (h *handler) reserve(ctx context.Context, run *flow.Run, u *flow.Unit, p prepared) (*budget.Hold, error) {
	key := fmt.Sprintf("%s/%d", run.Key(u), u.Tries+1)
	return h.budget.Reserve(ctx, key, budget.Who{User: run.User, Task: run.Plan.TaskID}, amounts(run.Of(u).Fact, p.wall))
}

// amounts is what a unit uses that takes so long.
func amounts(fact flow.Fact, took time.Duration) budget.Amounts {
	used := budget.Amounts{budget.Seconds: int64(math.Ceil(took.Seconds()))}
	if fact.Effect != string(manifest.Read) {
		used[budget.Effects] = 1
	}
	return used
}

// cutShort says for people why a step failed that was stopped.
func cutShort(err error) error {
	if fault.InDoubt(err) {
		return fault.As(fault.Unknown, err, "cut off on request: it may or may not have happened")
	}
	return fault.As(fault.KindOf(err), err, "cut off on request, without effect")
}

// cutOff asks a plugin to end what it does, until the call is over.
func (h *handler) cutOff(call context.Context, job remote.Job) {
	tick := time.NewTicker(stopGrace)
	defer tick.Stop()
	for {
		select {
		case <-call.Done():
			return
		case <-tick.C:
		}
		if err := h.plugins.Stop(call, job); err != nil {
			fn.Logger(call, h.env.Log).Warn("a plugin does not hear the stop", "run", job.Run.ID, "step", job.Unit.ID, "err", err)
		}
	}
}

// recall returns how long an irreversible unit still waits for somebody to change their mind.
func recall(run *flow.Run, u *flow.Unit, fact flow.Fact, m manifest.Manifest) time.Duration {
	if fact.Effect == string(manifest.Irreversible) && u.State == flow.Planned && len(u.Attempts) == 0 && run.Recall > 0 && !run.DryRun {
		return min(run.Recall, max(m.Limits.Recall, 0))
	}
	return 0
}

// fail writes down why a unit did not act, or may have.
func (h *handler) fail(ctx context.Context, j *journal.Journal, u *flow.Unit, attempt int, err error) error {
	if fault.Is(err, fault.Stale) {
		return err
	}
	fn.Logger(ctx, h.env.Log).Warn("a step failed", "run", j.Run().ID, "step", u.ID, "kind", fault.KindOf(err), "err", err)
	a, spent := alert.Refused(err, j.Run().User, h.env.Now())
	if spent {
		if err := alert.Raise(ctx, h.ledger, a); err != nil {
			return err
		}
	}
	problem := &flow.Problem{
		Kind: string(fault.KindOf(err)), Message: fault.Text(err), Doubt: fault.InDoubt(err), Retry: fault.Retryable(err) && !spent,
	}
	until := h.env.Now().Add(j.Run().Backoff(u, fault.After(err)))
	if err := j.Write(ctx, flow.Event{Type: flow.Failed, Step: u.ID, Attempt: attempt, Problem: problem, Until: until}); err != nil {
		return err
	}
	h.tell(ctx, j, u.ID, "failed")
	return nil
}

// tell lets screens know that the run changed.
func (h *handler) tell(ctx context.Context, j *journal.Journal, step, status string) {
	if err := j.Tell(ctx, step, status); err != nil {
		fn.Logger(ctx, h.env.Log).Debug("a hint was lost", "step", step, "err", err)
	}
}
