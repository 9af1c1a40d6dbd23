package model

import (
	"sync"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
)

const (
	tripsAfter = 5                // failures in a row
	restsFor   = 10 * time.Second // before one call may try again
)

// breaker spares callers the wait for a server that is down: after some failures in a row calls fail at
// once, but for one at a time that tries.
type breaker struct {
	mu     sync.Mutex
	failed int
	until  time.Time
}

// allow returns nil when a call may be made now.
func (b *breaker) allow(now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed < tripsAfter {
		return nil
	}
	if wait := b.until.Sub(now); wait > 0 {
		return fault.New(fault.Unavailable, "the model failed %d times in a row and is left alone for a moment", b.failed).In(wait)
	}
	b.until = now.Add(restsFor)
	return nil
}

// note records how a call ended.
func (b *breaker) note(now time.Time, failed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !failed {
		b.failed = 0
		return
	}
	b.failed++
	b.until = now.Add(restsFor)
}
