package ledger

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/hearthfaas/hearth/shared/fault"
)

// maxFires is how many rows of past slots are kept of a task.
const maxFires = 500

// Slot is a point in the schedule of a task. The zero Slot stands for none.
type Slot struct {
	Time     time.Time // by the schedule: what the slot is called
	At       time.Time // when it fires: the same, or a little later
	Deadline time.Time // when its run has to have ended well; zero when nobody waits for it
}

// Fire is one slot of a schedule.
type Fire struct {
	Task     string
	Expected time.Time // the slot the ledger has; another value means that somebody else fired it
	Next     Slot      // zero for no further slot
	Note     []byte    // the row that history shows
	Run      *Spawn    // nil when the slot is skipped
}

// Fire takes a slot: it moves the schedule on, leaves a row and creates the run, once among all replicas.
// It reports whether this call was the one.
func (l *Ledger) Fire(ctx context.Context, f Fire) (bool, error) {
	home := l.TasksLane()
	run, header := Lane(""), []byte(nil)
	if f.Run != nil {
		run, header = f.Run.Lane, l.box(f.Run.Lane).Seal("hdr", f.Run.Header)
	}
	keys := []string{
		home.shared("cron"), home.shared("late"), home.shared("watch"), home.shared("due"), l.firesKey(f.Task),
		home.shared("l:" + string(run)), home.shared("runs"), home.shared("act"),
	}
	args := append([]any{f.Task, f.Expected.UnixMilli()}, f.Next.args()...)
	raw, err := l.run(ctx, l.scripts.fire, true, keys, append(args, l.vault.Box("fires/"+f.Task).Seal("", f.Note), maxFires, string(run), header, maxRuns)...)
	if err != nil {
		return false, err
	}
	return raw.(int64) == 1, nil
}

// args are a slot as the scripts take it: -1 stands for no time.
func (s Slot) args() []any { return []any{millis(s.Time), millis(s.At), millis(s.Deadline)} }

func millis(t time.Time) int64 {
	if t.IsZero() {
		return -1
	}
	return t.UnixMilli()
}

func (l *Ledger) firesKey(task string) string {
	return l.TasksLane().shared("fires:" + l.vault.Blind("task", task))
}

// Schedule sets the next slot of a task; the zero Slot takes it off the schedule. Nobody waits any more for
// the run of the slot that it replaces.
func (l *Ledger) Schedule(ctx context.Context, task string, next Slot) error {
	home := l.TasksLane()
	keys := []string{home.shared("cron"), home.shared("late"), home.shared("watch")}
	_, err := l.run(ctx, l.scripts.schedule, true, keys, append([]any{task}, next.args()...)...)
	return err
}

// Scheduled returns the next slot of each task, without its deadline.
func (l *Ledger) Scheduled(ctx context.Context) (map[string]Slot, error) {
	var cron *redis.ZSliceCmd
	var late *redis.MapStringStringCmd
	_, err := l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		cron = p.ZRangeWithScores(ctx, l.TasksLane().shared("cron"), 0, -1)
		late = p.HGetAll(ctx, l.TasksLane().shared("late"))
		return nil
	})
	if err != nil {
		return nil, kinded(err)
	}
	return slots(cron.Val(), late.Val())
}

// slots puts together when tasks fire and how much later than their slot that is.
func slots(cron []redis.Z, late map[string]string) (map[string]Slot, error) {
	all := make(map[string]Slot, len(cron))
	for _, z := range cron {
		task := z.Member.(string)
		at := time.UnixMilli(int64(z.Score))
		s := Slot{Time: at, At: at}
		if text := late[task]; text != "" {
			ms, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return nil, fault.As(fault.Internal, err, "the delay of the task %s", task)
			}
			s.Time = at.Add(-time.Duration(ms) * time.Millisecond)
		}
		all[task] = s
	}
	return all, nil
}

// Fires returns the rows of a task's past slots, newest first.
func (l *Ledger) Fires(ctx context.Context, task string, max int) ([][]byte, error) {
	rows, err := l.rdb.LRange(ctx, l.firesKey(task), 0, int64(max-1)).Result()
	if err != nil {
		return nil, kinded(err)
	}
	box := l.vault.Box("fires/" + task)
	notes := make([][]byte, len(rows))
	for i, row := range rows {
		if notes[i], err = box.Open("", []byte(row)); err != nil {
			return nil, err
		}
	}
	return notes, nil
}

// Watch is a slot whose deadline has come.
type Watch struct {
	Task string
	Slot time.Time
}

func watches(members []string) []Watch {
	all := make([]Watch, 0, len(members))
	for _, member := range members {
		task, ms, _ := strings.Cut(member, "@")
		n, err := strconv.ParseInt(ms, 10, 64)
		if err != nil {
			continue // none of ours
		}
		all = append(all, Watch{task, time.UnixMilli(n)})
	}
	return all
}

// Unwatch ends the wait for a slot: somebody has looked at what became of it.
func (l *Ledger) Unwatch(ctx context.Context, w Watch) error {
	member := w.Task + "@" + strconv.FormatInt(w.Slot.UnixMilli(), 10)
	return kinded(l.rdb.ZRem(ctx, l.TasksLane().shared("watch"), member).Err())
}
