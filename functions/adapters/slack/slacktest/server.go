// Package slacktest is a server that behaves as Slack is documented to (docs.slack.dev): the Web API with its
// limits and errors, the Events API with its retries, interactivity, slash commands and Socket Mode. It keeps
// what was posted, so that a test sees what people would see, and can fail in the ways that networks do.
package slacktest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The one app of the server.
const (
	Token    = "xoxb-1-test"
	AppToken = "xapp-1-test"
	Secret   = "8f742231b10e8888abcd99yyyzzz85a5" // that signs requests
	Bot      = "U0HEARTH"                         // the app's user
	BotID    = "B0HEARTH"
)

// Server is a Slack with one workspace and one app.
type Server struct {
	URL     string        // the base URL of the Web API: the setting SLACK_API_URL
	AckTime time.Duration // how long an acknowledgement may take. Slack gives three seconds
	Retries int           // how often a delivery is tried again. Slack does so three times

	http   *httptest.Server
	ctx    context.Context
	cancel context.CancelFunc
	pumped sync.WaitGroup

	mu       sync.Mutex
	changed  chan struct{} // closed at every change
	channels map[string]*Channel
	messages map[string][]*Message
	calls    []Call
	failures []*Failure
	pending  []delivery
	lost     int
	lastID   int64
	hook     string // the Request URL; "" for Socket Mode
	tickets  map[string]bool
	sockets  []*socket
	next     int // the socket whose turn it is
}

// Channel is a conversation. The ids of direct ones begin with D.
type Channel struct {
	ID       string
	Archived bool
	Away     bool // the bot is no member
}

// Message is a message as it stands in a channel.
type Message struct {
	TS      string
	Thread  string
	User    string // who wrote it; Bot for the app
	Text    string
	Mrkdwn  bool
	Buttons []Button
	Edits   int
}

// Button is a button under a message.
type Button struct {
	Label, Value, Style string
}

// Call is a call of the Web API, in the order they came in.
type Call struct {
	Method string
	Params json.RawMessage
}

// Failure makes the next call of a method fail.
type Failure struct {
	Method     string
	Status     int    // of the answer; 0 is 200
	Error      string // the error's code; "" for a page that is not Slack's
	RetryAfter int    // seconds
	Drop       bool   // do what was asked, and break the connection before the answer
	Stall      bool   // never answer, and do nothing
}

// New starts a server that ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{
		AckTime: 3 * time.Second, Retries: 3,
		changed: make(chan struct{}), channels: map[string]*Channel{}, messages: map[string][]*Message{}, tickets: map[string]bool{},
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	mux := http.NewServeMux()
	mux.HandleFunc("/api/{method}", s.serve)
	mux.HandleFunc("/link/", s.link)
	s.http = httptest.NewServer(mux)
	s.URL = s.http.URL + "/api"
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

// FromBot returns the app's messages in a channel, oldest first, as they stand now.
func (s *Server) FromBot(channel string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Message
	for _, m := range s.messages[channel] {
		if m.User == Bot {
			out = append(out, *m)
		}
	}
	return out
}

// Calls returns the calls of a method so far.
func (s *Server) Calls(method string) []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.calls), func(c Call) bool { return c.Method != method })
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

// stamp makes a ts.
func (s *Server) stamp() string {
	s.lastID++
	return strconv.FormatInt(1790000000+s.lastID, 10) + ".000100"
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	method := r.PathValue("method")
	params, code := readParams(r)
	if code == "" {
		code = authorized(method, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	}
	if code != "" {
		write(w, 200, no(code))
		return
	}
	switch f := s.record(method, params); {
	case f == nil:
		write(w, 200, s.do(method, params))
	case f.Stall:
		select {
		case <-r.Context().Done():
		case <-s.ctx.Done():
		}
	case f.Drop:
		s.do(method, params)
		panic(http.ErrAbortHandler)
	case f.Error == "":
		w.WriteHeader(f.Status)
		_, _ = w.Write([]byte("<html>")) // the caller may be gone
	default:
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
		}
		write(w, max(200, f.Status), no(f.Error))
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
