package ledger

import (
	"cmp"
	"context"
	"hash/crc32"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// perPartition bounds what one round of the pump takes from a partition; what is left is due next time.
const perPartition = 64

// pumpLife is how long a pump counts as alive after its last round.
const pumpLife = 2 * time.Second

// clockTime bounds how long the pump waits for a server's time.
const clockTime = time.Second

// Due is what is due: for a pump to ring.
type Due struct {
	Lanes   []Lane          // of the pump's partitions, oldest first within one
	Slots   map[string]Slot // that have come, by task
	Watches []Watch         // deadlines that have come
}

// Due returns what is due. Pumps share the partitions by rendezvous hashing over the pumps that were seen
// lately; that only spreads the load: correctness is in the claims. With an error, what is returned is due all
// the same: some servers of the cluster are away, the others' work goes on.
func (l *Ledger) Due(ctx context.Context, pump string) (Due, error) {
	clocks, away := l.clocks(ctx)
	peers := l.peers(ctx, pump, clocks)
	var cmds []*redis.StringSliceCmd
	var plan planned
	_, err := l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range partitions {
			key := tag(partitionName(i)) + "due"
			if now, ok := l.clock(ctx, clocks, key); ok && owner(peers, i) == pump {
				cmds = append(cmds, p.ZRangeByScore(ctx, key, upTo(now)))
			}
		}
		home := l.TasksLane()
		if now, ok := l.clock(ctx, clocks, home.shared("cron")); ok {
			plan.cron = p.ZRangeByScoreWithScores(ctx, home.shared("cron"), upTo(now))
			plan.late = p.HGetAll(ctx, home.shared("late"))
			plan.watch = p.ZRangeByScore(ctx, home.shared("watch"), upTo(now))
		}
		return nil
	})
	var due Due
	for _, cmd := range cmds {
		for _, lane := range cmd.Val() {
			due.Lanes = append(due.Lanes, Lane(lane))
		}
	}
	damaged := plan.read(&due)
	return due, cmp.Or(kinded(cmp.Or(away, err)), damaged)
}

// KeepTime notes the time in all partitions. Where it went back since the last note, all that is due comes forward
// by as much: a lane would else wait for the old time to come again. A note is made once a minute and looked at with
// each call, every few seconds: that minute is what a lane can be late. With an error it was done where the servers
// could be reached.
func (l *Ledger) KeepTime(ctx context.Context) error {
	if err := l.scripts.tick.Load(ctx, l.rdb).Err(); err != nil {
		return kinded(err)
	}
	_, err := l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range partitions {
			home := tag(partitionName(i))
			l.scripts.tick.EvalSha(ctx, p, []string{home + "due", home + "clk"})
		}
		return nil
	})
	return kinded(err)
}

// planned is what was asked of the partition that tasks live in; nothing when its server is away.
type planned struct {
	cron  *redis.ZSliceCmd
	late  *redis.MapStringStringCmd
	watch *redis.StringSliceCmd
}

func (p planned) read(due *Due) (err error) {
	if p.cron == nil || cmp.Or(p.cron.Err(), p.late.Err(), p.watch.Err()) != nil {
		return nil // whoever asked has the error
	}
	due.Watches = watches(p.watch.Val())
	due.Slots, err = slots(p.cron.Val(), p.late.Val())
	return err
}

func upTo(now time.Time) *redis.ZRangeBy {
	return &redis.ZRangeBy{Min: "-inf", Max: strconv.FormatInt(now.UnixMilli(), 10), Count: perPartition}
}

// clocks asks every server that takes writes for its time: what is due in a partition is so by the clock of
// the server that holds it. Those that do not answer are missing.
func (l *Ledger) clocks(ctx context.Context) (map[*redis.Client]time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, clockTime)
	defer cancel()
	var mu sync.Mutex
	clocks := map[*redis.Client]time.Time{}
	err := l.masters(ctx, func(ctx context.Context, node *redis.Client) error {
		now, err := node.Time(ctx).Result()
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			clocks[node] = now
		}
		return err
	})
	return clocks, err
}

// clock returns the time where a key is.
func (l *Ledger) clock(ctx context.Context, clocks map[*redis.Client]time.Time, key string) (time.Time, bool) {
	node, err := l.node(ctx, key)
	if err != nil {
		return time.Time{}, false
	}
	now, ok := clocks[node]
	return now, ok
}

// peers reports this pump as alive and returns all that are. Where that cannot be asked, the pump looks after
// all partitions itself.
func (l *Ledger) peers(ctx context.Context, pump string, clocks map[*redis.Client]time.Time) []string {
	now, ok := l.clock(ctx, clocks, "h:pumps")
	if !ok {
		return []string{pump}
	}
	var alive *redis.StringSliceCmd
	_, err := l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.ZAdd(ctx, "h:pumps", redis.Z{Score: float64(now.UnixMilli()), Member: pump})
		p.ZRemRangeByScore(ctx, "h:pumps", "-inf", strconv.FormatInt(now.Add(-pumpLife).UnixMilli(), 10))
		p.ZRemRangeByScore(ctx, "h:pumps", strconv.FormatInt(now.Add(pumpLife).UnixMilli(), 10), "+inf") // of a clock that went back
		alive = p.ZRange(ctx, "h:pumps", 0, -1)
		return nil
	})
	if err != nil || len(alive.Val()) == 0 {
		return []string{pump}
	}
	return alive.Val()
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
