package tasks_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/alert"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/ledger"
)

// alerts does a round of the pump over the deadlines that have come, and tells alerts. It returns those that there are.
func (d *desk) alerts() []alert.Alert {
	d.t.Helper()
	due, err := d.ledger.Due(d.t.Context(), "pump")
	if err != nil {
		d.t.Fatal(err)
	}
	for _, w := range due.Watches {
		d.pump("/expect", map[string]any{"task": w.Task, "slot": w.Slot})
	}
	teller, err := alert.Open(d.t.Context(), d.env)
	if err != nil {
		d.t.Fatal(err)
	}
	if err := teller.Round(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	d.store.FastForward(2 * time.Minute) // the next teller does not wait for this one
	_, body := d.as("ann/member", http.MethodGet, "/alerts", "")
	var got struct{ Alerts []alert.Alert }
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		d.t.Fatal(body, err)
	}
	return got.Alerts
}

// endIn ends the run of a lane in a state.
func (d *desk) endIn(id string, state flow.State) {
	d.t.Helper()
	j, err := journal.Take(d.t.Context(), d.ledger, ledger.Lane(id), d.clock)
	if err != nil || j == nil {
		d.t.Fatal(j, err)
	}
	if _, err := j.End(d.t.Context(), flow.Event{State: state, Problem: &flow.Problem{Message: "broken"}}); err != nil {
		d.t.Fatal(err)
	}
}

func TestDeadMan(t *testing.T) {
	const trigger = `{"type":"cron","schedule":"0 9 * * *","expect":"5m"}`
	for name, c := range map[string]struct {
		trigger string
		steps   string
		before  func(d *desk) // at 9:00
		kind    alert.Kind    // "": none
		says    string
	}{
		"done": {trigger, "", func(d *desk) {
			d.fire("daily")
			d.endIn(d.history("daily")[0].Run, flow.StateDone)
		}, "", ""},
		"still goes":        {trigger, "", func(d *desk) { d.fire("daily") }, alert.Missed, "it is running"},
		"waits for someone": {trigger, `,"approval":"required"`, func(d *desk) { d.fire("daily") }, alert.Missed, "waits for approval"},
		"failed": {trigger, "", func(d *desk) {
			d.fire("daily")
			d.endIn(d.history("daily")[0].Run, flow.StateFailed)
		}, alert.Failed, "broken"},
		"needs a human": {trigger, "", func(d *desk) {
			d.fire("daily")
			d.endIn(d.history("daily")[0].Run, flow.NeedsHuman)
		}, alert.NeedsHuman, "broken"},
		"stopped": {trigger, "", func(d *desk) {
			d.fire("daily")
			d.endIn(d.history("daily")[0].Run, flow.Stopped)
		}, alert.Missed, "it was stopped"},
		"nobody fired it": {trigger, "", func(*desk) {}, alert.Missed, "it has not begun"},
		"skipped by overlap": {`{"type":"cron","schedule":"0 9 * * *","expect":"5m"}`, "", func(d *desk) {
			if code, body := d.as("ann/member", http.MethodPost, "/daily/run", ""); code != http.StatusOK {
				d.t.Fatal(code, body)
			}
			d.fire("daily")
		}, alert.Missed, "it was skipped: the last run"},
		"queued behind another": {`{"type":"cron","schedule":"0 9 * * *","expect":"5m","overlap":"queue"}`, "", func(d *desk) {
			if code, body := d.as("ann/member", http.MethodPost, "/daily/run", ""); code != http.StatusOK {
				d.t.Fatal(code, body)
			}
			d.fire("daily")
		}, alert.Missed, "it has not begun"},
		"turned off": {trigger, "", func(d *desk) {
			if code, body := d.as("ann/member", http.MethodPost, "/daily/disable", ""); code != http.StatusOK {
				d.t.Fatal(code, body)
			}
		}, "", ""},
		"deleted": {trigger, "", func(d *desk) {
			d.fire("daily")
			if code, body := d.as("ann/member", http.MethodDelete, "/daily", ""); code != http.StatusOK {
				d.t.Fatal(code, body)
			}
		}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t, nil)
			body := strings.Replace(task("daily", c.trigger), `"plugin":"mail"`, `"plugin":"mail"`+c.steps, 1)
			if code, answer := d.as("ann/member", http.MethodPut, "/daily", body); code != http.StatusOK {
				t.Fatal(code, answer)
			}
			d.at(nine)
			c.before(d)
			early := 0
			if c.kind == alert.Failed || c.kind == alert.NeedsHuman {
				early = 1 // the run told it itself, and the deadline does not tell it again
			}
			d.at(nine.Add(5*time.Minute - time.Second))
			if got := d.alerts(); len(got) != early {
				t.Fatalf("before the deadline: %+v", got)
			}
			for range 2 {
				d.at(d.clock().Add(time.Minute))
				got := d.alerts()
				if len(got) != min(1, len(c.kind)) {
					t.Fatalf("%+v", got)
				}
				if len(got) == 1 && (got[0].Kind != c.kind || !strings.Contains(got[0].Text.En, c.says) || got[0].Task != "daily" || got[0].User != "ann") {
					t.Errorf("%+v, want %s: %s", got[0], c.kind, c.says)
				}
				if len(got) == 1 && early == 0 && (!strings.Contains(got[0].Text.En, "The run of 2026-01-05 09:00:00 was expected by 09:05:00") || got[0].Text.Zh == "") {
					t.Error(got[0].Text)
				}
			}
		})
	}
}

// TestDeadManWhenEverybodyWasAway: each slot that passed while no pump was there has its alert when one comes back,
// once, whether its run was skipped or comes late.
func TestDeadManWhenEverybodyWasAway(t *testing.T) {
	d := open(t, nil)
	d.apply("daily", `{"type":"cron","schedule":"0 9 * * *","expect":"5m","grace":"24h"}`)
	d.at(nine.AddDate(0, 0, 2).Add(time.Hour)) // two days and an hour later
	d.fire("daily")
	for range 2 {
		got := d.alerts()
		if len(got) != 3 {
			t.Fatalf("%d alerts: %+v", len(got), got)
		}
		for i, want := range []string{"it was skipped: missed while the scheduler was away", "it was skipped", "it is running"} {
			found := false
			for _, a := range got {
				day := nine.AddDate(0, 0, i).Format("2006-01-02")
				found = found || strings.Contains(a.Text.En, day+" 09:00:00") && strings.Contains(a.Text.En, want)
			}
			if !found {
				t.Errorf("no alert for day %d with %q: %+v", i, want, got)
			}
		}
	}
	if got := d.next("daily"); got != "2026-01-08T09:00" {
		t.Error(got)
	}
}

func TestWhoMayResolve(t *testing.T) {
	d := open(t, nil)
	d.apply("daily", `{"type":"cron","schedule":"0 9 * * *","expect":"5m"}`)
	d.at(nine.Add(time.Hour))
	got := d.alerts()
	if len(got) != 1 {
		t.Fatalf("%+v", got)
	}
	for _, c := range []struct {
		who    string
		status int
		sees   bool
	}{{"eve/member", 403, false}, {"gus/guest", 403, false}, {"op/operator", 200, true}, {"ann/member", 200, true}} {
		if code, body := d.as(c.who, http.MethodPost, "/alerts/"+got[0].ID+"/resolve", ""); code != c.status {
			t.Errorf("%s: %d %s", c.who, code, body)
		}
		if _, body := d.as(c.who, http.MethodGet, "/alerts", ""); strings.Contains(body, got[0].ID) != c.sees {
			t.Errorf("%s sees %s", c.who, body)
		}
	}
	if got := d.alerts(); !got[0].Resolved || got[0].By != "op" {
		t.Errorf("%+v", got)
	}
	if code, _ := d.as("op/operator", http.MethodPost, "/alerts/anothing/resolve", ""); code != http.StatusNotFound {
		t.Error(code)
	}
}

// TestOnlyTheAdapterNamesAPlace: whoever is signed in cannot make the assistant write to any chat.
func TestOnlyTheAdapterNamesAPlace(t *testing.T) {
	d := open(t, nil)
	const body = `{"address":{"platform":"telegram","chat":"1"},"on":true,"lang":"en"}`
	if code, answer := d.as("own/owner", http.MethodPost, "/alerts", body); code != http.StatusForbidden {
		t.Error(code, answer)
	}
	for _, c := range []struct {
		from, user, role string
		status           int
		says             string
	}{
		{"adapter-slack", "op", "operator", 403, "/alerts here"},
		{"adapter-telegram", "", "guest", 403, "member"},
		{"adapter-telegram", "ann", "member", 200, `"all":false`},
		{"adapter-telegram", "op", "operator", 200, `"all":true`},
	} {
		if code, answer := d.signed(c.from, c.user, c.role, "/alerts", body); code != c.status || !strings.Contains(answer, c.says) {
			t.Errorf("%+v: %d %s", c, code, answer)
		}
	}
}
