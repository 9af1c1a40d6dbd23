package platformtest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/channel/platformtest"
)

// call makes a call of method about a conversation, and returns what came of it.
func call(b *platformtest.Base, done *int, method, chat string) string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	rec := httptest.NewRecorder()
	req := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", http.NoBody)
	defer func() { _ = recover() }() // a broken connection
	b.Serve(rec, req, platformtest.Call{Method: method, Chat: chat}, func() platformtest.Answer {
		*done++
		return func(w http.ResponseWriter) { _, _ = io.WriteString(w, "done") }
	}, func(f platformtest.Failure) platformtest.Answer {
		return func(w http.ResponseWriter) { _, _ = fmt.Fprint(w, f.Status, " ", f.Text, f.RetryAfter) }
	})
	return rec.Body.String()
}

func start(t *testing.T) *platformtest.Base {
	t.Helper()
	return platformtest.Start(t, func(*platformtest.Base) http.HandlerFunc { return http.NotFound })
}

func TestFailuresComeByScript(t *testing.T) {
	b, done := start(t), 0
	b.Fail(
		platformtest.Failure{Method: "say", Call: 2, Status: 500, Text: "no "},
		platformtest.Failure{Method: "edit", Drop: true},
		platformtest.Failure{Method: "say", Call: 3, Lose: true},
	)
	var got []string
	for _, method := range []string{"say", "say", "say", "edit", "edit", "say"} {
		got = append(got, call(b, &done, method, "1"))
	}
	if said := strings.Join(got, "|"); said != "done|500 no 0|||done|done" || done != 4 {
		t.Errorf("%s, and %d were done", said, done)
	}
	if len(b.Calls("say")) != 4 || len(b.Calls("")) != 6 {
		t.Errorf("the book has %+v", b.Calls(""))
	}
}

func TestLimits(t *testing.T) {
	b, done := start(t), 0
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	b.Now = func() time.Time { return now }
	b.Limit("say", platformtest.Rate{Calls: 1, Per: time.Second}, platformtest.Rate{Calls: 3, Per: time.Minute})
	for i, step := range []struct {
		later        time.Duration
		method, chat string
		want         string
	}{
		{0, "say", "1", "done"},
		{0, "say", "1", "429 1"},
		{0, "say", "2", "done"},
		{0, "edit", "1", "done"},
		{time.Second, "say", "1", "done"},
		{time.Second, "say", "1", "429 58"},
		{58 * time.Second, "say", "3", "done"},
	} {
		now = now.Add(step.later)
		if got := call(b, &done, step.method, step.chat); got != step.want {
			t.Errorf("step %d: %s, want %s", i, got, step.want)
		}
	}
}

func TestWhatRunsEndsWithTheTest(t *testing.T) {
	ended := errors.New("it goes on")
	t.Run("inside", func(t *testing.T) {
		b := start(t)
		b.Go(func() {
			<-b.Context().Done()
			ended = nil
		})
	})
	if ended != nil {
		t.Error(ended)
	}
}
