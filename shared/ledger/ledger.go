// Package ledger is the durable core: what was accepted, who works on it under which claim, what was done,
// and what is still to be delivered. It is the only home of Redis. Every transition is one Lua script in
// one cluster slot, fenced by owner and epoch, and safe to repeat with the same arguments. Values are
// sealed before they leave the process; the ledger knows nothing of what they mean.
package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/vault"
)

// Bounds of what the ledger keeps. A full inbox is refused, never dropped.
const (
	Lease      = 10 * time.Second    // a claim lasts this long unless extended
	DedupeFor  = 8 * 24 * time.Hour  // WhatsApp redelivers for up to 7 days
	KeepIdle   = 30 * 24 * time.Hour // sessions and finished runs
	MaxValue   = 256 << 10           // bytes of one value; larger ones travel as blobs by reference
	maxInbox   = 64                  // messages waiting in one session
	maxLate    = 3 * time.Second     // behind by this, with …
	lateLanes  = 4                   // … so many lanes of a partition (a thousand in all), nothing more is accepted there
	maxJournal = 4096                // entries of one run
	maxEvents  = 1000                // of a session's event log
	maxRuns    = 2000                // listed per partition
	maxTries   = 8                   // claims without progress before a message is dead
	maxAway    = 100                 // deliveries that a platform did not take before an answer is dead: about 15 hours
	partitions = 256                 // fixed: part of every lane's name
)

// VolatileFlag in REDIS_URL says that the server keeps nothing on purpose (the in-process default and
// tests): ?hearth_volatile=1. Without it, a server that would lose data is refused.
const VolatileFlag = "hearth_volatile"

// Ledger is safe for concurrent use. One process has one.
type Ledger struct {
	rdb      redis.UniversalClient
	vault    *vault.Vault
	scripts  scripts
	volatile bool
	replicas replicas
	target   target
	weak     []Weakness
	hub      *hub
}

// Open returns the process's ledger on REDIS_URL. It refuses servers whose configuration would lose what
// was acknowledged: evicting keys, without append-only file, or a replica; and a store that was sealed with another
// key, whose work would all be given up as unreadable. What they cannot promise otherwise is logged as a warning.
func Open(ctx context.Context, env *fn.Env) (*Ledger, error) {
	return fn.Share(env, "ledger", func() (*Ledger, error) {
		v, err := env.Vault()
		if err != nil {
			return nil, err
		}
		address := env.Setting("REDIS_URL", "")
		if address == "" {
			return nil, fault.New(fault.Invalid, "not set").At("REDIS_URL").Try("hearth up starts a store of its own")
		}
		l, err := Dial(ctx, address, v)
		if err != nil {
			return nil, err
		}
		if err := l.unlock(ctx); err != nil {
			return nil, errors.Join(err, l.Close())
		}
		for _, weak := range l.weak {
			env.Log.Warn("the store promises less than it could", "why", weak.What, "next", weak.Mend)
		}
		return l, nil
	})
}

// Dial opens a ledger at a Redis URL of one of the Forms. The caller closes it.
func Dial(ctx context.Context, address string, v *vault.Vault) (*Ledger, error) {
	t, err := parse(address)
	if err != nil {
		return nil, err
	}
	redis.SetLogger(silent{}) // its errors reach us as errors
	l := &Ledger{rdb: t.connect(), vault: v, target: t, volatile: t.volatile}
	l.replicas = replicas{always: t.sentinel != nil, lasting: t.cluster != nil, gone: patience, seen: map[string]time.Time{}, many: map[string]int{}}
	if err := l.check(ctx); err != nil {
		l.rdb.Close()
		return nil, err
	}
	l.hub = newHub(l.rdb)
	return l, nil
}

// unlock makes sure that the store is sealed with our key. The first process leaves something to try a key on; where
// that cannot be written, because the store is full, a later one does.
func (l *Ledger) unlock(ctx context.Context) error {
	const name, text = "h:key", "hearth"
	box := l.vault.Box("store")
	sealed, err := l.rdb.Get(ctx, name).Result()
	if errors.Is(err, redis.Nil) {
		_ = l.rdb.SetNX(ctx, name, box.Seal("key", []byte(text)), 0).Err()
		return nil
	}
	if err != nil {
		return kinded(err)
	}
	if _, err := box.Open("key", []byte(sealed)); err != nil {
		return fault.As(fault.Invalid, err, "the store at REDIS_URL was sealed with another key").At("ENCRYPTION_KEY").
			Try("start with the key that it was sealed with, or with an empty store")
	}
	return nil
}

// silent is the log of the client library.
type silent struct{}

// Printf does nothing.
func (silent) Printf(context.Context, string, ...any) {}

// Close closes the connections.
func (l *Ledger) Close() error {
	l.hub.close()
	return l.rdb.Close()
}

// Volatile reports whether the store forgets everything when it stops.
func (l *Ledger) Volatile() bool { return l.volatile }

// Weak says what the store's configuration did not promise when it was dialed.
func (l *Ledger) Weak() []Weakness { return l.weak }

// Ping asks the server for a sign of life.
func (l *Ledger) Ping(ctx context.Context) error { return kinded(l.rdb.Ping(ctx).Err()) }
