// Package telegramtest is a server that behaves as the Bot API is documented to
// (core.telegram.org/bots/api), limits and errors included. It keeps what was delivered by itself, so that
// a test sees what people would see, and can fail in the ways that networks do.
package telegramtest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Token is the token of the server's one bot, and Bot the account it belongs to.
const Token = "7000000001:test-token"

// Bot is the server's bot.
var Bot = User{ID: 7000000001, Bot: true, First: "Hearth", Username: "hearth_test_bot"}

// Server is a Telegram with one bot.
type Server struct {
	URL string // the base URL: the setting TELEGRAM_API_URL

	http   *httptest.Server
	ctx    context.Context
	cancel context.CancelFunc
	pumped sync.WaitGroup

	mu        sync.Mutex
	changed   chan struct{} // closed at every change
	chats     map[int64]*Chat
	messages  map[int64][]*Message
	calls     []Call
	failures  []*Failure
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

// Call is a call of the Bot API, in the order they came in.
type Call struct {
	Method string
	Params json.RawMessage
}

// Failure makes the next call of a method fail.
type Failure struct {
	Method     string
	Status     int    // of the answer
	Text       string // its description
	RetryAfter int    // seconds, with 429
	Drop       bool   // do what was asked, and break the connection before the answer
	Stall      bool   // never answer, and do nothing
}

// New starts a server that ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{
		changed: make(chan struct{}), chats: map[int64]*Chat{}, messages: map[int64][]*Message{}, callbacks: map[string]string{},
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.http = httptest.NewServer(http.HandlerFunc(s.serve))
	s.URL = s.http.URL
	s.pumped.Go(s.pump)
	t.Cleanup(func() {
		s.cancel()
		s.pumped.Wait()
		s.http.CloseClientConnections()
		s.http.Close()
	})
	return s
}

// Fail injects failures, used up in this order.
func (s *Server) Fail(failures ...Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range failures {
		s.failures = append(s.failures, &f)
	}
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

// Calls returns the calls of a method so far.
func (s *Server) Calls(method string) []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.calls), func(c Call) bool { return c.Method != method })
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

// Wait returns when done is true; it looks again at every change. It fails the test after a minute.
func (s *Server) Wait(t testing.TB, what string, done func() bool) {
	t.Helper()
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if done() {
			return
		}
		select {
		case <-changed:
		case <-limit.C:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// touch tells the waiting that something changed. The caller holds the lock.
func (s *Server) touch() {
	close(s.changed)
	s.changed = make(chan struct{})
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
		write(w, answer{Code: 404, Description: "Not Found"})
		return
	case token != Token:
		write(w, answer{Code: 401, Description: "Unauthorized"})
		return
	}
	params, err := readParams(r)
	if err != nil {
		write(w, no(400, err.Error()))
		return
	}
	failure := s.record(method, params)
	switch {
	case failure == nil:
		write(w, s.do(r.Context(), method, params))
	case failure.Stall:
		select {
		case <-r.Context().Done():
		case <-s.ctx.Done():
		}
	case failure.Drop:
		s.do(r.Context(), method, params)
		panic(http.ErrAbortHandler)
	default:
		a := answer{Code: failure.Status, Description: failure.Text}
		if failure.RetryAfter > 0 {
			a.Parameters = &hints{failure.RetryAfter}
		}
		write(w, a)
	}
}

// record notes a call and takes the failure that is meant for it.
func (s *Server) record(method string, params json.RawMessage) *Failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, Call{method, params})
	s.touch()
	for i, f := range s.failures {
		if f.Method == method {
			s.failures = slices.Delete(s.failures, i, i+1)
			return f
		}
	}
	return nil
}

func write(w http.ResponseWriter, a answer) {
	w.Header().Set("Content-Type", "application/json")
	if !a.OK {
		w.WriteHeader(a.Code)
	}
	_ = json.NewEncoder(w).Encode(a) // the caller may be gone
}
