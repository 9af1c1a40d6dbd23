// Package slacktest is a server that behaves as Slack is documented to (docs.slack.dev): the Web API with its
// limits and errors, the Events API with its retries, interactivity, slash commands and Socket Mode. It keeps
// what was posted, so that a test sees what people would see, and can fail in the ways that networks do.
package slacktest

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/channel/platformtest"
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

	*platformtest.Base

	mu       sync.Mutex
	channels map[string]*Channel
	messages map[string][]*Message
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

// Failure makes a call fail. Its Text is the error's code, "" with a status for a page that is not Slack's;
// its Status is 200 unless it names one.
type Failure = platformtest.Failure

// New starts a server that ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{
		AckTime: 3 * time.Second, Retries: 3,
		channels: map[string]*Channel{}, messages: map[string][]*Message{}, tickets: map[string]bool{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/api/{method}", s.serve)
	mux.HandleFunc("/link/", s.link)
	platformtest.Start(t, func(b *platformtest.Base) http.HandlerFunc {
		s.Base, s.URL = b, b.URL+"/api"
		return mux.ServeHTTP
	})
	s.Go(s.pump)
	return s
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
		no(code).write(w)
		return
	}
	c := platformtest.Call{Method: method, Chat: channelOf(params), Params: params}
	s.Serve(w, r, c, func() platformtest.Answer { return s.do(method, params).write }, refusal)
}

// refusal is how Slack words a failure: an error's code, or with a status of its own a page of whatever stands
// before it.
func refusal(f Failure) platformtest.Answer {
	if f.RetryAfter > 0 {
		f.Text = cmp.Or(f.Text, "ratelimited")
	}
	return func(w http.ResponseWriter) {
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
		}
		if f.Text != "" {
			no(f.Text).say(w, max(http.StatusOK, f.Status))
			return
		}
		w.WriteHeader(f.Status)
		_, _ = w.Write([]byte("<html>")) // the caller may be gone
	}
}
