package telegram

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
)

// kinds are the updates that we ask for.
var kinds = []string{"message", "edited_message", "callback_query", "my_chat_member"}

// Token is the secret that every bot has.
func (adapter) Token() string { return "bot-token" }

// Polls reports whether the bot has a token but no webhook.
func (adapter) Polls(a channel.Account) bool {
	_, noToken := a.Secret("bot-token")
	_, noWebhook := a.Secret("webhook-secret")
	return noToken == nil && noWebhook != nil
}

// Poll prepares getUpdates. The cursor is the offset: Telegram forgets the updates before it, and gives
// all it has without one.
func (adapter) Poll(a channel.Account, cursor string, wait time.Duration) (channel.Call, error) {
	var offset int64
	if cursor != "" {
		var err error
		if offset, err = strconv.ParseInt(cursor, 10, 64); err != nil {
			return channel.Call{}, fault.As(fault.Internal, err, "the cursor of a poll")
		}
	}
	return method(a, "getUpdates", struct {
		Offset  int64    `json:"offset,omitempty"`
		Timeout int      `json:"timeout"`
		Allowed []string `json:"allowed_updates"`
	}{offset, int(wait.Seconds()), kinds})
}

// Polled reads the answer of getUpdates.
func (adapter) Polled(answer channel.Answer) ([]channel.Update, error) {
	result, err := resultOf(answer)
	if err != nil {
		return nil, err
	}
	var list []json.RawMessage
	if err := json.Unmarshal(result, &list); err != nil {
		return nil, fault.As(fault.Unavailable, err, "getUpdates gives no list")
	}
	updates := make([]channel.Update, len(list))
	for i, raw := range list {
		var u struct {
			ID int64 `json:"update_id"`
		}
		if err := json.Unmarshal(raw, &u); err != nil {
			return nil, fault.As(fault.Unavailable, err, "getUpdates gives something without an update_id")
		}
		updates[i] = channel.Update{Body: raw, Cursor: strconv.FormatInt(u.ID+1, 10)}
	}
	return updates, nil
}
