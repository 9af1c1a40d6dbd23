package journal

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/policy"
)

// Forking is what somebody wants of a new run that is made from an old one.
type Forking struct {
	ID     string
	By     policy.Principal
	From   string      // the step that it begins with, "" for all of them
	Set    flow.Values // parameters that are to be others, by step.param
	Fresh  bool        // today and the zone of today, not those of the old run
	DryRun bool
	Lang   string
	Zone   *time.Location // of a fresh run whose plan names none
	Now    time.Time
}

// Prepare makes the header of the new run. Steps that it takes over keep their results and are not undone by
// it; the others run anew under its own keys, with the day, the zone, the event and the values of the old run
// unless it is to be fresh. Its authority is that of the one who asks, and what cannot be taken back asks for
// approval as in a chat.
func (f Forking) Prepare(env *fn.Env, old *flow.Run, plugins []manifest.Manifest) (flow.Header, error) {
	if old.Install {
		return flow.Header{}, fault.New(fault.Conflict, "the run %s installs a task, it has no steps to run", old.ID).Try("hearth task run TASK")
	}
	fork, err := old.ForkFrom(f.From)
	if err != nil {
		return flow.Header{}, err
	}
	for name := range f.Set {
		if step, _, _ := strings.Cut(name, "."); fork.Takes(step) {
			return flow.Header{}, fault.New(fault.Invalid, "the step %q is taken over as it was", step).At(name).
				Try("hearth runs fork " + old.ID + " --from " + step)
		}
	}
	if err := small(fork); err != nil {
		return flow.Header{}, err
	}
	plan, err := old.Plan.Set(f.Set)
	if err != nil {
		return flow.Header{}, err
	}
	r := Request{
		ID: f.ID, Plan: plan, By: f.By, Origin: FromFork, Text: old.Text, Lang: f.Lang, Now: f.Now, Event: old.Event, DryRun: f.DryRun,
		Author: old.Author, Fork: fork, ByName: true,
	}
	if len(f.Set) > 0 {
		r.Author = flow.ByPerson
	}
	if r.Zone, r.Date, err = f.day(old); err != nil {
		return flow.Header{}, err
	}
	if r, err = r.Under(env); err != nil {
		return flow.Header{}, err
	}
	return Prepare(r, plugins)
}

// day is the zone and the day that the new run is in.
func (f Forking) day(old *flow.Run) (*time.Location, string, error) {
	if f.Fresh {
		if t := old.Plan.Trigger; t != nil && t.Timezone != "" {
			zone, err := time.LoadLocation(t.Timezone)
			return zone, "", fault.Wrap(err, "the zone of the plan")
		}
		return f.Zone, "", nil
	}
	zone, err := time.LoadLocation(old.Zone)
	return zone, old.Date, fault.Wrap(err, "the zone of run %s", old.ID)
}

// maxTaken bounds the results that a run takes over, in bytes: they stand in its header, and large ones are
// in the blobs anyway.
const maxTaken = 1 << 20

func small(f *flow.Fork) error {
	raw, err := json.Marshal(f)
	if err != nil {
		return fault.As(fault.Internal, err, "the results of run %s", f.Run)
	}
	if len(raw) > maxTaken {
		return fault.New(fault.TooLarge, "the results to take over are %d KiB; at most %d", len(raw)>>10, maxTaken>>10).
			Try("begin with an earlier step, or without --from")
	}
	return nil
}
