package ledger

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/hearthfaas/hearth/shared/fault"
)

// maxSkew is how far a server's clock may be from ours before it is worth a word. Leases last ten seconds.
const maxSkew = 5 * time.Second

// setClock mends a clock.
const setClock = "sudo timedatectl set-ntp true"

// server is what is known of one that takes writes.
type server struct {
	*redis.Client
	name     string            // how a person finds it
	info     map[string]string // its INFO; empty for an in-process one
	replicas int               // connected, or known to the cluster
}

// check looks at all servers that take writes, and prepares the scripts for the oldest of them.
func (l *Ledger) check(ctx context.Context) error {
	var mu sync.Mutex
	var all []server
	err := l.masters(ctx, func(ctx context.Context, node *redis.Client) error {
		s, err := l.examine(ctx, node)
		mu.Lock()
		defer mu.Unlock()
		all = append(all, s)
		return err
	})
	if err != nil {
		return unreachable(err, l.target)
	}
	oldest := slices.MinFunc(all, func(a, b server) int { return a.major() - b.major() }).major()
	l.scripts = newScripts(oldest >= 7) // no version: an in-process server, which takes plain scripts
	if l.volatile {
		return nil
	}
	for _, s := range all {
		weak, err := s.weaknesses(ctx, l.target)
		if err != nil {
			return err
		}
		l.weak = append(l.weak, weak...)
	}
	return l.expect(ctx, all)
}

// unreachable says what to do when the store cannot be asked.
func unreachable(err error, t target) error {
	if fault.Is(err, fault.Invalid) {
		return err
	}
	if strings.Contains(err.Error(), "cluster support disabled") {
		return fault.As(fault.Invalid, err, "there is no Redis Cluster").At("REDIS_URL").Try("take +cluster off its scheme")
	}
	known := kinded(err)
	what := "the store at REDIS_URL does not answer"
	if t.sentinel != nil {
		what = fmt.Sprintf("the Sentinels name no master %q that answers", t.sentinel.MasterName)
	}
	if message := fault.Text(known); !strings.HasPrefix(message, "the store is away") {
		what += ": " + message
	}
	return fault.As(fault.Unavailable, err, "%s", what).At("REDIS_URL").Try("hearth doctor")
}

// examine looks at one server and refuses it when it would lose data.
func (l *Ledger) examine(ctx context.Context, node *redis.Client) (server, error) {
	s := server{Client: node, name: node.Options().Addr, info: map[string]string{}}
	if err := node.Ping(ctx).Err(); err != nil {
		return s, err
	}
	text, err := node.Info(ctx).Result()
	if err != nil && !l.volatile { // an in-process server has no INFO
		return s, err
	}
	for line := range strings.Lines(text) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), ":"); found {
			s.info[name] = value
		}
	}
	if t := l.target.sentinel; t != nil {
		s.name = fmt.Sprintf("the master %q (port %s)", t.MasterName, s.info["tcp_port"])
	}
	if l.volatile {
		return s, nil
	}
	if err := s.safe(l.target); err != nil {
		return s, err
	}
	s.replicas, err = s.followers(ctx)
	return s, err
}

func (s server) major() int {
	major, _, _ := strings.Cut(s.info["redis_version"], ".")
	n, _ := strconv.Atoi(major)
	return n
}

// safe refuses a server that would lose data, or that is not what REDIS_URL says.
func (s server) safe(t target) error {
	mode := "standalone"
	if t.cluster != nil {
		mode = "cluster"
	}
	if got := s.info["redis_mode"]; got != mode {
		return fault.New(fault.Invalid, "%s runs as %q, and the URL is for %q", s.name, got, mode).At("REDIS_URL").Try(Forms)
	}
	for _, rule := range []struct{ name, want, mend string }{
		{"maxmemory_policy", "noeviction", "redis-cli CONFIG SET maxmemory-policy noeviction"},
		{"aof_enabled", "1", "redis-cli CONFIG SET appendonly yes"},
		{"role", "master", "point REDIS_URL at the primary"},
	} {
		if got := s.info[rule.name]; got != rule.want {
			return fault.New(fault.Invalid, "%s would lose data: %s is %q, not %q", s.name, rule.name, got, rule.want).
				At("REDIS_URL").Try(rule.mend)
		}
	}
	return nil
}

// followers counts the replicas of a server. In a cluster those count that are away just now.
func (s server) followers(ctx context.Context) (int, error) {
	if s.info["cluster_enabled"] != "1" {
		return strconv.Atoi(s.info["connected_slaves"])
	}
	me, err := s.Do(ctx, "cluster", "myid").Text()
	if err != nil {
		return 0, err
	}
	nodes, err := s.ClusterNodes(ctx).Result()
	if err != nil {
		return 0, err
	}
	n := 0
	for line := range strings.Lines(nodes) { // id address flags master …
		if fields := strings.Fields(line); len(fields) > 3 && fields[3] == me {
			n++
		}
	}
	return n, nil
}

// Weakness is something that a store's configuration does not promise, and what mends it.
type Weakness struct{ What, Mend string }

// weaknesses says what a server that loses nothing by itself does not promise.
func (s server) weaknesses(ctx context.Context, t target) ([]Weakness, error) {
	var list []Weakness
	add := func(mend, format string, args ...any) {
		list = append(list, Weakness{s.name + " " + fmt.Sprintf(format, args...), mend})
	}
	switch {
	case s.replicas == 0 && t.sentinel != nil:
		add("start a replica of it", "has no replica: nothing is accepted until one follows it")
	case s.replicas == 0 && t.cluster != nil:
		add("redis-cli --cluster add-node NEW:PORT "+s.name+" --cluster-slave", "has no replica: while it is down, its share of the conversations is")
	case s.replicas > 0 && s.setting(ctx, "min-replicas-to-write") == "0":
		add("redis-cli CONFIG SET min-replicas-to-write 1", "cut off from its replicas, would go on handing out work that their new master hands out too")
	}
	if policy := s.setting(ctx, "appendfsync"); s.replicas == 0 && policy != "always" && policy != "" {
		add("redis-cli CONFIG SET appendfsync always, or give it a replica", "loses the last second of what it accepted in a power failure")
	}
	there, err := s.Time(ctx).Result()
	if err != nil {
		return nil, kinded(err)
	}
	if off := time.Since(there).Abs(); off > maxSkew {
		add(setClock, "has a clock that is off by %v: after a failover, leases would be too", off.Round(time.Second))
	}
	return list, nil
}

// setting returns a setting of the server, or "" where it does not tell: a hosted one may not.
func (s server) setting(ctx context.Context, name string) string {
	settings, err := s.ConfigGet(ctx, name).Result()
	if err != nil {
		return ""
	}
	return settings[name]
}

// expect notes which partitions have a replica behind them.
func (l *Ledger) expect(ctx context.Context, all []server) error {
	replicated := map[*redis.Client]bool{}
	for _, s := range all {
		replicated[s.Client] = s.replicas > 0
		l.replicas.count(s.Options().Addr, s.replicas)
	}
	for i := range partitions {
		key := tag(partitionName(i))
		node, err := l.node(ctx, key)
		if err != nil {
			return kinded(err)
		}
		if replicated[node] {
			l.replicas.saw(key, time.Now())
		}
	}
	return nil
}
