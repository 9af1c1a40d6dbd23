package ledger

import (
	"cmp"
	"context"
	"hash/crc32"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// perPartition bounds what one round of the pump takes from a partition; what is left is due next time.
const perPartition = 64

// pumpLife is how long a pump counts as alive after its last round.
const pumpLife = 2 * time.Second

// Due returns the lanes that are due in the partitions of this pump, oldest first within a partition, and
// the tasks whose slot has come. Pumps share the partitions by rendezvous hashing over the pumps that were
// seen lately; that only spreads the load: correctness is in the claims.
func (l *Ledger) Due(ctx context.Context, pump string) ([]Lane, map[string]time.Time, error) {
	now, peers, err := l.peers(ctx, pump)
	if err != nil {
		return nil, nil, err
	}
	until := strconv.FormatInt(now.UnixMilli(), 10)
	upTo := &redis.ZRangeBy{Min: "-inf", Max: until, Count: perPartition}
	var cmds []*redis.StringSliceCmd
	var cron *redis.ZSliceCmd
	_, err = l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range partitions {
			if owner(peers, i) == pump {
				cmds = append(cmds, p.ZRangeByScore(ctx, tag(partitionName(i))+"due", upTo))
			}
		}
		cron = p.ZRangeByScoreWithScores(ctx, l.TasksLane().shared("cron"), upTo)
		return nil
	})
	if err != nil {
		return nil, nil, kinded(err)
	}
	var lanes []Lane
	for _, cmd := range cmds {
		for _, lane := range cmd.Val() {
			lanes = append(lanes, Lane(lane))
		}
	}
	slots := map[string]time.Time{}
	for _, z := range cron.Val() {
		slots[z.Member.(string)] = time.UnixMilli(int64(z.Score))
	}
	return lanes, slots, nil
}

// peers reports this pump as alive and returns all that are, with the server's time.
func (l *Ledger) peers(ctx context.Context, pump string) (time.Time, []string, error) {
	now, err := l.rdb.Time(ctx).Result()
	if err != nil {
		return now, nil, kinded(err)
	}
	var alive *redis.StringSliceCmd
	_, err = l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.ZAdd(ctx, "h:pumps", redis.Z{Score: float64(now.UnixMilli()), Member: pump})
		p.ZRemRangeByScore(ctx, "h:pumps", "-inf", strconv.FormatInt(now.Add(-pumpLife).UnixMilli(), 10))
		alive = p.ZRange(ctx, "h:pumps", 0, -1)
		return nil
	})
	if err != nil {
		return now, nil, kinded(err)
	}
	return now, alive.Val(), nil
}

// owner returns the pump with the highest hash for a partition.
func owner(pumps []string, partition int) string {
	return slices.MaxFunc(pumps, func(a, b string) int {
		return cmp.Or(cmp.Compare(weight(a, partition), weight(b, partition)), cmp.Compare(a, b))
	})
}

func weight(pump string, partition int) uint32 {
	return crc32.ChecksumIEEE([]byte(pump + "/" + strconv.Itoa(partition)))
}

// merge puts the indexes of all partitions together, newest first.
func merge(cmds []*redis.ZSliceCmd, max int) []Lane {
	var all []redis.Z
	for _, cmd := range cmds {
		all = append(all, cmd.Val()...)
	}
	slices.SortFunc(all, func(a, b redis.Z) int { return cmp.Compare(b.Score, a.Score) })
	lanes := make([]Lane, 0, min(len(all), max))
	for _, z := range all[:min(len(all), max)] {
		lanes = append(lanes, Lane(z.Member.(string)))
	}
	return lanes
}
