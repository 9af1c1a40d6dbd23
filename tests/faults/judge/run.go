package main

import (
	"strings"
	"time"

	"github.com/hearthfaas/hearth/tests/faults/record"
)

// tally is what happened under one key at the backend. Places are numbers of calls there, from 1.
type tally struct {
	key, run, step, kind string
	did, undid           int

	began            int // place of the first call to do it, carried out or not
	firstDid, didEnd int // places of the first and last that did it
	firstUndid       int

	calls []time.Time // to do it
}

func (j *judge) count(effects []record.Effect) {
	for i, e := range effects {
		j.Calls++
		t := j.keys[e.Key]
		if t == nil {
			run, rest, _ := strings.Cut(e.Key, "/")
			step, _, _ := strings.Cut(rest, "/")
			t = &tally{key: e.Key, run: run, step: step, kind: e.Kind}
			j.keys[e.Key] = t
		}
		t.add(e, i+1)
	}
	for _, t := range j.keys {
		if t.did > 0 {
			j.Effects++
		}
		if t.undid > 0 {
			j.Undone++
		}
		switch {
		case t.did > 1 && j.lossy.IsZero():
			j.broken("I2", "the effect under %s (%s) happened %d times", t.key, t.kind, t.did)
		case t.did > 1:
			j.Twice += t.did - 1
		case t.undid > t.did:
			j.broken("I2", "the effect under %s happened %d times and was taken back %d times", t.key, t.did, t.undid)
		}
	}
}

// add counts a call that came at a place.
func (t *tally) add(e record.Effect, place int) {
	if e.Op == "do" {
		t.calls = append(t.calls, e.At)
		if t.began == 0 {
			t.began = place
		}
	}
	switch {
	case !e.Applied:
	case e.Op == "do":
		if t.did == 0 {
			t.firstDid = place
		}
		t.did, t.didEnd = t.did+1, place
	default:
		if t.undid == 0 {
			t.firstUndid = place
		}
		t.undid++
	}
}

// run judges what became of a run by what people were told of it.
func (j *judge) run(p record.Posted, run string, ends []said) {
	j.Runs++
	if j.lossy.IsZero() {
		j.order(p, run)
		j.halted(p, run)
	}
	var told []string
	for _, s := range ends {
		told = append(told, s.head)
	}
	if len(told) == 0 {
		if j.mayLose(p) {
			j.Lost++
		} else {
			j.broken("I1", "run %s of %s: nobody was told how it ended", run, p.Mark)
		}
		return
	}
	last := told[len(told)-1]
	j.Ends[last]++
	if len(told) > 1 && !(p.Undo && len(told) == 2 && (told[0] == "Done" || told[0] == stoppedHead)) && j.lossy.IsZero() {
		j.broken("I1", "run %s of %s has several ends: %s", run, p.Mark, strings.Join(told, ", "))
	}
	if p.Expect != "" && !strings.HasPrefix(last, p.Expect) {
		j.broken("I2", "run %s of %s ended %q, and nothing was in the way of %q", run, p.Mark, last, p.Expect)
	}
	happened := false
	for _, t := range j.keys {
		if t.run != run {
			continue
		}
		happened = happened || t.did > 0
		if j.lossy.IsZero() {
			j.effect(p, t, last)
		}
	}
	if last == stoppedHead && happened && !ends[len(ends)-1].offers {
		j.broken("I2", "run %s of %s was stopped with an effect, and nobody was told how to take it back", run, p.Mark)
	}
	if last == "Done" && !happened {
		j.broken("I2", "run %s of %s is said to be done, and nothing happened", run, p.Mark)
	}
}

// effect judges one key of a run by how the run ended.
func (j *judge) effect(p record.Posted, t *tally, end string) {
	left := t.did - t.undid
	switch end {
	case "Done":
		if left != 1 {
			j.broken("I2", "run %s of %s is said to be done; under %s %d effects are left", t.run, p.Mark, t.key, left)
		}
	case "Failed and rolled back", "Failed; nothing had to be taken back", "Undone":
		if left != 0 {
			j.broken("I2", "run %s of %s: %q; under %s %d effects are left", t.run, p.Mark, end, t.key, left)
		}
	}
}
