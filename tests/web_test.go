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
)

// TestWeb is one person with two devices.
func TestWeb(t *testing.T) {
	for _, placement := range placements {
		t.Run(placement, func(t *testing.T) {
			t.Parallel()
			b := run(t, map[string]string{"HEARTH_INLINE": placement})
			t.Run("two devices see one conversation", b.twoDevices)
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
