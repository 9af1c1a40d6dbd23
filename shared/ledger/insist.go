package ledger

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/hearthfaas/hearth/shared/fault"
)

const (
	// insistFor is how long a holder asks a store that is away to take down what became of its work: longer than a
	// restart, and than most failovers.
	insistFor = 30 * time.Second
	// insistPause is the pause before it asks again.
	insistPause = 250 * time.Millisecond
)

// insist runs a script of a holder, as run does, until the store answers or insistFor is over. Whoever gives up earlier
// leaves an effect or a delivery behind that the next holder cannot tell the outcome of. As long as the store is away
// there is none, and once it is back the fence decides.
func (l *Ledger) insist(ctx context.Context, c Claim, script *redis.Script, durable bool, keys []string, args ...any) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, insistFor)
	defer cancel()
	for {
		raw, err := l.run(ctx, script, durable, keys, args...)
		err = l.fenced(c)(raw, err)
		if !fault.Is(err, fault.Unavailable) || !paused(ctx, insistPause) {
			return raw, err
		}
	}
}

// paused waits for a while, and reports whether ctx has not ended meanwhile.
func paused(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
