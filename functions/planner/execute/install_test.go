package execute_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/policy"
)

func toInstall(r *journal.Request) {
	inChat(r)
	r.Install, r.Plan.TaskID = true, "daily"
	r.Plan.Trigger = &flow.Trigger{Type: flow.Cron, Schedule: "0 9 * * *"}
	r.Plan = flow.Normalize(r.Plan)
}

// task is the task as system-tasks keeps it, with its owner.
func (b *bench) task() (journal.Task, bool) {
	b.t.Helper()
	doc, err := b.ledger.Get(b.t.Context(), journal.TaskSpace, "daily")
	if fault.Is(err, fault.NotFound) {
		return journal.Task{}, false
	}
	var task journal.Task
	if err == nil {
		err = json.Unmarshal(doc.Body, &task)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return task, true
}

const mailStep = `{"id":"m","plugin":"mail","params":{"say":"hello","to":"bo@b.cd"}}`

// TestAnApprovedTaskIsInstalledOnce, in spite of answers that get lost.
func TestAnApprovedTaskIsInstalledOnce(t *testing.T) {
	b := open(t)
	run := b.run(mailStep, toInstall)
	if v := b.drive(run); v.State != flow.WaitingApproval {
		t.Fatal(v.State)
	}
	if _, there := b.task(); there {
		t.Fatal("installed without a yes")
	}
	if err := b.decide("eve", policy.Member, run, "approve", "{}"); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a stranger: %v", err)
	}
	if err := b.decide("bo", policy.Operator, run, "approve", "{}"); err != nil {
		t.Fatal(err)
	}
	b.cut["system-tasks"] = 1 // the task is there, and the answer lost
	v := b.finish(run)
	task, there := b.task()
	if v.State != flow.StateDone || !there || task.Owner != "ann" || task.Role != policy.Member {
		t.Fatalf("%s %+v", v.State, task)
	}
	if did := b.deeds(); did != "" {
		t.Errorf("installing did %s", did)
	}
	next, err := b.ledger.Scheduled(t.Context())
	if want := time.Date(2026, 1, 3, 1, 0, 0, 0, time.UTC); err != nil || !next["daily"].Time.Equal(want) {
		t.Errorf("next %v %v", next, err)
	}
	events, err := b.ledger.Claim(t.Context(), b.ledger.Session("web", "ann"), ledger.NewOwner())
	if err != nil || events == nil || events.Outbox == nil || !strings.Contains(string(events.Outbox.Body), "/tasks off daily") {
		t.Errorf("the asker hears %+v %v", events, err)
	}
}

func TestATaskThatNobodyWants(t *testing.T) {
	for verb, want := range map[string]flow.State{"deny": flow.StateDenied, "": flow.Expired} {
		b := open(t)
		run := b.run(mailStep, toInstall)
		b.drive(run)
		if verb != "" {
			if err := b.decide("ann", policy.Member, run, verb, "{}"); err != nil {
				t.Fatal(err)
			}
		}
		b.advance(journal.ApprovalFor)
		v := b.finish(run)
		if _, there := b.task(); there || v.State != want {
			t.Errorf("%s, installed: %v", v.State, there)
		}
	}
}

// TestATaskOfSomebodyElse: what cannot be installed fails, and says why.
func TestATaskOfSomebodyElse(t *testing.T) {
	b := open(t)
	first := b.run(mailStep, toInstall, func(r *journal.Request) { r.By.User = "zoe" })
	second := b.run(mailStep, toInstall)
	for user, run := range map[string]ledger.Lane{"zoe": first, "ann": second} {
		if err := b.decide(user, policy.Member, run, "approve", "{}"); err != nil {
			t.Fatal(err)
		}
	}
	b.finish(first)
	if v := b.finish(second); v.State != flow.StateFailed || v.Error == nil || v.Error.Kind != string(fault.Forbidden) {
		t.Errorf("%s %+v", v.State, v.Error)
	}
	if task, _ := b.task(); task.Owner != "zoe" {
		t.Errorf("it is %s's now", task.Owner)
	}
}

// TestAForkSeesWhatItTakesOver: under keys of its own, with the results of the old run and not one of its
// effects.
func TestAForkSeesWhatItTakesOver(t *testing.T) {
	b := open(t)
	old := b.finish(b.run(`{"id":"a","plugin":"make","params":{"say":"one two"}},
		{"id":"e","plugin":"make","foreach":"steps.a.list","params":{"say":"{{item}}"}},
		{"id":"m","plugin":"mail","params":{"say":"{{steps.a.said}} {{steps.e[1].said}}","to":"bo@b.cd"}}`))
	before := b.deeds()
	if old.State != flow.StateDone {
		t.Fatalf("%s: %+v", show(old), old.Error)
	}
	v, err := b.fork("ann", old.ID, `{"from":"m","set":{"m.to":"cy@b.cd"}}`)
	if err != nil {
		t.Fatal(err)
	}
	if want := []flow.Recipient{{To: "cy@b.cd", External: true}}; len(v.Card.Recipients) != 1 || v.Card.Recipients[0] != want[0] {
		t.Errorf("%+v", v.Card)
	}
	if got := show(v); got != "waiting_approval a=done e[0]=done e[1]=done m=planned" {
		t.Error(got)
	}
	lane := ledger.Lane(v.ID)
	if err := b.decide("ann", policy.Member, lane, "approve", `{"digest":"`+v.Digest+`"}`); err != nil {
		t.Fatal(err)
	}
	end := b.finish(lane)
	if did := strings.TrimPrefix(b.deeds(), before+", "); end.State != flow.StateDone || did != "do m: one two two" {
		t.Errorf("%s, did %s", show(end), did)
	}
	if err := b.decide("ann", policy.Member, lane, "undo", "{}"); !fault.Is(err, fault.Conflict) {
		t.Errorf("there is nothing of its own to undo: %v", err)
	}
	// A retry from a step that was taken over does it anew, as the fork's own.
	if err := b.decide("ann", policy.Member, lane, "retry", `{"from":"a"}`); err != nil {
		t.Fatal(err)
	}
	again := b.finish(lane)
	if again.Steps[0].Taken != "" || !strings.Contains(strings.TrimPrefix(b.deeds(), before), "do a: one two") {
		t.Errorf("%s, did %s", show(again), b.deeds())
	}
}

// TestReplayWithRecordedInputs: without a step to begin with, all runs anew on the day of the old run.
func TestReplayWithRecordedInputs(t *testing.T) {
	b := open(t)
	old := b.finish(b.run(`{"id":"a","plugin":"look","params":{"say":"{{date}} {{trigger.body.n}}"}}`, func(r *journal.Request) { r.Event = json.RawMessage(`{"n":7}`) }))
	b.advance(72 * time.Hour)
	for body, want := range map[string]string{`{}`: "do a: 2026-01-02 7", `{"now":true}`: "do a: 2026-01-05 7"} {
		v, err := b.fork("ann", old.ID, body)
		if err != nil {
			t.Fatal(err)
		}
		b.finish(ledger.Lane(v.ID))
		if did := b.deeds(); !strings.HasSuffix(did, want) {
			t.Errorf("%s did %s", body, did)
		}
	}
}

func TestStepsSeeTheParametersOfThePlan(t *testing.T) {
	b := open(t)
	plan, err := flow.Parse([]byte(`{"params":{"who":"bo on {{date}}"},"steps":[{"id":"a","plugin":"look","params":{"say":"{{params.who}}"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	b.finish(b.run(`{"plugin":"look"}`, func(r *journal.Request) { r.Plan = flow.Normalize(plan) }))
	if did := b.deeds(); did != "do a: bo on 2026-01-02" {
		t.Errorf("did %s", did)
	}
}
