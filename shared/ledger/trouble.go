package ledger

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/hearthfaas/hearth/shared/fault"
)

// trouble is a state of the store in which it refuses to work, by the first word of its answer.
// Source: https://redis.io/docs/latest/develop/reference/protocol-spec/ and the answers of Redis 7.0.
type trouble struct {
	word, message, next string
	after               time.Duration
}

var troubles = []trouble{
	{"OOM", "the store's memory is full; what is accepted is still worked off", "raise its maxmemory", 5 * time.Second},
	{"MISCONF", "the store cannot write to its disk", "free space on its disk; it goes on by itself", 5 * time.Second},
	{"NOREPLICAS", "too few replicas follow the store", "start its replicas; min-replicas-to-write says how many", 5 * time.Second},
	{"READONLY", "the store has become a replica", "wait for the failover, or point REDIS_URL at the primary", time.Second},
	{"LOADING", "the store is reading its data", "wait", time.Second},
	{"MASTERDOWN", "the store has lost its primary", "wait for the failover", time.Second},
	{"CLUSTERDOWN", "the cluster does not serve all of its slots", "redis-cli --cluster check HOST:PORT", time.Second},
	{"TRYAGAIN", "the cluster is moving this slot", "wait", time.Second},
	{"MOVED", "the cluster is moving this slot", "wait", time.Second},
	{"ASK", "the cluster is moving this slot", "wait", time.Second},
	{"BUSY", "the store is held up by a script", "wait", time.Second},
	{"NOAUTH", "the store wants a password", "put it into REDIS_URL", 5 * time.Second},
	{"WRONGPASS", "the store refuses the password of REDIS_URL", "mend REDIS_URL and restart", 5 * time.Second},
	{"NOPERM", "the store does not let the user of REDIS_URL do this", "docs/redis.md says what rights it needs", 5 * time.Second},
}

// kinded gives a Redis error its kind. All scripts may be repeated, so an unclear outcome is Unavailable:
// the caller tries again with the same arguments.
func kinded(err error) error {
	if err == nil || errors.Is(err, redis.Nil) {
		return nil
	}
	if known, ok := errors.AsType[*fault.Error](err); ok {
		return known
	}
	if errors.Is(err, context.Canceled) {
		return fault.As(fault.Timeout, err, "given up while waiting for the store")
	}
	said := err.Error()
	for _, t := range troubles {
		// Redis before 7 puts what stopped a script behind its own words.
		if strings.HasPrefix(said, t.word+" ") || strings.Contains(said, ": -"+t.word+" ") {
			return fault.As(fault.Unavailable, err, "%s", t.message).Try(t.next).In(t.after)
		}
	}
	switch {
	case strings.Contains(said, "max number of clients"):
		return fault.As(fault.Unavailable, err, "the store has too many connections").Try("raise its maxclients").In(time.Second)
	case strings.Contains(said, "non local key"): // a slot moves while a script is in it
		return fault.As(fault.Unavailable, err, "the cluster is moving this slot").Try("wait").In(time.Second)
	case strings.HasPrefix(said, "ERR"), strings.Contains(said, "user_script"):
		return fault.As(fault.Internal, err, "the store refused a script")
	default:
		return fault.As(fault.Unavailable, err, "the store is away").Try("hearth doctor").In(time.Second)
	}
}

// elsewhere reports whether an error may go away when one looks again who holds a slot.
func elsewhere(err error) bool {
	if err == nil || errors.Is(err, redis.Nil) {
		return false
	}
	for _, word := range []string{"MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", "READONLY", "LOADING", "MASTERDOWN"} {
		if redis.HasErrorPrefix(err, word) {
			return true
		}
	}
	_, refused := errors.AsType[redis.Error](err) // an answer of the server; anything else is of the network
	return !refused
}
