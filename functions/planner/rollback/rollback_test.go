package rollback_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/hearthfaas/hearth/functions/planner/rollback"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/ledger/ledgertest"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/plugin"
	"github.com/hearthfaas/hearth/shared/policy"
	"github.com/hearthfaas/hearth/shared/vault"
)

// desk is planner-rollback with one plugin, whose undo answers as the test says, and a run of four steps:
// a, b and c were made, and d failed for good.
type desk struct {
	t       *testing.T
	env     *fn.Env
	ledger  *ledger.Ledger
	store   *miniredis.Miniredis
	now     time.Time
	host    http.Handler
	plugin  http.Handler
	lane    ledger.Lane
	session ledger.Lane

	undone  []string           // what the plugin undid: the step, its key and what it had made
	undo    map[string][]error // by step: what its next undos answer
	lost    int                // how many answers of the plugin get lost
	acting  func(step string)  // called while the plugin acts
	calling func() bool        // whether a call of the plugin arrives
	rings   []string
}

type words struct {
	Say string `json:"say,omitempty"`
}

func open(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, store: miniredis.RunT(t), now: time.Date(2026, 1, 2, 1, 0, 0, 0, time.UTC), undo: map[string][]error{}}
	d.store.SetTime(d.now)
	d.env = fntest.Env(t, map[string]string{
		"REDIS_URL":   "redis://" + d.store.Addr() + "/0?" + ledger.VolatileFlag + "=1",
		"HEARTH_DATA": t.TempDir(), "BASIC_AUTH_PASSWORD": "secret",
		"HEARTH_CALL_KEY": base64.StdEncoding.EncodeToString(ledgertest.Vault(t).CallKey()),
	})
	d.env.Transport, d.env.Now = d, func() time.Time { return d.now }
	var err error
	if d.ledger, err = ledger.Open(t.Context(), d.env); err != nil {
		t.Fatal(err)
	}
	d.plugin, d.host = d.start(d.maker()), d.start(rollback.Function)
	d.session = d.ledger.Session("web", "ann")
	d.lane = d.ledger.NewRun(d.session)
	d.spawn()
	return d
}

func (d *desk) start(f fn.Function) http.Handler {
	d.t.Helper()
	h, err := fn.NewHost(d.t.Context(), f, d.env)
	if err != nil {
		d.t.Fatal(err)
	}
	return h
}

func (d *desk) maker() fn.Function {
	spec := plugin.Spec{ID: "make", Title: manifest.Phrase{En: "Make", Zh: "做"}, Summary: "make", Effect: manifest.Compensable}
	return plugin.Define(spec, func(_ *plugin.Call, in words) (words, error) { return in, nil },
		plugin.Undo(func(c *plugin.Call, _ words, out *words) error {
			if d.acting != nil {
				d.acting(c.Step)
			}
			if list := d.undo[c.Step]; len(list) > 0 {
				d.undo[c.Step] = list[1:]
				if list[0] != nil {
					return list[0]
				}
			}
			made := "?"
			if out != nil {
				made = out.Say
			}
			d.undone = append(d.undone, fmt.Sprintf("%s %s: %s", c.Step, strings.TrimPrefix(c.Key, string(d.lane)), made))
			return nil
		}))
}

// RoundTrip is the gateway.
func (d *desk) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	host, lost := d.host, false
	switch {
	case r.URL.Path == "/system/functions":
		text, err := json.Marshal(d.maker().Manifest())
		if err != nil {
			return nil, err
		}
		fn.Reply(rec, http.StatusOK, []gateway.Function{{Name: "plugin-make", Annotations: map[string]string{manifest.Annotation: string(text)}}})
		return rec.Result(), nil
	case strings.HasPrefix(r.URL.Path, "/async-function/"):
		d.rings = append(d.rings, strings.TrimPrefix(r.URL.Path, "/async-function/")+" "+r.Header.Get(gateway.LaneHeader))
		rec.WriteHeader(http.StatusAccepted)
		return rec.Result(), nil
	case r.URL.Path == "/function/plugin-make":
		if d.calling != nil && !d.calling() {
			return nil, io.ErrUnexpectedEOF // its holder died before the call arrived
		}
		host, lost = d.plugin, d.lost > 0
		d.lost--
	case r.URL.Path != "/function/planner-rollback":
		fault.Write(rec, fault.New(fault.NotFound, "no %s", r.URL.Path))
		return rec.Result(), nil
	}
	in := r.Clone(r.Context())
	in.URL.Path = "/"
	host.ServeHTTP(rec, in)
	if lost {
		return nil, io.ErrUnexpectedEOF // it died before it could answer
	}
	return rec.Result(), nil
}

// spawn makes the run, and does its steps.
func (d *desk) spawn() {
	d.t.Helper()
	plan, err := flow.Parse([]byte(`{"title":"Test","steps":[
		{"id":"a","plugin":"make"},{"id":"b","plugin":"make"},{"id":"c","plugin":"make"},{"id":"d","plugin":"make"}]}`))
	if err != nil {
		d.t.Fatal(err)
	}
	header, err := journal.Prepare(journal.Request{
		ID: string(d.lane), Plan: flow.Normalize(plan), By: policy.Principal{User: "ann", Role: policy.Member}, Origin: journal.FromTask,
		Session: string(d.session), Lang: "en", Zone: time.UTC, Now: d.now,
	}, []manifest.Manifest{*d.maker().Manifest()})
	if err != nil {
		d.t.Fatal(err)
	}
	raw, err := json.Marshal(header)
	if err != nil {
		d.t.Fatal(err)
	}
	if _, err := d.ledger.Spawn(d.t.Context(), ledger.Spawn{Lane: d.lane, Header: raw}); err != nil {
		d.t.Fatal(err)
	}
	j := d.take()
	for _, step := range []string{"a", "b", "c", "d"} {
		d.write(j, flow.Event{Type: flow.Intent, Step: step, Attempt: 1, Params: json.RawMessage(`{"say":"` + step + `"}`)})
		if step == "d" {
			d.write(j, flow.Event{Type: flow.Failed, Step: step, Attempt: 1, Problem: &flow.Problem{Kind: "failed", Message: "no"}})
			break
		}
		receipt := json.RawMessage(`{"result":{"say":"made ` + step + `"},"summary":"made"}`)
		d.write(j, flow.Event{Type: flow.Done, Step: step, Attempt: 1, Receipt: receipt})
	}
	if err := j.Retry(d.t.Context(), 0); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) write(j *journal.Journal, e flow.Event) {
	d.t.Helper()
	if err := j.Write(d.t.Context(), e); err != nil {
		d.t.Fatal(err)
	}
}

// take claims the run, as planner-execute does.
func (d *desk) take() *journal.Journal {
	d.t.Helper()
	j, err := journal.Take(d.t.Context(), d.ledger, d.lane, d.env.Now)
	if err != nil || j == nil {
		d.t.Fatal(j, err)
	}
	return j
}

// handOver gives a claim of the run to planner-rollback.
func (d *desk) handOver(c ledger.Claim) error {
	d.t.Helper()
	g, err := gateway.Open(d.env, "planner-execute")
	if err != nil {
		d.t.Fatal(err)
	}
	return g.Call(d.t.Context(), "planner-rollback", vault.Call{}, c, nil)
}

// back takes the run and hands it over, and returns it as it then stands.
func (d *desk) back() *flow.Run {
	d.t.Helper()
	if err := d.handOver(d.take().Claim()); err != nil {
		d.t.Fatal(err)
	}
	return d.look()
}

func (d *desk) look() *flow.Run {
	d.t.Helper()
	run, err := journal.Load(d.t.Context(), d.ledger, d.lane)
	if err != nil {
		d.t.Fatal(err)
	}
	return run
}

// due reports whether the run can be claimed now.
func (d *desk) due() bool {
	d.t.Helper()
	j, err := journal.Take(d.t.Context(), d.ledger, d.lane, d.env.Now)
	if err != nil {
		d.t.Fatal(err)
	}
	if j == nil {
		return false
	}
	if err := j.Retry(d.t.Context(), 0); err != nil {
		d.t.Fatal(err)
	}
	return true
}

func (d *desk) advance(by time.Duration) {
	d.now = d.now.Add(by)
	d.store.SetTime(d.now)
}

const all = "c /c/0: made c, b /b/0: made b, a /a/0: made a"

func (d *desk) expect(state flow.State, undone string) {
	d.t.Helper()
	if run, got := d.look(), strings.Join(d.undone, ", "); run.State != state || got != undone {
		d.t.Errorf("the run is %s and %q is undone; want %s and %q", run.State, got, state, undone)
	}
}

// TestNewestFirst undoes each effect once with what its step made, written down before it is tried, and
// puts the result into the session's outbox.
func TestNewestFirst(t *testing.T) {
	d := open(t)
	d.acting = func(step string) {
		run := d.look()
		for _, s := range run.Steps {
			if u := s.Units[0]; u.ID == step && (run.State != flow.RollingBack || u.State != flow.UnitUndoing || u.Undos != 1) {
				t.Errorf("while %s is undone, the journal says that the run is %s and the step %s", step, run.State, u.State)
			}
		}
	}
	d.back()
	d.expect(flow.RolledBack, all)
	if want := "planner-intent " + string(d.session); strings.Join(d.rings, ", ") != want {
		t.Errorf("rings %v", d.rings)
	}
	w, err := d.ledger.Claim(t.Context(), d.session, ledger.NewOwner())
	if err != nil || w == nil || w.Outbox == nil || !strings.Contains(string(w.Outbox.Body), "Failed and rolled back") {
		t.Errorf("the session hears %+v %v", w, err)
	}
	if d.due() {
		t.Error("a run that is rolled back is still due")
	}
}

// TestUndoTriesAgain: what another try can mend is tried again, later each time, and what it cannot is left
// to a person. What came before it is taken back all the same.
func TestUndoTriesAgain(t *testing.T) {
	away := fault.New(fault.Unavailable, "not now")
	for name, c := range map[string]struct {
		answers []error
		lost    int
		waits   string // seconds before each further try
		state   flow.State
		undone  string
	}{
		"away once":           {[]error{away}, 0, "1", flow.RolledBack, all},
		"it crashes once":     {[]error{fault.New(fault.Internal, "oh")}, 0, "1", flow.RolledBack, all},
		"it asks for time":    {[]error{away.In(7 * time.Second)}, 0, "7", flow.RolledBack, all},
		"later each time":     {[]error{away, away, away, away}, 0, "1 2 4 8", flow.RolledBack, all},
		"away for good":       {[]error{away, away, away, away, away}, 0, "1 2 4 8", flow.NeedsHuman, "b /b/0: made b, a /a/0: made a"},
		"it cannot":           {[]error{fault.New(fault.Conflict, "changed since")}, 0, "", flow.NeedsHuman, "b /b/0: made b, a /a/0: made a"},
		"its answer was lost": {nil, 1, "1", flow.RolledBack, "c /c/0: made c, " + all}, // the plugin knows the key
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t)
			d.undo["c"], d.lost = c.answers, c.lost
			d.back()
			for _, wait := range strings.Fields(c.waits) {
				pause, err := time.ParseDuration(wait + "s")
				if err != nil {
					t.Fatal(err)
				}
				if d.advance(pause - time.Millisecond); d.due() {
					t.Fatalf("tried again before %s have passed", pause)
				}
				d.advance(time.Millisecond)
				d.back()
			}
			d.expect(c.state, c.undone)
		})
	}
}

// TestResumes goes on after a holder that died: the undo that was under way runs again under the same key,
// and those before it do not.
func TestResumes(t *testing.T) {
	d := open(t)
	j := d.take()
	d.write(j, flow.Event{Type: flow.GoBack})
	d.write(j, flow.Event{Type: flow.UndoIntent, Step: "c", Attempt: 1})
	d.write(j, flow.Event{Type: flow.Undone, Step: "c", Attempt: 1})
	d.write(j, flow.Event{Type: flow.UndoIntent, Step: "b", Attempt: 1})
	d.advance(time.Minute) // without a word
	d.back()
	d.expect(flow.RolledBack, "b /b/0: made b, a /a/0: made a")
}

// TestUndoesAFinishedRun takes back on request what a run left behind.
func TestUndoesAFinishedRun(t *testing.T) {
	d := open(t)
	if _, err := d.take().End(t.Context(), flow.Event{State: flow.Stopped}); err != nil {
		t.Fatal(err)
	}
	ask := flow.Event{Type: flow.UndoAsked, At: d.now, By: "ann"}
	body, err := json.Marshal(ask)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.ledger.Decide(t.Context(), d.lane, ask.Key(1), body, ledger.ClearStop); err != nil {
		t.Fatal(err)
	}
	d.back()
	d.expect(flow.StateUndone, all)
}

// TestOnlyItsHolder refuses who does not hold the run, and who lost it meanwhile.
func TestOnlyItsHolder(t *testing.T) {
	d := open(t)
	old := d.take().Claim()
	d.advance(time.Minute)
	holder := d.take().Claim()
	for name, c := range map[string]ledger.Claim{
		"the one before": old, "nobody": {Lane: d.lane}, "another one": {Lane: d.lane, Owner: ledger.NewOwner(), Epoch: holder.Epoch},
	} {
		if err := d.handOver(c); !fault.Is(err, fault.Stale) {
			t.Errorf("%s: %v", name, err)
		}
	}
	rec := httptest.NewRecorder()
	d.host.ServeHTTP(rec, httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/", strings.NewReader(`{}`)))
	if rec.Code != http.StatusUnauthorized {
		t.Errorf("nobody's call: %d", rec.Code)
	}
	d.expect(flow.Running, "")
	d.acting = func(string) { // the holder is taken for dead while it undoes
		d.acting = nil
		d.advance(time.Minute)
		d.take()
	}
	if err := d.handOver(holder); !fault.Is(err, fault.Stale) {
		t.Errorf("who lost the run: %v", err)
	}
	d.expect(flow.RollingBack, "c /c/0: made c")
}

// TestNothingToTakeBack gives the run free for planner-execute.
func TestNothingToTakeBack(t *testing.T) {
	d := open(t)
	d.write(d.take(), flow.Event{Type: flow.RetryAsked})
	d.advance(time.Minute)
	d.back()
	d.expect(flow.Running, "")
	if !d.due() {
		t.Error("nobody can go on with the run")
	}
}
