package channel

import (
	"sync"
	"time"
)

// maxPaced bounds how many places a pacer remembers.
const maxPaced = 10_000

// pacer spaces the messages to each place (the generic cell rate algorithm): a conversation, or all edits of
// an account. It knows only its own process: what other replicas send shows in the platform's Retry-After,
// which block takes in.
type pacer struct {
	mu   sync.Mutex
	next map[string]time.Time // when the place is fully rested
}

func newPacer() *pacer { return &pacer{next: map[string]time.Time{}} }

// take books a message at now or later and returns how long to wait for its turn. It books nothing if
// that would be longer than most.
func (p *pacer) take(key string, rate Rate, now time.Time, most time.Duration) (wait time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	rested := p.next[key]
	if rested.Before(now) {
		rested = now
	}
	wait = max(0, rested.Add(-rate.slack()).Sub(now))
	if wait > most {
		return wait, false
	}
	p.forget(now)
	p.next[key] = rested.Add(rate.Every)
	return wait, true
}

// block keeps messages back for a while.
func (p *pacer) block(key string, rate Rate, now time.Time, after time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := now.Add(after + rate.slack()); until.After(p.next[key]) {
		p.next[key] = until
	}
}

// slack is how far ahead of the steady pace a burst may run.
func (r Rate) slack() time.Duration { return time.Duration(max(0, r.Burst-1)) * r.Every }

// steady is the rate without its burst. What takes its turn so leaves the burst to others.
func (r Rate) steady() Rate { return Rate{Every: r.Every} }

// messages is the rate of messages to one conversation.
func (p Pace) messages() Rate { return Rate{p.Every, p.Burst} }

// forget drops places that are at rest, once there are very many.
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
