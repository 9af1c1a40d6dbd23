package slacktest

import (
	"net/http"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/channel/channeltest"
	"github.com/hearthfaas/hearth/shared/message"
)

// Stage is a workspace with Ann's direct messages, for the stories that all adapters share.
func Stage(t testing.TB, now func() time.Time) channeltest.Stage {
	const ann = "UANN"
	s := New(t)
	s.Now = now
	dm := s.Open(Channel{ID: "D0ANN"})
	return channeltest.Stage{
		Base:     s.Base,
		Settings: map[string]string{"SLACK_API_URL": s.URL},
		Secrets:  map[string]string{"bot-token": Token, "signing-secret": Secret},
		Proof:    "signing-secret",
		Rotated:  "0123456789abcdef0123456789abcdef",
		Prove: func(secret string, r *channel.Request, at time.Time) {
			Sign(r.Header, secret, r.Body, at)
		},
		Chat: message.Address{Platform: "slack", Chat: dm.ID},
		Say: func(text string) channel.Request {
			s.Say(dm.ID, ann, text, "")
			return s.request()
		},
		Press: func(on channeltest.Shown, value string) channel.Request {
			s.Press(dm.ID, Message{TS: on.ID, Text: on.Text}, ann, value)
			return s.request()
		},
		Shown: func() []channeltest.Shown { return shown(s.FromBot(dm.ID)) },
		Post:  "chat.postMessage",
		Most:  3000,
		Gone:  "1790009999.000100",
		Limit: true,
		Close: func() {
			dm.Archived = true
			s.Open(dm)
		},
	}
}

// request takes the newest delivery out of the queue, as it goes to a Request URL.
func (s *Server) request() channel.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := len(s.pending) - 1
	kind, body := form(s.pending[last])
	s.pending = s.pending[:last]
	return channel.Request{Method: http.MethodPost, Header: http.Header{"Content-Type": {kind}}, Body: body}
}

func shown(messages []Message) []channeltest.Shown {
	var all []channeltest.Shown
	for _, m := range messages {
		one := channeltest.Shown{ID: m.TS, Text: m.Text}
		for _, b := range m.Buttons {
			one.Buttons = append(one.Buttons, b.Value)
		}
		all = append(all, one)
	}
	return all
}
