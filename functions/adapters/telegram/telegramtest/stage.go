package telegramtest

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/channel/channeltest"
	"github.com/hearthfaas/hearth/shared/message"
)

// WebhookSecret is a secret token for setWebhook.
const WebhookSecret = "Secret_of-the-webhook-1"

// Stage is a server with Ann's private chat, for the stories that all adapters share.
func Stage(t testing.TB, now func() time.Time) channeltest.Stage {
	s, ann := New(t), User{ID: 42, First: "Ann", Lang: "en"}
	s.Now = now
	chat := s.Person(ann)
	return channeltest.Stage{
		Base:     s.Base,
		Settings: map[string]string{"TELEGRAM_API_URL": s.URL},
		Secrets:  map[string]string{"bot-token": Token, "webhook-secret": WebhookSecret},
		Proof:    "webhook-secret",
		Rotated:  "Secret_of-the-webhook-2",
		Prove: func(secret string, r *channel.Request, _ time.Time) {
			r.Header.Set("X-Telegram-Bot-Api-Secret-Token", secret)
		},
		Chat: message.Address{Platform: "telegram", Chat: strconv.FormatInt(chat.ID, 10)},
		Say: func(text string) channel.Request {
			s.Say(chat, ann, text)
			return s.update()
		},
		Press: func(on channeltest.Shown, value string) channel.Request {
			id, _ := strconv.ParseInt(on.ID, 10, 64) // of ours
			s.Press(Message{ID: id, From: Bot, Chat: chat, Text: on.Text}, ann, value)
			return s.update()
		},
		Shown: func() []channeltest.Shown { return shown(s.FromBot(chat.ID)) },
		Post:  "sendMessage",
		Most:  4096,
		Gone:  "99999",
		Limit: true,
		Close: func() {
			chat.Closed = "bot was blocked by the user"
			s.Open(chat)
		},
	}
}

// update takes the newest update out of the queue, as a request to a webhook.
func (s *Server) update() channel.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := len(s.updates) - 1
	body := s.updates[last].body
	s.updates = s.updates[:last]
	return channel.Request{Method: http.MethodPost, Header: http.Header{"Content-Type": {"application/json"}}, Body: body}
}

func shown(messages []Message) []channeltest.Shown {
	var all []channeltest.Shown
	for _, m := range messages {
		one := channeltest.Shown{ID: strconv.FormatInt(m.ID, 10), Text: m.Text}
		if m.Markup != nil {
			for _, row := range m.Markup.Rows {
				for _, b := range row {
					one.Buttons = append(one.Buttons, b.Data)
				}
			}
		}
		all = append(all, one)
	}
	return all
}
