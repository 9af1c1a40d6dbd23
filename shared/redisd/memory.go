package redisd

import (
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/hearthfaas/hearth/shared/fault"
)

// expireEvery is how often keys in memory expire. Each time costs a walk over all keys with a TTL, which is
// why it is not done on each command.
const expireEvery = 250 * time.Millisecond

// volatileFlag tells the ledger that it is not to refuse a store without persistence (ledger.VolatileFlag).
const volatileFlag = "hearth_volatile=1"

// startMemory starts a store inside this process. Its time to live runs only because we make it.
func startMemory() (*Server, error) {
	m := miniredis.NewMiniRedis()
	password := newPassword()
	m.RequireAuth(password)
	if err := m.StartAddr("127.0.0.1:0"); err != nil {
		return nil, fault.As(fault.Unavailable, err, "the store in memory cannot listen")
	}
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(expireEvery)
		defer tick.Stop()
		for last := time.Now(); ; {
			select {
			case <-ended:
				return
			case now := <-tick.C:
				m.FastForward(now.Sub(last))
				last = now
			}
		}
	}()
	return &Server{
		URL: "redis://:" + password + "@" + m.Addr() + "/0?" + volatileFlag, Kind: Memory,
		stop: func() error {
			close(ended)
			<-done
			m.Close()
			return nil
		},
	}, nil
}
