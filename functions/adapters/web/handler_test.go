package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/policy"
)

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
