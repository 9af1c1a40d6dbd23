package flow

import (
	"slices"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Fork says which run another is made from, and what of it is not done again.
type Fork struct {
	Run   string  `json:"run"`
	Step  string  `json:"step,omitempty"`  // the step that it begins with, "" for all of them
	Taken []Event `json:"taken,omitempty"` // the results that are taken over, as lines of a journal
}

// ViewFork is a Fork as people see it; which steps were taken over stands in the steps.
type ViewFork struct {
	Run  string `json:"run"`
	Step string `json:"step,omitempty"`
}

func (f *Fork) view() *ViewFork {
	if f == nil {
		return nil
	}
	return &ViewFork{f.Run, f.Step}
}

// Takes reports whether a step is taken over: each that is has a line for its items, if only of none.
func (f *Fork) Takes(step string) bool {
	return f != nil && slices.ContainsFunc(f.Taken, func(e Event) bool { return e.Type == Items && e.Step == step })
}

// ForkFrom returns what a new run takes over that begins with a step of r: the results of all steps that
// ended well and do not depend on it. With from "", nothing: all steps run anew.
func (r *Run) ForkFrom(from string) (*Fork, error) {
	f := &Fork{Run: r.ID, Step: from}
	if from == "" {
		return f, nil
	}
	if r.step(from) == nil {
		return nil, fault.New(fault.Invalid, "the run has no step %q", from).At("from")
	}
	again := r.anew(from)
	for _, s := range r.Steps {
		if again[s.ID] {
			continue
		}
		items := Event{Type: Items, Step: s.ID}
		for _, u := range s.Units {
			if s.Foreach != "" {
				items.Items = append(items.Items, u.Item)
			}
		}
		f.Taken = append(f.Taken, items)
		for _, u := range s.Units {
			f.Taken = append(f.Taken, Event{Type: Done, Step: u.ID, At: u.At, Params: u.Params, Receipt: u.Receipt})
		}
	}
	return f, nil
}

// takeOver puts in what an earlier run did. It has no place in the journal of this one, so that it is never
// undone from here.
func (r *Run) takeOver() {
	if r.Fork == nil {
		return
	}
	for _, e := range r.Fork.Taken {
		if e.Type == Items {
			r.expand(e)
		} else if u := r.unit(e.Step); u != nil {
			u.State, u.Params, u.Receipt, u.At, u.Taken = UnitDone, e.Params, e.Receipt, e.At, r.Fork.Run
		}
	}
}
