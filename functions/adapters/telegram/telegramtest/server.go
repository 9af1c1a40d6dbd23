// Package telegramtest is a server that behaves as the Bot API is documented to
// (core.telegram.org/bots/api), limits and errors included. It keeps what was delivered by itself, so that
// a test sees what people would see, and can fail in the ways that networks do.
package telegramtest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hearthfaas/hearth/shared/channel/platformtest"
)

// Token is the token of the server's one bot, and Bot the account it belongs to.
const Token = "7000000001:test-token"

// Bot is the server's bot.
var Bot = User{ID: 7000000001, Bot: true, First: "Hearth", Username: "hearth_test_bot"}

// Server is a Telegram with one bot. Its URL is the setting TELEGRAM_API_URL.
type Server struct {
	*platformtest.Base

	mu        sync.Mutex
	chats     map[int64]*Chat
	messages  map[int64][]*Message
	updates   []pending
	lastID    int64
	webhook   webhook
	poll      context.CancelCauseFunc
	callbacks map[string]string // button presses and what they were answered; "?" for nothing yet
}

// User is somebody on Telegram.
type User struct {
	ID       int64  `json:"id"`
	Bot      bool   `json:"is_bot"`
	First    string `json:"first_name"`
	Username string `json:"username,omitempty"`
	Lang     string `json:"language_code,omitempty"`
}

// Chat is a conversation. The bot can write to it unless it is Closed.
type Chat struct {
	ID     int64  `json:"id"`
	Type   string `json:"type"` // private, group, supergroup or channel
	Title  string `json:"title,omitempty"`
	Forum  bool   `json:"is_forum,omitempty"`
	Closed string `json:"-"` // why the bot may not write: "bot was blocked by the user"
}

// Message is a message as people see it: text without markup, and the markup as entities.
type Message struct {
	ID       int64     `json:"message_id"`
	Thread   int64     `json:"message_thread_id,omitempty"`
	InTopic  bool      `json:"is_topic_message,omitempty"`
	From     User      `json:"from"`
	Chat     Chat      `json:"chat"`
	Date     int64     `json:"date"`
	ReplyTo  *Message  `json:"reply_to_message,omitempty"`
	Text     string    `json:"text"`
	Entities []Entity  `json:"entities,omitempty"`
	Markup   *Keyboard `json:"reply_markup,omitempty"`
	Edits    int       `json:"-"`
}

// Entity is a range of a text in UTF-16 code units.
type Entity struct {
	Type   string `json:"type"`
	Offset int    `json:"offset"`
	Length int    `json:"length"`
	URL    string `json:"url,omitempty"`
	Lang   string `json:"language,omitempty"`
}

// Keyboard is the buttons under a message.
type Keyboard struct {
	Rows [][]Button `json:"inline_keyboard"`
}

// Button is one of them.
type Button struct {
	Text string `json:"text"`
	Data string `json:"callback_data"`
}

// Failure makes a call fail. Its Text is the description in the answer.
type Failure = platformtest.Failure

// New starts a server that ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{chats: map[int64]*Chat{}, messages: map[int64][]*Message{}, callbacks: map[string]string{}}
	platformtest.Start(t, func(b *platformtest.Base) http.HandlerFunc {
		s.Base = b
		return s.serve
	})
	s.Go(s.pump)
	return s
}

// Messages returns what stands in a chat now, oldest first.
func (s *Server) Messages(chat int64) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Message, len(s.messages[chat]))
	for i, m := range s.messages[chat] {
		out[i] = *m
	}
	return out
}

// FromBot returns the bot's messages in a chat.
func (s *Server) FromBot(chat int64) []Message {
	return slices.DeleteFunc(s.Messages(chat), func(m Message) bool { return m.From.ID != Bot.ID })
}

// Acknowledged reports whether the press of a button was answered.
func (s *Server) Acknowledged(callback string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer, known := s.callbacks[callback]
	return known && answer != "?"
}

// Pending returns how many updates wait to be taken.
func (s *Server) Pending() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.updates)
}

// answer is what a method says: a result, or an error of the Bot API.
type answer struct {
	OK          bool   `json:"ok"`
	Result      any    `json:"result,omitempty"`
	Code        int    `json:"error_code,omitempty"`
	Description string `json:"description,omitempty"`
	Parameters  *hints `json:"parameters,omitempty"`
}

type hints struct {
	RetryAfter int `json:"retry_after"`
}

func ok(result any) answer { return answer{OK: true, Result: result} }

func no(code int, description string) answer {
	names := map[int]string{400: "Bad Request: ", 403: "Forbidden: ", 409: "Conflict: "}
	return answer{Code: code, Description: names[code] + description}
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	token, method, found := strings.Cut(strings.TrimPrefix(r.URL.Path, "/bot"), "/")
	switch {
	case !found || !strings.HasPrefix(r.URL.Path, "/bot") || !strings.Contains(token, ":"):
		answer{Code: 404, Description: "Not Found"}.write(w)
		return
	case token != Token:
		answer{Code: 401, Description: "Unauthorized"}.write(w)
		return
	}
	params, err := readParams(r)
	if err != nil {
		no(400, err.Error()).write(w)
		return
	}
	c := platformtest.Call{Method: method, Chat: chatOf(params), Params: params}
	s.Serve(w, r, c, func() platformtest.Answer { return s.do(r.Context(), method, params).write }, refusal)
}

// refusal is how the Bot API words a failure.
func refusal(f Failure) platformtest.Answer {
	a := answer{Code: f.Status, Description: f.Text}
	if f.RetryAfter > 0 {
		a.Parameters = &hints{f.RetryAfter}
		a.Description = cmp.Or(f.Text, fmt.Sprint("Too Many Requests: retry after ", f.RetryAfter))
	}
	return a.write
}

func (a answer) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	if !a.OK {
		w.WriteHeader(a.Code)
	}
	_ = json.NewEncoder(w).Encode(a) // the caller may be gone
}
