package main

import "github.com/hearthfaas/hearth/tests/faults/record"

// order judges whether the effects of a run came in the order that its plan asks for, and were taken back the
// other way round. Steps that need nothing of each other may come in any order.
func (j *judge) order(p record.Posted, run string) {
	steps := map[string]*tally{}
	for _, t := range j.keys {
		if t.run == run {
			steps[t.step] = t
		}
	}
	for _, t := range steps {
		for need := range allNeeds(p.Needs, t.step) {
			before := steps[need]
			if before == nil {
				before = &tally{key: run + "/" + need}
			}
			switch {
			case t.began > 0 && (before.did == 0 || before.firstDid > t.began):
				j.broken("I3", "run %s of %s: the effect under %s began before that under %s, which it needs", run, p.Mark, t.key, before.key)
			case before.undid > 0 && t.didEnd > before.firstUndid:
				j.broken("I3", "run %s of %s: the effect under %s happened when that under %s, which it needs, was taken back", run, p.Mark, t.key, before.key)
			case before.undid > 0 && t.undid > 0 && before.firstUndid < t.firstUndid:
				j.broken("I3", "run %s of %s: the effect under %s was taken back before the newer one under %s", run, p.Mark, before.key, t.key)
			}
		}
	}
}

// allNeeds are the steps that a step needs, and those that these need.
func allNeeds(needs map[string][]string, step string) map[string]bool {
	all := map[string]bool{}
	for open := needs[step]; len(open) > 0; open = open[1:] {
		if !all[open[0]] {
			all[open[0]] = true
			open = append(open, needs[open[0]]...)
		}
	}
	return all
}
