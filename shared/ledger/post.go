package ledger

import (
	"context"
	"strings"

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
