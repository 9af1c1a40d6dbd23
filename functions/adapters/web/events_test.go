package web_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/message"
)

// stream is an open event stream.
type stream struct {
	t     *testing.T
	body  io.ReadCloser
	lines *bufio.Scanner
	head  http.Header
}

func (h *house) stream(user, session, after string) *stream {
	h.t.Helper()
	header := http.Header{}
	if after != "" {
		header.Set("Last-Event-ID", after)
	}
	ctx, cancel := context.WithCancel(context.Background())
	resp := h.open(ctx, user, "GET", "/events?session="+session, "", header)
	if resp.StatusCode != 200 {
		cancel()
		h.t.Fatal(resp.Status)
	}
	h.t.Cleanup(func() {
		cancel()
		resp.Body.Close()
	})
	return &stream{h.t, resp.Body, bufio.NewScanner(resp.Body), resp.Header}
}

// next returns the next event's id and data.
func (s *stream) next() (id, data string) {
	s.t.Helper()
	for s.lines.Scan() {
		field, value, _ := strings.Cut(s.lines.Text(), ": ")
		switch field {
		case "id":
			id = value
		case "data":
			return id, value
		}
	}
	s.t.Fatalf("the stream ended: %v", s.lines.Err())
	return "", ""
}

func TestStream(t *testing.T) {
	h := newHouse(t)
	laptop, phone := h.stream("ann", "s1", ""), h.stream("ann", "s1", "")
	if got := laptop.head; got.Get("Content-Type") != "text/event-stream; charset=utf-8" || got.Get("X-Accel-Buffering") != "no" {
		t.Errorf("headers %v", got)
	}
	laptop.lines.Scan()
	if got := laptop.lines.Text(); got != "retry: 2000" {
		t.Errorf("begins with %q", got)
	}
	h.say("ann", "s1", "one", "k1")
	id, data := laptop.next()
	if other, same := phone.next(); other != id || same != data || !strings.Contains(data, `"text":"one"`) {
		t.Errorf("the laptop sees %s %s, the phone %s %s", id, data, other, same)
	}
	h.say("ann", "s1", "two", "k2")
	if _, data := h.stream("ann", "s1", id).next(); !strings.Contains(data, `"text":"two"`) {
		t.Errorf("resumed with %s", data)
	}
	if _, data := h.stream("ann", "s1", "").next(); !strings.Contains(data, `"text":"one"`) {
		t.Errorf("from the start: %s", data)
	}
}

func TestSessionsOfOthersAreOthers(t *testing.T) {
	h := newHouse(t)
	h.say("ann", "s1", "secret", "k1")
	if _, said := h.call("bob", "GET", "/events?session=s1&wait=0", ""); strings.Contains(said, "secret") || !strings.Contains(said, `"events":[]`) {
		t.Errorf("bob reads %s", said)
	}
}

func TestEventsAreRefused(t *testing.T) {
	h := newHouse(t)
	for path, code := range map[string]int{
		"/events": 400, "/events?session=s&wait=x": 400, "/events?session=s&wait=-1": 400,
		"/events?session=s&after=zzz": 400, "/events?session=s&wait=0&after=zzz": 400,
	} {
		if got, said := h.call("ann", "GET", path, ""); got != code {
			t.Errorf("%s: %d %s", path, got, said)
		}
	}
	if code, _ := h.call("", "GET", "/events?session=s", ""); code != 401 {
		t.Errorf("nobody: %d", code)
	}
}

// A client that reads nothing holds up neither the others nor those who write.
func TestSlowClientHoldsUpNobody(t *testing.T) {
	h := newHouse(t)
	h.stream("ann", "s1", "") // never read
	fast := h.stream("ann", "s1", "")
	large := strings.Repeat("x", 100<<10)
	for i := range 40 { // 4 MB: more than sockets buffer
		out := message.Outbound{Key: fmt.Sprint(i), Address: place("ann", "s1"), Markdown: large}
		if err := h.answer(out); err != nil {
			t.Fatal(err)
		}
	}
	fast.lines.Buffer(nil, 1<<20)
	for i := range 40 {
		if _, data := fast.next(); !strings.Contains(data, fmt.Sprintf(`"key":"%d"`, i)) {
			t.Fatalf("event %d: %.80s", i, data)
		}
	}
}

func TestLongPollWaits(t *testing.T) {
	h := newHouse(t)
	_, before := h.call("ann", "GET", "/events?session=s1&wait=0", "")
	if before != `{"cursor":"","events":[]}`+"\n" {
		t.Errorf("nothing yet: %s", before)
	}
	heard := make(chan string)
	go func() {
		req, _ := http.NewRequest("GET", h.url+"/events?session=s1&wait=30", nil)
		req.Header.Set("Authorization", "Bearer "+h.token("ann"))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			heard <- err.Error()
			return
		}
		defer resp.Body.Close()
		var b bytes.Buffer
		_, _ = b.ReadFrom(resp.Body)
		heard <- b.String()
	}()
	h.say("ann", "s1", "hello", "k1")
	if got := <-heard; !strings.Contains(got, `"text":"hello"`) {
		t.Errorf("heard %s", got)
	}
}

func (h *house) dial(user, origin string) (*websocket.Conn, error) {
	h.t.Helper()
	header := http.Header{"Authorization": {"Bearer " + h.token(user)}}
	if origin != "" {
		header = http.Header{"Cookie": {gateway.Cookie + "=" + h.token(user)}, "Origin": {origin}}
	}
	conn, resp, err := websocket.Dial(h.t.Context(), h.url+"/events?session=s1", &websocket.DialOptions{HTTPHeader: header})
	if resp != nil && resp.Body != nil && err != nil {
		resp.Body.Close()
	}
	return conn, err
}

func TestWebSocket(t *testing.T) {
	h := newHouse(t)
	conn, err := h.dial("ann", "")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	read := func() string {
		t.Helper()
		_, frame, err := conn.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return string(frame)
	}
	write := func(frame string) {
		t.Helper()
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(frame)); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"text":"hello","key":"k1"}`)
	got := read() + read()
	for _, want := range []string{`{"session":"s1","message":"1","key":"k1"}`, `"data":{"type":"user","key":"k1","text":"hello"`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
	write(`{"text":"no key"}`)
	if got := read(); !strings.Contains(got, `"error":{"kind":"invalid"`) {
		t.Errorf("heard %s", got)
	}
	h.say("ann", "s1", "from the phone", "k2")
	if got := read(); !strings.Contains(got, `"text":"from the phone"`) {
		t.Errorf("heard %s", got)
	}
	if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
}

func TestWebSocketOfAnotherSiteIsRefused(t *testing.T) {
	h := newHouse(t)
	if conn, err := h.dial("ann", "https://evil.example"); err == nil {
		conn.CloseNow()
		t.Error("connected")
	}
	conn, err := h.dial("ann", h.url)
	if err != nil {
		t.Fatalf("from our page: %v", err)
	}
	conn.CloseNow()
}
