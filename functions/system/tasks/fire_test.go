package tasks_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/ledger/ledgertest"
	"github.com/hearthfaas/hearth/shared/vault"
)

// fire calls the slot of a task, as the pump does.
func (d *desk) fire(id string) {
	d.t.Helper()
	slots, err := d.ledger.Scheduled(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	d.pump("/fire", map[string]any{"task": id, "expected": slots[id].Time})
}

// pump calls what only the pump may call.
func (d *desk) pump(path string, in map[string]any) {
	d.t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		d.t.Fatal(err)
	}
	if code, answer := d.signed("system-pump", "", "", path, string(body)); code != http.StatusOK {
		d.t.Fatalf("%s: %d %s", path, code, answer)
	}
}

// signed calls the function as another function does, for a user.
func (d *desk) signed(from, user, role, path, body string) (int, string) {
	call := vault.Call{From: from, To: "system-tasks", User: user, Role: role}
	req := httptest.NewRequestWithContext(context.Background(), http.MethodPost, path, strings.NewReader(body))
	req.Header.Set(vault.CallHeader, ledgertest.Vault(d.t).Sign(call, []byte(body), d.clock()))
	rec := httptest.NewRecorder()
	d.host.ServeHTTP(rec, req)
	return rec.Code, rec.Body.String()
}

type fired struct {
	At      time.Time
	Fired   bool
	Run     string
	Outcome string
	Why     string
	More    int
	FiredAt time.Time `json:"fired_at"`
}

func (d *desk) history(id string) []fired {
	d.t.Helper()
	_, body := d.as("ann/member", http.MethodGet, "/"+id+"/history", "")
	var got struct{ Fires []fired }
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		d.t.Fatal(body, err)
	}
	return got.Fires
}

// rows writes a history as hours of the day in Shanghai, oldest first: + fired, - did not.
func rows(fires []fired) string {
	var s []string
	for _, f := range slices.Backward(fires) {
		mark := "-"
		if f.Fired {
			mark = "+"
		}
		s = append(s, mark+strconv.Itoa(f.At.In(time.FixedZone("", 8*3600)).Hour()))
	}
	return strings.Join(s, " ")
}

// TestStoppedScheduleSkips leaves a row for a slot that came while everything was stopped.
func TestStoppedScheduleSkips(t *testing.T) {
	d := open(t, nil)
	d.apply("daily", `{"type":"cron","schedule":"0 9 * * *","timezone":"Asia/Shanghai"}`)
	if code, body := d.as("op/operator", http.MethodPost, "/stop", ``); code != http.StatusOK {
		t.Fatal(code, body)
	}
	d.at(nine)
	d.fire("daily")
	if fires := d.history("daily"); len(fires) != 1 || fires[0].Fired || !strings.Contains(fires[0].Why, "hearth resume") {
		t.Fatalf("%+v", fires)
	}
	if code, body := d.as("root/admin", http.MethodPost, "/resume", ``); code != http.StatusOK {
		t.Fatal(code, body)
	}
	d.at(nine.Add(24 * time.Hour))
	d.fire("daily")
	if fires := d.history("daily"); len(fires) != 2 || !fires[0].Fired {
		t.Fatalf("%+v", fires)
	}
}

func TestMissedSlots(t *testing.T) {
	for name, c := range map[string]struct{ trigger, want string }{
		"once":             {`{"type":"cron","schedule":"0 * * * *"}`, "-9 -10 -11 +12"},
		"skip":             {`{"type":"cron","schedule":"0 * * * *","misfire":"skip"}`, "-9 -10 -11 -12"},
		"all":              {`{"type":"cron","schedule":"0 * * * *","misfire":"all","grace":"24h","overlap":"allow"}`, "+9 +10 +11 +12"},
		"all, not beside":  {`{"type":"cron","schedule":"0 * * * *","misfire":"all","grace":"24h"}`, "+9 -10 -11 -12"},
		"all in the grace": {`{"type":"cron","schedule":"0 * * * *","misfire":"all","grace":"2h","overlap":"allow"}`, "-9 -10 +11 +12"},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t, nil)
			d.at(nine.Add(-30 * time.Minute))
			d.apply("hourly", c.trigger)
			d.at(nine.Add(3*time.Hour + 30*time.Minute)) // 12:30
			d.fire("hourly")
			fires := d.history("hourly")
			if got := rows(fires); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			for _, f := range fires {
				if f.Fired != (f.Run != "") || f.Fired != (f.Why == "") || f.Fired != (f.Outcome == "running") {
					t.Errorf("%+v", f)
				}
			}
			d.fire("hourly") // 13:00 has not come
			if got := rows(d.history("hourly")); got != c.want {
				t.Errorf("fired again: %s", got)
			}
		})
	}
}

func TestOverlap(t *testing.T) {
	for overlap, want := range map[string]string{"skip": "+9 -10 +11", "allow": "+9 +10 +11", "queue": "+9 +10"} {
		t.Run(overlap, func(t *testing.T) {
			d := open(t, nil)
			d.apply("hourly", `{"type":"cron","schedule":"0 * * * *","overlap":"`+overlap+`"}`)
			d.at(nine)
			d.fire("hourly")
			d.at(nine.Add(time.Hour))
			d.fire("hourly")
			for _, f := range d.history("hourly") {
				if f.Fired {
					d.end(ledger.Lane(f.Run))
				} else if !strings.Contains(f.Why, "still goes") {
					t.Errorf("%+v", f)
				}
			}
			if overlap != "queue" {
				d.at(nine.Add(2 * time.Hour))
			}
			d.fire("hourly")
			if got := rows(d.history("hourly")); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}

const hookKey = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// hook calls a task's webhook, signed with a key as Standard Webhooks says.
func (d *desk) hook(id, key, event, stamp, body string) (int, string) {
	d.t.Helper()
	raw, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		d.t.Fatal(err)
	}
	mac := hmac.New(sha256.New, raw)
	mac.Write([]byte(event + "." + stamp + "." + body))
	req := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/"+id+"/hook", strings.NewReader(body))
	if event != "" {
		req.Header.Set("webhook-id", event)
	}
	req.Header.Set("webhook-timestamp", stamp)
	req.Header.Set("webhook-signature", "v1,bm90aGluZw== v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	rec := httptest.NewRecorder()
	d.host.ServeHTTP(rec, req)
	return rec.Code, rec.Body.String()
}

func TestWebhooksAreProven(t *testing.T) {
	wrong := base64.StdEncoding.EncodeToString([]byte("another key"))
	now := strconv.FormatInt(nine.Unix(), 10)
	for name, c := range map[string]struct {
		secret, key, task, event, stamp, body string
		status                                int
	}{
		"right":            {"whsec_" + hookKey, hookKey, "hooked", "e1", now, `{"a":1}`, 202},
		"without prefix":   {hookKey, hookKey, "hooked", "e1", now, `{}`, 401},
		"no secret":        {"", hookKey, "hooked", "e1", now, `{}`, 401},
		"blank secret":     {" \n", "", "hooked", "e1", now, `{}`, 401},
		"only the prefix":  {"whsec_", "", "hooked", "e1", now, `{}`, 401},
		"not base64":       {"whsec_?", hookKey, "hooked", "e1", now, `{}`, 401},
		"wrong key":        {"whsec_" + hookKey, wrong, "hooked", "e1", now, `{}`, 401},
		"old":              {"whsec_" + hookKey, hookKey, "hooked", "e1", strconv.FormatInt(nine.Unix()-301, 10), `{}`, 401},
		"from the future":  {"whsec_" + hookKey, hookKey, "hooked", "e1", strconv.FormatInt(nine.Unix()+301, 10), `{}`, 401},
		"no time":          {"whsec_" + hookKey, hookKey, "hooked", "e1", "", `{}`, 401},
		"no id":            {"whsec_" + hookKey, hookKey, "hooked", "", now, `{}`, 401},
		"not JSON":         {"whsec_" + hookKey, hookKey, "hooked", "e1", now, `{`, 400},
		"no such task":     {"whsec_" + hookKey, hookKey, "nothing", "e1", now, `{}`, 404},
		"not for webhooks": {"whsec_" + hookKey, hookKey, "timed", "e1", now, `{}`, 403},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t, map[string]string{"WEBHOOK_SECRET": c.secret})
			d.at(nine)
			d.apply("hooked", `{"type":"webhook"}`)
			d.apply("timed", `{"type":"cron","schedule":"0 9 * * *"}`)
			code, body := d.hook(c.task, c.key, c.event, c.stamp, c.body)
			if code != c.status || (len(d.rings) == 1) != (c.status == 202) {
				t.Errorf("%d %s %v", code, body, d.rings)
			}
		})
	}
}

// TestAReplayedWebhookIsTheSameRun answers a repeated delivery with the run of the first.
func TestAReplayedWebhookIsTheSameRun(t *testing.T) {
	d := open(t, map[string]string{"WEBHOOK_SECRET": "whsec_" + hookKey})
	d.apply("hooked", `{"type":"webhook"}`)
	stamp := strconv.FormatInt(d.clock().Unix(), 10)
	_, first := d.hook("hooked", hookKey, "e1", stamp, `{}`)
	_, again := d.hook("hooked", hookKey, "e1", stamp, `{}`)
	_, other := d.hook("hooked", hookKey, "e2", stamp, `{}`)
	if first != again || first == other || !strings.Contains(first, `"run":"r`) {
		t.Error(first, again, other)
	}
	if runs, err := d.ledger.Runs(t.Context(), 10, false); err != nil || len(runs) != 2 {
		t.Error(len(runs), err)
	}
}
