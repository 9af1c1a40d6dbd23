package tasks_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/ledger"
)

// waiting starts a run of ann's task whose step asks for approval, and returns its id and its digest.
func (d *desk) waiting(approval string) (id, digest string) {
	d.t.Helper()
	file := `{"task_id":"asks","params":{"to":"bo"},"steps":[{"id":"m","plugin":"mail","params":{"to":"{{params.to}}"},"approval":"` + approval + `"}]}`
	if code, body := d.as("ann/member", http.MethodPut, "/asks", file); code != http.StatusOK {
		d.t.Fatalf("%d %s", code, body)
	}
	code, body := d.as("ann/member", http.MethodPost, "/asks/run", `{}`)
	var started struct{ Run string }
	if err := json.Unmarshal([]byte(body), &started); code != http.StatusOK || err != nil {
		d.t.Fatalf("%d %s", code, body)
	}
	return started.Run, d.look(started.Run).Digest
}

func (d *desk) look(id string) *flow.Run {
	d.t.Helper()
	run, err := journal.Load(d.t.Context(), d.ledger, ledger.Lane(id))
	if err != nil {
		d.t.Fatal(err)
	}
	return run
}

func TestWhoMayApprove(t *testing.T) {
	for name, c := range map[string]struct {
		setting, approval, who string
		status                 int
		says                   string
	}{
		"the asker":                      {"own", "required", "ann/member", 200, `"by":"ann"`},
		"an operator":                    {"own", "required", "bo/operator", 200, `"by":"bo"`},
		"somebody else without rights":   {"own", "required", "eve/member", 403, "operator"},
		"the asker, and it takes more":   {"own", "operator", "ann/member", 403, "an operator, an admin or an owner"},
		"an operator, and it takes more": {"own", "owner", "bo/operator", 403, "the approval of an owner"},
		"the role that it takes":         {"own", "admin", "di/admin", 200, `"by":"di"`},
		"one's own with four eyes":       {"four-eyes", "required", "ann/owner", 403, "other than ann"},
		"another's with four eyes":       {"four-eyes", "required", "bo/operator", 200, `"four_eyes":true`},
	} {
		d := open(t, map[string]string{"HEARTH_APPROVAL": c.setting})
		id, digest := d.waiting(c.approval)
		code, body := d.as(c.who, http.MethodPost, "/runs/"+id+"/approve", `{"digest":"`+digest[:12]+`"}`)
		if code != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d %s", name, code, body)
		}
		if run := d.look(id); run.Approved != (c.status == 200) {
			t.Errorf("%s: approved %v", name, run.Approved)
		}
	}
}

func TestTheFirstDecisionCounts(t *testing.T) {
	d := open(t, nil)
	id, _ := d.waiting("required")
	for _, c := range []struct {
		who, verb string
		status    int
		says      string
	}{
		{"bo/operator", "approve", 200, `"by":"bo"`},
		{"ann/member", "approve", 200, `"earlier":{"by":"bo","at":"2026-01-05T00:00:00Z"}`},
		{"ann/member", "deny", 409, "bo decided about its plan"},
		{"ann/member", "edit", 409, "bo decided about its plan"},
	} {
		if code, body := d.as(c.who, http.MethodPost, "/runs/"+id+"/"+c.verb, `{}`); code != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s of %s: %d %s", c.verb, c.who, code, body)
		}
	}
	late, _ := d.waiting("required")
	d.at(nine.Add(journal.ApprovalFor))
	code, body := d.as("ann/member", http.MethodPost, "/runs/"+late+"/approve", `{}`)
	if code != http.StatusConflict || !strings.Contains(body, "lapsed at 2026-01-05T01:00:00Z") || !strings.Contains(body, "hearth runs fork "+late) {
		t.Errorf("after it lapsed: %d %s", code, body)
	}
}

func TestEditingAPlanThatWaits(t *testing.T) {
	d := open(t, nil)
	id, old := d.waiting("required")
	edit := func(who, body string) (int, string) { return d.as(who, http.MethodPost, "/runs/"+id+"/edit", body) }
	for name, c := range map[string]struct {
		who, body string
		status    int
		says      string
	}{
		"a stranger":          {"eve/member", `{"set":{"m.to":"eve"}}`, 403, "operator"},
		"a wrong value":       {"ann/member", `{"set":{"m.to":7}}`, 400, "steps.m.params.to"},
		"an unknown step":     {"ann/member", `{"set":{"x.to":"a"}}`, 400, `no step`},
		"an unknown name":     {"ann/member", `{"set":{"m.cc":"a"}}`, 400, "steps.m.params.cc"},
		"nothing":             {"ann/member", `{"set":{}}`, 400, "changes nothing"},
		"a plan not seen":     {"ann/member", `{"digest":"000000000000","set":{"m.to":"eve"}}`, 409, "not the one that was shown"},
		"an unknown of plans": {"ann/member", `{"set":{"params.cc":"a"}}`, 400, "no params.cc"},
	} {
		if code, body := edit(c.who, c.body); code != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d %s", name, code, body)
		}
	}
	if run := d.look(id); run.Revision != 0 || run.Digest != old {
		t.Fatalf("a refused edit counts: %d", run.Revision)
	}
	d.at(nine.Add(-time.Minute))
	code, body := edit("ann/member", `{"digest":"`+old+`","set":{"params.to":"cy"}}`)
	run := d.look(id)
	if code != 200 || run.Digest == old || run.Approved || run.State != flow.WaitingApproval || string(run.Header.Params) != `{"to":"cy"}` {
		t.Fatalf("%d %s %+v", code, body, run)
	}
	if !run.Expires.Equal(nine.Add(journal.ApprovalFor - time.Minute)) {
		t.Errorf("open until %v", run.Expires)
	}

	// What was approved before is not what is there now; and nobody means it without saying so.
	for _, digest := range []string{old, old[:12], ""} {
		code, body := d.as("bo/operator", http.MethodPost, "/runs/"+id+"/approve", `{"digest":"`+digest+`"}`)
		if code != http.StatusConflict || !strings.Contains(body, "edited by ann") || !strings.Contains(body, `params.to: \"bo\" → \"cy\"`) || !strings.Contains(body, run.Digest[:12]) {
			t.Errorf("%q: %d %s", digest, code, body)
		}
	}
	if d.look(id).Approved {
		t.Fatal("the old plan was approved")
	}

	// Whoever may approve can do both at once.
	code, body = edit("bo/operator", `{"digest":"`+run.Digest+`","set":{"m.to":"di"},"approve":true}`)
	if now := d.look(id); code != 200 || !now.Approved || now.By != "bo" || string(now.Plan.Steps[0].Params) != `{"to":"di"}` {
		t.Errorf("%d %s", code, body)
	}
}

func TestAnEditorWhoMayNotApprove(t *testing.T) {
	d := open(t, map[string]string{"HEARTH_APPROVAL": "four-eyes"})
	id, digest := d.waiting("required")
	code, body := d.as("bo/operator", http.MethodPost, "/runs/"+id+"/edit", `{"digest":"`+digest+`","set":{"m.to":"bo"},"approve":true}`)
	if run := d.look(id); code != 200 || run.Approved || run.Revision != 1 {
		t.Fatalf("%d %s", code, body)
	}
	seen := `{"digest":"` + d.look(id).Digest + `"}`
	if code, body := d.as("bo/operator", http.MethodPost, "/runs/"+id+"/approve", seen); code != 403 {
		t.Errorf("an editor approves their own edit: %d %s", code, body)
	}
	if code, body := d.as("cy/operator", http.MethodPost, "/runs/"+id+"/approve", seen); code != 200 {
		t.Errorf("%d %s", code, body)
	}
}

// TestAnEditDoesNotBorrowRights: somebody with fewer rights does not write what runs with more.
func TestAnEditDoesNotBorrowRights(t *testing.T) {
	d := open(t, nil)
	file := `{"task_id":"asks","steps":[{"id":"m","plugin":"mail","params":{"to":"x"},"approval":"required"}]}`
	d.as("cy/owner", http.MethodPut, "/asks", file)
	_, body := d.as("cy/owner", http.MethodPost, "/asks/run", `{}`)
	var started struct{ Run string }
	if err := json.Unmarshal([]byte(body), &started); err != nil {
		t.Fatal(err)
	}
	if code, body := d.as("bo/operator", http.MethodPost, "/runs/"+started.Run+"/edit", `{"set":{"m.to":"bo"}}`); code != 403 || !strings.Contains(body, "with the role owner") {
		t.Errorf("%d %s", code, body)
	}
}

func TestFork(t *testing.T) {
	d := open(t, nil)
	id, _ := d.waiting("required")
	fork := func(who, body string) (int, string) { return d.as(who, http.MethodPost, "/runs/"+id+"/fork", body) }
	for name, c := range map[string]struct {
		who, body string
		status    int
		says      string
	}{
		"a stranger":     {"eve/member", `{}`, 403, "operator"},
		"a guest":        {"gil/guest", `{}`, 403, "operator"},
		"a wrong value":  {"ann/member", `{"set":{"m.to":7}}`, 400, "steps.m.params.to"},
		"an unknown key": {"ann/member", `{"form":"m"}`, 400, "form"},
		"from nowhere":   {"ann/member", `{"from":"x"}`, 400, "no step"},
	} {
		if code, body := fork(c.who, c.body); code != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d %s", name, code, body)
		}
	}
	d.at(nine.AddDate(0, 0, 3))
	for body, date := range map[string]string{`{"set":{"m.to":"cy"}}`: "2026-01-05", `{"now":true}`: "2026-01-08"} {
		code, text := fork("bo/operator", body)
		var v flow.View
		if err := json.Unmarshal([]byte(text), &v); code != 200 || err != nil {
			t.Fatalf("%d %s", code, text)
		}
		run := d.look(v.ID)
		if run.User != "bo" || run.Role != "operator" || !run.Approve || run.Date != date || run.Zone != "Asia/Shanghai" || run.Fork.Run != id || run.Origin != journal.FromFork {
			t.Errorf("%s: %+v", body, run.Header)
		}
		if !run.Expires.Equal(d.clock().Add(journal.ApprovalFor)) || run.Recall == 0 {
			t.Errorf("%s: open until %v, recall %v", body, run.Expires, run.Recall)
		}
	}
	code, text := fork("ann/member", `{"dry_run":true}`)
	if code != 200 || !strings.Contains(text, `"state":"running"`) || !strings.Contains(text, `"dry_run":true`) {
		t.Errorf("%d %s", code, text)
	}
}

func TestReplayIsForThoseWhoMaySee(t *testing.T) {
	d := open(t, nil)
	id, digest := d.waiting("required")
	d.as("ann/member", http.MethodPost, "/runs/"+id+"/approve", `{"digest":"`+digest+`"}`)
	code, body := d.as("ann/member", http.MethodGet, "/runs/"+id+"/replay", "")
	var out struct{ Moments []flow.Moment }
	if err := json.Unmarshal([]byte(body), &out); code != 200 || err != nil || len(out.Moments) != 2 || out.Moments[1].By != "ann" {
		t.Errorf("%d %s", code, body)
	}
	if code, _ := d.as("eve/member", http.MethodGet, "/runs/"+id+"/replay", ""); code != 403 {
		t.Errorf("a stranger gets %d", code)
	}
	if code, body := d.as("eve/member", http.MethodPost, "/runs/"+id+"/freeze", "{}"); code != 403 {
		t.Errorf("a stranger gets %d %s", code, body)
	}
}

func TestValuesOfATask(t *testing.T) {
	d := open(t, nil)
	d.waiting("never")
	for body, want := range map[string]string{
		`{}`: `200 {"to":"bo"}`, `{"params":{"to":"cy"}}`: `200 {"to":"cy"}`, `{"params":{"to":7}}`: "400 steps[0].params.to", `{"params":{"cc":"x"}}`: "400 params.cc",
	} {
		code, text := d.as("ann/member", http.MethodPost, "/asks/run", body)
		status, says, _ := strings.Cut(want, " ")
		if code == 200 {
			var started struct{ Run string }
			if err := json.Unmarshal([]byte(text), &started); err != nil {
				t.Fatal(err)
			}
			text = string(d.look(started.Run).Header.Params)
		}
		if fmt.Sprint(code) != status || !strings.Contains(text, says) {
			t.Errorf("%s: %d %s", body, code, text)
		}
	}
	if run := d.look(func() string { id, _ := d.waiting("never"); return id }()); run.Author != flow.ByPerson || run.Created.Before(nine.Add(-2*time.Hour)) {
		t.Errorf("%+v", run.Header)
	}
}
