package pump_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/functions/system/pump"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/ledger/ledgertest"
)

// exchange records what reaches the gateway. system-tasks refuses every slot.
type exchange struct{ calls []string }

func (e *exchange) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	if lane := r.Header.Get(gateway.LaneHeader); lane != "" {
		e.calls = append(e.calls, r.URL.Path+" "+lane)
		rec.WriteHeader(http.StatusAccepted)
		return rec.Result(), nil
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var slot struct{ Task string }
	if err := json.Unmarshal(raw, &slot); err != nil {
		return nil, err
	}
	e.calls = append(e.calls, r.URL.Path+" "+slot.Task)
	fault.Write(rec, fault.New(fault.Invalid, "a broken task"))
	return rec.Result(), nil
}

// TestRound rings the right function once for each lane and slot that is due; a slot that cannot fire
// stops nothing else.
func TestRound(t *testing.T) {
	e := &exchange{}
	env := fntest.Env(t, map[string]string{"REDIS_URL": ledgertest.URL(t)})
	env.Transport = e
	l, err := ledger.Open(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	p, err := pump.New(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Round(t.Context()); err != nil || len(e.calls) > 0 {
		t.Fatal(e.calls, err)
	}
	session := l.Session("test", "1")
	run := l.NewRun(session)
	if _, err := l.Accept(t.Context(), ledger.Message{Lane: session, Key: "1", Body: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Spawn(t.Context(), ledger.Spawn{Lane: run, Header: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	for task, at := range map[string]time.Duration{"due": -time.Minute, "late": -time.Hour, "later": time.Hour} {
		if err := l.Schedule(t.Context(), task, ledger.Slot{Time: time.Now().Add(at), At: time.Now().Add(at), Deadline: time.Now().Add(at + 30*time.Minute)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Round(t.Context()); err != nil {
		t.Fatal(err)
	}
	slices.Sort(e.calls)
	want := []string{
		"/async-function/planner-execute " + string(run), "/async-function/planner-intent " + string(session),
		"/function/system-tasks/expect late", "/function/system-tasks/fire due", "/function/system-tasks/fire late",
	}
	if !slices.Equal(e.calls, want) {
		t.Errorf("%s", strings.Join(e.calls, "\n"))
	}
	if w, err := l.Claim(t.Context(), session, "holder"); err != nil || w == nil {
		t.Fatal(w, err)
	}
	e.calls = nil
	if err := p.Round(t.Context()); err != nil || slices.ContainsFunc(e.calls, func(c string) bool { return strings.Contains(c, string(session)) }) {
		t.Errorf("a lane with a holder is rung for: %v %v", e.calls, err)
	}
}

// TestRingsThin lets a lane stay due for a minute: it is rung for at once, and then less and less often. A lane that
// was claimed and is due again is rung for at once.
func TestRingsThin(t *testing.T) {
	e := &exchange{}
	now := time.Now()
	env := fntest.Env(t, map[string]string{"REDIS_URL": ledgertest.URL(t)})
	env.Transport, env.Now = e, func() time.Time { return now }
	l, err := ledger.Open(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	p, err := pump.New(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	lane := l.Session("test", "1")
	if _, err := l.Accept(t.Context(), ledger.Message{Lane: lane, Key: "1", Body: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	rounds := func(n int) (rings int) {
		t.Helper()
		e.calls = nil
		for range n {
			if err := p.Round(t.Context()); err != nil {
				t.Fatal(err)
			}
			now = now.Add(pump.Interval)
		}
		return len(e.calls)
	}
	if n := rounds(1); n != 1 {
		t.Errorf("%d rings for a lane that is new", n)
	}
	if n := rounds(8); n < 2 || n > 4 {
		t.Errorf("%d rings in the two seconds after that", n)
	}
	if n := rounds(240); n < 28 || n > 36 {
		t.Errorf("%d rings in a minute", n)
	}
	claim, err := l.Claim(t.Context(), lane, "holder")
	if err != nil || claim == nil {
		t.Fatal(claim, err)
	}
	if n := rounds(1); n != 0 {
		t.Errorf("%d rings for a lane that has a holder", n)
	}
	if err := l.Retry(t.Context(), claim.Claim, 0); err != nil {
		t.Fatal(err)
	}
	if n := rounds(1); n != 1 {
		t.Errorf("%d rings for a lane that is due again", n)
	}
}
