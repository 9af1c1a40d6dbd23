package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/redis/go-redis/v9"
)

// Quiet waits until nothing is to be done any more: no lane is due, now or later.
func (c *Cluster) Quiet(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return poll(ctx, 250*time.Millisecond, func() error {
		lanes, err := due(ctx, c.Redis.Client())
		if err != nil || len(lanes) > 0 {
			return errors.Join(err, fmt.Errorf("%d lanes still have work: %.300v", len(lanes), lanes))
		}
		return nil
	})
}

// due returns the lanes that have work, with the time at which it is due.
func due(ctx context.Context, store *redis.Client) ([]redis.Z, error) {
	const partitions = 256
	cmds := make([]*redis.ZSliceCmd, partitions)
	_, err := store.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range partitions {
			cmds[i] = p.ZRangeWithScores(ctx, fmt.Sprintf("h:{p%02x}:due", i), 0, -1)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var all []redis.Z
	for _, cmd := range cmds {
		all = append(all, cmd.Val()...)
	}
	return all, nil
}

// kept are the kinds of keys that stay when all is quiet: those with a time to live, and indexes.
var (
	mortal  = regexp.MustCompile(`^h:\{p..\}:(d|l|ev|ek|ctx|j|doc)(:|$)`)
	indexes = regexp.MustCompile(`^h:(\{p..\}:(runs|docs|dlq|doc|cron|fires|brake|clk)(:|$)|pumps$|key$|lease:)`)
	kindOf  = regexp.MustCompile(`^h:(\{p..\}:)?([a-z]+).*$`)
	waiting = regexp.MustCompile(`^h:\{p..\}:((in|out):|act$|j:s[0-9a-f]{2}-[a-z2-7]+:)`)
)

// Leaks returns what should not be in the store when all is quiet (I5): work without a lane that is due, and
// keys of sessions and runs that would stay for ever. Kept counts what may stay, by kind.
func (c *Cluster) Leaks(ctx context.Context) (leaks []string, kept map[string]int, err error) {
	kept = map[string]int{}
	for keys := c.Redis.Client().Scan(ctx, 0, "*", 1000).Iterator(); keys.Next(ctx); {
		key := keys.Val()
		life, err := c.Redis.Client().PTTL(ctx, key).Result()
		if err != nil {
			return nil, nil, err
		}
		kind := kindOf.ReplaceAllString(key, "$2")
		switch {
		case key == clockKey: // our own
		case waiting.MatchString(key):
			leaks = append(leaks, key+" waits for nobody")
		case indexes.MatchString(key), mortal.MatchString(key) && life > 0:
			kept[kind]++
		default:
			leaks = append(leaks, fmt.Sprintf("%s stays for ever", key))
		}
	}
	return leaks, kept, nil
}

// Told returns the files in which a secret is found (I7): what the processes said, and what reached the world.
func (c *Cluster) Told() ([]string, error) {
	files, err := filepath.Glob(filepath.Join(c.Dir, "*.*")) // logs and records
	if err != nil {
		return nil, err
	}
	var told []string
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for name, secret := range c.secrets {
			if name != "hearth-call-key" && bytes.Contains(raw, []byte(secret)) { // that one is a public key
				told = append(told, name+" in "+filepath.Base(file))
			}
		}
	}
	return told, nil
}
