package flow

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Words says when a trigger fires, for people: "every day at 09:00". lang is zh or en. A schedule that has
// no short words is named as it is written.
func (t Trigger) Words(lang string) string {
	en, zh := t.words()
	if lang == "zh" {
		return zh
	}
	return en
}

func (t Trigger) words() (en, zh string) {
	switch t.Type {
	case Every:
		return "every " + t.Schedule, "每隔 " + t.Schedule
	case At:
		return "once, at " + t.Schedule, "仅一次：" + t.Schedule
	case Message:
		return "when somebody says “" + t.Phrase + "”", "当有人说“" + t.Phrase + "”时"
	case Webhook:
		return "when its webhook is called", "当其 webhook 被调用时"
	case Cron:
		if en, zh, ok := cronWords(strings.Fields(t.Schedule)); ok {
			return en + onWorkdays(t, " (on working days)"), zh + onWorkdays(t, "（仅工作日）")
		}
		return "by the schedule " + t.Schedule, "按计划 " + t.Schedule
	default:
		return "when it is started by hand", "手动启动时"
	}
}

func onWorkdays(t Trigger, text string) string {
	if t.Calendar == "" {
		return ""
	}
	return text
}

var weekdays = [2][]string{
	{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"},
	{"日", "一", "二", "三", "四", "五", "六", "日"},
}

// cronWords reads the forms of a cron schedule that people ask for.
func cronWords(f []string) (en, zh string, ok bool) {
	if len(f) != 5 || f[3] != "*" {
		return "", "", false
	}
	if n, found := strings.CutPrefix(f[0], "*/"); found && f[1] == "*" && f[2] == "*" && f[4] == "*" {
		return "every " + n + " minutes", "每 " + n + " 分钟", true
	}
	minute, err := strconv.Atoi(f[0])
	if err != nil {
		return "", "", false
	}
	if n, found := strings.CutPrefix(f[1], "*/"); (found || f[1] == "*") && f[2] == "*" && f[4] == "*" {
		if !found || n == "1" {
			return fmt.Sprintf("every hour at minute %d", minute), fmt.Sprintf("每小时的第 %d 分", minute), true
		}
		return fmt.Sprintf("every %s hours at minute %d", n, minute), fmt.Sprintf("每 %s 小时的第 %d 分", n, minute), true
	}
	hour, err := strconv.Atoi(f[1])
	if err != nil {
		return "", "", false
	}
	at := fmt.Sprintf("%02d:%02d", hour, minute)
	switch {
	case f[2] == "*" && f[4] == "*":
		return "every day at " + at, "每天 " + at, true
	case f[2] == "*" && f[4] == "1-5":
		return "Monday to Friday at " + at, "周一至周五 " + at, true
	case f[2] == "*":
		days, daysZh, ok := dayNames(f[4])
		return "every " + days + " at " + at, "每周" + daysZh + " " + at, ok
	case f[4] == "*":
		day, err := strconv.Atoi(f[2])
		return fmt.Sprintf("on day %d of every month at %s", day, at), fmt.Sprintf("每月 %d 日 %s", day, at), err == nil
	default:
		return "", "", false
	}
}

func dayNames(field string) (en, zh string, ok bool) {
	var names, hans []string
	for _, part := range strings.Split(field, ",") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 || n >= len(weekdays[0]) {
			return "", "", false
		}
		names, hans = append(names, weekdays[0][n]), append(hans, weekdays[1][n])
	}
	return strings.Join(names, " and "), strings.Join(hans, "、"), true
}

// Slots returns the next n times that a trigger fires after a time, fewer where it fires less often. The zone
// is the default for a trigger that names none.
func (t Trigger) Slots(after time.Time, zone *time.Location, n int) ([]time.Time, error) {
	if !t.Timed() {
		return nil, nil
	}
	schedule, err := NewSchedule(t, zone, nil)
	if err != nil {
		return nil, err
	}
	var slots []time.Time
	for len(slots) < n {
		next := schedule.Next(after)
		if next.IsZero() {
			break
		}
		slots, after = append(slots, next), next
	}
	return slots, nil
}
