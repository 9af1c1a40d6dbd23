package tasks

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/policy"
)

// Limits of a list and of a long poll.
const (
	mostRuns = 200
	mostWait = 60 * time.Second
)

func (h *handler) listRuns(ctx context.Context, r gateway.Request) (any, error) {
	in := struct {
		Limit int `json:"limit"`
	}{Limit: 50}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if text := r.URL.Query().Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, fault.New(fault.Invalid, "not a number of runs: %.20q", text).At("limit")
		}
		in.Limit = n
	}
	stored, err := h.ledger.Runs(ctx, min(in.Limit, mostRuns), false)
	if err != nil {
		return nil, err
	}
	views := []flow.View{}
	for _, s := range stored {
		run, err := journal.Fold(s.Header, s.Journal)
		if err != nil {
			return nil, err
		}
		if policy.May(r.By, policy.See, run.User) != nil {
			continue
		}
		views = append(views, brief(run.View(h.env.Now())))
	}
	return map[string]any{"runs": views}, nil
}

// brief leaves out what a list does not show.
func brief(v flow.View) flow.View {
	for i := range v.Steps {
		v.Steps[i].Params, v.Steps[i].Result = nil, nil
	}
	return v
}

// find returns a run that the caller may do action with.
func (h *handler) find(ctx context.Context, r gateway.Request, id string, action policy.Action) (ledger.Lane, *flow.Run, error) {
	lane, err := ledger.ParseLane(id)
	if err != nil || !lane.IsRun() {
		return "", nil, fault.New(fault.NotFound, "no such run: %.40q", id).Try("hearth runs list")
	}
	run, err := journal.Load(ctx, h.ledger, lane)
	if err != nil {
		return "", nil, err
	}
	return lane, run, policy.May(r.By, action, run.User)
}

// getRun returns a run; with wait and rev it answers when the run has changed, or after wait seconds.
func (h *handler) getRun(ctx context.Context, r gateway.Request) (any, error) {
	lane, run, err := h.find(ctx, r, r.PathValue("run"), policy.See)
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	rev, err := strconv.Atoi(q.Get("rev"))
	if err != nil {
		return run.View(h.env.Now()), nil
	}
	seconds, _ := strconv.Atoi(q.Get("wait")) // none: no waiting
	ctx, cancel := context.WithTimeout(ctx, min(time.Duration(seconds)*time.Second, mostWait))
	defer cancel()
	changed, forget := h.ledger.Changes(lane)
	defer forget()
	for {
		fresh, err := journal.Load(context.WithoutCancel(ctx), h.ledger, lane)
		if err != nil {
			return nil, err
		}
		if fresh.Rev != rev || ctx.Err() != nil {
			return fresh.View(h.env.Now()), nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// decision is the body of what people decide about a run.
type decision struct {
	Digest string `json:"digest"` // approve, deny: of the plan that was seen; a prefix of 12 characters will do
	From   string `json:"from"`   // retry: the step to begin with
	Step   string `json:"step"`   // settle: the step that was in doubt
	Did    *bool  `json:"did"`    // settle: whether it happened
}

// decide writes down what somebody decided and wakes the run. The first decision counts.
func (h *handler) decide(ctx context.Context, r gateway.Request) (any, error) {
	var in decision
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	verb := r.PathValue("verb")
	action, ok := map[string]policy.Action{
		"approve": policy.Decide, "deny": policy.Decide, "cancel": policy.Stop, "retry": policy.Act, "undo": policy.Undo, "settle": policy.Undo,
	}[verb]
	if !ok {
		return nil, fault.New(fault.NotFound, "a run cannot %s", verb)
	}
	lane, run, err := h.find(ctx, r, r.PathValue("run"), action)
	if err != nil {
		return nil, err
	}
	if err := h.apply(ctx, lane, run, r.By.User, verb, in); err != nil {
		return nil, err
	}
	if run, err = journal.Load(ctx, h.ledger, lane); err != nil {
		return nil, err
	}
	return run.View(h.env.Now()), h.gateway.Ring(ctx, "planner-execute", string(lane))
}

func (h *handler) apply(ctx context.Context, lane ledger.Lane, run *flow.Run, by, verb string, in decision) error {
	if verb == "settle" {
		return h.settle(ctx, lane, run, by, in)
	}
	can, stop := run.Can(h.env.Now()), ledger.KeepStop
	e := flow.Event{At: h.env.Now(), By: by, From: in.From}
	allowed := false
	switch verb {
	case "approve":
		e.Type, allowed = flow.Approved, can.Approve || run.Approved
	case "deny":
		e.Type, allowed = flow.Denied, can.Deny || run.Denied
	case "cancel":
		e.Type, allowed, stop = flow.Stop, can.Cancel, ledger.SetStop
	case "retry":
		e.Type, allowed, stop = flow.RetryAsked, can.Retry || in.From != "" && run.State.Over() && !can.Settle, ledger.ClearStop
	case "undo":
		e.Type, allowed, stop = flow.UndoAsked, can.Undo, ledger.ClearStop
	}
	if err := h.explain(run, verb); err != nil && !allowed {
		return err
	}
	if !allowed {
		return fault.New(fault.Conflict, "the run is %s: it cannot %s now", run.Shown(h.env.Now()), verb).Try("hearth runs show " + run.ID)
	}
	if err := check(run, in); err != nil {
		return err
	}
	return h.write(ctx, lane, run, e, stop)
}

// check binds a decision to the plan that was seen, and a retry to a step that there is.
func check(run *flow.Run, in decision) error {
	if in.Digest != "" && (len(in.Digest) < 12 || !strings.HasPrefix(run.Digest, in.Digest)) {
		return fault.New(fault.Conflict, "the plan is not the one that was shown").At("digest").Try("hearth runs show " + run.ID)
	}
	if in.From == "" {
		return nil
	}
	for _, s := range run.Steps {
		if s.ID == in.From {
			return nil
		}
	}
	return fault.New(fault.Invalid, "the run has no step %q", in.From).At("from")
}

func (h *handler) write(ctx context.Context, lane ledger.Lane, run *flow.Run, e flow.Event, stop ledger.Stopping) error {
	body, err := json.Marshal(e)
	if err != nil {
		return fault.As(fault.Internal, err, "a decision about %s", lane)
	}
	first, earlier, err := h.ledger.Decide(ctx, lane, e.Key(run.Round+1), body, stop)
	if err != nil || first {
		return err
	}
	var before flow.Event
	if err := json.Unmarshal(earlier, &before); err != nil {
		return fault.As(fault.Internal, err, "a decision about %s", lane)
	}
	if before.Type != e.Type || before.Step != e.Step || before.Did != e.Did {
		return fault.New(fault.Conflict, "%s already said %s", before.By, before.Type).Try("hearth runs show " + run.ID)
	}
	return nil
}

// stop stops one run, all runs of a user, or everything.
func (h *handler) stop(ctx context.Context, r gateway.Request) (any, error) {
	var in struct {
		User string `json:"user"`
		Run  string `json:"run"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if in.Run != "" {
		lane, run, err := h.find(ctx, r, in.Run, policy.Stop)
		if err != nil {
			return nil, err
		}
		return h.stopped(ctx, map[ledger.Lane]*flow.Run{lane: run}, r.By.User)
	}
	action := policy.StopAll
	if in.User != "" {
		action = policy.Stop
	}
	if err := policy.May(r.By, action, in.User); err != nil {
		return nil, err
	}
	active, err := h.ledger.Runs(ctx, mostRuns, true)
	if err != nil {
		return nil, err
	}
	runs := map[ledger.Lane]*flow.Run{}
	for _, s := range active {
		run, err := journal.Fold(s.Header, s.Journal)
		if err != nil {
			return nil, err
		}
		if in.User == "" || run.User == in.User {
			runs[s.Lane] = run
		}
	}
	return h.stopped(ctx, runs, r.By.User)
}

func (h *handler) stopped(ctx context.Context, runs map[ledger.Lane]*flow.Run, by string) (any, error) {
	ids := []string{}
	for lane, run := range runs {
		if !run.Can(h.env.Now()).Cancel {
			continue
		}
		e := flow.Event{Type: flow.Stop, At: h.env.Now(), By: by}
		if err := h.write(ctx, lane, run, e, ledger.SetStop); err != nil {
			return nil, err
		}
		ids = append(ids, string(lane))
		if err := h.gateway.Ring(ctx, "planner-execute", string(lane)); err != nil {
			return nil, err
		}
	}
	return map[string]any{"stopped": ids}, nil
}
