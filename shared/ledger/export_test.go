package ledger

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// Forgetful makes a ledger acknowledge what no replica has confirmed: what WAIT is there to prevent.
func Forgetful(l *Ledger) { l.volatile = true }

// ReplicaGoneAfter sets the time after which a single server counts as alone.
func ReplicaGoneAfter(l *Ledger, d time.Duration) { l.replicas.gone = d }

// Kinded gives an answer of Redis its kind.
var Kinded = kinded

// FlushScripts makes all servers forget their scripts.
func FlushScripts(ctx context.Context, l *Ledger) error {
	return l.masters(ctx, func(ctx context.Context, node *redis.Client) error { return node.ScriptFlush(ctx).Err() })
}
