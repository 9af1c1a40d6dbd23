package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/redisd"
	"github.com/hearthfaas/hearth/shared/vault"
)

// fillers is how many connections fill a store.
const fillers = 64

var quiet = slog.New(slog.DiscardHandler)

// store is the Redis of one target, started as "hearth up" starts its own: it syncs each write.
type store struct {
	*redisd.Server
	rdb *redis.Client
	pid int    // 0 for one in our own memory
	key string // the target's ENCRYPTION_KEY
}

func startStore(ctx context.Context, dir string) (*store, error) {
	server, err := redisd.Start(ctx, dir, quiet)
	if err != nil {
		return nil, err
	}
	options, err := redisOptions(server.URL)
	if err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	s := &store{Server: server, rdb: redis.NewClient(options), key: vault.Generate()}
	if server.Kind == redisd.Memory {
		return s, nil
	}
	info, err := s.info(ctx)
	if err == nil {
		s.pid, err = strconv.Atoi(info["process_id"])
	}
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// redisOptions are the same for whoever uses a store without the ledger.
func redisOptions(url string) (*redis.Options, error) {
	options, err := redis.ParseURL(strings.TrimSuffix(url, "?"+ledger.VolatileFlag+"=1"))
	if err != nil {
		return nil, err
	}
	options.PoolSize, options.DisableIdentity, options.Protocol = fillers, true, 2
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return options, nil
}

func (s *store) stop() error { return errors.Join(s.rdb.Close(), s.Stop()) }

// ledger opens the ledger that the target uses. The caller closes it.
func (s *store) ledger(ctx context.Context) (*ledger.Ledger, *vault.Vault, error) {
	v, err := vault.Parse(s.key)
	if err != nil {
		return nil, nil, err
	}
	l, err := ledger.Dial(ctx, s.URL, v)
	return l, v, err
}

func (s *store) info(ctx context.Context) (map[string]string, error) {
	text, err := s.rdb.Info(ctx, "all").Result()
	if err != nil {
		return nil, err
	}
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), ":"); found {
			info[name] = value
		}
	}
	return info, nil
}

// counted is what a store has done so far.
type counted struct {
	trips    float64 // requests that it read: a pipeline is one, and so is a script
	commands float64 // with those inside scripts
	syncs    float64 // of its log to disk
	logged   float64 // bytes of its log
	memory   float64 // bytes that it holds
}

// count reads the store's counters, or returns NaN for all of one in memory.
//
// Redis counts no syncs. With "appendfsync always" it syncs once after each write of its log, and writes
// nothing but that and replies: so syncs are the writes that the kernel counts (proc_pid_io(5), syscw)
// without the writes of replies. The request that asks counts itself, which is taken off.
func (s *store) count(ctx context.Context) (counted, error) {
	if s.pid == 0 {
		return counted{math.NaN(), math.NaN(), math.NaN(), math.NaN(), math.NaN()}, nil
	}
	writes, err := writeCalls(s.pid)
	if err != nil {
		return counted{}, err
	}
	info, err := s.info(ctx)
	if err != nil {
		return counted{}, err
	}
	var c counted
	for name, field := range map[string]*float64{
		"total_reads_processed": &c.trips, "total_commands_processed": &c.commands, "total_writes_processed": &c.syncs,
		"aof_current_size": &c.logged, "used_memory": &c.memory,
	} {
		if *field, err = strconv.ParseFloat(info[name], 64); err != nil {
			return counted{}, fmt.Errorf("INFO of the store: %s: %w", name, err)
		}
	}
	c.syncs = writes - c.syncs
	return c, nil
}

// since is what was done between an earlier count and this one, without the request that counted.
func (c counted) since(o counted) counted {
	return counted{c.trips - o.trips - 1, c.commands - o.commands - 1, c.syncs - o.syncs, c.logged - o.logged, c.memory - o.memory}
}

// writeCalls returns how many times a process called write(2) or its like; NaN where the kernel does not say.
func writeCalls(pid int) (float64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return math.NaN(), nil
	}
	for line := range strings.Lines(string(raw)) {
		if value, found := strings.CutPrefix(line, "syscw: "); found {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return math.NaN(), nil
}

// hurry lets the store take many writes without a sync for each, while it is filled; the function that it
// returns ends that, and waits until the store's own work of compacting its log is over.
func (s *store) hurry(ctx context.Context) (calm func() error, err error) {
	if s.pid == 0 {
		return func() error { return nil }, nil
	}
	if err := s.rdb.ConfigSet(ctx, "appendfsync", "no").Err(); err != nil {
		return nil, err
	}
	return func() error {
		if err := s.rdb.ConfigSet(ctx, "appendfsync", "always").Err(); err != nil {
			return err
		}
		for ctx.Err() == nil {
			info, err := s.info(ctx)
			if err != nil {
				return err
			}
			if info["aof_rewrite_in_progress"] == "0" && info["aof_rewrite_scheduled"] == "0" {
				return nil
			}
			until(time.Now().Add(100 * time.Millisecond))
		}
		return ctx.Err()
	}, nil
}
