package execute

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/plugin"
	"github.com/hearthfaas/hearth/shared/policy"
)

// sideBySide bounds how many units of a run are under way at once.
const sideBySide = 8

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
