package ledger

import (
	"context"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/hearthfaas/hearth/shared/fault"
)

// postedMark begins the outbox ids of what Post put there.
const postedMark = "p."

// Post puts one further entry into a session's outbox and makes the session due. A key that was used before is
// not posted again: posted is false.
func (l *Ledger) Post(ctx context.Context, lane Lane, key string, body []byte) (posted bool, err error) {
	if len(body) > MaxValue {
		return false, fault.New(fault.TooLarge, "the entry is over %d bytes", MaxValue)
	}
	if strings.Contains(key, "|") {
		return false, fault.New(fault.Internal, "a key of an outbox has no |: %q", key)
	}
	keys := []string{lane.shared("pk:" + l.vault.Blind("post", string(lane), key)), lane.key("out"), lane.shared("due")}
	raw, err := l.run(ctx, l.scripts.post, true, keys, string(lane), postedMark+key, l.box(lane).Seal("out", body), KeepIdle.Milliseconds())
	if err != nil {
		return false, err
	}
	return raw.(int64) == 1, nil
}

// Letter is something that was put aside for good: a message that could not be answered, or an entry of an
// outbox that could not be delivered.
type Letter struct {
	Lane    Lane
	ID      string // of the entry; of a message, AnswerID of it
	Message bool   // a message that could not be answered
	Posted  bool   // it came from Post
	Body    []byte // nil when it cannot be opened any more
	raw     string
}

// Letters returns dead letters that nobody has seen yet, oldest first within a partition.
func (l *Ledger) Letters(ctx context.Context) ([]Letter, error) {
	cmds := make([]*redis.StringSliceCmd, partitions)
	_, err := l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range partitions {
			cmds[i] = p.LRange(ctx, tag(partitionName(i))+"dlq:new", 0, perPartition-1)
		}
		return nil
	})
	if err != nil {
		return nil, kinded(err)
	}
	var letters []Letter
	for _, cmd := range cmds {
		for _, raw := range cmd.Val() {
			if letter, ok := l.openLetter(raw); ok {
				letters = append(letters, letter)
			}
		}
	}
	return letters, nil
}

// openLetter reads "lane|in|seq|body" or "lane|out|id|kind|body".
func (l *Ledger) openLetter(raw string) (Letter, bool) {
	parts := strings.SplitN(raw, "|", 4)
	if len(parts) < 4 {
		return Letter{}, false
	}
	lane, err := ParseLane(parts[0])
	if err != nil {
		return Letter{}, false
	}
	letter := Letter{Lane: lane, ID: parts[2], raw: raw}
	field, body := "in", parts[3]
	switch {
	case parts[1] == "in":
		letter.Message, letter.ID = true, "m"+parts[2]
	case strings.HasPrefix(body, "A|"):
		letter.Posted = strings.HasPrefix(letter.ID, postedMark)
		field, body = "out", body[len("A|"):]
	default: // an apology: the message itself
		body = body[len("D|"):]
	}
	if plain, err := l.box(lane).Open(field, []byte(body)); err == nil {
		letter.Body = plain
	}
	return letter, true
}

// Seen says that somebody knows of a dead letter. It stays with the others that were put aside.
func (l *Ledger) Seen(ctx context.Context, letter Letter) error {
	return kinded(l.rdb.LRem(ctx, letter.Lane.shared("dlq:new"), 1, letter.raw).Err())
}
