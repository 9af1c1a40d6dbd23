package journal_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/ledger/ledgertest"
)

// started is a new run whose header has a field of a newer version.
func started(t *testing.T, l *ledger.Ledger) ledger.Lane {
	t.Helper()
	h, err := journal.Prepare(request(t, `{"id":"x","plugin":"sheet","params":{"path":"/a.xlsx"}}`), plugins())
	if err != nil {
		t.Fatal(err)
	}
	lane := l.NewRun(l.Session("web", "chat"))
	h.ID, h.Approve = string(lane), false
	header, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	header = append([]byte(`{"newer":1,`), header[1:]...)
	if _, err := l.Spawn(t.Context(), ledger.Spawn{Lane: lane, Header: header}); err != nil {
		t.Fatal(err)
	}
	return lane
}

// write writes a line as a newer version does, and leaves the run due at once.
func write(t *testing.T, l *ledger.Ledger, lane ledger.Lane, key, line string) {
	t.Helper()
	w, err := l.Claim(t.Context(), lane, ledger.NewOwner())
	if err != nil || w == nil {
		t.Fatal(w, err)
	}
	if err := l.Step(t.Context(), w.Claim, 0, key, []byte(line)); err != nil {
		t.Fatal(err)
	}
	if err := l.Retry(t.Context(), w.Claim, 0); err != nil {
		t.Fatal(err)
	}
}

// TestNewerLineIsLeftAlone lets an older function meet a line that it does not know: it does not act, does not
// use up the tries of those that do know it, and changes nothing. People can still look, and stop.
func TestNewerLineIsLeftAlone(t *testing.T) {
	for name, line := range map[string]string{
		"a type":  `{"type":"paused","step":"x","at":"2026-11-22T06:00:00Z"}`,
		"a state": `{"type":"end","state":"archived","at":"2026-11-22T06:00:00Z"}`,
	} {
		t.Run(name, func(t *testing.T) {
			l := ledgertest.Open(t)
			lane := started(t, l)
			write(t, l, lane, "newer", line)
			j, err := journal.Take(t.Context(), l, lane, time.Now)
			if j != nil || !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "newer version") {
				t.Fatal(j, err)
			}
			if w, err := l.Claim(t.Context(), lane, ledger.NewOwner()); w != nil || err != nil {
				t.Error("it does not rest", w, err)
			}
			stored, err := l.Load(t.Context(), lane)
			if err != nil || len(stored.Journal) != 1 || string(stored.Journal[0].Body) != line {
				t.Errorf("%+v %v", stored.Journal, err)
			}
			if run, err := journal.Load(t.Context(), l, lane); err != nil || run.ID != string(lane) {
				t.Error("nobody can look at it:", err)
			}
			if _, _, err := l.Decide(t.Context(), lane, "ask/1", []byte(`{"type":"stop"}`), ledger.SetStop); err != nil {
				t.Error("nobody can stop it:", err)
			}
			if w, err := l.Claim(t.Context(), lane, ledger.NewOwner()); err != nil || w == nil || w.Attempt != 1 {
				t.Error("a try of somebody who may not act counts", w, err)
			}
		})
	}
}

// TestNewerFieldsStay lets an older function go on with a run whose header and lines have fields that it does not
// know: they are still there afterwards.
func TestNewerFieldsStay(t *testing.T) {
	l := ledgertest.Open(t)
	lane := started(t, l)
	const line = `{"type":"intent","step":"x","attempt":1,"at":"2026-11-22T06:00:00Z","newer":{"a":1}}`
	write(t, l, lane, "intent/x/0/1", line)
	j, err := journal.Take(t.Context(), l, lane, time.Now)
	if err != nil || j == nil {
		t.Fatal(j, err)
	}
	if err := j.Write(t.Context(), flow.Event{Type: flow.Done, Step: "x", Attempt: 1, Receipt: json.RawMessage(`{}`)}); err != nil {
		t.Fatal(err)
	}
	if _, err := j.End(t.Context(), flow.Event{State: flow.StateDone}); err != nil {
		t.Fatal(err)
	}
	stored, err := l.Load(t.Context(), lane)
	if err != nil || string(stored.Journal[0].Body) != line || !strings.HasPrefix(string(stored.Header), `{"newer":1,`) {
		t.Errorf("%s %+v %v", stored.Header, stored.Journal, err)
	}
}
