package telegram_test

import (
	"encoding/json"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hearthfaas/hearth/functions/adapters/telegram"
	"github.com/hearthfaas/hearth/functions/adapters/telegram/telegramtest"
	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/channel/channeltest"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAdapter(t *testing.T) {
	channeltest.Run(t, channeltest.Suite{
		Platform: "telegram",
		Open:     telegram.Open,
		Secrets:  map[string]string{"bot-token": telegramtest.Token, "webhook-secret": "Secret_of-the-webhook-1"},
		Self:     message.Sender{ID: "7000000001", Name: "hearth_test_bot", Bot: true},
		Address:  message.Address{Platform: "telegram", Chat: "42"},
		Thread:   "7",
		Message:  "77",
		Proof:    "webhook-secret",
		Prove: func(secret string, r *channel.Request) {
			r.Header.Set("X-Telegram-Bot-Api-Secret-Token", secret)
		},
		Text: func(t testing.TB, c channel.Call) string {
			var body struct{ Text string }
			if err := json.Unmarshal(c.Body, &body); err != nil {
				t.Fatal(err)
			}
			return body.Text
		},
		Answers: []channeltest.Answer{
			{Name: "sent", Status: 200, Body: `{"ok":true,"result":{"message_id":77,"date":1}}`, ID: "77"},
			{Name: "acknowledged", Status: 200, Body: `{"ok":true,"result":true}`},
			{Name: "sent, but which", Status: 200, Body: `{"ok":true,"result":{}}`, Kind: fault.Unknown},
			{Name: "not modified", Status: 400, Body: refusal(400, "Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message")},
			{Name: "bad markup", Status: 400, Body: refusal(400, `Bad Request: can't parse entities: Unsupported start tag "x" at byte offset 3`), Kind: fault.Invalid, Is: channel.ErrMarkup},
			{Name: "edit of nothing", Status: 400, Body: refusal(400, "Bad Request: message to edit not found"), Kind: fault.NotFound, Is: channel.ErrGone},
			{Name: "edit of another's", Status: 400, Body: refusal(400, "Bad Request: message can't be edited"), Kind: fault.NotFound, Is: channel.ErrGone},
			{Name: "no chat", Status: 400, Body: refusal(400, "Bad Request: chat not found"), Kind: fault.NotFound},
			{Name: "became a supergroup", Status: 400, Body: `{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded to a supergroup chat","parameters":{"migrate_to_chat_id":-1001}}`, Kind: fault.Failed},
			{Name: "anything else", Status: 400, Body: refusal(400, "Bad Request: BUTTON_DATA_INVALID"), Kind: fault.Failed},
			{Name: "token revoked", Status: 401, Body: refusal(401, "Unauthorized"), Kind: fault.Unavailable, After: 30 * time.Second},
			{Name: "never a token", Status: 404, Body: refusal(404, "Not Found"), Kind: fault.Unavailable, After: 30 * time.Second},
			{Name: "blocked", Status: 403, Body: refusal(403, "Forbidden: bot was blocked by the user"), Kind: fault.Forbidden},
			{Name: "kicked", Status: 403, Body: refusal(403, "Forbidden: bot was kicked from the group chat"), Kind: fault.Forbidden},
			{Name: "conflict", Status: 409, Body: refusal(409, "Conflict: can't use getUpdates method while webhook is active"), Kind: fault.Conflict},
			{Name: "too much", Status: 413, Body: refusal(413, "Request Entity Too Large"), Kind: fault.TooLarge},
			{Name: "too many", Status: 429, Body: `{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 7","parameters":{"retry_after":7}}`, Kind: fault.Limited, After: 7 * time.Second},
			{Name: "too many, no hint", Status: 429, Body: refusal(429, "Too Many Requests"), Kind: fault.Limited, After: time.Second},
			{Name: "internal", Status: 500, Body: refusal(500, "Internal Server Error"), Kind: fault.Unknown},
			{Name: "a proxy's page", Status: 502, Body: "<html>Bad Gateway</html>", Kind: fault.Unknown},
			{Name: "away", Status: 503, Body: "<html>", Kind: fault.Unavailable, After: time.Second},
		},
	})
}

func refusal(code int, description string) string {
	raw, _ := json.Marshal(map[string]any{"ok": false, "error_code": code, "description": description})
	return string(raw)
}
