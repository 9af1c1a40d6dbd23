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
