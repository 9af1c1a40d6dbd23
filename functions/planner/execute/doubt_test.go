package execute_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/policy"
	"github.com/hearthfaas/hearth/shared/vault"
)

const sheetAndPay = `{"id":"a","plugin":"make","params":{"say":"x"}},{"id":"p","plugin":"pay","params":{"say":"ten"}},{"id":"z","plugin":"make","params":{"say":"{{steps.p.said}}"}}`

// TestDoubtIsAskedFor loses the answer of a payment, and asks for it before anything else happens.
func TestDoubtIsAskedFor(t *testing.T) {
	for name, c := range map[string]struct {
		lost   int
		refuse map[string][]error
		want   string
		did    string
		asked  int
	}{
		"it happened": {
			1, nil, "done a=done p=done z=done", "do a: x, do p: ten, do z: ten", 1,
		},
		"it did not": {
			0, map[string][]error{"do p": {fault.New(fault.Unknown, "?")}}, "done a=done p=done z=done", "do a: x, do p: ten, do z: ten", 1,
		},
		"its plugin is away for a while": {
			1, map[string][]error{"reconcile p": away(4)}, "done a=done p=done z=done", "do a: x, do p: ten, do z: ten", 1,
		},
		"its plugin cannot tell": {
			1, map[string][]error{"reconcile p": failed(1)}, "needs_human a=done p=unknown z=planned", "do a: x, do p: ten", 0,
		},
		"its plugin is away for good": {
			1, map[string][]error{"reconcile p": away(8)}, "needs_human a=done p=unknown z=planned", "do a: x, do p: ten", 0,
		},
		"the answer to that is lost too": {
			2, nil, "done a=done p=done z=done", "do a: x, do p: ten, do z: ten", 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			b.cut["plugin-pay"], b.refuse = c.lost, c.refuse
			if b.refuse == nil {
				b.refuse = map[string][]error{}
			}
			v := b.finishes(b.run(sheetAndPay))
			if show(v) != c.want || b.deeds() != c.did || b.asked != c.asked {
				t.Errorf("%s: %s, asked %d times", show(v), b.deeds(), b.asked)
			}
			found := c.lost > 0 && v.State == flow.StateDone
			if pay := v.Steps[1]; (pay.Check != nil && pay.Check.State == "happened") != found || found && pay.Summary != "found ten" {
				t.Errorf("the view shows %+v, %s", pay.Check, pay.Summary)
			}
		})
	}
}

// finishes is finish with minutes between the looks.
func (b *bench) finishes(lane ledger.Lane) flow.View {
	b.t.Helper()
	for range 60 {
		if v := b.drive(lane); v.State.Over() {
			return v
		}
		b.advance(time.Minute)
	}
	b.t.Fatalf("the run does not end: %s", show(b.look(lane)))
	return flow.View{}
}

// cutOff is a run whose holder died when it had written that it is about to pay.
func (b *bench) cutOff(paid bool) ledger.Lane {
	b.t.Helper()
	lane := b.run(`{"id":"p","plugin":"pay","params":{"say":"ten"}}`)
	j, err := journal.Take(b.t.Context(), b.ledger, lane, b.clock)
	if err != nil || j == nil {
		b.t.Fatal(j, err)
	}
	if err := j.Intent(b.t.Context(), flow.Event{Type: flow.Intent, Step: "p", Attempt: 1, Params: []byte(`{"say":"ten"}`)}); err != nil {
		b.t.Fatal(err)
	}
	b.keys[j.Run().Key(j.Run().Steps[0].Units[0])] = paid
	return lane
}

// TestNoIsNotBelievedTooEarly: while a call of the dead holder may be under way, its absence means nothing.
func TestNoIsNotBelievedTooEarly(t *testing.T) {
	b := open(t)
	lane := b.cutOff(false)
	b.advance(40 * time.Second) // the lease is over, and the plugin's limit with what may come on top is not
	v := b.drive(lane)
	if show(v) != "waiting p=running" || v.Steps[0].Check == nil || v.Steps[0].Check.State != "asking" || b.deeds() != "" {
		t.Fatalf("%s %+v: %s", show(v), v.Steps[0].Check, b.deeds())
	}
	b.advance(20 * time.Second)
	if v = b.finishes(lane); show(v) != "done p=done" || b.deeds() != "do p: ten" || b.asked != 2 {
		t.Errorf("%s: %s, asked %d times", show(v), b.deeds(), b.asked)
	}
}

// TestStopAsksFirst stops runs that were cut off while they paid.
func TestStopAsksFirst(t *testing.T) {
	for paid, want := range map[bool]string{true: "stopped p=done", false: "stopped p=failed"} {
		b := open(t)
		lane := b.cutOff(paid)
		if err := b.decide("ann", policy.Member, lane, "cancel", ""); err != nil {
			t.Fatal(err)
		}
		b.advance(time.Minute)
		if v := b.finishes(lane); show(v) != want || b.deeds() != "" {
			t.Errorf("paid %v: %s, %s", paid, show(v), b.deeds())
		}
	}
}

// TestPeopleSettleADoubt: a mail that nobody can ask about is settled by a person, once, and the run goes on.
func TestPeopleSettleADoubt(t *testing.T) {
	steps := `{"id":"a","plugin":"make","params":{"say":"x"}},{"id":"m","plugin":"mail","params":{"say":"y"}},{"id":"z","plugin":"make","params":{"say":"z"}}`
	doubted := func(t *testing.T) (*bench, ledger.Lane) {
		b := open(t)
		b.cut["plugin-mail"] = 1
		lane := b.run(steps)
		if v := b.finish(lane); show(v) != "needs_human a=done m=unknown z=planned" || !v.Can.Settle || v.Can.Retry {
			t.Fatalf("%s %+v", show(v), v.Can)
		}
		return b, lane
	}
	b, lane := doubted(t)
	heard := b.hears()
	for _, part := range []string{"`/settle " + string(lane) + " m happened|did-not`", `"y:` + string(lane) + `:m"`, `"n:` + string(lane) + `:m"`} {
		if len(heard) != 1 || !strings.Contains(heard[0], part) {
			t.Errorf("the conversation misses %s: %q", part, heard)
		}
	}
	for name, c := range map[string]struct {
		user string
		verb string
		body string
		kind fault.Kind
	}{
		"somebody else":   {"eve", "settle", `{"step":"m","did":true}`, fault.Forbidden},
		"no such step":    {"ann", "settle", `{"step":"q","did":true}`, fault.Invalid},
		"neither":         {"ann", "settle", `{"step":"m"}`, fault.Invalid},
		"never in doubt":  {"ann", "settle", `{"step":"a","did":true}`, fault.Conflict},
		"a retry":         {"ann", "retry", ``, fault.Conflict},
		"a retry from it": {"ann", "retry", `{"from":"m"}`, fault.Conflict},
	} {
		if err := b.decide(c.user, policy.Member, lane, c.verb, c.body); !fault.Is(err, c.kind) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for range 2 { // the second says the same and changes nothing
		if err := b.decide("ann", policy.Member, lane, "settle", `{"step":"m","did":true}`); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.decide("op", policy.Operator, lane, "settle", `{"step":"m","did":false}`); !fault.Is(err, fault.Conflict) {
		t.Errorf("settled otherwise: %v", err)
	}
	v := b.finish(lane)
	if show(v) != "done a=done m=done z=done" || b.deeds() != "do a: x, do m: y, do z: z" || v.Steps[1].Check.By != "ann" {
		t.Errorf("it happened: %s %s", show(v), b.deeds())
	}

	b, lane = doubted(t)
	if err := b.decide("ann", policy.Member, lane, "settle", `{"step":"m","did":false}`); err != nil {
		t.Fatal(err)
	}
	if v := b.finish(lane); show(v) != "failed a=done m=failed z=planned" || !v.Can.Retry || !v.Can.Undo {
		t.Errorf("it did not: %s %+v", show(v), v.Can)
	}
	if err := b.decide("ann", policy.Member, lane, "retry", ""); err != nil {
		t.Fatal(err)
	}
	if v := b.finish(lane); show(v) != "done a=done m=done z=done" || b.deeds() != "do a: x, do m: y, do m: y, do z: z" {
		t.Errorf("and is sent again: %s %s", show(v), b.deeds())
	}
}

// previewed asks what an undo would do, as somebody.
func (b *bench) previewed(user string, lane ledger.Lane) (flow.UndoPlan, error) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, gateway.Base(b.env)+"/function/system-tasks/runs/"+string(lane)+"/preview", nil)
	if err != nil {
		b.t.Fatal(err)
	}
	token := b.vault.Issue(vault.Token{For: "user", ID: user, Role: string(policy.Member), Expires: b.clock().Add(time.Hour).Unix()})
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := b.RoundTrip(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	var plan flow.UndoPlan
	if err := fault.Read(resp); err != nil {
		return plan, err
	}
	return plan, json.NewDecoder(resp.Body).Decode(&plan)
}

func TestPreviewOfAnUndo(t *testing.T) {
	b := open(t)
	lane := b.run(sheetAndPay)
	b.finish(lane)
	if _, err := b.previewed("eve", lane); !fault.Is(err, fault.Forbidden) {
		t.Errorf("somebody else: %v", err)
	}
	did := b.deeds()
	b.refuse["preview a"] = []error{fault.New(fault.Conflict, "moved on").Showing(fault.Change{What: "/a", Then: "1", Now: "2"})}
	plan, err := b.previewed("ann", lane)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, s := range plan.Steps {
		lines = append(lines, strings.Join([]string{s.ID, string(s.Blocked), string(s.Look), s.Would}, "|"))
	}
	// A newer step of the same plugin may be why a looks changed.
	if got, want := strings.Join(lines, ", "), "z||ready|would undo ten, p|irreversible||, a||unknown|"; got != want || !plan.Can {
		t.Errorf("%s, want %s", got, want)
	}
	if until := plan.Steps[0].Until; !until.Equal(b.clock().Add(journal.DefaultUndo)) || b.deeds() != did {
		t.Errorf("until %v; %s", until, b.deeds())
	}
	b.refuse["preview z"] = []error{fault.New(fault.Conflict, "moved on").Showing(fault.Change{What: "/a", Then: "1", Now: "2"})}
	if plan, err = b.previewed("ann", lane); err != nil || plan.Steps[0].Look != flow.LookChanged || len(plan.Steps[0].Problem.Changes) != 1 {
		t.Errorf("%+v %v", plan.Steps[0], err)
	}
}

// TestRefusedUndoShowsWhy keeps what has changed in the run.
func TestRefusedUndoShowsWhy(t *testing.T) {
	b := open(t)
	lane := b.run(`{"id":"a","plugin":"make","params":{"say":"x"}}`)
	b.finish(lane)
	b.refuse["undo a"] = []error{fault.New(fault.Conflict, "moved on").Showing(fault.Change{What: "/a", Then: "1", Now: "2", Diff: []string{"-1", "+2"}})}
	if err := b.decide("ann", policy.Member, lane, "undo", ""); err != nil {
		t.Fatal(err)
	}
	v := b.finish(lane)
	if v.State != flow.NeedsHuman || len(v.Steps[0].Undo.Error.Changes) != 1 || len(v.Steps[0].Undo.Error.Changes[0].Diff) != 2 {
		t.Fatalf("%s %+v", show(v), v.Steps[0].Undo.Error)
	}
	if err := b.decide("ann", policy.Member, lane, "undo", ""); err != nil { // somebody has mended it
		t.Fatal(err)
	}
	if v = b.finish(lane); v.State != flow.StateUndone {
		t.Errorf("%s", show(v))
	}
	old := b.run(`{"id":"a","plugin":"make","params":{"say":"x"}}`)
	b.finish(old)
	b.advance(journal.DefaultUndo)
	if err := b.decide("ann", policy.Member, old, "undo", ""); !fault.Is(err, fault.Conflict) || !strings.Contains(fault.Text(err), "ended at 2026-02-01 09:00 CST") {
		t.Errorf("after its time: %v", err)
	}
}
