package tests

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
)

// TestWeb is one person with two devices.
func TestWeb(t *testing.T) {
	for _, placement := range placements {
		t.Run(placement, func(t *testing.T) {
			t.Parallel()
			b := run(t, map[string]string{"HEARTH_INLINE": placement})
			t.Run("two devices see one conversation", b.twoDevices)
			t.Run("a stream and a socket see one conversation", b.streamAndSocket)
			t.Run("a message with the same key is one message", b.sameKey)
			t.Run("strangers are refused", b.strangers)
		})
	}
}

// twoDevices reads a session by server-sent events on one device, in two goes, and by long poll on the
// other.
func (b *tester) twoDevices(t *testing.T) {
	first := b.stream(t, "both", "", 2)
	b.answered("both", b.say("both", "hello", "k1"))
	seen := <-first
	if len(seen) != 2 || seen[0].Type != "user" || seen[0].Text != "hello" || seen[1].Type != "answer" {
		t.Fatalf("the first device sees %+v", seen)
	}
	b.answered("both", b.say("both", "你好", "k2"))
	rest := <-b.stream(t, "both", seen[1].ID, 2) // the device was away meanwhile
	other := b.await("both", "all of it", func(all []event) bool { return len(all) >= 4 })
	if !slices.EqualFunc(append(seen, rest...), other, func(a, b event) bool { return a.ID == b.ID && a.Markdown == b.Markdown }) {
		t.Errorf("the first device sees\n%+v\nthe other\n%+v", append(seen, rest...), other)
	}
}

// streamAndSocket reads a session by server-sent events on one device and on a WebSocket on the other, which
// talks there too, and goes away for a while.
func (b *tester) streamAndSocket(t *testing.T) {
	stream := b.stream(t, "mixed", "", 6)
	socket := b.socket(t, "mixed", "")
	b.say("mixed", "hello", "k1")
	seen := socket.read(2)
	socket.write(`{"text":"你好","key":"k2"}`)
	seen = append(seen, socket.read(2)...)
	socket.close()
	b.answered("mixed", b.say("mixed", "hello again", "k3"))
	again := b.socket(t, "mixed", seen[3].ID)
	seen = append(seen, again.read(2)...)
	again.close()
	other := <-stream
	if !slices.EqualFunc(seen, other, func(a, b event) bool {
		return a.ID == b.ID && a.Type == b.Type && a.Markdown == b.Markdown && a.Text == b.Text
	}) {
		t.Errorf("the socket sees\n%+v\nthe stream\n%+v", seen, other)
	}
	var texts []string
	for _, e := range seen {
		if e.Type == "user" {
			texts = append(texts, e.Text)
		}
	}
	if got := strings.Join(texts, ", "); got != "hello, 你好, hello again" {
		t.Errorf("what was said is %s", got)
	}
	if slices.Contains(socket.taken, "") || len(socket.taken) != 1 || len(again.taken) != 0 {
		t.Errorf("what was said on the sockets became the messages %q and %q", socket.taken, again.taken)
	}
}

// socket is an open WebSocket on a session's events.
type socket struct {
	t     *testing.T
	conn  *websocket.Conn
	taken []string // the numbers of what was said here
}

// socket opens the events of a session after one.
func (b *tester) socket(t *testing.T, session, after string) *socket {
	t.Helper()
	token, err := b.owner()
	if err != nil {
		t.Fatal(err)
	}
	query := url.Values{"session": {session}, "after": {after}}
	conn, resp, err := websocket.Dial(t.Context(), b.url+"/function/adapter-web/events?"+query.Encode(), &websocket.DialOptions{
		HTTPHeader: http.Header{"Authorization": {"Bearer " + token}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(resp.Status)
	}
	t.Cleanup(func() { _ = conn.CloseNow() }) // it may be closed
	return &socket{t: t, conn: conn}
}

func (s *socket) write(frame string) {
	s.t.Helper()
	if err := s.conn.Write(s.t.Context(), websocket.MessageText, []byte(frame)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *socket) close() {
	s.t.Helper()
	if err := s.conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		s.t.Error(err)
	}
}

// read returns the next so many events. The answers to what was said on the socket come between them.
func (s *socket) read(n int) []event {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	var all []event
	for len(all) < n {
		_, frame, err := s.conn.Read(ctx)
		if err != nil {
			s.t.Fatalf("after %+v: %v", all, err)
		}
		var got struct {
			ID      string          `json:"id"`
			Data    json.RawMessage `json:"data"`
			Message *string         `json:"message"`
		}
		if err := json.Unmarshal(frame, &got); err != nil {
			s.t.Fatal(err)
		}
		if got.Message != nil {
			s.taken = append(s.taken, *got.Message)
			continue
		}
		e := event{}
		if err := json.Unmarshal(got.Data, &e); err != nil {
			s.t.Fatalf("%s: %v", frame, err)
		}
		e.ID = got.ID
		all = append(all, e)
	}
	return all
}

// stream reads so many events of a session after one, and leaves.
func (b *tester) stream(t *testing.T, session, after string, n int) <-chan []event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+"/function/adapter-web/events?"+url.Values{"session": {session}}.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := b.owner()
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "text/event-stream")
	if after != "" {
		req.Header.Set("Last-Event-ID", after)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
	got := make(chan []event, 1)
	go func() {
		defer cancel()
		defer resp.Body.Close()
		got <- readStream(bufio.NewScanner(resp.Body), n)
	}()
	return got
}

func readStream(lines *bufio.Scanner, n int) []event {
	var all []event
	var e event
	for len(all) < n && lines.Scan() {
		switch name, value, _ := strings.Cut(lines.Text(), ": "); name {
		case "id":
			e.ID = value
		case "data":
			if json.Unmarshal([]byte(value), &e) != nil {
				return all
			}
		case "":
			if e.Type != "" {
				all = append(all, e)
			}
			e = event{}
		}
	}
	return all
}

func (b *tester) sameKey(t *testing.T) {
	numbers := make([]string, 8)
	var posts sync.WaitGroup
	for i := range numbers {
		posts.Go(func() { numbers[i] = b.say("again", "hello", "the same") })
	}
	posts.Wait()
	slices.Sort(numbers)
	if len(slices.Compact(numbers)) != 1 {
		t.Errorf("one message has the numbers %v", numbers)
	}
	b.answered("again", b.say("again", "你好", "another"))
	all := b.await("again", "both answers", func(all []event) bool { return len(all) >= 4 })
	types := make([]string, len(all))
	for i, e := range all {
		types[i] = e.Type
	}
	if slices.Sort(types); strings.Join(types, " ") != "answer answer user user" {
		t.Errorf("the session has %v", types)
	}
}

func (b *tester) strangers(t *testing.T) {
	for _, token := range []string{"", "ht_forged.token"} {
		for _, path := range []string{"/function/adapter-web/events?session=both&wait=0", "/function/system-tasks/", "/function/system-files/list?path=/"} {
			if status, _ := b.call(t.Context(), token, "GET", path, nil, nil); status != http.StatusUnauthorized {
				t.Errorf("token %q, %s: %d", token, path, status)
			}
		}
	}
	for _, name := range []string{"planner-intent", "planner-execute", "planner-reply", "planner-rollback", "plugin-email-sender"} {
		if status, _ := b.call(t.Context(), "", "POST", "/function/"+name, map[string]string{"lane": "s00-aaaaaaaaaaaaaaaaaaaaaaaaaa"}, nil); status != http.StatusUnauthorized {
			t.Errorf("%s takes an unsigned call: %d", name, status)
		}
	}
}
