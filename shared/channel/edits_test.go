package channel

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/message"
)

// board is a platform that takes 50 edits a minute of an account, whatever the conversation. It is its own
// adapter: /post and /edit are all its methods.
type board struct {
	Adapter

	mu      sync.Mutex
	edits   []time.Time // that were taken
	refused int
	said    []string
}

func (*board) Caps() Caps {
	return Caps{API: "http://board", Pace: func(message.Address) Pace {
		return Pace{Every: time.Second, Burst: 3, Draft: 1200 * time.Millisecond, Edits: Rate{Every: 1400 * time.Millisecond, Burst: 6}}
	}}
}

func (*board) Encode(_ Account, out message.Outbound) ([]Call, error) {
	call := Call{Path: "/post", Body: []byte(out.Markdown)}
	if out.Edit != "" {
		fresh := call
		call = Call{Path: "/edit", Body: []byte(out.Markdown), ID: out.Edit, Fresh: &fresh}
	}
	return []Call{call}, nil
}

func (*board) Classify(a Answer) (string, error) {
	if a.Status == http.StatusTooManyRequests {
		return "", fault.New(fault.Limited, "too many").In(30 * time.Second)
	}
	return "1", nil
}

// RoundTrip is the platform.
func (b *board) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	answer := &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}
	if r.URL.Path == "/edit" {
		now := time.Now()
		for len(b.edits) > 0 && now.Sub(b.edits[0]) >= time.Minute {
			b.edits = b.edits[1:]
		}
		if len(b.edits) >= 50 {
			b.refused++
			answer.StatusCode = http.StatusTooManyRequests
			return answer, nil
		}
		b.edits = append(b.edits, now)
	}
	b.said = append(b.said, r.URL.Path+" "+string(body))
	return answer, nil
}

// sender returns a sender to the board on the bubble's clock.
func (b *board) sender() *sender {
	env := &fn.Env{Now: time.Now, Lookup: func(string) (string, bool) { return "", false }}
	return &sender{env: env, adapter: b, api: api{&http.Client{Transport: b}}, pace: newPacer()}
}

// Forty conversations of one account stream for two minutes, and end one after the other. All that the
// account's edits are slowed by is drafts: what is final goes out at once, and the platform refuses nothing.
func TestEditsOfAnAccountShareAPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const conversations, between = 40, 3 * time.Second
		b := &board{}
		s := b.sender()
		var all sync.WaitGroup
		for i := range conversations {
			all.Go(func() {
				to := message.Address{Platform: "board", Chat: fmt.Sprint(i)}
				for end := time.Now().Add(time.Duration(i+1) * between); time.Now().Before(end); {
					if _, err := s.draft(t.Context(), Draft{Address: to, Text: "so far", ID: "1"}); err != nil {
						t.Errorf("draft: %v", err)
					}
					pause(t.Context(), 300*time.Millisecond)
				}
				since := time.Now()
				_, err := s.send(t.Context(), message.Outbound{Address: to, Markdown: "final", Edit: "1"})
				if took := time.Since(since); err != nil || took > 0 {
					t.Errorf("the answer in conversation %d waited %v: %v", i, took, err)
				}
			})
		}
		all.Wait()
		drafts := strings.Count(strings.Join(b.said, "\n"), "/edit so far")
		if finals := strings.Count(strings.Join(b.said, "\n"), "final"); b.refused > 0 || finals != conversations || drafts < 20 {
			t.Errorf("%d refused, %d answers, %d drafts", b.refused, finals, drafts)
		}
	})
}

// Edits that the platform refuses hold back the account's edits, and no new message.
func TestRefusedEditsHoldBackEdits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &board{}
		s := b.sender()
		for range 50 { // another replica has used the minute up
			b.edits = append(b.edits, time.Now())
		}
		here, there := message.Address{Platform: "board", Chat: "1"}, message.Address{Platform: "board", Chat: "2"}
		for _, to := range []message.Address{here, there, here, there} {
			if _, err := s.draft(t.Context(), Draft{Address: to, Text: "so far", ID: "1"}); err != nil {
				t.Fatal(err)
			}
			pause(context.Background(), 2*time.Second)
		}
		if b.refused != 1 {
			t.Errorf("asked %d times while too much", b.refused)
		}
		since := time.Now()
		if _, err := s.send(t.Context(), message.Outbound{Address: here, Markdown: "new"}); err != nil || time.Since(since) > 0 {
			t.Errorf("a new message waited %v: %v", time.Since(since), err)
		}
		if _, err := s.send(t.Context(), message.Outbound{Address: here, Markdown: "final", Edit: "1"}); !fault.Is(err, fault.Limited) || fault.After(err) < 15*time.Second {
			t.Errorf("an edit: %v after %v", err, fault.After(err))
		}
		pause(context.Background(), 2*time.Minute)
		if _, err := s.send(t.Context(), message.Outbound{Address: here, Markdown: "final", Edit: "1"}); err != nil {
			t.Error(err)
		}
	})
}
