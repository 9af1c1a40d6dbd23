package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/shared/fault"
)

const daily = `{
  "task_id": "daily_report_gen",
  "trigger": {"type": "cron", "schedule": "0 9 * * *", "timezone": "Asia/Shanghai"},
  "steps": [
    {"id": "query", "plugin": "database_query", "params": {"sql": "SELECT 1"}},
    {"id": "mail",
     "plugin": "email_sender", "params": {"to": ["a@example.com"]}}
  ]
}`

func TestApply(t *testing.T) {
	for _, c := range []struct {
		name, plan string
		refusal    error
	}{
		{"apply", daily, nil},
		{"apply-manual", `{"task_id":"daily_report_gen","steps":[{"plugin":"database_query"}]}`, nil},
		{"apply-unknown-field", strings.Replace(daily, `"plugin": "email_sender"`, `"plugins": "email_sender"`, 1), nil},
		{"apply-syntax", daily[:len(daily)-3], nil},
		{"apply-check", strings.Replace(daily, `"plugin": "email_sender", `, ``, 1), nil},
		{"apply-no-id", `{"steps":[{"plugin":"database_query"}]}`, nil},
		{"apply-refused", daily, fault.New(fault.Invalid, `"to" has to be a string`).At("steps[1].params.to[0]")},
		{"apply-forbidden", daily, fault.New(fault.Forbidden, "act needs the role operator, and you have member")},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			f.extra["PUT /function/system-tasks/daily_report_gen"] = func(body []byte) (any, error) {
				next := ""
				if string(body) == daily {
					next = "2026-11-23T09:00:00+08:00"
				}
				return map[string]any{"task_id": "daily_report_gen", "plan": json.RawMessage(body), "next": next}, c.refusal
			}
			path := filepath.Join(t.TempDir(), "task.json")
			if err := os.WriteFile(path, []byte(c.plan), 0o600); err != nil {
				t.Fatal(err)
			}
			got := f.hearth("", nil, "task", "apply", "-f", path)
			got.err = strings.ReplaceAll(got.err, path, "task.json")
			golden(t, c.name, got)
			if again := f.hearth(c.plan, nil, "task", "apply", "-f", "-"); again.code != got.code || again.out != got.out {
				t.Errorf("from the standard input: %+v", again)
			}
		})
	}
}

func TestApplyRefusesOtherFiles(t *testing.T) {
	f := newFake(t)
	for path, want := range map[string]string{
		"task.yaml": "what is applied is JSON", "": "which file?", filepath.Join(t.TempDir(), "none.json"): "cannot read",
	} {
		if got := f.hearth("", nil, "task", "apply", "-f", path); got.code != 2 || !strings.Contains(got.err, want) {
			t.Errorf("%q: %+v", path, got)
		}
	}
	if len(f.requests) != 0 {
		t.Errorf("asked %v", f.requests)
	}
}

func TestTasks(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
	}{
		{"task-list", []string{"task", "list"}},
		{"task-run", []string{"task", "run", "daily"}},
		{"task-run-detached", []string{"task", "run", "daily_report_gen", "--dry-run", "--detach"}},
		{"task-run-approval", []string{"task", "run", "daily"}},
		{"task-run-missing", []string{"task", "run", "weekly"}},
		{"task-history", []string{"task", "history", "daily_report_gen"}},
		{"task-history-none", []string{"task", "history", "stock"}},
		{"task-delete", []string{"task", "delete", "daily_report_gen"}},
		{"task-delete-prefix", []string{"task", "delete", "daily"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			f.tasks = map[string]string{"daily_report_gen": daily, "stock": `{"task_id":"stock","steps":[{"plugin":"database_query"}]}`}
			const task = " /function/system-tasks/daily_report_gen"
			f.extra["POST"+task+"/run"] = func(body []byte) (any, error) {
				if dry := strings.Contains(string(body), "true"); dry != strings.Contains(c.name, "detached") {
					t.Errorf("asked %s", body)
				}
				v := report("r3f-aaaaaaaaaa")
				if !strings.Contains(c.name, "approval") {
					approved(&v)
				}
				f.putRun(v)
				return map[string]string{"run": v.ID}, nil
			}
			f.script["r3f-aaaaaaaaaa"] = breaks
			f.extra["GET"+task+"/history"] = func([]byte) (any, error) {
				return map[string]any{"fires": []map[string]any{
					{"at": noon, "fired": true, "fired_at": seconds(63), "run": "r3f-aaaaaaaaaa", "outcome": "rolled_back"},
					{"at": seconds(-86400), "fired": false, "why": "missed while the scheduler was away"},
				}}, nil
			}
			f.extra["GET /function/system-tasks/stock/history"] = func([]byte) (any, error) { return map[string]any{"fires": []any{}}, nil }
			f.extra["DELETE"+task] = func([]byte) (any, error) { return map[string]string{"deleted": "daily_report_gen"}, nil }
			golden(t, c.name, f.hearth("", nil, c.args...))
		})
	}
}

func TestMailsAndPeople(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
	}{
		{"mail-list", []string{"mail", "list"}},
		{"mail-show", []string{"mail", "show", "m2"}},
		{"mail-show-html", []string{"mail", "show", "m1"}},
		{"mail-show-missing", []string{"mail", "show", "x"}},
		{"user-list", []string{"user", "list"}},
		{"user-token", []string{"user", "token", "ci", "--role", "operator", "--days", "30"}},
		{"user-link", []string{"user", "link", "mei"}},
		{"pair", []string{"pair", "ABCD-2345"}},
		{"pair-unknown", []string{"pair", "ZZZZ"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			files := []map[string]any{{"name": "2026-11-22.xlsx", "size": 18432, "type": "application/octet-stream"}}
			newer := map[string]any{"id": "m2", "at": noon, "from": "hearth@localhost", "to": []string{"team@example.com", "b@example.com"}, "subject": "Daily\r\nBcc: x", "attachments": files}
			older := map[string]any{"id": "m1", "at": seconds(-60), "from": "hearth@localhost", "to": []string{"mei@example.com"}, "subject": "每日报表", "html": "<p>x"}
			f.extra["GET /function/system-mail/"] = func([]byte) (any, error) {
				return map[string]any{"mails": []any{newer, older}}, nil
			}
			f.extra["GET /function/system-mail/m2"] = func([]byte) (any, error) {
				newer["text"] = "The report is attached.\x1b]0;title\a\r\n"
				return newer, nil
			}
			f.extra["GET /function/system-mail/m1"] = func([]byte) (any, error) { return older, nil }
			f.extra["GET /function/system-auth/users"] = func([]byte) (any, error) {
				return map[string]any{"users": []map[string]any{{"user": "mei", "role": "owner", "created": noon}}}, nil
			}
			f.extra["POST /function/system-auth/tokens"] = tokens(t)
			f.extra["POST /function/system-auth/pair"] = func(body []byte) (any, error) {
				if string(body) != `{"code":"ABCD-2345"}` {
					return nil, fault.New(fault.NotFound, "no such code is alive")
				}
				return map[string]string{"user": "mei", "role": "owner", "platform": "telegram", "sender": "42", "name": "Mei"}, nil
			}
			golden(t, c.name, f.hearth("", map[string]string{"HEARTH_PUBLIC_URL": "https://hearth.example/"}, c.args...))
		})
	}
}

func tokens(t *testing.T) func([]byte) (any, error) {
	return func(body []byte) (any, error) {
		switch string(body) {
		case `{"user":"ci","role":"operator","days":30}`:
			return map[string]any{"token": "ht_new", "expires": noon}, nil
		case `{"user":"mei","link":true}`:
			return map[string]any{"code": "ht_co+de/x="}, nil
		default:
			t.Errorf("asked %s", body)
			return nil, fault.New(fault.Invalid, "no")
		}
	}
}

func TestLocate(t *testing.T) {
	for path, want := range map[string]string{
		"task_id": `"daily_report_gen"`, "steps[1].plugin": `"email_sender"`, "steps[1].params.to[0]": `"a@example.com"`,
		"steps[1].retry.max": `{"id": "mail"`, "steps[7]": `[`, "nowhere": `{`, "steps[0].id[2]": `"query"`,
	} {
		if at := locate([]byte(daily), path); !strings.HasPrefix(daily[at:], want) {
			t.Errorf("%s is at %.20q", path, daily[at:])
		}
	}
	for _, raw := range []string{"", "[", `{"a"`, "nul"} {
		if at := locate([]byte(raw), "a[0].b"); at > int64(len(raw)) {
			t.Errorf("%q: %d", raw, at)
		}
	}
}
