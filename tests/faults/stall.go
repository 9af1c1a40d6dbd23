package faults

import (
	"sync"
	"time"
)

// Stalled makes holders of claims late: everything that they send to Redis, from a point on, arrives only when it
// is let go, with their lease over. Redis sees what it would see of a process that stood still, and of a network
// that did.
type Stalled struct {
	mu   sync.Mutex
	held map[string]chan struct{} // by owner; closed when it is let go
}

// Stall returns a Stalled of a cluster, which works until remove is called.
func (c *Cluster) Stall() (s *Stalled, remove func()) {
	s = &Stalled{held: map[string]chan struct{}{}}
	return s, c.Hook(func(p Point) error {
		if p.Store && !p.After {
			s.wait(p.Owner)
		}
		return nil
	})
}

// Hold stalls the holder at a point until release is called.
func (s *Stalled) Hold(p Point) (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := make(chan struct{})
	s.held[p.Owner] = held
	return sync.OnceFunc(func() { close(held) })
}

// Owner stalls the holder at a point for a while. Points that name none are slow, and no more.
func (s *Stalled) Owner(p Point, d time.Duration) {
	release := s.Hold(p)
	defer release()
	time.Sleep(d)
}

func (s *Stalled) wait(owner string) {
	s.mu.Lock()
	held := s.held[owner]
	s.mu.Unlock()
	if held != nil && owner != "" {
		<-held
	}
}
