package channel_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/policy"
)

const run = "r3f-abcdefghij"

// Runs whose undo is something to think over, and impossible.
const (
	large = "r3f-llllllllll"
	old   = "r3f-oooooooooo"
)

// undoOf is what an undo of a run would do.
func undoOf(id string) flow.UndoPlan {
	until := time.Date(2026, 12, 22, 9, 0, 0, 0, time.UTC)
	steps := []flow.UndoStep{{ID: "sheet", Title: "Sheet", Until: until, Look: flow.LookReady, Would: "would remove /a.xlsx"}}
	if id == large {
		mail := flow.UndoStep{ID: "mail", Title: "Mail", Blocked: flow.Irreversible}
		note := flow.UndoStep{ID: "note", Title: "Note", Look: flow.LookChanged, Problem: &flow.Problem{Changes: []fault.Change{{What: "/n.md", Then: "v1", Diff: []string{"-a"}}}}}
		steps = append([]flow.UndoStep{mail, note, {ID: "post", Title: "Post"}, {ID: "was", Title: "Was", Blocked: flow.TooLate, Until: until}}, steps...)
	}
	return flow.UndoPlan{Run: id, Title: "Report", Can: id != old, Steps: steps}
}

func TestUndoIsShownFirst(t *testing.T) {
	w := newWorld(t)
	w.know("ann", "ann", policy.Member)
	w.tasks = func(path, _ string) (any, error) { return undoOf(large), nil }
	w.taken(from("ann", "1", "/undo "+large))
	said := strings.ReplaceAll(strings.Join(w.heard(), " "), "/say ", "")
	answers, err := w.ledger.List(t.Context(), "orders")
	if err != nil || len(answers) != 1 || !strings.Contains(string(answers[0].Body), `"value":"u:`+large+`"`) {
		t.Errorf("the button: %+v %v", answers, err)
	}
	for _, part := range []string{
		"Undo Report (", "Mail", "✗ cannot be taken back", "! changed since: it would be left as it is", "/n.md", "v1", "not there", "-a",
		"↩ can be taken back, if nobody has changed it since", "its time ended at 2026-12-22", "/undo " + large + " yes",
	} {
		if !strings.Contains(flatten(said), flatten(part)) {
			t.Errorf("misses %q: %s", part, said)
		}
	}
}

// pressed makes a press of a button.
func pressed(sender, id, value string) message.Inbound {
	in := from(sender, id, "")
	in.Kind, in.Action = message.Action, &message.Press{ID: "press-" + id, Value: value}
	return in
}

// aRun is what system-tasks says of a run that can do these things.
func aRun(id string, can ...string) map[string]any {
	abilities := map[string]bool{}
	for _, c := range can {
		abilities[c] = true
	}
	return map[string]any{"id": id, "title": "Report", "user": "ann", "state": "waiting_approval", "can": abilities}
}

func TestOrders(t *testing.T) {
	waiting := []map[string]any{aRun(run, "approve", "deny", "cancel")}
	theirs := aRun("r3f-cccccccccc", "undo")
	theirs["user"] = "eve"
	tests := []struct {
		name string
		in   message.Inbound
		runs []map[string]any
		want string // the last call to system-tasks; empty: none
		said string
		talk bool // it is no order and goes the way of all messages
	}{
		{
			"approve button", pressed("ann", "1", "a:"+run+":0123456789ab"), nil,
			`ann member /runs/` + run + `/approve {"digest":"0123456789ab"}`, "Approved", false,
		},
		{
			"deny button", pressed("ann", "1", "d:"+run+":0123456789ab"), nil,
			`ann member /runs/` + run + `/deny {"digest":"0123456789ab"}`, "Denied", false,
		},
		{"undo button", pressed("ann", "1", "u:"+run), nil, `ann member /runs/` + run + `/undo {}`, "Undoing", false},
		{"stop button", pressed("ann", "1", "s:"+run), nil, `ann member /stop {"run":"` + run + `"}`, "Stopped", false},
		{"another button", pressed("ann", "1", "choice:2"), nil, "", "", true},
		{"approve", from("ann", "1", "/approve "+run), nil, `ann member /runs/` + run + `/approve {}`, "Approved", false},
		{"run in code marks", from("ann", "1", " /APPROVE `"+run+"` "), nil, `ann member /runs/` + run + `/approve {}`, "Approved", false},
		{
			"approve a plan that was edited", from("ann", "1", "/approve "+run+" 0123456789ab"), nil,
			`ann member /runs/` + run + `/approve {"digest":"0123456789ab"}`, "Approved", false,
		},
		{"install button", pressed("ann", "1", "k:"+run), nil, `ann member /frozen_x/install {"task_id":"frozen_x"}`, "hearth task run frozen_x", false},
		{"freeze", from("ann", "1", "/freeze "+run), nil, `ann member /runs/` + run + `/freeze {}`, `"task_id": "frozen_x"`, false},
		{"freeze nothing", from("ann", "1", "/freeze"), nil, "", "no such run", false},
		{"tasks", from("ann", "1", "/tasks"), nil, `ann member /tasks {}`, "Daily (daily): next 2026-01-05", false},
		{"tasks off", from("ann", "1", "/tasks off daily"), nil, `ann member /daily/disable {}`, "daily): off", false},
		{"tasks on", from("ann", "1", "/tasks ON `daily`"), nil, `ann member /daily/enable {}`, "Daily", false},
		{"tasks of a path", from("ann", "1", "/tasks off ../../system-auth"), nil, "", "/tasks off TASK", false},
		{"tasks otherwise", from("ann", "1", "/tasks pause daily"), nil, "", "/tasks off TASK", false},
		{"tasks of a guest", from("bob", "1", "/tasks"), nil, "", "Nothing waits", false},
		{"no run's name", from("ann", "1", "/approve ../../system-auth/tokens"), nil, "", "no such run", false},
		{"a session is no run", from("ann", "1", "/undo s3f-abcdefghij"), nil, "", "no such run", false},
		{"stop all of mine", from("ann", "1", "/stop"), nil, `ann member /stop {"user":"ann"}`, "Stopped", false},
		{"stop all, by a guest", from("bob", "1", "/stop"), nil, "", "Nothing waits", false},
		{"list", from("ann", "1", "/runs"), waiting, `ann member /runs {"limit":20}`, "waiting_approval", false},
		{"list of nothing", from("ann", "1", "/runs"), nil, `ann member /runs {"limit":20}`, "No runs yet", false},
		{
			"alerts here", from("ann", "1", "/alerts here"), nil,
			`ann member /alerts {"address":{"platform":"parrot","chat":"` + chatOf("ann").Chat + `"},"lang":"en","on":true,"sender":"ann"}`, "your own runs", false,
		},
		{
			"alerts off", from("ann", "1", "/alerts off"), nil,
			`ann member /alerts {"address":{"platform":"parrot","chat":"` + chatOf("ann").Chat + `"},"lang":"en","on":false,"sender":"ann"}`, "No more alerts", false,
		},
		{"alerts of nothing", from("ann", "1", "/alerts everywhere"), nil, "", "/alerts here", false},
		{"help", from("ann", "1", "/help"), nil, "", "/approve", false},
		{"start", from("ann", "1", "/start"), nil, "", "/approve", false},
		{"unknown command", from("ann", "1", "/etc/passwd please"), nil, "", "", true},
		{"approve in words", from("ann", "1", "批准。"), waiting, `ann member /runs/` + run + `/approve {}`, "已批准", false},
		{"agree in words", from("ann", "1", "同意"), waiting, `ann member /runs/` + run + `/approve {}`, "已批准", false},
		{"deny in words", from("ann", "1", "拒绝"), waiting, `ann member /runs/` + run + `/deny {}`, "已拒绝", false},
		{"stop in words", from("ann", "1", "停止"), waiting, `ann member /stop {"run":"` + run + `"}`, "已停止", false},
		{"undo in words", from("ann", "1", "撤销"), []map[string]any{aRun(run, "undo")}, `ann member /runs/` + run + `/undo {}`, "正在撤销", false},
		{"undo", from("ann", "1", "/undo "+run), nil, `ann member /runs/` + run + `/undo {}`, "Undoing", false},
		{"undo of the latest", from("ann", "1", "/undo"), []map[string]any{theirs, aRun(run, "undo"), aRun("r3f-bbbbbbbbbb", "undo")}, `ann member /runs/` + run + `/undo {}`, "Undoing", false},
		{"undo of nobody's", from("ann", "1", "/undo"), []map[string]any{theirs}, `ann member /runs {"limit":20}`, "Nothing waits", false},
		{"undo of more", from("ann", "1", "/undo "+large), nil, `ann member /runs/` + large + `/preview {}`, "would remove /a.xlsx, until 2026-12-22", false},
		{"undo of more, in words", from("ann", "1", "撤销"), []map[string]any{aRun(large, "undo")}, `ann member /runs/` + large + `/preview {}`, "无法撤销", false},
		{"undo of more, for sure", from("ann", "1", "/undo "+large+" yes"), nil, `ann member /runs/` + large + `/undo {}`, "Undoing", false},
		{"undo of more, by the button", pressed("ann", "1", "u:"+large), nil, `ann member /runs/` + large + `/undo {}`, "Undoing", false},
		{"undo too late", from("ann", "1", "/undo "+old), nil, `ann member /runs/` + old + `/undo {}`, "", false},
		{"words without a run that waits", from("ann", "1", "撤销"), waiting, `ann member /runs {"limit":20}`, "", true},
		{"words of a guest", from("bob", "1", "批准"), waiting, "", "", true},
		{
			"words that could mean two", from("ann", "1", "批准"), append(waiting, aRun("r3f-bbbbbbbbbb", "approve")),
			`ann member /runs {"limit":20}`, "r3f-bbbbbbbbbb", false,
		},
		{"part of a sentence", from("ann", "1", "批准这个合同怎么写"), waiting, "", "", true},
		{"approve without a run", from("ann", "1", "/approve"), waiting, `ann member /runs/` + run + `/approve {}`, "Approved", false},
		{"approve without anything", from("ann", "1", "/approve"), nil, `ann member /runs {"limit":20}`, "Nothing waits", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.know("ann", "ann", policy.Member)
			w.tasks = func(path, _ string) (any, error) {
				switch path {
				case "/runs":
					return map[string]any{"runs": tt.runs}, nil
				case "/alerts":
					return map[string]bool{"all": false}, nil
				case "/stop":
					return map[string]any{"stopped": []string{run}}, nil
				case "/runs/" + run + "/freeze":
					return map[string]any{"task_id": "frozen_x"}, nil
				case "/frozen_x/install":
					return map[string]any{"task_id": "frozen_x", "enabled": true}, nil
				case "/tasks":
					return map[string]any{"tasks": []any{map[string]any{"task_id": "daily", "title": "Daily", "enabled": true, "next": "2026-01-05T09:00:00+08:00"}}}, nil
				case "/daily/enable", "/daily/disable":
					return map[string]any{"task_id": "daily", "title": "Daily", "enabled": path == "/daily/enable"}, nil
				}
				if id, found := strings.CutSuffix(strings.TrimPrefix(path, "/runs/"), "/preview"); found {
					return undoOf(id), nil
				}
				return aRun(run), nil
			}
			w.taken(tt.in)
			last := ""
			if calls := w.asked(); len(calls) > 0 {
				last = calls[len(calls)-1]
			}
			said := strings.ReplaceAll(strings.Join(w.heard(), " "), "/say ", "")
			if last != tt.want || !strings.Contains(flatten(said), flatten(tt.said)) {
				t.Errorf("system-tasks heard %q, want %q; said %q, want %q", last, tt.want, said, tt.said)
			}
			if got := w.inbox(chatOf(tt.in.From.ID)); (got != nil) != tt.talk {
				t.Errorf("accepted %+v", got)
			}
			if tt.in.Action != nil && !strings.Contains(said, "/ack press-1") {
				t.Error("the button still looks busy")
			}
		})
	}
}

// flatten takes out what splitting puts in.
func flatten(s string) string { return strings.Join(strings.Fields(s), "") }

func TestOrderIsCarriedOutOnce(t *testing.T) {
	w := newWorld(t)
	w.know("ann", "ann", policy.Member)
	w.tasks = func(string, string) (any, error) { return aRun(run), nil }
	w.api = func(path, _ string) answer {
		if path == "/say" {
			return answer{status: 0} // the answer's delivery breaks
		}
		return answer{200, "1"}
	}
	if resp := w.post("/", pressed("ann", "1", "u:"+run)); resp.StatusCode < 500 {
		t.Errorf("heard %d", resp.StatusCode)
	}
	w.mu.Lock()
	w.api = nil
	w.mu.Unlock()
	w.taken(pressed("ann", "1", "u:"+run)) // the platform sends it again
	said := len(w.heard())
	w.taken(pressed("ann", "1", "u:"+run)) // and again, not having heard us
	if calls := w.asked(); len(calls) != 1 {
		t.Errorf("carried out %d times: %q", len(calls), calls)
	}
	if again := w.heard()[said:]; len(again) != 1 || !strings.HasPrefix(again[0], "/ack") {
		t.Errorf("answered again: %q", again)
	}
	events, err := w.ledger.Events(t.Context(), channel.Lane(w.ledger, chatOf("ann")), "", 0, 10)
	if err != nil || len(events) != 1 {
		t.Errorf("events %s, %v", events, err)
	}
}

func TestRefusedOrderIsAnswered(t *testing.T) {
	w := newWorld(t)
	w.know("ann", "ann", policy.Member)
	w.tasks = func(string, string) (any, error) {
		return nil, fault.New(fault.Forbidden, "needs an operator")
	}
	w.taken(pressed("ann", "1", "a:"+run+":0"))
	if said := flatten(strings.Join(w.heard(), "")); !strings.Contains(said, "needs") || !strings.Contains(said, "operator") {
		t.Errorf("said %q", said)
	}
}

// TestThePlanOfAnOldButton: a plan that was edited since is shown as it is now, with buttons of its own.
func TestThePlanOfAnOldButton(t *testing.T) {
	w := newWorld(t)
	w.know("ann", "ann", policy.Member)
	now := aRun(run, "approve", "deny")
	now["digest"], now["card"] = strings.Repeat("cd", 32), map[string]any{"lines": []string{"Mail: cy@home.example"}}
	w.tasks = func(path, _ string) (any, error) {
		if path == "/runs" {
			return map[string]any{"runs": []any{now}}, nil
		}
		return nil, fault.New(fault.Conflict, "the plan was edited by bo since it was shown")
	}
	w.taken(pressed("ann", "1", "a:"+run+":0123456789ab"))
	said := strings.ReplaceAll(strings.Join(w.heard(), ""), "/say ", "")
	for _, part := range []string{"edited by bo", "Mail: cy@home.example", "a:" + run + ":cdcdcdcdcdcd", "d:" + run + ":cdcdcdcdcdcd"} {
		if !strings.Contains(flatten(said), flatten(part)) {
			t.Errorf("misses %q: %s", part, said)
		}
	}
}

// TestWhoDecidedBefore: the first decision counts, and those who come later hear whose it was.
func TestWhoDecidedBefore(t *testing.T) {
	w := newWorld(t)
	w.know("ann", "ann", policy.Member)
	w.tasks = func(string, string) (any, error) {
		v := aRun(run)
		v["earlier"] = map[string]any{"by": "bo", "at": "2026-01-05T01:02:00Z"}
		return v, nil
	}
	w.taken(pressed("ann", "1", "a:"+run+":0123456789ab"))
	if said := strings.ReplaceAll(strings.Join(w.heard(), ""), "/say ", ""); !strings.Contains(flatten(said), flatten("bo decided already, at 2026-01-05 01:02 UTC")) {
		t.Errorf("said %s", said)
	}
}

func TestOrderWaitsForTasks(t *testing.T) {
	w := newWorld(t)
	w.know("ann", "ann", policy.Member)
	down := true
	w.tasks = func(string, string) (any, error) {
		if down {
			return nil, fault.As(fault.Unavailable, errors.New("x"), "away")
		}
		return aRun(run), nil
	}
	if resp := w.post("/", pressed("ann", "1", "a:"+run+":0")); resp.StatusCode != 503 {
		t.Errorf("heard %d", resp.StatusCode)
	}
	down = false
	w.taken(pressed("ann", "1", "a:"+run+":0"))
	if said := strings.Join(w.heard(), ""); !strings.Contains(said, "Approved") {
		t.Errorf("said %q", said)
	}
}

func TestCommandsOfOtherNames(t *testing.T) {
	for _, tt := range []struct {
		text           string
		command, order bool
	}{
		{"/runs", true, true},
		{"/STOP " + run, true, true},
		{"/stop the server", true, false},
		{"/alerts here", true, true},
		{"/alerts about servers", true, false},
		{"/settle " + run + " mail happened", true, true},
		{"/settle down, please", true, false},
		{"/hearth runs", false, false},
		{"stop", false, false},
		{"", false, false},
	} {
		if command, order := channel.IsCommand(tt.text), channel.IsOrder(tt.text); command != tt.command || order != tt.order {
			t.Errorf("%q: command %v, order %v", tt.text, command, order)
		}
	}
}
