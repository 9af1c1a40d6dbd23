package channel

import (
	"sync"
	"time"
)

// maxPaced bounds how many conversations a pacer remembers.
const maxPaced = 10_000

// pacer spaces the messages to each conversation (the generic cell rate algorithm). It knows only its own
// process: what other replicas send shows in the platform's Retry-After, which block takes in.
type pacer struct {
	mu   sync.Mutex
	next map[string]time.Time // when the conversation is fully rested
}

func newPacer() *pacer { return &pacer{next: map[string]time.Time{}} }

// take books a message at now or later and returns how long to wait for its turn. It books nothing if
// that would be longer than most.
func (p *pacer) take(key string, pace Pace, now time.Time, most time.Duration) (wait time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	rested := p.next[key]
	if rested.Before(now) {
		rested = now
	}
	wait = max(0, rested.Add(-pace.slack()).Sub(now))
	if wait > most {
		return wait, false
	}
	p.forget(now)
	p.next[key] = rested.Add(pace.Every)
	return wait, true
}

// block keeps messages back for a while.
func (p *pacer) block(key string, pace Pace, now time.Time, after time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := now.Add(after + pace.slack()); until.After(p.next[key]) {
		p.next[key] = until
	}
}

// slack is how far ahead of the steady pace a burst may run.
func (p Pace) slack() time.Duration { return time.Duration(max(0, p.Burst-1)) * p.Every }

// forget drops conversations that are at rest, once there are very many.
func (p *pacer) forget(now time.Time) {
	if len(p.next) < maxPaced {
		return
	}
	for key, at := range p.next {
		if at.Before(now) {
			delete(p.next, key)
		}
	}
}
