package tasks

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/policy"
)

// brakeSpace keeps who put on which brake, by the user it is on; everything for Everybody.
const (
	brakeSpace = "brakes"
	everything = "everything"
)

// brake is a stop that lasts: of a user, or of everything.
type brake struct {
	User string    `json:"user,omitempty"` // "" for everybody
	By   string    `json:"by"`
	At   time.Time `json:"at"`
}

// stop stops one run, all that is done for a user, or everything. What one does to oneself ends what is under
// way; what is done to others lasts until somebody with the right to says resume.
func (h *handler) stop(ctx context.Context, r gateway.Request) (any, error) {
	var in struct {
		User string `json:"user"`
		Run  string `json:"run"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if in.Run != "" {
		_, run, err := h.find(ctx, r, in.Run, policy.Stop)
		if err != nil {
			return nil, err
		}
		return h.stopped(ctx, []*flow.Run{run}, r.By, false)
	}
	action := policy.StopAll
	if in.User != "" {
		action = policy.Stop
	}
	if err := policy.May(r.By, action, in.User); err != nil {
		return nil, err
	}
	latch := in.User != r.By.User
	if latch {
		if err := h.noteBrake(ctx, brake{User: in.User, By: r.By.User, At: h.env.Now()}); err != nil {
			return nil, err
		}
	}
	if err := h.ledger.Brake(ctx, in.User, latch); err != nil { // before the list: no run may slip between
		return nil, err
	}
	runs, err := h.going(ctx, in.User)
	if err != nil {
		return nil, err
	}
	return h.stopped(ctx, runs, r.By, latch)
}

// going returns the runs of a user that have not ended, or of everybody. One that cannot be read does nothing that
// could be stopped.
func (h *handler) going(ctx context.Context, user string) ([]*flow.Run, error) {
	runs, _, err := h.runs(ctx, mostActive, true)
	return slices.DeleteFunc(runs, func(r *flow.Run) bool { return user != ledger.Everybody && r.User != user }), err
}

func (h *handler) stopped(ctx context.Context, runs []*flow.Run, by policy.Principal, latched bool) (any, error) {
	ids := []string{}
	for _, run := range runs {
		if !run.Can(h.env.Now()).Cancel {
			continue
		}
		e := flow.Event{Type: flow.Stop, At: h.env.Now(), By: by.User, Role: string(by.Role)}
		if _, err := h.write(ctx, ledger.Lane(run.ID), run, e, ledger.SetStop); err != nil {
			return nil, err
		}
		ids = append(ids, run.ID)
		if err := h.gateway.Ring(ctx, "planner-execute", run.ID); err != nil {
			return nil, err
		}
	}
	return map[string]any{"stopped": ids, "lasts": latched}, nil
}

func (h *handler) noteBrake(ctx context.Context, b brake) error {
	body, err := json.Marshal(b)
	if err != nil {
		return fault.As(fault.Internal, err, "a stop")
	}
	_, err = h.ledger.Put(ctx, brakeSpace, ledger.Doc{ID: brakeID(b.User), Rev: ledger.Any, Body: body}, 0)
	return err
}

func brakeID(user string) string {
	if user == ledger.Everybody {
		return everything
	}
	return "user/" + user
}

// brakes lists what is stopped until somebody says resume.
func (h *handler) brakes(ctx context.Context, r gateway.Request) (any, error) {
	docs, err := h.ledger.List(ctx, brakeSpace)
	if err != nil {
		return nil, err
	}
	list := []brake{}
	for _, doc := range docs {
		var b brake
		if err := json.Unmarshal(doc.Body, &b); err != nil {
			return nil, fault.As(fault.Internal, err, "the stop %s cannot be read", doc.ID)
		}
		if b.User == ledger.Everybody || policy.May(r.By, policy.See, b.User) == nil {
			list = append(list, b)
		}
	}
	return map[string]any{"stops": list}, nil
}

// resume lets a user, or everybody, begin again. It needs more authority than the stop did. Runs that were
// stopped stay so: each may be retried.
func (h *handler) resume(ctx context.Context, r gateway.Request) (any, error) {
	var in struct {
		User string `json:"user"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	action := policy.ResumeAll
	if in.User != ledger.Everybody {
		action = policy.Resume
	}
	if err := policy.May(r.By, action, ""); err != nil {
		return nil, err
	}
	_, err := h.ledger.Get(ctx, brakeSpace, brakeID(in.User))
	if fault.Is(err, fault.NotFound) {
		return nil, fault.New(fault.Conflict, "nothing is stopped there")
	}
	if err != nil {
		return nil, err
	}
	if err := h.ledger.Release(ctx, in.User); err != nil { // before its note: a crash between may be repeated
		return nil, err
	}
	return map[string]any{"resumed": true}, h.ledger.Delete(ctx, brakeSpace, brakeID(in.User), ledger.Any)
}

// moving refuses to begin something for a user while a stop lasts.
func (h *handler) moving(ctx context.Context, user string) error {
	braked, err := h.ledger.Braked(ctx, user)
	if err != nil || !braked {
		return err
	}
	return fault.New(fault.Conflict, "it is stopped: nothing begins until somebody with the right to resumes it").Try("hearth resume")
}
