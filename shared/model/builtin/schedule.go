package builtin

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/flow"
)

// timing is what a request says about when: a trigger, or a schedule that lacks its time of day, or
// nothing, which is now.
type timing struct {
	trigger *flow.Trigger
	missing bool
	rest    string // the request without those words
}

const (
	hanNumber = `(?:\d{1,2}|[零一二两三四五六七八九十]{1,3})`
	hanPart   = `(凌晨|清晨|早上|早晨|上午|中午|下午|傍晚|晚上|夜里|早|晚)?`
	enDay     = `(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|satur|sat|sun)(?:day)?s?`
)

var (
	hanTime = compiled(hanPart + `\s*(` + hanNumber + `)\s*(?:点钟?|时)\s*(?:(半|一刻|三刻|` + hanNumber + `)分?)?|` + hanPart + `\s*\b(\d{1,2})[:：](\d{2})\b`)
	enTime  = compiled(`(?i)\b(?:(?:at|by)\s+|@\s*)?(\d{1,2})(?:[:.](\d{2}))?\s*(am\b|pm\b|a\.m\.|p\.m\.)|\b(?:(?:at|by)\s+|@\s*)(\d{1,2})(?::(\d{2}))?\b(?:\s*o'?clock)?|\b(?:at\s+)?(noon|midnight)\b`)

	everyN     = compiled(`(?i)每隔?\s*(` + hanNumber + `)\s*个?\s*(分钟|小时)|\bevery\s+(\d{1,3})\s+(minute|hour)s?\b`)
	hourly     = compiled(`(?i)每个?小时|\b(?:hourly|every hour|each hour)\b`)
	workdays   = compiled(`(?i)每?个?工作日|每?(?:周|星期)一[到至](?:周|星期)?五|\b(?:every|each|on)\s+(?:weekday|workday|working day|business day)s?\b|\bweekdays\b`)
	weekends   = compiled(`(?i)每个?周末|\b(?:every|each|on)\s+weekends?\b`)
	hanWeekday = compiled(`每个?(?:周|星期|礼拜)([一二三四五六日天](?:[、，,和及](?:周|星期|礼拜)?[一二三四五六日天])*)`)
	enWeekday  = compiled(`(?i)\b(?:every|each)\s+(` + enDay + `(?:(?:\s*,\s*|\s+and\s+|\s*,\s*and\s+)` + enDay + `)*)\b`)
	monthly    = compiled(`(?i)每个?月的?(` + hanNumber + `)[号日]|\b(?:on )?the (\d{1,2})(?:st|nd|rd|th)? (?:day )?of (?:every|each) month\b|\bmonthly on the (\d{1,2})(?:st|nd|rd|th)?\b|\bevery month on the (\d{1,2})(?:st|nd|rd|th)?\b`)
	daily      = compiled(`(?i)每天|每日|天天|每(?:早|晚)|\b(?:every|each)\s+(?:day|morning|afternoon|evening|night)\b|\bdaily\s+at\b`)
	onceDay    = compiled(`(?i)(今天|今日|今晚|明天|明晚|后天|\btoday\b|\btonight\b|\btomorrow\b)(?:早上|上午|下午|晚上|\s+(?:morning|afternoon|evening|night)\b)?`)
	possessive = compiled(`^(?:的|'s|’s)`)
	afternoon  = compiled(`(?i)\b(?:tonight|(?:every|each|this|tomorrow) (?:afternoon|evening|night))\b`)
	later      = compiled(`(?i)` + hanNumber + `\s*个?\s*(?:分钟|小时)(?:之|以)?后|\bin\s+(?:\d{1,3}|an?|half an)\s+(?:minute|hour)s?\b`)
)

// Schedule returns the trigger that the words of text name, such as "every weekday at 8:30" or 每天早上9点,
// or nil. date is today in zone, YYYY-MM-DD.
func Schedule(text, date, zone string) *flow.Trigger { return when(bounded(text), date, zone).trigger }

// when reads the words of text that name a time, but for those that are quoted or dictated. today is
// YYYY-MM-DD in zone.
func when(text, today, zone string) timing {
	spoken := undictated(text)
	t := timed(spoken, today, zone)
	rest := []byte(text)
	for i := range rest {
		if spoken[i] != t.rest[i] {
			rest[i] = ' '
		}
	}
	t.rest = string(rest)
	return t
}

// undictated returns text with blanks for quotations, queries, addresses and the wording of a message.
func undictated(text string) string {
	if s, ok := statement(text); ok {
		text = without(text, []int{s.start, s.end})
	}
	text = blank(text, quotePattern, urlPattern, emailPattern)
	if m := freeCue().FindStringIndex(text); m != nil {
		text = without(text, m)
	}
	return text
}

// timed is when on plain text.
func timed(text, today, zone string) timing {
	if m := everyN().FindStringSubmatchIndex(text); m != nil {
		return interval(text, m, zone)
	}
	if m := hourly().FindStringIndex(text); m != nil {
		return timing{trigger: &flow.Trigger{Type: "cron", Schedule: "0 * * * *", Timezone: zone}, rest: without(text, m)}
	}
	days, found := recurring(text)
	at := clockOf(text)
	switch {
	case found == nil:
		return once(text, today, zone, at)
	case at.span == nil:
		return timing{missing: true, rest: without(text, found)}
	default:
		schedule := fmt.Sprintf("%d %d %s", at.minutes%60, at.minutes/60, days)
		return timing{trigger: &flow.Trigger{Type: "cron", Schedule: schedule, Timezone: zone}, rest: without(text, found, at.span)}
	}
}

// without returns text with these stretches blanked.
func without(text string, stretches ...[]int) string {
	for _, s := range stretches {
		text = text[:s[0]] + strings.Repeat(" ", s[1]-s[0]) + text[s[1]:]
	}
	return text
}

func interval(text string, m []int, zone string) timing {
	group := everyN().FindStringSubmatch(text)
	n, unit := number(group[1]+group[3]), "m"
	if group[2] == "小时" || strings.EqualFold(group[4], "hour") {
		unit = "h"
	}
	if n <= 0 {
		return timing{missing: true, rest: without(text, m[:2])}
	}
	every := strconv.Itoa(n) + unit
	return timing{trigger: &flow.Trigger{Type: "every", Schedule: every, Timezone: zone}, rest: without(text, m[:2])}
}

// recurring returns the last three fields of a cron line, and where text says so.
func recurring(text string) (string, []int) {
	if m := workdays().FindStringIndex(text); m != nil {
		return "* * 1-5", m
	}
	if m := weekends().FindStringIndex(text); m != nil {
		return "* * 0,6", m
	}
	for _, p := range []pattern{hanWeekday, enWeekday} {
		if m := p().FindStringSubmatchIndex(text); m != nil {
			return "* * " + weekdays(text[m[2]:m[3]]), m[:2]
		}
	}
	if m := monthly().FindStringSubmatch(text); m != nil {
		if day := number(strings.Join(m[1:], "")); day >= 1 && day <= 31 {
			return strconv.Itoa(day) + " * *", monthly().FindStringIndex(text)
		}
	}
	if m := daily().FindStringIndex(text); m != nil {
		return "* * *", m
	}
	return "", nil
}

// weekdays returns the named days as cron numbers, Sunday 0.
func weekdays(text string) string {
	low := strings.ToLower(text)
	var days []string
	for i, names := range [7][]string{{"日", "天", "sun"}, {"一", "mon"}, {"二", "tue"}, {"三", "wed"}, {"四", "thu"}, {"五", "fri"}, {"六", "sat"}} {
		for _, name := range names {
			if strings.Contains(low, name) {
				days = append(days, strconv.Itoa(i))
				break
			}
		}
	}
	return strings.Join(days, ",")
}

// once reads a single point in time: "明天9点", "at 3 pm".
func once(text, today, zone string, at clock) timing {
	if m := later().FindStringIndex(text); m != nil && at.span == nil {
		return timing{missing: true, rest: without(text, m)} // there is no clock here: "in ten minutes" becomes a question
	}
	day, found := dayAhead(text, at.span)
	switch {
	case found == nil && (at.span == nil || at.bare):
		return timing{rest: text}
	case at.span == nil:
		return timing{missing: true, rest: without(text, found)}
	}
	now, err := time.Parse(time.DateOnly, today)
	if err != nil {
		return timing{rest: text}
	}
	rest := without(text, at.span)
	if found != nil {
		rest = without(rest, found)
	}
	stamp := now.AddDate(0, 0, day).Add(time.Duration(at.minutes) * time.Minute).Format("2006-01-02T15:04")
	return timing{trigger: &flow.Trigger{Type: "at", Schedule: stamp, Timezone: zone}, rest: rest}
}

// dayAhead returns the day that a time of day belongs to, in days from today, and where text names it. A
// day that is not beside the time and not to come is about data: "9点生成今天的报表".
func dayAhead(text string, at []int) (int, []int) {
	for _, m := range onceDay().FindAllStringIndex(text, -1) {
		ahead := 0
		switch name := strings.ToLower(text[m[0]:m[1]]); {
		case strings.HasPrefix(name, "明"), strings.HasPrefix(name, "tomorrow"):
			ahead = 1
		case strings.HasPrefix(name, "后天"):
			ahead = 2
		}
		if beside(text, m, at) || ahead > 0 && !possessive().MatchString(text[m[1]:]) {
			return ahead, m
		}
	}
	return 0, nil
}

// beside reports whether only spaces stand between two stretches of text, or nothing.
func beside(text string, a, b []int) bool {
	if b == nil {
		return false
	}
	if b[0] < a[0] {
		a, b = b, a
	}
	return strings.TrimSpace(text[a[1]:max(a[1], b[0])]) == ""
}

// clock is a time of day as text names it.
type clock struct {
	minutes int   // after midnight
	span    []int // where; nil when there is none
	bare    bool  // nothing but digits and a colon: it may as well name a thing, as in "the 9:30 report"
}

// clockOf finds the first time of day in text.
func clockOf(text string) clock {
	if c := enClock(text); c.span != nil {
		return c
	}
	m := hanTime().FindStringSubmatch(text)
	if m == nil || m[1] == "" && m[2] == "一" && m[3] == "" { // "快一点" is no time
		return clock{}
	}
	minutes, ok := hanMinutes(m[1]+m[4], m[2]+m[5], m[3]+m[6])
	if !ok {
		return clock{}
	}
	return clock{minutes, hanTime().FindStringIndex(text), m[4] == "" && m[5] != ""}
}

func enClock(text string) clock {
	m := enTime().FindStringSubmatch(text)
	if m == nil {
		return clock{}
	}
	at := enTime().FindStringIndex(text)
	switch strings.ToLower(m[6]) {
	case "noon":
		return clock{minutes: 12 * 60, span: at}
	case "midnight":
		return clock{span: at}
	}
	hour, minute := number(m[1]+m[4]), number(m[2]+m[5])
	half := strings.ToLower(strings.ReplaceAll(m[3], ".", ""))
	switch {
	case half == "am" && hour == 12:
		hour = 0
	case half == "pm" && hour < 12, half == "" && hour < 12 && afternoon().MatchString(text):
		hour += 12
	}
	if hour > 23 || minute > 59 {
		return clock{}
	}
	return clock{minutes: hour*60 + minute, span: at}
}

// hanMinutes puts together 下午, 3 and 半.
func hanMinutes(part, hours, minutes string) (int, bool) {
	hour := number(hours)
	minute, named := map[string]int{"": 0, "半": 30, "一刻": 15, "三刻": 45}[minutes]
	if !named {
		minute = number(minutes)
	}
	switch part {
	case "下午", "傍晚", "晚上", "夜里", "晚":
		if hour < 12 {
			hour += 12
		} else if part != "下午" && hour == 12 {
			hour = 0
		}
	case "中午":
		if hour < 11 {
			hour += 12
		}
	case "凌晨":
		hour %= 12
	}
	return hour*60 + minute, hour >= 0 && hour < 24 && minute >= 0 && minute < 60
}

// number reads 1 to 99 in digits or Chinese, -1 when it is neither.
func number(text string) int {
	if text == "" {
		return 0
	}
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	value, digit := 0, 0
	for _, r := range text {
		switch r {
		case '十':
			value += 10 * max(digit, 1)
			digit = 0
		case '两':
			digit = 2
		default:
			at := strings.IndexRune("零一二三四五六七八九", r)
			if at < 0 {
				return -1
			}
			digit = at / len("零")
		}
	}
	return value + digit
}
