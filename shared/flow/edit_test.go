package flow_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
)

func TestSet(t *testing.T) {
	p := flow.Normalize(parse(t, `{"params":{"n":1},"steps":[{"id":"q","plugin":"p"},{"id":"mail","plugin":"mail","params":{"to":"a","cc":"b"}}]}`))
	for name, c := range map[string]struct{ set, want string }{
		"another value":       {`{"mail.to":["x",7]}`, `mail.to: "a" → ["x",7]`},
		"one more":            {`{"mail.bcc":"c"}`, `mail.bcc: – → "c"`},
		"one less":            {`{"mail.cc":null}`, `mail.cc: "b" → –`},
		"of the plan":         {`{"params.n":2}`, `params.n: 1 → 2`},
		"the same":            {`{"mail.to":"a"}`, ``},
		"unknown step":        {`{"post.to":"a"}`, `!post.to: there is no step "post"; there are: q, mail`},
		"unknown of the plan": {`{"params.m":2}`, `!params.m: the plan has no params.m`},
		"no parameter":        {`{"mail":2}`, `!"mail" changes nothing`},
		"bad template":        {`{"mail.to":"{{steps.lunch.x}}"}`, `!steps.mail.params: there is no step "lunch"`},
		"bad template deep":   {`{"mail.to":["{{date"]}`, `!steps.mail.params.to[0]: `},
	} {
		var set flow.Values
		if err := json.Unmarshal([]byte(c.set), &set); err != nil {
			t.Fatal(err)
		}
		changed, err := p.Set(set)
		want, refused := strings.CutPrefix(c.want, "!")
		if refused {
			if !fault.Is(err, fault.Invalid) || !strings.HasPrefix(fault.Text(err), want) {
				t.Errorf("%s: %v", name, fault.Text(err))
			}
			continue
		}
		var got []string
		for _, change := range flow.Changes(p, changed) {
			got = append(got, change.String())
		}
		if err != nil || strings.Join(got, "; ") != want {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
	if string(p.Steps[1].Params) != `{"to":"a","cc":"b"}` || string(p.Params["n"]) != "1" {
		t.Errorf("the plan itself has changed: %s %s", p.Steps[1].Params, p.Params["n"])
	}
}

// waiting is a run that waits for approval, and an edit of it.
func waiting() (h flow.Header, approve, deny, edit flow.Event) {
	h = report(chain("mail")...)
	h.Approve, h.Digest = true, "d0"
	plan := flow.Plan{Steps: []flow.Step{{ID: "s1", Plugin: "mail", Params: json.RawMessage(`{"to":"b"}`)}}}
	edit = flow.Event{Type: flow.Edited, By: "ed", Edit: &flow.Edit{Plan: plan, Digest: "d1", Facts: h.Facts, Card: &flow.Card{}, Expires: start.Add(2 * time.Hour)}}
	return h, flow.Event{Type: flow.Approved, By: "al"}, flow.Event{Type: flow.Denied, By: "di"}, edit
}

// TestDecisionsAtTheSameMoment: only the order of the journal tells which of two decisions counts.
func TestDecisionsAtTheSameMoment(t *testing.T) {
	h, approve, deny, edit := waiting()
	again := approve
	again.Revision = 1
	for name, c := range map[string]struct {
		journal []flow.Event
		state   flow.State
		digest  string
		denied  bool
	}{
		"approved":                          {[]flow.Event{approve}, flow.Running, "d0", false},
		"edited goes on waiting":            {[]flow.Event{edit}, flow.WaitingApproval, "d1", false},
		"an approval of the old plan":       {[]flow.Event{edit, approve}, flow.WaitingApproval, "d1", false},
		"an approval of the new one":        {[]flow.Event{edit, approve, again}, flow.Running, "d1", false},
		"an edit after the approval":        {[]flow.Event{approve, edit}, flow.Running, "d0", false},
		"no to the old plan is no":          {[]flow.Event{edit, deny}, flow.WaitingApproval, "d1", true},
		"an approval after that":            {[]flow.Event{edit, deny, again}, flow.WaitingApproval, "d1", true},
		"an edit after that":                {[]flow.Event{deny, edit}, flow.WaitingApproval, "d0", true},
		"an approval after it lapsed":       {[]flow.Event{{Type: flow.Ended, State: flow.Expired}, approve}, flow.Expired, "d0", false},
		"the same edit twice counts once":   {[]flow.Event{edit, edit}, flow.WaitingApproval, "d1", false},
		"no after the approval of the edit": {[]flow.Event{edit, again, deny}, flow.Running, "d1", false},
	} {
		r := flow.Fold(h, c.journal)
		if r.State != c.state || r.Digest != c.digest || r.Denied != c.denied || r.Rev != len(c.journal) {
			t.Errorf("%s: %s %s denied %v", name, r.State, r.Digest, r.Denied)
		}
		want := "{}"
		if c.digest == "d1" {
			want = `{"to":"b"}`
		}
		if params := string(r.Steps[0].Params); params != want && !(want == "{}" && params == "") {
			t.Errorf("%s: the step has %s", name, params)
		}
	}
	if approve.Key(0) == again.Key(0) || approve.Key(0) != deny.Key(0) {
		t.Errorf("keys %s %s %s", approve.Key(0), again.Key(0), deny.Key(0))
	}
}

func TestReplayTellsWhatHappened(t *testing.T) {
	h, approve, _, edit := waiting()
	again := approve
	again.Revision = 1
	journal := []flow.Event{
		edit, approve, again,
		{Type: flow.Intent, Step: "s1", Attempt: 1, Params: json.RawMessage(`{"to":"b"}`)},
		{Type: flow.Done, Step: "s1", Attempt: 1, Receipt: json.RawMessage(`{"summary":"sent"}`)},
		{Type: flow.Ended, State: flow.StateDone},
	}
	var got []string
	for _, m := range flow.Replay(h, journal) {
		line := string(m.Type) + " " + string(m.State) + " " + string(m.Unit) + " " + m.By + " " + m.Summary + strings.Join(m.Changes, ";")
		if m.Void {
			line += " void"
		}
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	want := []string{
		"created waiting_approval", `edited waiting_approval ed s1.to: – → "b"`, "approved waiting_approval al void", "approved running al",
		"intent running running", "done running done sent", "end done",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
}

func TestForkTakesOverWhatEndedWell(t *testing.T) {
	h := report(append(chain("read", "make", "mail"), flow.Step{ID: "aside", Plugin: "make"}, flow.Step{ID: "each", Plugin: "make", Foreach: "[1,2]"})...)
	done := func(unit string) flow.Event {
		return flow.Event{Type: flow.Done, Step: unit, At: start, Receipt: json.RawMessage(`{"result":{"n":"` + unit + `"}}`)}
	}
	acted := func(unit string) flow.Event { return flow.Event{Type: flow.Intent, Step: unit, Attempt: 1, At: start} }
	journal := []flow.Event{
		acted("s1"), done("s1"), acted("s2"), done("s2"), acted("s3"), done("s3"), acted("aside"),
		{Type: flow.Failed, Step: "aside", Problem: &flow.Problem{}},
		{Type: flow.Items, Step: "each", Items: []json.RawMessage{[]byte("1"), []byte("2")}},
		acted("each[0]"), done("each[0]"), acted("each[1]"), done("each[1]"),
		{Type: flow.Ended, State: flow.StateDone},
	}
	old := flow.Fold(h, journal)
	if _, err := old.ForkFrom("lunch"); !fault.Is(err, fault.Invalid) {
		t.Errorf("from a step that is not there: %v", err)
	}
	if all, err := old.ForkFrom(""); err != nil || len(all.Taken) != 0 || all.Takes("s1") {
		t.Errorf("%+v %v", all, err)
	}
	fork, err := old.ForkFrom("s3")
	if err != nil {
		t.Fatal(err)
	}
	h.ID, h.Fork = "r00-y", fork
	raw, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	var stored flow.Header
	if err := json.Unmarshal(raw, &stored); err != nil {
		t.Fatal(err)
	}
	run := flow.Fold(stored, nil)
	for i, want := range []string{"r00-x", "r00-x", "", "", "r00-x"} {
		for _, u := range run.Steps[i].Units {
			if u.Taken != want || (want != "") != (u.State == flow.UnitDone) || fork.Takes(run.Steps[i].ID) != (want != "") {
				t.Errorf("%s is %s, taken from %q", u.ID, u.State, u.Taken)
			}
		}
	}
	if n := len(run.Steps[4].Units); n != 2 || run.Rev != 0 {
		t.Errorf("%d items, rev %d", n, run.Rev)
	}
	m := run.Next(start)
	if m.Act != flow.ActRun || len(m.Units) != 2 || m.Units[0].ID != "s3" || m.Units[1].ID != "aside" {
		t.Errorf("next is %+v", m)
	}
	if key := run.Key(m.Units[0]); !strings.HasPrefix(key, "r00-y/") {
		t.Errorf("the key is the old run's: %s", key)
	}

	// A failure rolls back what this run did, and nothing of the old one: also not its mail.
	w := newWorld(t, stored)
	w.answer = func(unit string, _ int) *flow.Problem {
		if unit == "s3" {
			return &flow.Problem{Message: "no"}
		}
		return nil
	}
	if end := w.finish(); end.State != flow.RolledBack || strings.Join(w.order, " ") != "aside" {
		t.Errorf("%s, undone: %v", end.State, w.order)
	}
	mail := report(chain("mail", "make")...)
	mail.Fork = &flow.Fork{Run: "r00-x", Taken: []flow.Event{{Type: flow.Items, Step: "s1"}, done("s1")}}
	w = newWorld(t, mail)
	w.answer = func(string, int) *flow.Problem { return &flow.Problem{Message: "no", Doubt: true} }
	if end := w.finish(); end.State != flow.RolledBack {
		t.Errorf("a mail that the old run sent calls a person: %s", end.State)
	}
	if again := flow.Fold(mail, []flow.Event{{Type: flow.Ended, State: flow.StateFailed}, {Type: flow.RetryAsked, From: "s1"}}); again.Steps[0].Units[0].State != flow.Planned {
		t.Errorf("a retry from a step that was taken over leaves it %s", again.Steps[0].Units[0].State)
	}
}

func TestAnApprovedTaskIsInstalled(t *testing.T) {
	h := report(chain("mail")...)
	h.Install, h.Approve = true, true
	approved := flow.Event{Type: flow.Approved, By: "ann"}
	if m := flow.Fold(h, nil).Next(start); m.Act != flow.ActWait {
		t.Errorf("before: %s", m.Act)
	}
	if m := flow.Fold(h, []flow.Event{approved}).Next(start); m.Act != flow.ActInstall {
		t.Errorf("approved: %s", m.Act)
	}
	installed := flow.Event{Type: flow.Installed, Receipt: json.RawMessage(`{}`)}
	if m := flow.Fold(h, []flow.Event{approved, installed}).Next(start); m.Act != flow.ActEnd || m.State != flow.StateDone {
		t.Errorf("installed: %+v", m)
	}
}
