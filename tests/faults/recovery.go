package faults

import (
	"slices"
	"sync"
	"time"
)

// Recovery measures how long the work of a killed process lies there: from the kill to the next claim. It also
// counts the writes of holders that were too late.
type Recovery struct {
	mu      sync.Mutex
	holder  map[string]hold      // by lane
	killed  map[string]time.Time // by lane: when its holder was
	samples []time.Duration
	stale   int
}

// hold is a process with a claim, as far as was seen. That it gave it up is not seen where the answer got lost.
type hold struct {
	replica *Replica
	last    time.Time // that it wrote under it: at the latest a third of a lease ago, while it has it
}

// Recovery begins to measure.
func (c *Cluster) Recovery() (r *Recovery, remove func()) {
	r = &Recovery{holder: map[string]hold{}, killed: map[string]time.Time{}}
	return r, c.Hook(r.see)
}

func (r *Recovery) see(p Point) error {
	if !p.Store || !p.After || len(p.Lanes) == 0 {
		return nil
	}
	lane := p.Lanes[0]
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.Stale {
		r.stale++
	}
	switch p.Name {
	case "claim":
		if p.Answer != '1' {
			return nil
		}
		r.holder[lane] = hold{p.Replica, time.Now()}
		if when, ok := r.killed[lane]; ok {
			r.samples = append(r.samples, time.Since(when))
			delete(r.killed, lane)
		}
	case "sent", "retry", "wait", "end":
		delete(r.holder, lane)
	case "decide": // new work: if the holder had ended the run and its answer got lost, there was none
		delete(r.killed, lane)
	case "finish":
		if p.Answer != '1' {
			delete(r.holder, lane)
		}
	default:
		if h, ok := r.holder[lane]; ok && h.replica == p.Replica {
			r.holder[lane] = hold{h.replica, time.Now()}
		}
	}
	return nil
}

// Killed says that a process was killed.
func (r *Recovery) Killed(replica *Replica) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for lane, h := range r.holder {
		if h.replica != replica {
			continue
		}
		if time.Since(h.last) < Lease {
			r.killed[lane] = time.Now()
		}
		delete(r.holder, lane)
	}
}

// Stale returns how many writes were refused because the claim was over.
func (r *Recovery) Stale() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stale
}

// Times returns what was measured, sorted.
func (r *Recovery) Times() []time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(slices.Values(r.samples))
}
