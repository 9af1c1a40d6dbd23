package execute

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hearthfaas/hearth/shared/budget"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/plugin"
	"github.com/hearthfaas/hearth/shared/plugin/remote"
	"github.com/hearthfaas/hearth/shared/policy"
)

// sideBySide bounds how many units of a run are under way at once.
const sideBySide = 8

// stopGrace is how long a step that acts may still come to its end after somebody said stop.
const stopGrace = 500 * time.Millisecond

// freshFor is how long after the announcement of an effect its holder trusts that the claim is still its own. One
// that stood still for longer asks first: somebody else may be at the effect by now.
const freshFor = ledger.Lease / 3

// defaultWall bounds a call whose step and plugin say nothing.
const defaultWall = 60 * time.Second

// runAll runs units side by side and waits for all of them.
func (h *handler) runAll(ctx, heeding context.Context, j *journal.Journal, units []*flow.Unit) error {
	var ready []prepared
	for _, u := range units { // before any of them changes the run
		p, err := h.prepare(ctx, j.Run(), u)
		if err != nil {
			if err := h.fail(ctx, j, u, u.Tries+1, err); err != nil {
				return err
			}
			continue
		}
		ready = append(ready, p)
	}
	var group errgroup.Group // one that fails, or is refused after a stop, must not cut off the calls of the others
	group.SetLimit(sideBySide)
	for _, p := range ready {
		group.Go(func() error { return h.runUnit(ctx, heeding, j, p) })
	}
	return group.Wait()
}

// prepared is a unit whose parameters are known.
type prepared struct {
	unit     *flow.Unit
	manifest manifest.Manifest
	params   json.RawMessage
	input    json.RawMessage
	wall     time.Duration
}

// prepare resolves the parameters of a unit and checks them against the plugin's schema. It reads the run,
// which no other unit may be changing.
func (h *handler) prepare(ctx context.Context, run *flow.Run, u *flow.Unit) (prepared, error) {
	step := run.Of(u)
	p := prepared{unit: u, wall: defaultWall}
	if err := policy.May(policy.Principal{User: run.User, Role: policy.Role(run.Role)}, policy.Act, run.User); err != nil {
		return p, err
	}
	var err error
	if p.manifest, err = h.registry.Get(ctx, step.Plugin); err != nil {
		return p, err
	}
	scope, err := h.scope(ctx, run, step, u)
	if err != nil {
		return p, err
	}
	if p.params, err = flow.Expand(step.Params, scope); err != nil {
		return p, err
	}
	if err := plugin.Validate(p.manifest.Params, p.params); err != nil {
		return p, err
	}
	p.input = h.table(run, step, scope)
	if p.manifest.Limits.Wall > 0 {
		p.wall = p.manifest.Limits.Wall
	}
	if d, err := time.ParseDuration(step.Timeout); err == nil && d > 0 {
		p.wall = d
	}
	return p, nil
}

// scope is what the expressions of a unit can see.
func (h *handler) scope(ctx context.Context, run *flow.Run, step *flow.StepRun, u *flow.Unit) (flow.Scope, error) {
	zone, err := time.LoadLocation(run.Zone)
	if err != nil {
		return flow.Scope{}, fault.As(fault.Invalid, err, "the zone %s", run.Zone)
	}
	s := flow.Scope{
		Now: h.env.Now().In(zone), Date: run.Date, Run: run.ID, Event: run.Event, Params: run.Header.Params, Steps: map[string]json.RawMessage{},
		Place: fmt.Sprintf("steps.%s.params", step.ID),
	}
	if u != nil && step.Foreach != "" {
		s.Item, s.Index = u.Item, slices.Index(step.Units, u)
	}
	for _, other := range run.Steps {
		if other == step {
			continue
		}
		if s.Steps[other.ID], err = h.resultOf(ctx, other); err != nil {
			return s, err
		}
	}
	return s, nil
}

// resultOf returns a step's result: of its one unit, or the list of those of a foreach.
func (h *handler) resultOf(ctx context.Context, s *flow.StepRun) (json.RawMessage, error) {
	var list []json.RawMessage
	for _, u := range s.Units {
		if u.State != flow.UnitDone {
			if s.Foreach == "" {
				return nil, nil
			}
			continue
		}
		result, err := h.plugins.Result(ctx, u)
		if err != nil {
			return nil, err
		}
		if s.Foreach == "" {
			return result, nil
		}
		list = append(list, result)
	}
	if list == nil {
		return nil, nil
	}
	raw, err := json.Marshal(list)
	if err != nil {
		return nil, fault.As(fault.Internal, err, "the results of %s", s.ID)
	}
	return raw, nil
}

// table returns the last table among the steps that step needs, nearest first: in the shortest task files
// a step simply works on the rows of the one before it.
func (h *handler) table(run *flow.Run, step *flow.StepRun, scope flow.Scope) json.RawMessage {
	seen := map[string]bool{}
	queue := slices.Clone(step.Needs)
	for len(queue) > 0 {
		id := queue[0]
		queue = queue[1:]
		if seen[id] {
			continue
		}
		seen[id] = true
		if isTable(scope.Steps[id]) {
			return scope.Steps[id]
		}
		for _, s := range run.Steps {
			if s.ID == id {
				queue = append(queue, s.Needs...)
			}
		}
	}
	return nil
}

func isTable(raw json.RawMessage) bool {
	var t struct {
		Columns []string          `json:"columns"`
		Rows    []json.RawMessage `json:"rows"`
	}
	return json.Unmarshal(raw, &t) == nil && t.Columns != nil && t.Rows != nil
}

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
	announced := h.env.Now()
	if err := j.Intent(ctx, flow.Event{Type: flow.Intent, Step: u.ID, Attempt: attempt, Params: p.params}); err != nil {
		hold.Settle(ctx, nil)
		return err
	}
	h.tell(ctx, j, u.ID, "running")
	began := h.env.Now()
	if began.Sub(announced) > freshFor {
		if err := h.ledger.Extend(ctx, j.Claim()); err != nil {
			hold.Settle(ctx, nil)
			return err
		}
	}
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
	if err != nil && heeding.Err() != nil && fault.InDoubt(err) {
		err = fault.As(fault.Unknown, err, "cut off on request: it may or may not have happened")
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
	problem := &flow.Problem{
		Kind: string(fault.KindOf(err)), Message: fault.Text(err), Doubt: fault.InDoubt(err), Retry: fault.Retryable(err) && !errors.Is(err, budget.ErrSpent),
	}
	until := h.env.Now().Add(j.Run().Backoff(u, fault.After(err)))
	if err := j.Write(ctx, flow.Event{Type: flow.Failed, Step: u.ID, Attempt: attempt, Problem: problem, Until: until}); err != nil {
		return err
	}
	h.tell(ctx, j, u.ID, "failed")
	return nil
}

// expand evaluates the condition and the list of a step.
func (h *handler) expand(ctx context.Context, j *journal.Journal, s *flow.StepRun) error {
	scope, err := h.scope(ctx, j.Run(), s, nil)
	if err == nil && s.If != "" {
		var holds bool
		if holds, err = flow.Holds(s.If, scope); err == nil && !holds {
			return j.Write(ctx, flow.Event{Type: flow.Skipped, Step: s.ID})
		}
	}
	var items []json.RawMessage
	if err == nil && s.Foreach != "" {
		items, err = flow.Expanded(s.Foreach, scope)
	}
	if err != nil {
		return h.refuse(ctx, j, s, err)
	}
	return j.Write(ctx, flow.Event{Type: flow.Items, Step: s.ID, Items: items})
}

// refuse fails a step whose condition or list cannot be evaluated.
func (h *handler) refuse(ctx context.Context, j *journal.Journal, s *flow.StepRun, err error) error {
	if len(s.Units) == 0 { // a foreach without a list: one unit stands for it
		if err := j.Write(ctx, flow.Event{Type: flow.Items, Step: s.ID, Items: []json.RawMessage{json.RawMessage("null")}}); err != nil {
			return err
		}
	} else if err := j.Write(ctx, flow.Event{Type: flow.Items, Step: s.ID}); err != nil {
		return err
	}
	return h.fail(ctx, j, s.Units[0], 1, err)
}

// tell lets screens know that the run changed.
func (h *handler) tell(ctx context.Context, j *journal.Journal, step, status string) {
	if err := j.Tell(ctx, step, status); err != nil {
		fn.Logger(ctx, h.env.Log).Debug("a hint was lost", "step", step, "err", err)
	}
}
