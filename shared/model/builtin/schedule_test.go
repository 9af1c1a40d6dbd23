package builtin_test

import (
	"testing"

	"github.com/hearthfaas/hearth/shared/flow"
)

func TestSchedule(t *testing.T) {
	const do = "生成销售报表"
	for _, c := range []struct{ text, kind, schedule string }{
		{"每天早上9点" + do, "cron", "0 9 * * *"},
		{"每天9:30" + do, "cron", "30 9 * * *"},
		{"每天上午10点一刻" + do, "cron", "15 10 * * *"},
		{"每天下午三点半" + do, "cron", "30 15 * * *"},
		{"每晚8点" + do, "cron", "0 20 * * *"},
		{"每天晚上12点" + do, "cron", "0 0 * * *"},
		{"每天中午12点" + do, "cron", "0 12 * * *"},
		{"每日凌晨2点05分" + do, "cron", "5 2 * * *"},
		{"工作日8:30" + do, "cron", "30 8 * * 1-5"},
		{"周一到周五早上八点" + do, "cron", "0 8 * * 1-5"},
		{"每周一9点" + do, "cron", "0 9 * * 1"},
		{"每周一、三、五18点" + do, "cron", "0 18 * * 1,3,5"},
		{"每星期天20:00" + do, "cron", "0 20 * * 0"},
		{"每个周末10点" + do, "cron", "0 10 * * 0,6"},
		{"每月1号9点" + do, "cron", "0 9 1 * *"},
		{"每月十五日上午九点" + do, "cron", "0 9 15 * *"},
		{"每小时" + do, "cron", "0 * * * *"},
		{"每隔15分钟" + do, "every", "15m"},
		{"每两小时" + do, "every", "2h"},
		{"明天早上9点" + do, "at", "2026-11-23T09:00"},
		{"今天下午3点" + do, "at", "2026-11-22T15:00"},
		{"今晚8点" + do, "at", "2026-11-22T20:00"},
		{"后天10:00" + do, "at", "2026-11-24T10:00"},
		{"every weekday at 8:30 make the sales report", "cron", "30 8 * * 1-5"},
		{"make the sales report every day at 9", "cron", "0 9 * * *"},
		{"make the sales report daily at 9am", "cron", "0 9 * * *"},
		{"make the sales report every monday and thursday at 10 pm", "cron", "0 22 * * 1,4"},
		{"every evening at 7 make the sales report", "cron", "0 19 * * *"},
		{"every day at noon make the sales report", "cron", "0 12 * * *"},
		{"make the sales report on the 1st of every month at 12 am", "cron", "0 0 1 * *"},
		{"every month on the 15th at 9:15 make the sales report", "cron", "15 9 15 * *"},
		{"make the sales report hourly", "cron", "0 * * * *"},
		{"every 30 minutes make the sales report", "every", "30m"},
		{"make the sales report tomorrow at 9", "at", "2026-11-23T09:00"},
		{"make the sales report tomorrow morning at 9", "at", "2026-11-23T09:00"},
		{"make the sales report at 3pm", "at", "2026-11-22T15:00"},
		{"make the sales report at 9 tonight", "at", "2026-11-22T21:00"},
	} {
		t.Run(c.text, func(t *testing.T) {
			got := plan(c.text)
			want := flow.Trigger{Type: c.kind, Schedule: c.schedule, Timezone: "Asia/Shanghai"}
			if got.Schedule == nil || *got.Schedule != want {
				t.Fatalf("got %+v, ask %q", got.Schedule, got.Ask)
			}
			if line(got.Steps) != query+" > "+excel {
				t.Errorf("steps %s, ask %q", line(got.Steps), got.Ask)
			}
		})
	}
}

func TestNotASchedule(t *testing.T) {
	for _, text := range []string{
		"把销售报表做好看一点", "make the 9:30 sales report", "生成9:30的销售报表", "make a report of the 5 best sales", "今天的销售报表", "today's sales report",
		"发邮件给 a@x.org，标题“每天9点开会”，内容是：明天下午3点放假", "email a@x.org saying see you tomorrow at 9",
	} {
		if got := plan(text); got.Schedule != nil || got.Ask != "" || len(got.Steps) == 0 {
			t.Errorf("%s: %+v, ask %q", text, got.Schedule, got.Ask)
		}
	}
}

func TestScheduleWithoutTimeIsAQuestion(t *testing.T) {
	const zh, en = "几点执行？例如 9:00。", "At what time? For example 9:00."
	for _, c := range []struct{ text, ask, answer, kind, schedule string }{
		{"每天生成销售报表", zh, "9点", "cron", "0 9 * * *"},
		{"每周五生成销售报表", zh, "下午5点半", "cron", "30 17 * * 5"},
		{"make the sales report every weekday", en, "8:30", "cron", "30 8 * * 1-5"},
		{"make the sales report every day", en, "9", "cron", "0 9 * * *"},
		{"make the sales report tomorrow", en, "at 9", "at", "2026-11-23T09:00"},
		{"make the sales report in 10 minutes", en, "15:30", "at", "2026-11-22T15:30"},
		{"10分钟后生成销售报表", zh, "15:30", "at", "2026-11-22T15:30"},
	} {
		t.Run(c.text, func(t *testing.T) {
			first := plan(c.text)
			if first.Ask != c.ask || len(first.Steps) > 0 {
				t.Fatalf("asked %q with %d steps", first.Ask, len(first.Steps))
			}
			got := plan(c.answer, c.text, first.Ask)
			if got.Schedule == nil || got.Schedule.Type != c.kind || got.Schedule.Schedule != c.schedule || len(got.Steps) != 2 {
				t.Fatalf("got %+v, ask %q, %s", got.Schedule, got.Ask, line(got.Steps))
			}
		})
	}
}

func TestRepeatedDayIsTheRunsOwn(t *testing.T) {
	got := plan("每天9点生成今天的销售报表")
	if line(got.Steps) != query+" > "+excel {
		t.Errorf("today: %s", line(got.Steps))
	}
	if got := plan("每天9点生成昨天的销售报表"); got.Ask == "" {
		t.Errorf("a fixed day for all runs: %s", line(got.Steps))
	}
}
