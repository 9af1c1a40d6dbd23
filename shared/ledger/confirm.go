package ledger

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/hearthfaas/hearth/shared/fault"
)

const (
	// confirmTime bounds the wait for a replica, which happens inside the server.
	confirmTime = 300 * time.Millisecond
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
	var cmd *redis.Cmd
	err := l.durably(ctx, keys[0], func(p redis.Pipeliner) { cmd = script.EvalSha(ctx, p, keys, args...) })
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		err = l.durably(ctx, keys[0], func(p redis.Pipeliner) { cmd = script.Eval(ctx, p, keys, args...) })
	}
	if err != nil {
		return nil, kinded(err)
	}
	return cmd.Val(), nil
}

// durably adds commands about a key to a pipeline, and the WAIT that confirms them. A pipeline has one
// connection to one server, which is what WAIT counts by: it travels in the same round trip and covers all
// that the server did before. ROLE tells whether replicas are connected now.
func (l *Ledger) durably(ctx context.Context, key string, add func(redis.Pipeliner)) error {
	if l.volatile {
		_, err := l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error { add(p); return nil })
		return err
	}
	behind := l.replicas.behind(key)
	var wait, role *redis.Cmd
	err := l.at(ctx, key, func(node *redis.Client) error {
		_, err := node.Pipelined(ctx, func(p redis.Pipeliner) error {
			add(p)
			if behind {
				wait = p.Do(ctx, "wait", 1, confirmTime.Milliseconds())
			}
			role = p.Do(ctx, "role")
			return nil
		})
		return err
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	connected := followers(role) > 0
	if !behind && connected { // a replica has appeared: these commands, too, have to reach it
		l.replicas.saw(key, time.Now())
		return l.durably(ctx, key, add)
	}
	if !behind {
		return nil
	}
	if n, err := wait.Int(); err == nil && n > 0 {
		l.replicas.saw(key, time.Now())
		return nil
	}
	if !connected && l.replicas.waive(key, time.Now()) {
		return nil
	}
	return fault.New(fault.Unavailable, "no replica of the store confirmed in time").In(time.Second).Try("hearth doctor")
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
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}
