package tasks

import (
	"context"
	"encoding/json"
	"strconv"
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
	mostRuns   = 200
	mostActive = 10_000
	mostWait   = 60 * time.Second
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
	runs, damaged, err := h.runs(ctx, min(in.Limit, mostRuns), false)
	if err != nil {
		return nil, err
	}
	views := []flow.View{}
	if policy.May(r.By, policy.Command, "") == nil { // whose they are cannot be said
		for _, d := range damaged {
			views = append(views, unreadable(d))
		}
	}
	for _, run := range runs {
		if policy.May(r.By, policy.See, run.User) == nil {
			views = append(views, brief(run.View(h.env.Now())))
		}
	}
	return map[string]any{"runs": views}, nil
}

// runs returns the newest runs, at most so many, those that cannot be read apart; with active, only those that have
// not ended.
func (h *handler) runs(ctx context.Context, most int, active bool) (runs []*flow.Run, damaged []ledger.Run, err error) {
	stored, err := h.ledger.Runs(ctx, most, active)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range stored {
		run, err := journal.Read(s)
		if err != nil {
			s.Damage = err
			damaged = append(damaged, s)
			continue
		}
		runs = append(runs, run)
	}
	return runs, damaged, nil
}

// unreadable stands for a run of which nothing more is known.
func unreadable(s ledger.Run) flow.View {
	return flow.View{
		ID: string(s.Lane), State: flow.NeedsHuman, Steps: []flow.ViewStep{},
		Error: &flow.ViewError{Kind: string(fault.KindOf(s.Damage)), Message: fault.Text(s.Damage)},
	}
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
	before, err := h.apply(ctx, lane, run, r.By, verb, in)
	if err != nil {
		return nil, err
	}
	if run, err = journal.Load(ctx, h.ledger, lane); err != nil {
		return nil, err
	}
	if verb == "approve" && !run.Approved {
		return nil, overtaken(run)
	}
	return decided{run.View(h.env.Now()), before}, h.gateway.Ring(ctx, "planner-execute", string(lane))
}

// decided is a run after a decision. Earlier is who had said the same before, and when: that one counts.
type decided struct {
	flow.View
	Earlier *earlier `json:"earlier,omitempty"`
}

type earlier struct {
	By string    `json:"by"`
	At time.Time `json:"at"`
}

func (h *handler) apply(ctx context.Context, lane ledger.Lane, run *flow.Run, by policy.Principal, verb string, in decision) (*earlier, error) {
	if verb == "settle" {
		return h.settle(ctx, lane, run, by, in)
	}
	can, stop := run.Can(h.env.Now()), ledger.KeepStop
	e := flow.Event{At: h.env.Now(), By: by.User, Role: string(by.Role), From: in.From, Revision: run.Revision}
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
		if stopper := policy.Role(run.StoppedBy); stopper.Above(by.Role) {
			return nil, fault.New(fault.Forbidden, "somebody with the role %s stopped it, and you have %s", stopper, by.Role)
		}
	case "undo":
		e.Type, allowed, stop = flow.UndoAsked, can.Undo, ledger.ClearStop
	}
	if err := h.explain(run, verb); err != nil && !allowed {
		return nil, err
	}
	if !allowed {
		return nil, h.cannot(run, verb)
	}
	if err := check(run, verb, in); err != nil {
		return nil, err
	}
	if verb == "approve" {
		if err := journal.MayApprove(run, by, h.fourEyes); err != nil {
			return nil, err
		}
	}
	return h.write(ctx, lane, run, e, stop)
}

// cannot says why a run does not do what is asked of it: who decided, or that nobody did in time, and what
// it is now.
func (h *handler) cannot(run *flow.Run, verb string) error {
	decision := verb == "approve" || verb == "deny" || verb == "edit"
	switch {
	case decision && (run.Approved || run.Denied):
		return fault.New(fault.Conflict, "%s decided about its plan at %s, and the run is %s: it cannot %s now",
			run.By, run.Decided.UTC().Format(time.RFC3339), run.Shown(h.env.Now()), verb).Try("hearth runs show " + run.ID)
	case decision && run.Approve && !run.Expires.IsZero() && !h.env.Now().Before(run.Expires):
		return fault.New(fault.Conflict, "the plan lapsed at %s: nobody had approved it", run.Expires.UTC().Format(time.RFC3339)).
			Try("ask again: hearth runs fork " + run.ID)
	default:
		return fault.New(fault.Conflict, "the run is %s: it cannot %s now", run.Shown(h.env.Now()), verb).Try("hearth runs show " + run.ID)
	}
}

// check binds a decision to the plan that was seen, and a retry to a step that there is.
func check(run *flow.Run, verb string, in decision) error {
	if verb == "approve" || in.Digest != "" && verb != "deny" {
		if err := journal.CheckSeen(run, in.Digest); err != nil {
			return err
		}
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

// write writes a decision down. The first under a key counts: when somebody said the same before, they are
// returned.
func (h *handler) write(ctx context.Context, lane ledger.Lane, run *flow.Run, e flow.Event, stop ledger.Stopping) (*earlier, error) {
	body, err := json.Marshal(e)
	if err != nil {
		return nil, fault.As(fault.Internal, err, "a decision about %s", lane)
	}
	first, known, err := h.ledger.Decide(ctx, lane, e.Key(run.Round+1), body, stop)
	if err != nil || first {
		return nil, err
	}
	var before flow.Event
	if err := json.Unmarshal(known, &before); err != nil {
		return nil, fault.As(fault.Internal, err, "a decision about %s", lane)
	}
	if before.Type != e.Type || before.Step != e.Step || before.Did != e.Did || e.Type == flow.Edited {
		return nil, fault.New(fault.Conflict, "%s decided first: %s, at %s", before.By, before.Type, before.At.UTC().Format(time.RFC3339)).
			Try("hearth runs show " + run.ID)
	}
	return &earlier{before.By, before.At}, nil
}
