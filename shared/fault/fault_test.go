package fault_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
)

func TestKindSurvivesHTTP(t *testing.T) {
	kinds := []fault.Kind{
		fault.Invalid, fault.Unauthorized, fault.Forbidden, fault.NotFound, fault.Conflict, fault.Stale, fault.TooLarge,
		fault.Failed, fault.Limited, fault.Internal, fault.Unknown, fault.Unavailable, fault.Timeout,
	}
	statuses := map[int]bool{}
	for _, kind := range kinds {
		sent := fault.New(kind, "why").At("steps[1]").Try("hearth doctor").In(1500 * time.Millisecond)
		rec := httptest.NewRecorder()
		fault.Write(rec, fmt.Errorf("context: %w", sent))
		got := fault.Read(rec.Result())
		if fault.Text(got) != fault.Text(sent) || !fault.Is(got, kind) || fault.After(got) != sent.After {
			t.Errorf("%s came back as %v (%s)", kind, got, fault.KindOf(got))
		}
		if statuses[rec.Code] {
			t.Errorf("%s shares status %d", kind, rec.Code)
		}
		statuses[rec.Code] = true
	}
}

func TestCauseStaysHome(t *testing.T) {
	rec := httptest.NewRecorder()
	fault.Write(rec, fault.As(fault.Unavailable, errors.New("dial tcp 10.0.0.7: password s3cret"), "the store is away"))
	if body := rec.Body.String(); strings.Contains(body, "s3cret") || !strings.Contains(body, "the store is away") {
		t.Fatalf("body %s", body)
	}
	rec = httptest.NewRecorder()
	fault.Write(rec, errors.New("s3cret"))
	if body := rec.Body.String(); strings.Contains(body, "s3cret") || rec.Code != http.StatusInternalServerError {
		t.Fatalf("%d %s", rec.Code, body)
	}
}

func TestReadForeignBody(t *testing.T) {
	for _, c := range []struct {
		status int
		want   fault.Kind
	}{{400, fault.Invalid}, {405, fault.Invalid}, {404, fault.NotFound}, {429, fault.Limited}, {502, fault.Unknown}, {503, fault.Unavailable}, {599, fault.Internal}} {
		rec := httptest.NewRecorder()
		rec.Header().Set("Retry-After", "7")
		rec.WriteHeader(c.status)
		fmt.Fprint(rec, "<html>bad gateway</html>")
		err := fault.Read(rec.Result())
		if !fault.Is(err, c.want) || fault.After(err) != 7*time.Second {
			t.Errorf("status %d gave %v (%s)", c.status, err, fault.KindOf(err))
		}
	}
}

func TestWrapKeepsKindAndPlace(t *testing.T) {
	if fault.Wrap(nil, "x") != nil {
		t.Fatal("Wrap(nil) is an error")
	}
	err := fault.Wrap(fault.New(fault.Conflict, "row changed").At("id=7"), "undo order")
	if !fault.Is(err, fault.Conflict) || fault.Text(err) != "id=7: undo order: row changed" {
		t.Fatalf("%s %q", fault.KindOf(err), fault.Text(err))
	}
	if !fault.Is(fault.Wrap(context.DeadlineExceeded, "model"), fault.Timeout) {
		t.Fatal("a deadline is not a timeout")
	}
}
