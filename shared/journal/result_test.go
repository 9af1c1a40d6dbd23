package journal_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/journal"
)

func TestSummarySpeaksTheRunsLanguage(t *testing.T) {
	receipt := []byte(`{"result":{},"summary":"3 rows"}`)
	begin := func(step string) flow.Event { return flow.Event{Type: flow.Intent, Step: step, Attempt: 1} }
	done := func(step string) flow.Event {
		return flow.Event{Type: flow.Done, Step: step, Attempt: 1, Receipt: receipt, At: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)}
	}
	failed := func(step string, doubt bool) flow.Event {
		return flow.Event{Type: flow.Failed, Step: step, Attempt: 1, Problem: &flow.Problem{Kind: "failed", Message: "no such table", Doubt: doubt}}
	}
	end := func(s flow.State) flow.Event { return flow.Event{Type: flow.Ended, State: s} }
	for name, c := range map[string]struct {
		events []flow.Event
		en, zh []string
		never  string
	}{
		"done": {
			[]flow.Event{begin("a"), done("a"), begin("b"), done("b"), end(flow.StateDone)},
			[]string{"**Done: Weekly**", "✓ The sheet: 3 rows  `a`", "Run `r3f-abcdefghij`"},
			[]string{"**已完成：Weekly**", "✓ 插件sheet: 3 rows", "运行 `r3f-abcdefghij`"},
			"retry",
		},
		"rolled back": {
			[]flow.Event{begin("a"), done("a"), begin("b"), failed("b", false), {Type: flow.UndoIntent, Step: "a", Attempt: 1}, {Type: flow.Undone, Step: "a", Attempt: 1}, end(flow.RolledBack)},
			[]string{"Failed and rolled back", "↩ The sheet: undone", "✗ The mail: no such table", "What went wrong in `b`", "hearth runs retry"},
			[]string{"失败，已自动回滚", "↩ 插件sheet: 已撤销", "出错的步骤 `b`: no such table"},
			"",
		},
		"in doubt": {
			[]flow.Event{begin("a"), done("a"), begin("b"), failed("b", true), end(flow.NeedsHuman)},
			[]string{"a person has to look", "? The mail: nobody knows", "hearth runs undo", "· `/settle r3f-abcdefghij b happened|did-not` ·"},
			[]string{"需要人工处理", "无法确定是否已执行"},
			"",
		},
		"an undo that failed": {
			[]flow.Event{begin("a"), done("a"), {Type: flow.UndoFailed, Step: "a", Attempt: 1, Problem: &flow.Problem{Message: "changed since"}}, end(flow.NeedsHuman)},
			[]string{"! The sheet: could not be undone: changed since"},
			[]string{"无法撤销: changed since"},
			"",
		},
		"an undo that shows why": {
			[]flow.Event{begin("a"), done("a"), {Type: flow.UndoFailed, Step: "a", Attempt: 1, Problem: &flow.Problem{Message: "changed since", Changes: []fault.Change{
				{What: "/a.txt", Then: "v1", Now: "v2", Diff: []string{"-`x`"}}, {What: "sales id=1", Then: "id=1"},
			}}}, end(flow.NeedsHuman)},
			[]string{"`/a.txt`\n- then: `v1`\n- now: `v2`\n\n```diff\n-'x'\n```", "- now: `not there`"},
			[]string{"- 当时: `v1`\n- 现在: `v2`", "- 现在: `不存在`"},
			"",
		},
		"found afterwards": {
			[]flow.Event{begin("a"), done("a"), begin("b"), {Type: flow.Found, Step: "b", Attempt: 1, Receipt: receipt}, end(flow.StateDone)},
			[]string{"✓ The mail: 3 rows (checked afterwards)  `b`"},
			[]string{"3 rows（事后核实）"},
			"settle",
		},
		"settled": {
			[]flow.Event{begin("a"), done("a"), begin("b"), failed("b", true), end(flow.NeedsHuman), {Type: flow.Settled, Step: "b", Did: true, By: "ann"}, end(flow.StateDone)},
			[]string{"✓ The mail: done (ann says so)"},
			[]string{"完成（由 ann 确认）"},
			"settle",
		},
		"undone too late": {
			[]flow.Event{begin("a"), done("a"), end(flow.StateDone), {Type: flow.UndoAsked, At: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}, end(flow.NeedsHuman)},
			[]string{"3 rows; stays, the time to undo it ended at 2026-"},
			[]string{"保留，可撤销的时间已于 2026-"},
			"",
		},
		"skipped": {
			[]flow.Event{{Type: flow.Skipped, Step: "a"}, end(flow.StateDone)}, []string{"– The sheet: skipped"}, []string{"已跳过"}, "",
		},
		"denied":  {[]flow.Event{end(flow.StateDenied)}, []string{"Not approved; nothing was done"}, []string{"未获批准"}, "✓"},
		"expired": {[]flow.Event{end(flow.Expired)}, []string{"Nobody approved in time"}, []string{"审批超时"}, "✓"},
		"stopped": {[]flow.Event{end(flow.Stopped)}, []string{"Stopped on request", "hearth runs show"}, []string{"已按要求停止"}, "✓"},
		"undone":  {[]flow.Event{begin("a"), done("a"), {Type: flow.Undone, Step: "a"}, end(flow.StateUndone)}, []string{"**Undone"}, []string{"**已撤销"}, "✓"},
	} {
		for lang, want := range map[string][]string{"en": c.en, "zh": c.zh} {
			r := request(t, `{"id":"a","plugin":"sheet"},{"id":"b","plugin":"mail"}`)
			r.Lang, r.Plan.Title = lang, "Weekly"
			h, err := journal.Prepare(r, plugins())
			if err != nil {
				t.Fatal(err)
			}
			text := journal.Summary(flow.Fold(h, c.events))
			for _, part := range want {
				if !strings.Contains(text, part) {
					t.Errorf("%s in %s misses %q:\n%s", name, lang, part, text)
				}
			}
			if c.never != "" && strings.Contains(text, c.never) {
				t.Errorf("%s in %s says %q:\n%s", name, lang, c.never, text)
			}
		}
	}
}
