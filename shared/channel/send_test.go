package channel_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/message"
)

// three is a message of three parts.
func three() message.Outbound {
	return message.Outbound{Key: "s3f-x/m1", Address: chatOf("ann"), Markdown: "the first paragraph\n\nthe second paragraph\n\nthe third paragraph"}
}

func TestSend(t *testing.T) {
	w := newWorld(t)
	receipt, err := w.send(three())
	if err != nil || !slices.Equal(receipt.IDs, []string{"1", "2", "3"}) || receipt.At.IsZero() {
		t.Fatalf("%+v, %v", receipt, err)
	}
	want := []string{"/say the first paragraph", "/say the second paragraph", "/say the third paragraph"}
	if got := w.heard(); !slices.Equal(got, want) {
		t.Errorf("said %q", got)
	}
	again, err := w.send(three())
	if err != nil || !slices.Equal(again.IDs, receipt.IDs) || len(w.heard()) != 3 {
		t.Errorf("the same message again: %+v, %v, said %q", again, err, w.heard())
	}
}

// What arrived is not sent again, however the rest failed.
func TestSendGoesOnWhereItStopped(t *testing.T) {
	for _, tt := range []struct {
		name string
		fail answer
		kind fault.Kind
		said int // of all calls, until the whole message is there
	}{
		{"lost answer", answer{status: 0}, fault.Unknown, 4},
		{"too many", answer{429, "1h"}, fault.Limited, 4},
		{"shooed", answer{403, ""}, fault.Forbidden, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.api = func(_, body string) answer {
				if strings.Contains(body, "second") {
					return tt.fail
				}
				return answer{200, "id of " + body}
			}
			if _, err := w.send(three()); !fault.Is(err, tt.kind) || tt.kind == fault.Limited && fault.After(err) < 59*time.Minute {
				t.Fatalf("%v after %v", err, fault.After(err))
			}
			w.mu.Lock()
			w.api = func(_, body string) answer { return answer{200, "id of " + body} }
			w.mu.Unlock()
			w.later(2 * time.Hour)
			out := three()
			out.Repeated = tt.kind == fault.Unknown
			receipt, err := w.send(out)
			if err != nil || receipt.IDs[0] != "id of the first paragraph" || receipt.IDs[1] != "id of the second paragraph" {
				t.Fatalf("%+v, %v", receipt, err)
			}
			said := w.heard()
			if got := strings.Count(strings.Join(said, "\n"), "first"); got != 1 {
				t.Errorf("the first part was sent %d times", got)
			}
			if marked := strings.Contains(flatten(strings.Join(said, "")), "maygot") || strings.Contains(strings.Join(said, ""), "may have"); marked != out.Repeated {
				t.Errorf("marked as repeated: %v, %q", marked, said)
			}
		})
	}
}

func TestChangedMessageStartsAnew(t *testing.T) {
	w := newWorld(t)
	if _, err := w.send(three()); err != nil {
		t.Fatal(err)
	}
	out := three()
	out.Markdown = strings.ReplaceAll(out.Markdown, "the", "one")
	if _, err := w.send(out); err != nil || len(w.heard()) != 6 {
		t.Errorf("%v, said %q", err, w.heard())
	}
}

func TestSendInOtherForms(t *testing.T) {
	w := newWorld(t)
	w.api = func(path, body string) answer {
		switch {
		case path == "/edit":
			return answer{status: 410}
		case !strings.HasPrefix(body, "plain"):
			return answer{status: 400}
		}
		return answer{200, "77"}
	}
	receipt, err := w.send(message.Outbound{Key: "k", Address: chatOf("ann"), Markdown: "hi"})
	if err != nil || !slices.Equal(receipt.IDs, []string{"77"}) || !slices.Equal(w.heard(), []string{"/say hi", "/say plain hi"}) {
		t.Errorf("markup: %+v, %v, %q", receipt, err, w.heard())
	}
	w.mu.Lock()
	w.api = func(path, _ string) answer {
		return map[string]answer{"/edit": {status: 410}, "/say": {200, "78"}}[path]
	}
	w.mu.Unlock()
	receipt, err = w.send(message.Outbound{Key: "k2", Address: chatOf("ann"), Markdown: "hi", Edit: "5"})
	if err != nil || !slices.Equal(receipt.IDs, []string{"78"}) {
		t.Errorf("edit of nothing: %+v, %v", receipt, err)
	}
}

func TestSendWaitsAsLongAsItsCallerCan(t *testing.T) {
	w := newWorld(t)
	limited := true
	w.api = func(string, string) answer {
		if limited {
			limited = false
			return answer{429, "10ms"}
		}
		return answer{200, "1"}
	}
	if _, err := w.send(message.Outbound{Key: "k", Address: chatOf("ann"), Markdown: "hi"}); err != nil || len(w.heard()) != 2 {
		t.Errorf("%v, said %q", err, w.heard())
	}
}

func TestSendRefuses(t *testing.T) {
	w := newWorld(t)
	for name, tt := range map[string]struct {
		out  message.Outbound
		kind fault.Kind
	}{
		"another platform": {message.Outbound{Address: message.Address{Platform: "slack", Chat: "c"}, Markdown: "x"}, fault.Invalid},
		"no conversation":  {message.Outbound{Address: message.Address{Platform: "parrot"}, Markdown: "x"}, fault.Invalid},
		"a bad account":    {message.Outbound{Address: message.Address{Platform: "parrot", Chat: "c", Account: "../x"}, Markdown: "x"}, fault.Invalid},
		"nothing":          {message.Outbound{Address: chatOf("ann"), Markdown: " \n"}, fault.Invalid},
	} {
		if _, err := w.send(tt.out); !fault.Is(err, tt.kind) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if resp := w.do("/_/send", `{}`, http.Header{}); resp.StatusCode != 401 {
		t.Errorf("unsigned: %d", resp.StatusCode)
	}
	if len(w.heard()) > 0 {
		t.Errorf("said %q", w.heard())
	}
}

// The token is part of the URL, and errors of net/http show URLs.
func TestTokenStaysSecret(t *testing.T) {
	w := newWorld(t)
	w.api = func(string, string) answer { return answer{status: 0} }
	_, lost := w.send(message.Outbound{Key: "k", Address: chatOf("ann"), Markdown: "hi"})
	lookup := w.env.Lookup
	w.env.Lookup = func(name string) (string, bool) {
		if name == "PARROT_API_URL" {
			return "http://127.0.0.1:1", true
		}
		return lookup(name)
	}
	_, away := w.send(message.Outbound{Key: "k", Address: chatOf("ann"), Markdown: "hi"})
	if !fault.Is(lost, fault.Unknown) || !fault.Is(away, fault.Unavailable) {
		t.Errorf("lost: %v, away: %v", lost, away)
	}
	if all := lost.Error() + away.Error() + w.log.String(); strings.Contains(all, parrotToken) {
		t.Errorf("the token shows:\n%s", all)
	}
}

func TestDraft(t *testing.T) {
	w := newWorld(t)
	draft := func(text, id string) (string, error) {
		var out channel.Drafted
		err := w.signed("planner-intent", "/_/draft", channel.Draft{Address: chatOf("ann"), Key: "k", Text: text, ID: id}, &out)
		return out.ID, err
	}
	w.api = func(path, _ string) answer {
		return map[string]answer{"/say": {200, "5"}, "/edit": {200, ""}, "/typing": {200, ""}}[path]
	}
	for i, step := range []struct {
		later    time.Duration
		text, id string
		want     string
		said     string
	}{
		{0, "", "", "", "/typing "},
		{0, "so far", "", "", ""}, // too soon
		{2 * time.Hour, "so far", "", "5", "/say so far"},
		{0, "so far so good", "5", "5", ""},
		{2 * time.Hour, "so far so good", "5", "5", "/edit so far so good"},
	} {
		w.later(step.later)
		before := len(w.heard())
		id, err := draft(step.text, step.id)
		if got := strings.Join(w.heard()[before:], "|"); err != nil || id != step.want || got != step.said {
			t.Errorf("step %d: %q, %v, said %q", i, id, err, got)
		}
	}
	w.later(2 * time.Hour)
	w.mu.Lock()
	w.api = func(string, string) answer { return answer{429, "1m"} }
	w.mu.Unlock()
	if id, err := draft("more", "5"); id != "5" || err != nil {
		t.Errorf("too many: %q, %v", id, err)
	}
	before := len(w.heard())
	if _, err := w.send(message.Outbound{Key: "k", Address: chatOf("ann"), Markdown: "hi"}); !fault.Is(err, fault.Limited) || len(w.heard()) > before {
		t.Errorf("the platform's wish is not remembered: %v, said %q", err, w.heard()[before:])
	}
}
