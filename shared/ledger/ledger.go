// Package ledger is the durable core: what was accepted, who works on it under which claim, what was done,
// and what is still to be delivered. It is the only home of Redis. Every transition is one Lua script in
// one cluster slot, fenced by owner and epoch, and safe to repeat with the same arguments. Values are
// sealed before they leave the process; the ledger knows nothing of what they mean.
package ledger

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

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
	replicas bool // wait for one replica before acknowledging
	hub      *hub
}

// Open returns the process's ledger on REDIS_URL. It refuses a server whose configuration would lose what
// was acknowledged: evicting keys, without append-only file, or a replica.
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
		return Dial(ctx, address, v)
	})
}

// Dial opens a ledger at a Redis URL. The caller closes it.
func Dial(ctx context.Context, address string, v *vault.Vault) (*Ledger, error) {
	options, volatile, err := parse(address)
	if err != nil {
		return nil, err
	}
	redis.SetLogger(silent{}) // its errors reach us as errors
	l := &Ledger{rdb: redis.NewClient(options), vault: v, volatile: volatile}
	if err := l.check(ctx); err != nil {
		l.rdb.Close()
		return nil, err
	}
	l.hub = newHub(l.rdb)
	return l, nil
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

// Ping asks the server for a sign of life.
func (l *Ledger) Ping(ctx context.Context) error { return kinded(l.rdb.Ping(ctx).Err()) }

func parse(address string) (*redis.Options, bool, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, false, fault.As(fault.Invalid, err, "not a URL").At("REDIS_URL")
	}
	q := u.Query()
	volatile := q.Get(VolatileFlag) == "1"
	q.Del(VolatileFlag)
	u.RawQuery = q.Encode()
	options, err := redis.ParseURL(u.String())
	if err != nil {
		return nil, false, fault.As(fault.Invalid, err, "not a Redis URL").At("REDIS_URL").Try("redis://[:PASSWORD@]HOST:PORT/0")
	}
	options.Protocol = 2
	options.DisableIdentity = true
	options.PoolSize = 64
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return options, volatile, nil
}

// check looks at the server and prepares the scripts for its version. An in-process server has no INFO.
func (l *Ledger) check(ctx context.Context) error {
	if err := l.rdb.Ping(ctx).Err(); err != nil {
		return fault.As(fault.Unavailable, err, "the store at REDIS_URL does not answer").Try("hearth doctor")
	}
	info, err := l.info(ctx)
	if err != nil {
		return err
	}
	version := info["redis_version"]
	major, _, _ := strings.Cut(version, ".")
	n, _ := strconv.Atoi(major) // no version: an in-process server, which takes plain scripts
	l.scripts = newScripts(n >= 7)
	l.replicas = info["connected_slaves"] != "" && info["connected_slaves"] != "0"
	if l.volatile {
		return nil
	}
	for _, rule := range []struct{ name, want, mend string }{
		{"maxmemory_policy", "noeviction", "redis-cli CONFIG SET maxmemory-policy noeviction"},
		{"aof_enabled", "1", "redis-cli CONFIG SET appendonly yes"},
		{"role", "master", "point REDIS_URL at the primary"},
	} {
		if got := info[rule.name]; got != rule.want {
			return fault.New(fault.Invalid, "this store would lose data: %s is %q, not %q", rule.name, got, rule.want).
				At("REDIS_URL").Try(rule.mend)
		}
	}
	return nil
}

// info returns the server's INFO as a map; an in-process server that knows no INFO gives an empty one.
func (l *Ledger) info(ctx context.Context) (map[string]string, error) {
	text, err := l.rdb.Info(ctx).Result()
	if err != nil {
		if l.volatile {
			return map[string]string{}, nil
		}
		return nil, fault.As(fault.Unavailable, err, "the store does not say what it is")
	}
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), ":"); found {
			info[name] = value
		}
	}
	return info, nil
}

// run runs a script. Where there is a replica, a durable one is confirmed by it before run returns; the
// WAIT travels in the same round trip.
func (l *Ledger) run(ctx context.Context, script *redis.Script, durable bool, keys []string, args ...any) (any, error) {
	if !durable || !l.replicas {
		v, err := script.Run(ctx, l.rdb, keys, args...).Result()
		return v, kinded(err)
	}
	var cmd *redis.Cmd
	var wait *redis.Cmd
	pipeline := func() error {
		_, err := l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
			cmd = p.EvalSha(ctx, script.Hash(), keys, args...)
			wait = p.Do(ctx, "wait", 1, 100)
			return nil
		})
		return err
	}
	err := pipeline()
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		if err := script.Load(ctx, l.rdb).Err(); err != nil {
			return nil, kinded(err)
		}
		err = pipeline()
	}
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, kinded(err)
	}
	if n, err := wait.Int(); err != nil || n < 1 {
		return nil, fault.As(fault.Unavailable, err, "no replica confirmed in time; try again").In(time.Second)
	}
	return cmd.Val(), nil
}

// kinded gives a Redis error its kind. All scripts may be repeated, so an unclear outcome is Unavailable:
// the caller tries again with the same arguments.
func kinded(err error) error {
	switch {
	case err == nil || errors.Is(err, redis.Nil):
		return nil
	case errors.Is(err, context.Canceled):
		return fault.As(fault.Timeout, err, "given up while waiting for the store")
	case redis.HasErrorPrefix(err, "OOM"):
		return fault.As(fault.Unavailable, err, "the store's memory is full").In(5 * time.Second)
	case redis.HasErrorPrefix(err, "MISCONF"):
		return fault.As(fault.Unavailable, err, "the store cannot write to its disk").In(5 * time.Second)
	case strings.HasPrefix(err.Error(), "ERR"), strings.Contains(err.Error(), "user_script"):
		return fault.As(fault.Internal, err, "the store refused a script")
	default:
		return fault.As(fault.Unavailable, err, "the store is away").In(time.Second)
	}
}
