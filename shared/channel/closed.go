package channel

import (
	"sync"
	"time"
)

const (
	closedFor = time.Hour // until an address that wants nothing more is tried again
	maxClosed = 1000
)

// closed are the addresses that want nothing more. Each process finds out by itself: one more call in an
// hour is cheaper than a round trip to the ledger before each.
type closed struct {
	mu    sync.Mutex
	until map[string]time.Time
}

func (c *closed) has(address string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return now.Before(c.until[address])
}

func (c *closed) add(address string, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.until == nil || len(c.until) >= maxClosed {
		c.until = map[string]time.Time{}
	}
	c.until[address] = now.Add(closedFor)
}
