package ledger

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/hearthfaas/hearth/shared/fault"
)

// LetterKind says what was put aside.
type LetterKind string

// The kinds of dead letter.
const (
	Unanswered  LetterKind = "in"  // a message
	Undelivered LetterKind = "out" // an entry of an outbox
	Unreadable  LetterKind = "run" // a run that nobody could go on with, because what is known of it cannot be read
)

// Letter is a dead letter, put aside with nothing lost. A partition keeps the newest ten thousand.
type Letter struct {
	ID   string
	Lane Lane
	At   time.Time // when it was given up
	Kind LetterKind
	Key  string // under which it was posted; "" for what nobody posted
	Body []byte // of a run its header, of an apology the message; nil when it cannot be opened any more

	raw, rest string
}

// Letters returns dead letters, newest first, at most max.
func (l *Ledger) Letters(ctx context.Context, max int) ([]Letter, error) {
	letters, err := l.letters(ctx, "dlq", max)
	slices.SortStableFunc(letters, func(a, b Letter) int { return cmp.Compare(b.At.UnixMilli(), a.At.UnixMilli()) })
	return letters[:min(len(letters), max)], err
}

// Unseen returns dead letters that nobody has Seen yet, some of each partition.
func (l *Ledger) Unseen(ctx context.Context) ([]Letter, error) {
	return l.letters(ctx, "dlq:new", perPartition)
}

// Seen says that somebody knows of a dead letter. It stays with the others that were put aside.
func (l *Ledger) Seen(ctx context.Context, d Letter) error {
	return kinded(l.rdb.LRem(ctx, d.Lane.shared("dlq:new"), 1, d.raw).Err())
}

// letters reads up to max of a list of each partition.
func (l *Ledger) letters(ctx context.Context, list string, max int) ([]Letter, error) {
	cmds := make([]*redis.StringSliceCmd, partitions)
	_, err := l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range partitions {
			cmds[i] = p.LRange(ctx, tag(partitionName(i))+list, 0, int64(max-1))
		}
		return nil
	})
	if err != nil {
		return nil, kinded(err)
	}
	var letters []Letter
	for _, cmd := range cmds {
		for _, raw := range cmd.Val() {
			letter, err := l.openLetter(raw)
			if err != nil {
				return nil, err
			}
			letters = append(letters, letter)
		}
	}
	return letters, nil
}

// openLetter reads WHEN|LANE|KIND|SEQ|BODY of a message, WHEN|LANE|KIND|ID|SORT|BODY of an answer, and
// WHEN|LANE|KIND|EPOCH|HEADER of a run.
func (l *Ledger) openLetter(raw string) (Letter, error) {
	part := strings.SplitN(raw, "|", 4)
	if len(part) < 4 {
		return Letter{}, fault.New(fault.Internal, "a dead letter is damaged")
	}
	ms, err := strconv.ParseInt(part[0], 10, 64)
	if err != nil {
		return Letter{}, fault.As(fault.Internal, err, "a dead letter is damaged")
	}
	id, body, _ := strings.Cut(part[3], "|")
	d := Letter{Lane: Lane(part[1]), At: time.UnixMilli(ms), Kind: LetterKind(part[2]), raw: raw, rest: part[3]}
	if key, posted := strings.CutPrefix(id, postedMark); posted {
		d.Key = key
	}
	d.ID = part[1] + "." + strings.ReplaceAll(strings.TrimPrefix(id, "m"), "/", "-")
	field := "in"
	switch d.Kind {
	case Unreadable:
		field = "hdr"
	case Undelivered:
		sort, sealed, _ := strings.Cut(body, "|")
		body, d.ID = sealed, d.ID+"a"
		if sort == "A" {
			field = "out"
		}
	}
	if plain, err := l.box(d.Lane).Open(field, []byte(body)); err == nil {
		d.Body = plain
	}
	return d, nil
}

// Redrive puts a dead letter back to where it came from: a message at the end of its session's inbox, an answer
// at the end of its outbox, a run among those that are due. NotFound means that somebody was faster, Limited that the inbox is full.
func (l *Ledger) Redrive(ctx context.Context, d Letter) error {
	keys := []string{d.Lane.shared("dlq"), d.Lane.key("l"), d.Lane.key("in"), d.Lane.key("out"), d.Lane.shared("due")}
	raw, err := l.run(ctx, l.scripts.redrive, true, keys, d.raw, string(d.Lane), string(d.Kind), d.rest, maxInbox)
	if err != nil {
		return err
	}
	switch raw.(int64) {
	case 0:
		return fault.New(fault.NotFound, "no such dead letter: %s", d.ID)
	case -1:
		return fault.New(fault.Limited, "%d messages wait in its conversation already", maxInbox).In(5 * time.Second)
	}
	return nil
}

// Discard drops a dead letter for good.
func (l *Ledger) Discard(ctx context.Context, d Letter) error {
	n, err := l.rdb.LRem(ctx, d.Lane.shared("dlq"), 1, d.raw).Result()
	if err == nil && n == 0 {
		return fault.New(fault.NotFound, "no such dead letter: %s", d.ID)
	}
	return kinded(err)
}
