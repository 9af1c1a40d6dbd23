package ledger

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/hearthfaas/hearth/shared/fault"
)

const (
	// confirmTime bounds the wait for a replica, which happens inside the server.
	confirmTime = time.Second
	// patience is how long a replica of a single server may be gone before the server is alone again.
	patience = 10 * time.Second
	// The pause before a command is tried again in a cluster that is changing, which doubles up to its bound.
	firstPause = 20 * time.Millisecond
	lastPause  = 320 * time.Millisecond
)

// replicas knows whose writes a replica has to confirm. Behind Sentinel it is all of them. In a cluster it is
// those of each partition that was seen with a replica: that one may be made the master at any time, so
// confirmation is never waived again. A single server is alone again when its replica is gone for patience.
type replicas struct {
	always  bool
	lasting bool // once seen, always
	gone    time.Duration

	mu   sync.Mutex
	seen map[string]time.Time // by hash tag
	many map[string]int       // connected when last looked, by the address of the server that they follow
}

// wanted is how many replicas of the server at addr have to confirm a write to key: all that are connected to it. One
// would do if always the one that knows most took over; but Sentinel goes by what it asked up to ten seconds before.
func (r *replicas) wanted(key, addr string) int {
	if !r.behind(key) {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(1, r.many[addr])
}

// count notes how many replicas are connected to the server at addr.
func (r *replicas) count(addr string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.many[addr] = n
}

// behind reports whether a replica stands behind a key's partition.
func (r *replicas) behind(key string) bool {
	if r.always {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, found := r.seen[hashTag(key)]
	return found
}

// saw notes that a replica stands behind a key's partition.
func (r *replicas) saw(key string, now time.Time) {
	if r.always {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen[hashTag(key)] = now
}

// waive reports whether a replica that does not confirm is gone for good.
func (r *replicas) waive(key string, now time.Time) bool {
	if r.always || r.lasting {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.seen[hashTag(key)]) < r.gone {
		return false
	}
	clear(r.seen)
	return true
}

// hashTag returns what Redis hashes of a key of ours.
func hashTag(key string) string {
	if start := strings.IndexByte(key, '{'); start >= 0 {
		if end := strings.IndexByte(key[start:], '}'); end > 0 {
			return key[start : start+end]
		}
	}
	return key
}

// run runs a script on the server that holds its keys. A durable one is on a replica too when run returns,
// where there is one.
func (l *Ledger) run(ctx context.Context, script *redis.Script, durable bool, keys []string, args ...any) (any, error) {
	if !durable || l.volatile {
		v, err := script.Run(ctx, l.rdb, keys, args...).Result()
		return v, kinded(err)
	}
	var cmds []*redis.Cmd
	err := l.durably(ctx, keys[0], func(p redis.Pipeliner) { cmds = append(cmds, script.EvalSha(ctx, p, keys, args...)) })
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		err = l.durably(ctx, keys[0], func(p redis.Pipeliner) { cmds = append(cmds, script.Eval(ctx, p, keys, args...)) })
	}
	if err != nil {
		return nil, kinded(err)
	}
	// It may have run twice. What it did is what it answered first.
	did := slices.IndexFunc(cmds, func(c *redis.Cmd) bool { return c.Err() == nil || errors.Is(c.Err(), redis.Nil) })
	return cmds[did].Val(), nil
}

// durably adds commands about a key to a pipeline, and the WAIT by which all connected replicas confirm them. A pipeline has one
// connection to one server, which is what WAIT counts by: it travels in the same round trip and covers all
// that the server did before. ROLE tells whether replicas are connected now.
func (l *Ledger) durably(ctx context.Context, key string, add func(redis.Pipeliner)) error {
	if l.volatile {
		_, err := l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error { add(p); return nil })
		return err
	}
	var wait, role *redis.Cmd
	var wanted, connected int
	err := l.at(ctx, key, func(node *redis.Client) error {
		addr := node.Options().Addr
		wanted = l.replicas.wanted(key, addr)
		_, err := node.Pipelined(ctx, func(p redis.Pipeliner) error {
			add(p)
			if wanted > 0 {
				wait = p.Do(ctx, "wait", wanted, confirmTime.Milliseconds())
			}
			role = p.Do(ctx, "role")
			return nil
		})
		if err == nil || errors.Is(err, redis.Nil) {
			connected = followers(role)
			l.replicas.count(addr, connected)
		}
		return err
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	if connected > wanted { // one has appeared: these commands, too, have to reach it
		if wanted == 0 {
			l.replicas.saw(key, time.Now())
		}
		return l.durably(ctx, key, add)
	}
	if wanted == 0 {
		return nil
	}
	if n, err := wait.Int(); err == nil && n > 0 && n >= connected {
		l.replicas.saw(key, time.Now())
		return nil
	}
	if connected == 0 && l.replicas.waive(key, time.Now()) {
		return nil
	}
	return fault.New(fault.Unavailable, "the replicas of the store did not confirm in time").In(time.Second).Try("hearth doctor")
}

// followers counts the replicas in the answer to ROLE.
func followers(role *redis.Cmd) int {
	answer, _ := role.Slice()
	if len(answer) < 3 || text(answer[0]) != "master" {
		return 0
	}
	list, _ := answer[2].([]any)
	return len(list)
}

// at calls work for the server that holds a key. What a cluster says while a slot moves or another server
// takes over is tried again for a second; longer changes are the caller's to repeat.
func (l *Ledger) at(ctx context.Context, key string, work func(*redis.Client) error) error {
	cluster, clustered := l.rdb.(*redis.ClusterClient)
	for pause := firstPause; ; pause *= 2 {
		node, err := l.node(ctx, key)
		if err == nil {
			err = work(node)
		}
		if !clustered || !elsewhere(err) || pause > lastPause || ctx.Err() != nil {
			return err
		}
		cluster.ReloadState(ctx)
		if !paused(ctx, pause) {
			return err
		}
	}
}
