package tasks_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/hearthfaas/hearth/functions/system/tasks"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/ledger/ledgertest"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/policy"
	"github.com/hearthfaas/hearth/shared/vault"
)

// desk is system-tasks with one plugin in the gateway's list, and a clock that it shares with the store.
type desk struct {
	t      *testing.T
	env    *fn.Env
	ledger *ledger.Ledger
	store  *miniredis.Miniredis
	host   http.Handler

	mu    sync.Mutex
	now   time.Time
	rings []string
}

var nine = time.Date(2026, 1, 5, 1, 0, 0, 0, time.UTC) // a Monday, 9:00 in Shanghai

func open(t *testing.T, settings map[string]string) *desk {
	t.Helper()
	d := &desk{t: t, store: miniredis.RunT(t)}
	d.at(nine.Add(-time.Hour))
	all := map[string]string{
		"REDIS_URL":       "redis://" + d.store.Addr() + "/0?" + ledger.VolatileFlag + "=1",
		"HEARTH_TIMEZONE": "Asia/Shanghai", "BASIC_AUTH_PASSWORD": "secret",
	}
	for name, value := range settings {
		all[name] = value
	}
	d.env = fntest.Env(t, all)
	d.env.Transport, d.env.Now = d, d.clock
	var err error
	if d.ledger, err = ledger.Open(t.Context(), d.env); err != nil {
		t.Fatal(err)
	}
	if d.host, err = fn.NewHost(t.Context(), tasks.Function, d.env); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *desk) clock() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

func (d *desk) at(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = now
	d.store.SetTime(now)
}

// RoundTrip is the gateway: the list of plugins, and doorbells.
func (d *desk) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	if r.URL.Path == "/system/functions" {
		schema := `{"type":"object","additionalProperties":false,"properties":{"to":{"type":"string"}}}`
		text, err := json.Marshal(manifest.Manifest{ID: "mail", Effect: manifest.Irreversible, Params: json.RawMessage(schema)})
		if err != nil {
			return nil, err
		}
		fn.Reply(rec, http.StatusOK, []gateway.Function{{Name: "plugin-mail", Annotations: map[string]string{manifest.Annotation: string(text)}}})
		return rec.Result(), nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rings = append(d.rings, strings.TrimPrefix(r.URL.Path, "/async-function/")+" "+r.Header.Get(gateway.LaneHeader))
	rec.WriteHeader(http.StatusAccepted)
	return rec.Result(), nil
}

// as calls the function as a user with a role and returns the status and the body.
func (d *desk) as(who, method, path, body string) (int, string) {
	d.t.Helper()
	return d.keyed(who, method, path, body)
}

// keyed is as with values of Idempotency-Key.
func (d *desk) keyed(who, method, path, body string, keys ...string) (int, string) {
	d.t.Helper()
	user, role, _ := strings.Cut(who, "/")
	req := httptest.NewRequestWithContext(context.Background(), method, path, strings.NewReader(body))
	if role != "" {
		token := vault.Token{For: "user", ID: user, Role: role, Expires: d.clock().Add(time.Hour).Unix()}
		req.Header.Set("Authorization", "Bearer "+ledgertest.Vault(d.t).Issue(token))
	}
	req.Header["Idempotency-Key"] = keys
	rec := httptest.NewRecorder()
	d.host.ServeHTTP(rec, req)
	return rec.Code, rec.Body.String()
}

func (d *desk) apply(id, trigger string) {
	d.t.Helper()
	if code, body := d.as("ann/member", http.MethodPut, "/"+id, task(id, trigger)); code != http.StatusOK {
		d.t.Fatalf("%d %s", code, body)
	}
}

func task(id, trigger string) string {
	if trigger != "" {
		trigger = `"trigger":` + trigger + `,`
	}
	return `{"task_id":"` + id + `",` + trigger + `"steps":[{"plugin":"mail","params":{"to":"x"}}]}`
}

func TestTasksBelongToTheirOwner(t *testing.T) {
	d := open(t, nil)
	d.apply("daily", `{"type":"cron","schedule":"0 9 * * *"}`)
	for _, c := range []struct {
		who, method, path, body string
		status                  int
		says                    string
	}{
		{"", "GET", "/", "", 401, "sign in"},
		{"ann/member", "GET", "/daily", "", 200, `"next":"2026-01-05T09:00:00+08:00"`},
		{"ann/member", "GET", "/", "", 200, `"owner":"ann"`},
		{"eve/member", "GET", "/", "", 200, `"tasks":[]`},
		{"eve/member", "GET", "/daily", "", 403, "operator"},
		{"eve/member", "GET", "/daily/history", "", 403, "operator"},
		{"eve/member", "PUT", "/daily", task("daily", ""), 403, "operator"},
		{"eve/member", "POST", "/daily/run", "", 403, "operator"},
		{"eve/member", "DELETE", "/daily", "", 403, "operator"},
		{"op/operator", "GET", "/daily", "", 200, "ann"},
		{"gus/guest", "PUT", "/mine", task("mine", ""), 403, "member"},
		{"ann/member", "PUT", "/other", task("daily", ""), 400, `"field":"task_id"`},
		{"ann/member", "PUT", "/daily", `{"task_id":"daily","steps":[{"plugin":"mail","parms":{}}]}`, 400, "line 1"},
		{"ann/member", "PUT", "/daily", `{"task_id":"daily","steps":[{"plugin":"mail","params":{"bcc":"x"}}]}`, 400, "steps[0]"},
		{"ann/member", "PUT", "/daily", `{"task_id":"daily","steps":[{"plugin":"fly"}]}`, 400, `"field":"steps[0].plugin"`},
		{"ann/member", "PUT", "/daily", task("daily", `{"type":"cron","schedule":"61 9 * * *"}`), 400, "trigger"},
		{"ann/member", "GET", "/daily/nonsense", "", 404, "nonsense"},
		{"ann/member", "GET", "/nothing", "", 404, "hearth task list"},
		{"ann/member", "GET", "/daily", "", 200, "0 9 * * *"}, // none of these refusals changed it
		{"op/operator", "DELETE", "/daily", "", 200, "daily"},
		{"ann/member", "GET", "/daily", "", 404, "daily"},
	} {
		code, body := d.as(c.who, c.method, c.path, c.body)
		if code != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s %s %s: %d %s", c.who, c.method, c.path, code, body)
		}
	}
	if left, err := d.ledger.Scheduled(t.Context()); err != nil || len(left) > 0 {
		t.Errorf("a deleted task stays on the schedule: %v %v", left, err)
	}
}

func TestARunHasItsOwnersRights(t *testing.T) {
	d := open(t, nil)
	d.apply("daily", "")
	code, body := d.as("op/operator", http.MethodPost, "/daily/run", `{"dry_run":true}`)
	var got struct{ Run string }
	if err := json.Unmarshal([]byte(body), &got); code != http.StatusOK || err != nil {
		t.Fatal(code, body)
	}
	run, err := journal.Load(t.Context(), d.ledger, ledger.Lane(got.Run))
	if err != nil || run.User != "ann" || run.Role != string(policy.Member) || !run.DryRun || run.Origin != journal.FromHand {
		t.Errorf("%+v %v", run, err)
	}
	if len(d.rings) != 1 || d.rings[0] != "planner-execute "+got.Run {
		t.Error(d.rings)
	}
	for who, want := range map[string]string{"ann/member": got.Run, "op/operator": got.Run, "eve/member": `"runs":[]`} {
		if code, body := d.as(who, http.MethodGet, "/runs?limit=5", ""); code != http.StatusOK || !strings.Contains(body, want) || strings.Contains(body, `"to":"x"`) {
			t.Errorf("%s: %d %s", who, code, body)
		}
	}
	if code, _ := d.as("ann/member", http.MethodGet, "/runs?limit=none", ""); code != http.StatusBadRequest {
		t.Error(code)
	}
}

// TestDecisionsNeedARole: what belongs to somebody is not enough, and nor is a role without it.
func TestDecisionsNeedARole(t *testing.T) {
	d := open(t, nil)
	d.apply("daily", "")
	_, body := d.as("ann/member", http.MethodPost, "/daily/run", "")
	id := body[len(`{"run":"`) : len(`{"run":"`)+14]
	for _, verb := range []string{"approve", "deny", "cancel", "retry", "undo"} {
		for _, who := range []string{"ann/guest", "eve/member", "eve/guest"} {
			if code, body := d.as(who, http.MethodPost, "/runs/"+id+"/"+verb, ""); code != http.StatusForbidden {
				t.Errorf("%s may %s: %d %s", who, verb, code, body)
			}
		}
	}
	if _, body := d.as("ann/member", http.MethodGet, "/runs/"+id, ""); !strings.Contains(body, `"rev":0`) {
		t.Errorf("a refusal changed the run: %s", body)
	}
}

func TestStopRights(t *testing.T) {
	d := open(t, nil)
	d.apply("daily", "")
	start := func() string {
		_, body := d.as("ann/member", http.MethodPost, "/daily/run", "")
		return body[len(`{"run":"`) : len(`{"run":"`)+14]
	}
	first, second := start(), start()
	for _, c := range []struct {
		who, body string
		status    int
		says      string
	}{
		{"eve/member", `{"run":"` + first + `"}`, 403, "operator"},
		{"eve/member", `{"user":"ann"}`, 403, "operator"},
		{"ann/member", `{}`, 403, "operator"},
		{"ann/member", `{"run":"r00-aaaaaaaaaa"}`, 404, "no such run"},
		{"ann/member", `{"run":"` + first + `"}`, 200, first},
		{"op/operator", ``, 200, `{"lasts":true,"stopped":["` + second + `"]}`}, // the first one is stopping already
		{"ann/member", `{"user":"ann"}`, 200, `{"lasts":false,"stopped":[]}`},
	} {
		if code, body := d.as(c.who, http.MethodPost, "/stop", c.body); code != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s %s: %d %s", c.who, c.body, code, body)
		}
	}
}

// TestNothingBeginsWhileStopped asks for a run while everything is stopped, and who sees that it is.
func TestNothingBeginsWhileStopped(t *testing.T) {
	d := open(t, nil)
	d.apply("daily", "")
	if code, body := d.as("op/operator", http.MethodPost, "/stop", ``); code != 200 {
		t.Fatal(code, body)
	}
	if code, body := d.as("ann/member", http.MethodPost, "/daily/run", ""); code != http.StatusConflict || !strings.Contains(body, "hearth resume") {
		t.Errorf("by hand: %d %s", code, body)
	}
	if code, body := d.as("ann/member", http.MethodGet, "/stop", ""); code != 200 || !strings.Contains(body, `"by":"op"`) {
		t.Errorf("who stopped it: %d %s", code, body)
	}
	for _, c := range []struct {
		who, body string
		status    int
	}{
		{"ann/member", `{"user":"ann"}`, 403}, {"op/operator", ``, 403}, {"op/operator", `{"user":"ann"}`, 409}, {"root/admin", ``, 200},
	} {
		if code, body := d.as(c.who, http.MethodPost, "/resume", c.body); code != c.status {
			t.Errorf("%s %s: %d %s", c.who, c.body, code, body)
		}
	}
	if code, body := d.as("ann/member", http.MethodPost, "/daily/run", ""); code != 200 {
		t.Errorf("after that: %d %s", code, body)
	}
}

// TestDeadLetters lists a message that nobody could answer, sends it on its way again, and throws away the next.
func TestDeadLetters(t *testing.T) {
	d := open(t, nil)
	lane := d.ledger.Session("web", "ann")
	body := []byte(`{"inbound":{"id":"7","text":"what now?","address":{"platform":"web","chat":"1"}},"principal":{"user":"ann","role":"member"}}`)
	dies := func(key string) {
		if _, err := d.ledger.Accept(t.Context(), ledger.Message{Lane: lane, Key: key, Body: body}); err != nil {
			t.Fatal(err)
		}
		for {
			w, err := d.ledger.Claim(t.Context(), lane, ledger.NewOwner())
			if err != nil || w == nil {
				t.Fatal(w, err)
			}
			if w.Outbox != nil {
				if _, err := d.ledger.Sent(t.Context(), w.Claim, w.Outbox.ID, false); err != nil {
					t.Fatal(err)
				}
				return
			}
			if err := d.ledger.Retry(t.Context(), w.Claim, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	dies("a")
	if code, body := d.as("ann/member", http.MethodGet, "/dead", ""); code != 403 {
		t.Errorf("a member reads what others wrote: %d %s", code, body)
	}
	_, listed := d.as("op/operator", http.MethodGet, "/dead", "")
	id := string(lane) + ".1"
	for _, part := range []string{`"id":"` + id + `"`, `"kind":"message"`, `"user":"ann"`, `"text":"what now?"`, `"platform":"web"`} {
		if !strings.Contains(listed, part) {
			t.Errorf("no %s in %s", part, listed)
		}
	}
	for _, c := range []struct {
		who, path string
		status    int
	}{
		{"ann/member", "/dead/" + id + "/redrive", 403},
		{"op/operator", "/dead/" + id + "/burn", 404},
		{"op/operator", "/dead/nobody/redrive", 404},
		{"op/operator", "/dead/" + id + "/redrive", 200},
		{"op/operator", "/dead/" + id + "/redrive", 404},
	} {
		if code, body := d.as(c.who, http.MethodPost, c.path, ""); code != c.status {
			t.Errorf("%s %s: %d %s", c.who, c.path, code, body)
		}
	}
	w, err := d.ledger.Claim(t.Context(), lane, ledger.NewOwner())
	if err != nil || w == nil || w.Inbox == nil || string(w.Inbox.Body) != string(body) {
		t.Fatalf("%+v %v", w, err)
	}
	if err := d.ledger.Retry(t.Context(), w.Claim, 0); err != nil {
		t.Fatal(err)
	}
	dies("b")
	if code, body := d.as("op/operator", http.MethodPost, "/dead/"+string(lane)+".2/discard", ""); code != 200 {
		t.Errorf("%d %s", code, body)
	}
}

// TestDamagedRunIsShown damages what is known of a run: those who command see that and why, nothing else stops, and in
// the end it is put aside.
func TestDamagedRunIsShown(t *testing.T) {
	d := open(t, nil)
	d.apply("daily", "")
	var run struct {
		Run string `json:"run"`
	}
	_, started := d.as("ann/member", http.MethodPost, "/daily/run", "{}")
	if err := json.Unmarshal([]byte(started), &run); err != nil || run.Run == "" {
		t.Fatal(started, err)
	}
	lane := ledger.Lane(run.Run)
	d.store.HSet("h:{p"+run.Run[1:3]+"}:j:"+run.Run, "bad", "no line")
	for who, want := range map[string]bool{"op/operator": true, "ann/member": false} {
		code, list := d.as(who, http.MethodGet, "/runs", "")
		if shown := strings.Contains(list, run.Run); code != http.StatusOK || shown != want {
			t.Errorf("%s sees %d %s", who, code, list)
		}
	}
	if code, body := d.as("op/operator", http.MethodPost, "/stop", ``); code != http.StatusOK {
		t.Errorf("a damaged run keeps others from being stopped: %d %s", code, body)
	}
	for tries := 0; tries < 20; tries++ {
		if _, err := d.ledger.Claim(t.Context(), lane, ledger.NewOwner()); err != nil && !fault.Is(err, fault.Internal) {
			t.Fatal(err)
		}
		d.at(d.clock().Add(ledger.Lease))
	}
	_, listed := d.as("op/operator", http.MethodGet, "/dead", "")
	for _, part := range []string{`"kind":"run"`, "the journal of " + run.Run + " is damaged at bad"} {
		if !strings.Contains(listed, part) {
			t.Errorf("no %s in %s", part, listed)
		}
	}
}

func TestLongPollAnswersOnAChange(t *testing.T) {
	d := open(t, nil)
	d.apply("daily", "")
	_, body := d.as("ann/member", http.MethodPost, "/daily/run", "")
	id := body[len(`{"run":"`) : len(`{"run":"`)+14]
	if code, body := d.as("ann/member", http.MethodGet, "/runs/"+id+"?rev=0", ""); code != 200 || !strings.Contains(body, `"rev":0`) {
		t.Errorf("without waiting: %d %s", code, body)
	}
	answer := make(chan string, 1)
	go func() {
		code, body := d.as("ann/member", http.MethodGet, "/runs/"+id+"?wait=30&rev=0", "")
		answer <- fmt.Sprint(code, body)
	}()
	if code, body := d.as("ann/member", http.MethodPost, "/runs/"+id+"/cancel", ""); code != 200 {
		t.Fatal(code, body)
	}
	if got := <-answer; !strings.HasPrefix(got, "200") || !strings.Contains(got, `"rev":1`) {
		t.Error(got)
	}
	if code, _ := d.as("eve/member", http.MethodGet, "/runs/"+id, ""); code != http.StatusForbidden {
		t.Error(code)
	}
	if code, _ := d.as("ann/member", http.MethodPost, "/runs/"+id+"/explode", ""); code != http.StatusNotFound {
		t.Error(code)
	}
}

// end ends the run of a lane.
func (d *desk) end(lane ledger.Lane) {
	d.t.Helper()
	j, err := journal.Take(d.t.Context(), d.ledger, lane, d.clock)
	if err != nil || j == nil {
		d.t.Fatal(j, err)
	}
	if _, err := j.End(d.t.Context(), flow.Event{State: flow.StateDone}); err != nil {
		d.t.Fatal(err)
	}
}
