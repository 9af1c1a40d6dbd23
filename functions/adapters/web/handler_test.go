package web_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/hearthfaas/hearth/functions/adapters/web"
	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/ledger/ledgertest"
	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/policy"
	"github.com/hearthfaas/hearth/shared/vault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// house is adapter-web with a gateway that takes doorbells and answers for system-tasks.
type house struct {
	t      *testing.T
	env    *fn.Env
	url    string
	ledger *ledger.Ledger
	vault  *vault.Vault

	mu    sync.Mutex
	now   time.Time
	rings int
	tasks []string
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, now: time.Now()}
	h.env = fntest.Env(t, map[string]string{"REDIS_URL": ledgertest.URL(t)})
	h.env.Transport = h
	h.env.Now = func() time.Time {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.now
	}
	h.url = fntest.Start(t, web.Function, h.env).URL
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	var err error
	if h.ledger, err = ledger.Open(t.Context(), h.env); err != nil {
		t.Fatal(err)
	}
	if h.vault, err = h.env.Vault(); err != nil {
		t.Fatal(err)
	}
	return h
}

// RoundTrip is the gateway.
func (h *house) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	rec := httptest.NewRecorder()
	h.mu.Lock()
	defer h.mu.Unlock()
	if strings.HasPrefix(r.URL.Path, "/async-function/planner-intent") {
		h.rings++
		rec.WriteHeader(http.StatusAccepted)
	} else {
		h.tasks = append(h.tasks, r.URL.Path+" "+string(body))
		fn.Reply(rec, http.StatusOK, map[string]any{"id": "r3f-abcdefghij", "title": "Report"})
	}
	return rec.Result(), nil
}

func (h *house) later(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

func (h *house) token(user string) string {
	return h.vault.Issue(vault.Token{For: "user", ID: user, Role: string(policy.Member), Expires: time.Now().Add(time.Hour).Unix()})
}

// call makes a request as somebody and returns status and body.
func (h *house) call(user, method, path, body string) (int, string) {
	h.t.Helper()
	resp := h.open(h.t.Context(), user, method, path, body, nil)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

func (h *house) open(ctx context.Context, user, method, path, body string, header http.Header) *http.Response {
	h.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, h.url+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	if header != nil {
		req.Header = header
	}
	if user != "" {
		req.Header.Set("Authorization", "Bearer "+h.token(user))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp
}

// say posts a message that has to be taken.
func (h *house) say(user, session, text, key string) string {
	h.t.Helper()
	body, _ := json.Marshal(map[string]string{"session": session, "text": text, "key": key})
	code, said := h.call(user, "POST", "/messages", string(body))
	if code != http.StatusAccepted {
		h.t.Fatalf("%d %s", code, said)
	}
	return said
}

// answer delivers an answer as planner-reply does.
func (h *house) answer(out message.Outbound) error {
	h.t.Helper()
	body, err := json.Marshal(out)
	if err != nil {
		h.t.Fatal(err)
	}
	signature := h.vault.Sign(vault.Call{From: "planner-reply", To: "adapter-web"}, body, h.env.Now())
	resp := h.open(h.t.Context(), "", "POST", "/_/send", string(body), http.Header{vault.CallHeader: {signature}})
	defer resp.Body.Close()
	if err := fault.Read(resp); err != nil {
		return err
	}
	var receipt message.Receipt
	if err := json.NewDecoder(resp.Body).Decode(&receipt); err != nil || len(receipt.IDs) != 1 {
		h.t.Errorf("receipt %+v, %v", receipt, err)
	}
	return nil
}

func place(user, session string) message.Address {
	return message.Address{Platform: "web", Chat: user, Thread: session}
}

func TestMessage(t *testing.T) {
	h := newHouse(t)
	said := h.say("ann", "s1", "report please", "k1")
	if said != `{"session":"s1","message":"1","key":"k1"}`+"\n" {
		t.Errorf("heard %s", said)
	}
	if again := h.say("ann", "s1", "report please", "k1"); again != said {
		t.Errorf("the same key again: %s", again)
	}
	lane := channel.Lane(h.ledger, place("ann", "s1"))
	work, err := h.ledger.Claim(t.Context(), lane, ledger.NewOwner())
	if err != nil || work == nil || work.Inbox == nil {
		t.Fatalf("%+v, %v", work, err)
	}
	var got channel.Accepted
	if err := json.Unmarshal(work.Inbox.Body, &got); err != nil {
		t.Fatal(err)
	}
	want := policy.Principal{User: "ann", Role: policy.Member, Via: "token"}
	if got.Principal != want || got.Inbound.Text != "report please" || got.Inbound.Address != place("ann", "s1") || got.Pairing != "" {
		t.Errorf("accepted %+v", got)
	}
	if h.rings != 1 {
		t.Errorf("%d rings", h.rings)
	}
}

func TestMessageIsRefused(t *testing.T) {
	h := newHouse(t)
	long := strings.Repeat("中", 129)
	for name, tt := range map[string]struct {
		user, body string
		code       int
	}{
		"nobody":          {"", `{"session":"s","text":"x","key":"k"}`, 401},
		"no key":          {"ann", `{"session":"s","text":"x"}`, 400},
		"no session":      {"ann", `{"text":"x","key":"k"}`, 400},
		"a long session":  {"ann", `{"session":"` + long + `","text":"x","key":"k"}`, 400},
		"nothing said":    {"ann", `{"session":"s","text":" \n","key":"k"}`, 400},
		"too much said":   {"ann", `{"session":"s","text":"` + strings.Repeat("x", 32<<10+1) + `","key":"k"}`, 413},
		"an unknown word": {"ann", `{"session":"s","text":"x","key":"k","role":"owner"}`, 400},
		"not JSON":        {"ann", `hello`, 400},
		"a long button":   {"ann", `{"session":"s","press":"` + strings.Repeat("x", 65) + `","key":"k"}`, 400},
	} {
		if code, said := h.call(tt.user, "POST", "/messages", tt.body); code != tt.code {
			t.Errorf("%s: %d %s, want %d", name, code, said, tt.code)
		}
	}
	for name, header := range map[string]http.Header{
		"from another site": {"Cookie": {gateway.Cookie + "=" + h.token("ann")}, "Origin": {"https://evil.example"}},
		"without an origin": {"Cookie": {gateway.Cookie + "=" + h.token("ann")}},
	} {
		resp := h.open(t.Context(), "", "POST", "/messages", `{"session":"s","text":"x","key":"k"}`, header)
		resp.Body.Close()
		if resp.StatusCode != 403 {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
	}
	header := http.Header{"Cookie": {gateway.Cookie + "=" + h.token("ann")}, "Sec-Fetch-Site": {"same-origin"}}
	resp := h.open(t.Context(), "", "POST", "/messages", `{"session":"s","text":"x","key":"k"}`, header)
	resp.Body.Close()
	if resp.StatusCode != 202 {
		t.Errorf("from our page: %d", resp.StatusCode)
	}
	if resp := h.open(t.Context(), "ann", "PUT", "/messages", "", nil); resp.StatusCode != 404 {
		t.Errorf("PUT: %d", resp.StatusCode)
	}
}

func TestOrdersAreAnsweredAtOnce(t *testing.T) {
	h := newHouse(t)
	said := h.say("ann", "s1", "/approve r3f-abcdefghij", "k1")
	if !strings.Contains(said, `"message":"order/web//k1"`) {
		t.Errorf("heard %s", said)
	}
	if code, said := h.call("ann", "POST", "/messages", `{"session":"s1","press":"u:r3f-abcdefghij","key":"k2"}`); code != 202 {
		t.Errorf("%d %s", code, said)
	}
	want := []string{"/function/system-tasks/runs/r3f-abcdefghij/approve {}", "/function/system-tasks/runs/r3f-abcdefghij/undo {}"}
	if fmt.Sprint(h.tasks) != fmt.Sprint(want) {
		t.Errorf("system-tasks heard %q", h.tasks)
	}
	_, log := h.call("ann", "GET", "/events?session=s1&wait=0", "")
	for _, want := range []string{`"text":"/approve r3f-abcdefghij"`, `"key":"order/web//k1","seq":0,"markdown":"Approved: Report`, `"markdown":"Undoing: Report`} {
		if !strings.Contains(log, want) {
			t.Errorf("%s is not in %s", want, log)
		}
	}
}

func TestAnswer(t *testing.T) {
	h := newHouse(t)
	lane := channel.Lane(h.ledger, place("ann", "s1"))
	out := message.Outbound{
		Key: string(lane) + "/" + ledger.AnswerID(7), Address: place("ann", "s1"), Markdown: "**done**", Run: "r3f-abcdefghij",
		Buttons: [][]message.Button{{{Label: "Undo", Value: "u:r3f-abcdefghij"}}},
	}
	for range 2 { // the second time is a retry
		if err := h.answer(out); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.answer(message.Outbound{Key: string(lane) + "/run", Address: place("ann", "s1"), Markdown: "later"}); err != nil {
		t.Fatal(err)
	}
	_, log := h.call("ann", "GET", "/events?session=s1&wait=0", "")
	var got struct {
		Events []struct {
			ID   string
			Data struct {
				Type, Key, Markdown, Run string
				Seq                      int64
				Buttons                  [][]message.Button
			}
		}
		Cursor string
	}
	if err := json.Unmarshal([]byte(log), &got); err != nil || len(got.Events) != 2 {
		t.Fatalf("%s, %v", log, err)
	}
	first, second := got.Events[0].Data, got.Events[1].Data
	if first.Type != "answer" || first.Seq != 7 || first.Markdown != "**done**" || first.Run != out.Run || len(first.Buttons) != 1 {
		t.Errorf("first %+v", first)
	}
	if second.Seq != 0 || second.Buttons == nil || got.Cursor != got.Events[1].ID {
		t.Errorf("second %+v, cursor %s", second, got.Cursor)
	}
	for name, a := range map[string]message.Address{"nobody": {Platform: "web", Thread: "s"}, "no session": {Platform: "web", Chat: "ann"}, "another platform": {Platform: "slack", Chat: "x", Thread: "y"}} {
		if err := h.answer(message.Outbound{Key: "k", Address: a, Markdown: "x"}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if code, _ := h.call("ann", "POST", "/_/send", `{}`); code != 401 {
		t.Errorf("unsigned: %d", code)
	}
}

func TestSessions(t *testing.T) {
	h := newHouse(t)
	h.say("ann", "first", "  hello\n"+strings.Repeat("世界", 40), "k1")
	h.later(2 * time.Minute)
	h.say("ann", "second", "hi", "k2")
	h.say("bob", "third", "not ann's", "k3")
	h.later(2 * time.Minute)
	h.say("ann", "first", "again", "k4")
	_, said := h.call("ann", "GET", "/sessions", "")
	var got struct {
		Sessions []struct {
			Session, Title string
			At             time.Time
		}
	}
	if err := json.Unmarshal([]byte(said), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Sessions) != 2 || got.Sessions[0].Session != "first" || got.Sessions[1].Session != "second" {
		t.Fatalf("sessions %s", said)
	}
	if want := "hello " + strings.Repeat("世界", 27); got.Sessions[0].Title != want {
		t.Errorf("title %q, want %q", got.Sessions[0].Title, want)
	}
	if code, _ := h.call("", "GET", "/sessions", ""); code != 401 {
		t.Errorf("nobody: %d", code)
	}
	if _, said := h.call("eve", "GET", "/sessions", ""); !strings.Contains(said, `"sessions":[]`) {
		t.Errorf("nothing yet: %s", said)
	}
}

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
