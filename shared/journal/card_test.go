package journal_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/policy"
)

// TestCardHasNoExpressionThatIsKnown: what an earlier step is going to write, the plan's own parameters and
// the event stand on the card as values.
func TestCardHasNoExpressionThatIsKnown(t *testing.T) {
	list := plugins()
	for i := range list {
		if list[i].ID == "sheet" {
			list[i].Intent.Gives, list[i].Result = "file", json.RawMessage(`{"properties":{"path":{"type":"string"}}}`)
		}
	}
	r := request(t, `{"plugin":"look"}`)
	plan, err := flow.Parse([]byte(`{"params":{"to":"eve@other.example"},"steps":[
		{"id":"x","plugin":"sheet","params":{"path":"/out/{{date}}.xlsx"}},
		{"id":"m","plugin":"mail","params":{"to":["{{params.to}}"],"from":"{{steps.x.path}}","body":"{{steps.x.rows}}"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Plan = flow.Normalize(plan)
	h, err := journal.Prepare(r, list)
	if err != nil {
		t.Fatal(err)
	}
	if want := "The mail: eve@other.example, /out/2026-01-03.xlsx"; h.Card.Lines[1] != want {
		t.Errorf("%q", h.Card.Lines[1])
	}
	if len(h.Card.Recipients) != 1 || !h.Card.Recipients[0].External || h.Card.Reads[0] != "/out/2026-01-03.xlsx" || string(h.Params) != `{"to":"eve@other.example"}` {
		t.Errorf("%+v %s", h.Card, h.Params)
	}
	// A step that may be left out writes nothing for sure.
	r.Plan.Steps[0].If = "date > '2026'"
	if h, err = journal.Prepare(r, list); err != nil || !strings.Contains(h.Card.Lines[1], "{{steps.x.path}}") {
		t.Errorf("%q %v", h.Card.Lines[1], err)
	}
	// A parameter that is known is checked, also where others are not yet.
	r.Plan.Params["to"] = json.RawMessage(`7`)
	if _, err := journal.Prepare(r, list); !fault.Is(err, fault.Invalid) || !strings.HasPrefix(fault.Text(err), "steps[1].params.to") {
		t.Errorf("%v", fault.Text(err))
	}
}

func TestCardSaysWhoApprovesAndUntilWhen(t *testing.T) {
	member := policy.Principal{User: "ann", Role: policy.Member}
	for name, c := range map[string]struct {
		approval string
		four     bool
		says     string
		may      map[string]bool // by user/role
	}{
		"anybody who may decide": {"required", false, "waits for your approval", map[string]bool{"ann/member": true, "bo/operator": true}},
		"an operator":            {"operator", false, "approval of **an operator, an admin or an owner**", map[string]bool{"ann/member": false, "bo/operator": true, "cy/owner": true}},
		"an owner":               {"owner", false, "approval of **an owner**", map[string]bool{"bo/operator": false, "di/admin": false, "cy/owner": true}},
		"four eyes":              {"required", true, "an owner other than ann", map[string]bool{"ann/member": false, "ann/owner": false, "bo/operator": true}},
		"four eyes of an admin":  {"admin", true, "**an admin or an owner other than ann**", map[string]bool{"ann/owner": false, "bo/operator": false, "di/admin": true}},
	} {
		r := request(t, `{"plugin":"look"},{"plugin":"mail","params":{"to":["a@b.cd"]},"approval":"`+c.approval+`"},{"plugin":"look","approval":"required"}`)
		r.By, r.FourEyes = member, c.four
		h, err := journal.Prepare(r, plugins())
		if err != nil {
			t.Fatal(err)
		}
		card := journal.Card(h)
		if !strings.Contains(card, c.says) || !strings.Contains(card, "Open until 2026-01-03 05:00 (Asia/Shanghai). If nobody approves by then, it lapses and nothing is done.") {
			t.Errorf("%s:\n%s", name, card)
		}
		for who, may := range c.may {
			user, role, _ := strings.Cut(who, "/")
			err := journal.MayApprove(flow.Fold(h, nil), policy.Principal{User: user, Role: policy.Role(role)}, false)
			if (err == nil) != may || err != nil && !fault.Is(err, fault.Forbidden) {
				t.Errorf("%s: %s: %v", name, who, err)
			}
		}
	}
}

func TestCardOfATaskToInstall(t *testing.T) {
	r := request(t, `{"id":"x","plugin":"sheet","params":{"path":"/out/{{date}}.xlsx"}}`)
	r.Install, r.Plan.Trigger = true, &flow.Trigger{Type: flow.Cron, Schedule: "0 9 * * 1-5"}
	h, err := journal.Prepare(r, plugins())
	if err != nil || !h.Approve {
		t.Fatal(h.Approve, err)
	}
	for _, part := range []string{
		"As a task of ann, **Monday to Friday at 09:00** (Asia/Shanghai), next: 2026-01-05 09:00 · 2026-01-06 09:00 · 2026-01-07 09:00",
		"/out/<day of the run>.xlsx", "1 of 1 steps can be taken back (`x` for 30 days).", "nothing is done",
	} {
		if !strings.Contains(journal.Card(h), part) {
			t.Errorf("misses %q:\n%s", part, journal.Card(h))
		}
	}
	if _, err := (journal.Forking{Now: noon}).Prepare(nil, flow.Fold(h, nil), nil); !fault.Is(err, fault.Conflict) {
		t.Errorf("a fork of it: %v", err)
	}
	run := flow.Fold(h, []flow.Event{
		{Type: flow.Approved, By: "ann"},
		{Type: flow.Installed, Receipt: json.RawMessage(`{"task_id":"task_x","next":"2026-01-05T09:00:00+08:00"}`)},
		{Type: flow.Ended, State: flow.StateDone},
	})
	for _, part := range []string{"task_x", "next: 2026-01-05 09:00 +0800", "/tasks off task_x", "hearth task delete task_x"} {
		if text := journal.Summary(run); !strings.Contains(text, part) {
			t.Errorf("misses %q:\n%s", part, text)
		}
	}
}

func TestCardSaysHowLongAnUndoIsPossible(t *testing.T) {
	for want, limit := range map[string]time.Duration{"30 days": 0, "3 days": 72 * time.Hour, "36 hours": 36 * time.Hour, "90 minutes": 90 * time.Minute} {
		m := manifest.Manifest{
			ID: "sheet", Title: manifest.Phrase{En: "Sheet"}, Effect: manifest.Compensable, Undo: true, Limits: manifest.Limits{Undo: limit},
			Params: json.RawMessage(schema),
		}
		h, err := journal.Prepare(request(t, `{"id":"x","plugin":"sheet"}`), []manifest.Manifest{m})
		if err != nil || !strings.Contains(journal.Card(h), "1 of 1 steps can be taken back (`x` for "+want+").") {
			t.Errorf("%s: %v\n%s", want, err, journal.Card(h))
		}
	}
}
