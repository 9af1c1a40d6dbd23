package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/shared/fault"
)

const october = `{
  "holidays": ["2026-10-01", "2026-10-02"],
  "workdays": ["2026-10-10"]
}`

func TestCalendars(t *testing.T) {
	for _, c := range []struct {
		name, file string
		args       []string
		refusal    error
	}{
		{"calendar-apply", october, []string{"apply", "cn", "-f", "FILE"}, nil},
		{"calendar-apply-no-day", strings.Replace(october, "10-02", "10-32", 1), []string{"apply", "cn", "-f", "FILE"}, nil},
		{"calendar-apply-refused", october, []string{"apply", "cn", "-f", "FILE"}, fault.New(fault.Forbidden, "command needs the role operator, and you have member")},
		{"calendar-apply-no-file", "", []string{"apply", "cn"}, nil},
		{"calendar-list", "", []string{"list"}, nil},
		{"calendar-show", "", []string{"show", "cn"}, nil},
		{"calendar-delete", "", []string{"delete", "cn"}, fault.New(fault.Conflict, "the calendar cn is used by [daily]").Try("hearth task delete daily")},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			path := filepath.Join(t.TempDir(), "cn.json")
			if err := os.WriteFile(path, []byte(c.file), 0o600); err != nil {
				t.Fatal(err)
			}
			cn := map[string]any{
				"name": "cn", "by": "owner", "at": noon, "tasks": []string{"daily"},
				"days": map[string][]string{"holidays": {"2026-10-01", "2026-10-02"}, "workdays": {"2026-10-10"}},
			}
			const calendars = " /function/system-tasks/calendars"
			f.extra["PUT"+calendars+"/cn"] = func(body []byte) (any, error) {
				if string(body) != october {
					t.Errorf("sent %s", body)
				}
				return map[string]any{"name": "cn", "tasks": []map[string]any{{"task_id": "daily", "next": "2026-10-10T09:00:00+08:00"}}}, c.refusal
			}
			f.extra["GET"+calendars] = func([]byte) (any, error) { return map[string]any{"calendars": []any{cn}}, nil }
			f.extra["GET"+calendars+"/cn"] = func([]byte) (any, error) { return cn, nil }
			f.extra["DELETE"+calendars+"/cn"] = func([]byte) (any, error) { return nil, c.refusal }
			args := append([]string{"calendar"}, c.args...)
			for i := range args {
				args[i] = strings.Replace(args[i], "FILE", path, 1)
			}
			got := f.hearth("", nil, args...)
			got.err = strings.ReplaceAll(got.err, path, "cn.json")
			golden(t, c.name, got)
		})
	}
}

func TestAlerts(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
	}{
		{"alerts-list", []string{"list"}},
		{"alerts-list-all", []string{"list", "--all"}},
		{"alerts-resolve", []string{"resolve", "abc"}},
		{"alerts-resolve-missing", []string{"resolve", "x"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			const alerts = " /function/system-tasks/alerts"
			phrase := func(en, zh string) map[string]string { return map[string]string{"en": en, "zh": zh} }
			f.extra["GET"+alerts] = func([]byte) (any, error) {
				return map[string]any{"alerts": []map[string]any{
					{"id": "aflood", "kind": "missed", "title": phrase("More than 20 alerts", "超过 20 条"), "at": seconds(60), "count": 7},
					{"id": "abcdefghijk", "kind": "failed", "title": phrase("Daily failed", "日报 失败"), "run": "r3f-aaaaaaaaaa", "task": "daily", "at": noon},
					{"id": "adone", "kind": "needs_human", "title": phrase("Look at it", "请处理"), "at": noon, "resolved": true, "by": "mei"},
				}}, nil
			}
			f.extra["POST"+alerts+"/abcdefghijk/resolve"] = func([]byte) (any, error) { return map[string]any{"id": "abcdefghijk"}, nil }
			golden(t, c.name, f.hearth("", nil, append([]string{"alerts"}, c.args...)...))
		})
	}
}
