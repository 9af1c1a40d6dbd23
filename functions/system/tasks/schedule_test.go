package tasks_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/flow"
)

// TestJitterDelaysTheSlot by the same time after a restart, and history shows both times.
func TestJitterDelaysTheSlot(t *testing.T) {
	d := open(t, nil)
	const trigger = `{"type":"cron","schedule":"0 9 * * *","jitter":"10m","misfire":"skip"}`
	d.apply("daily", trigger)
	s, err := flow.NewSchedule(flow.Trigger{Type: flow.Cron, Schedule: "0 9 * * *", Jitter: "10m"}, time.FixedZone("", 8*3600), nil)
	if err != nil {
		t.Fatal(err)
	}
	at := s.Of("daily").At(nine)
	_, body := d.as("ann/member", http.MethodGet, "/daily", "")
	if want := at.In(time.FixedZone("", 8*3600)).Format(time.RFC3339); !at.After(nine) || !strings.Contains(body, `"fires":"`+want) || !strings.Contains(body, `"next":"2026-01-05T09:00:00+08:00"`) {
		t.Errorf("fires at %v: %s", want, body)
	}
	d.apply("daily", trigger) // again: nothing moves
	d.at(at.Add(-time.Millisecond))
	d.fire("daily")
	if fires := d.history("daily"); len(fires) > 0 {
		t.Fatalf("before its time: %+v", fires)
	}
	d.at(at.Add(50 * time.Second)) // punctual, counted from when it should fire
	d.fire("daily")
	fires := d.history("daily")
	if len(fires) != 1 || !fires[0].Fired || !fires[0].At.Equal(nine) || !fires[0].FiredAt.Equal(at.Add(50*time.Second)) {
		t.Errorf("%+v", fires)
	}
}

// TestEveryMissedSlotIsAccountedFor: 500 have a row with the reason, and the newest of those says how many have none.
func TestEveryMissedSlotIsAccountedFor(t *testing.T) {
	d := open(t, nil)
	d.at(nine.Add(-30 * time.Second))
	d.apply("dense", `{"type":"cron","schedule":"* * * * *"}`)
	d.at(nine.Add(1000*time.Minute + 10*time.Second)) // 1001 slots
	d.fire("dense")
	fires := d.history("dense")
	if len(fires) != flow.MaxSkipped || !fires[0].Fired || !fires[0].At.Equal(nine.Add(1000*time.Minute)) {
		t.Fatalf("%d rows, the newest %+v", len(fires), fires[0])
	}
	for i, f := range fires[1:] {
		if f.Fired || !f.At.Equal(nine.Add(time.Duration(999-i)*time.Minute)) || !strings.Contains(f.Why, "missed while the scheduler was away (misfire once, grace 1h0m0s)") {
			t.Fatalf("row %d: %+v", i+1, f)
		}
	}
	if last := fires[1]; last.More != 501 || !strings.Contains(last.Why, "501 older ones") || fires[2].More != 0 {
		t.Errorf("%+v", last)
	}
	d.at(nine.Add(1001 * time.Minute)) // the next one pushes the oldest row out, and not the count
	d.fire("dense")
	if fires := d.history("dense"); len(fires) != flow.MaxSkipped || fires[2].More != 501 {
		t.Errorf("%d rows: %+v", len(fires), fires[2])
	}
}

// TestTheLastRunIsTheLast of several that were started together.
func TestTheLastRunIsTheLast(t *testing.T) {
	d := open(t, nil)
	d.apply("hourly", `{"type":"cron","schedule":"0 * * * *","misfire":"all","grace":"24h","overlap":"allow"}`)
	d.at(nine.Add(3 * time.Hour))
	d.fire("hourly")
	_, body := d.as("ann/member", http.MethodGet, "/hourly", "")
	if last := d.history("hourly")[0]; !strings.Contains(body, `"last_run":"`+last.Run+`"`) {
		t.Errorf("%+v: %s", last, body)
	}
}

// week has holidays on Tuesday and Wednesday, and a make-up workday on the Saturday after them.
const week = `{"holidays":["2026-01-06","2026-01-07"],"workdays":["2026-01-10"]}`

func (d *desk) next(id string) string {
	d.t.Helper()
	_, body := d.as("ann/member", http.MethodGet, "/"+id, "")
	var v struct{ Next string }
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		d.t.Fatal(body, err)
	}
	return strings.TrimSuffix(v.Next, ":00+08:00")
}

func TestCalendarMovesItsTasks(t *testing.T) {
	d := open(t, nil)
	put := func(name, days string) {
		t.Helper()
		if code, body := d.as("op/operator", http.MethodPut, "/calendars/"+name, days); code != http.StatusOK {
			t.Fatal(code, body)
		}
	}
	put("cn", `{}`)
	put("other", week)
	const trigger = `{"type":"cron","schedule":"0 9 * * 1-5","calendar":"cn","expect":"5m","overlap":"allow"}`
	d.apply("daily", trigger)
	d.apply("monthly", `{"type":"cron","schedule":"0 9 6 * *","calendar":"cn"}`)
	d.apply("plain", `{"type":"cron","schedule":"0 9 * * 1-5"}`)
	d.apply("off", trigger)
	if code, body := d.as("ann/member", http.MethodPost, "/off/disable", ""); code != http.StatusOK {
		t.Fatal(code, body)
	}
	d.at(nine.Add(time.Minute))
	for _, id := range []string{"daily", "plain"} {
		d.fire(id)
	}
	if d.next("daily") != "2026-01-06T09:00" || d.next("monthly") != "2026-01-06T09:00" {
		t.Fatal(d.next("daily"), d.next("monthly"))
	}
	put("cn", week)
	for id, want := range map[string]string{"daily": "2026-01-08T09:00", "monthly": "2026-01-08T09:00", "plain": "2026-01-06T09:00", "off": ""} {
		if got := d.next(id); got != want {
			t.Errorf("%s is next on %s, not %s", id, got, want)
		}
	}
	d.at(nine.AddDate(0, 0, 4).Add(time.Minute)) // Friday
	d.fire("daily")
	if got := d.next("daily"); got != "2026-01-10T09:00" {
		t.Errorf("after Friday comes %s", got)
	}
	d.at(nine.AddDate(0, 0, 5).Add(time.Minute)) // the working Saturday: due, and not fired yet
	put("cn", `{}`)
	d.fire("daily")
	if fires := d.history("daily"); !fires[0].Fired || !fires[0].At.Equal(nine.AddDate(0, 0, 5)) || d.next("daily") != "2026-01-12T09:00" {
		t.Errorf("%+v, then %s", fires[0], d.next("daily"))
	}
	// Nobody waits for the slots that the holidays took.
	d.at(nine.AddDate(0, 0, 5).Add(time.Hour))
	due, err := d.ledger.Due(t.Context(), "pump")
	var days []int
	for _, w := range due.Watches {
		days = append(days, w.Slot.Day())
	}
	if err != nil || !slices.Equal(days, []int{5, 8, 9, 10}) {
		t.Errorf("waits for %v: %v", days, err)
	}
}

func TestCalendarsRefuse(t *testing.T) {
	d := open(t, nil)
	if code, body := d.as("op/operator", http.MethodPut, "/calendars/cn", week); code != http.StatusOK {
		t.Fatal(code, body)
	}
	d.apply("daily", `{"type":"cron","schedule":"0 9 * * *","calendar":"cn"}`)
	for _, c := range []struct {
		who, method, path, body string
		status                  int
		says                    string
	}{
		{"ann/member", "PUT", "/x", task("x", `{"type":"cron","schedule":"0 9 * * *","calendar":"us"}`), 400, `"field":"trigger.calendar"`},
		{"ann/member", "PUT", "/x", task("x", `{"type":"cron","schedule":"0 9 * * *","calendar":"us"}`), 400, "hearth calendar apply us -f FILE"},
		{"ann/member", "GET", "/x", "", 404, "x"},
		{"ann/member", "PUT", "/alerts", task("alerts", ""), 400, `"field":"task_id"`},
		{"ann/member", "PUT", "/calendars/cn", week, 403, "operator"},
		{"gus/guest", "GET", "/calendars", "", 403, "member"},
		{"op/operator", "PUT", "/calendars/CN!", week, 400, "is no id"},
		{"op/operator", "PUT", "/calendars/cn", `{"holidays":["2026-02-30"]}`, 400, `"field":"holidays[0]"`},
		{"op/operator", "PUT", "/calendars/cn", `{"holydays":[]}`, 400, "line 1"},
		{"ann/member", "GET", "/calendars/cn", "", 200, "2026-01-10"}, // none of these refusals changed it
		{"ann/member", "GET", "/calendars", "", 200, `"tasks":["daily"]`},
		{"ann/member", "DELETE", "/calendars/cn", "", 403, "operator"},
		{"op/operator", "DELETE", "/calendars/cn", "", 409, "used by [daily]"},
		{"op/operator", "DELETE", "/calendars/us", "", 404, "hearth calendar list"},
		{"ann/member", "DELETE", "/daily", "", 200, "daily"},
		{"op/operator", "DELETE", "/calendars/cn", "", 200, "cn"},
		{"ann/member", "GET", "/calendars/cn", "", 404, "cn"},
	} {
		code, body := d.as(c.who, c.method, c.path, c.body)
		if code != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s %s %s: %d %s", c.who, c.method, c.path, code, body)
		}
	}
}
