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

// Due is what is due: for a pump to ring.
type Due struct {
	Lanes   []Lane          // of the pump's partitions, oldest first within one
	Slots   map[string]Slot // that have come, by task
	Watches []Watch         // deadlines that have come
}

// Due returns what is due. Pumps share the partitions by rendezvous hashing over the pumps that were seen
// lately; that only spreads the load: correctness is in the claims.
func (l *Ledger) Due(ctx context.Context, pump string) (Due, error) {
	now, peers, err := l.peers(ctx, pump)
	if err != nil {
		return Due{}, err
	}
	upTo := &redis.ZRangeBy{Min: "-inf", Max: strconv.FormatInt(now.UnixMilli(), 10), Count: perPartition}
	var lanes []*redis.StringSliceCmd
	var cron *redis.ZSliceCmd
	var late *redis.MapStringStringCmd
	var watch *redis.StringSliceCmd
	_, err = l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range partitions {
			if owner(peers, i) == pump {
				lanes = append(lanes, p.ZRangeByScore(ctx, tag(partitionName(i))+"due", upTo))
			}
		}
		cron = p.ZRangeByScoreWithScores(ctx, l.TasksLane().shared("cron"), upTo)
		late = p.HGetAll(ctx, l.TasksLane().shared("late"))
		watch = p.ZRangeByScore(ctx, l.TasksLane().shared("watch"), upTo)
		return nil
	})
	if err != nil {
		return Due{}, kinded(err)
	}
	due := Due{Watches: watches(watch.Val())}
	for _, cmd := range lanes {
		for _, lane := range cmd.Val() {
			due.Lanes = append(due.Lanes, Lane(lane))
		}
	}
	due.Slots, err = slots(cron.Val(), late.Val())
	return due, err
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
