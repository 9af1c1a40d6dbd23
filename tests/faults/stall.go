package faults

import (
	"sync"
	"time"
)

// Stalled makes holders of claims late: everything that they send to Redis, from a point on, arrives only after
// their lease is over. Redis sees what it would see of a process that stood still, and of a network that did.
type Stalled struct {
	mu    sync.Mutex
	until map[string]time.Time // by owner
}

// Stall returns a Stalled of a cluster, which works until remove is called.
func (c *Cluster) Stall() (s *Stalled, remove func()) {
	s = &Stalled{until: map[string]time.Time{}}
	return s, c.Hook(func(p Point) error {
		if p.Store && !p.After {
			s.wait(p.Owner)
		}
		return nil
	})
}

// Owner stalls the holder at a point. Points that name none are slow, and no more.
func (s *Stalled) Owner(p Point, d time.Duration) {
	s.mu.Lock()
	s.until[p.Owner] = time.Now().Add(d)
	s.mu.Unlock()
	time.Sleep(d)
}

func (s *Stalled) wait(owner string) {
	if owner == "" {
		return
	}
	s.mu.Lock()
	until := s.until[owner]
	s.mu.Unlock()
	time.Sleep(time.Until(until))
}
