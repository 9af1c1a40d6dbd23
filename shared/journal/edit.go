package journal

import (
	"fmt"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/policy"
)

// Edit returns what a plan that waits for approval becomes with other parameters, by step.param: with a digest
// and a card of its own, open as long as a new one.
func Edit(env *fn.Env, run *flow.Run, set flow.Values, now time.Time, plugins []manifest.Manifest) (*flow.Edit, error) {
	for name := range set {
		if step, _, _ := strings.Cut(name, "."); run.Fork.Takes(step) {
			return nil, fault.New(fault.Invalid, "the step %q is taken over as it was", step).At(name)
		}
	}
	plan, err := run.Plan.Set(set)
	if err != nil {
		return nil, err
	}
	zone, err := time.LoadLocation(run.Zone)
	if err != nil {
		return nil, fault.As(fault.Internal, err, "the zone of run %s", run.ID)
	}
	r, err := Request{
		ID: run.ID, Plan: plan, By: policy.Principal{User: run.User, Role: policy.Role(run.Role)}, Origin: run.Origin,
		Lang: run.Lang, Zone: zone, Now: now, Date: run.Date, Event: run.Event, Install: run.Install, Fork: run.Fork, ByName: true,
	}.Under(env)
	if err != nil {
		return nil, err
	}
	h, err := Prepare(r, plugins)
	if err != nil {
		return nil, err
	}
	if h.Digest == run.Digest {
		return nil, fault.New(fault.Invalid, "that changes nothing").At("set")
	}
	return &flow.Edit{
		Plan: h.Plan, Params: h.Params, Facts: h.Facts, Card: h.Card, Digest: h.Digest, Approver: h.Approver, Expires: now.Add(ApprovalFor),
	}, nil
}

// CheckSeen refuses a decision about another plan than the one that the run has now, and says what is
// different. Where the plan was edited, the decision has to name the one that was seen.
func CheckSeen(run *flow.Run, digest string) error {
	next := fmt.Sprintf("hearth runs show %s · /approve %s %.*s", run.ID, run.ID, channel.DigestLetters, run.Digest)
	switch {
	case digest == "" && run.Revision == 0:
		return nil
	case digest == "":
		first := flow.Version{Plan: run.Past[0].Plan}
		return fault.New(fault.Conflict, "the plan was edited by %s, and nobody says which one was seen: %s", editors(run), changes(first, run)).
			At("digest").Try(next)
	case len(digest) >= channel.DigestLetters && strings.HasPrefix(run.Digest, digest):
		return nil
	}
	seen, known := run.Seen(digest)
	if !known || len(digest) < channel.DigestLetters {
		return fault.New(fault.Conflict, "the plan is not the one that was shown").At("digest").Try("hearth runs show " + run.ID)
	}
	return fault.New(fault.Conflict, "the plan was edited by %s since it was shown: %s", editors(run), changes(seen, run)).At("digest").Try(next)
}

func changes(seen flow.Version, run *flow.Run) string {
	var list []string
	for _, c := range flow.Changes(seen.Plan, run.Plan) {
		list = append(list, c.String())
	}
	return strings.Join(list, "; ")
}

func editors(run *flow.Run) string {
	var who []string
	for _, v := range run.Past {
		if len(who) == 0 || who[len(who)-1] != v.By {
			who = append(who, v.By)
		}
	}
	return strings.Join(who, ", ")
}
