package builtin

import (
	"strconv"
	"strings"
	"time"
)

// said is what a request names: the values that slots are filled with, in the order of the text.
type said struct {
	emails []string
	copies []string // after cc or 抄送
	urls   []string
	quotes []string
	reads  []string // files named
	writes []string // files named as a place to save to
	sql    string
	free   string // the wording after "saying" or 内容是
	number string
	day    string // YYYY-MM-DD; "" when none is named
	today  bool   // the day is today
	period string // a stretch of days, in the request's words, such as "last week"
}

var (
	copyCue   = compiled(`(?i)(?:\bb?cc\b|抄送)[\s:：]*(?:给|to\b)?[\s:：]*$`)
	writeCue  = compiled(`(?i)(?:\b(?:save|saved|write|export|put)\b.{0,24}\b(?:to|as|into|in)|\b(?:as|into)|保存到|存为|另存为|存到|写入|写到|导出到|输出到|生成到)\s*$`)
	freeCue   = compiled(`(?is)(?:\b(?:saying|that says|with the (?:text|message|body))\b|\b(?:text|message|body)\s*[:：]|(?:内容|正文)(?:是|为|[:：])|(?:写着|写上|说)[:：])[:：,，\s]*(\S.*)$`)
	numeral   = compiled(`\d+(?:\.\d+)?`)
	isoDay    = compiled(`\b(\d{4})-(\d{1,2})-(\d{1,2})\b`)
	hanDay    = compiled(`(?:(\d{4})年)?(\d{1,2})月(\d{1,2})[日号]`)
	nearDay   = compiled(`(?i)今天|今日|昨天|昨日|前天|明天|\b(?:today|yesterday|tomorrow)\b`)
	dayPeriod = compiled(`(?i)(?:本|这|上|这个|上个|最近|过去|近)(?:一)?(?:\d+|[一二三两几])?(?:个)?(?:周|星期|礼拜|月|季度|年|天)|去年|今年|\b(?:this|last|past|previous)\s+(?:\d+\s+|few\s+)?(?:week|month|quarter|year|day)s?\b|\byear to date\b`)
)

// offsets of the days that have a name, in days from today.
var offsets = map[string]int{
	"今天": 0, "今日": 0, "today": 0, "昨天": -1, "昨日": -1, "yesterday": -1, "前天": -2, "明天": 1, "tomorrow": 1,
}

// hear reads text. today is YYYY-MM-DD.
func hear(text, today string) said {
	var h said
	rest := h.takeQuoted(text)
	h.urls = urlPattern().FindAllString(rest, -1)
	rest = blank(rest, urlPattern)
	if m := freeCue().FindStringSubmatchIndex(rest); m != nil {
		h.free = strings.TrimSpace(text[m[2]:m[3]])
		rest = rest[:m[0]]
	}
	rest = h.takeEmails(rest)
	rest = h.takeFiles(rest)
	h.takeDay(rest, today)
	h.number = numeral().FindString(blank(rest, isoDay, hanDay, dayPeriod))
	return h
}

// takeQuoted keeps quotations and SQL, and returns text without them.
func (h *said) takeQuoted(text string) string {
	for _, m := range quotePattern().FindAllStringSubmatch(text, -1) {
		h.quotes = append(h.quotes, strings.TrimSpace(strings.Join(m[1:], "")))
	}
	if s, ok := statement(text); ok {
		h.sql = strings.TrimSpace(text[s.start:s.end])
		text = text[:s.start] + strings.Repeat(" ", s.end-s.start) + text[s.end:]
	}
	return blank(text, quotePattern)
}

func (h *said) takeEmails(text string) string {
	copied := false
	end := 0
	for _, m := range emailPattern().FindAllStringIndex(text, -1) {
		between := text[end:m[0]]
		copied = copyCue().MatchString(between) || copied && strings.Trim(between, " ,，、;；和及and") == ""
		end = m[1]
		if copied {
			h.copies = append(h.copies, text[m[0]:m[1]])
		} else {
			h.emails = append(h.emails, text[m[0]:m[1]])
		}
	}
	return blank(text, emailPattern)
}

func (h *said) takeFiles(text string) string {
	for _, m := range filePattern().FindAllStringIndex(text, -1) {
		path := strings.TrimRight(text[m[0]:m[1]], ".")
		if path == "" || path == "/" {
			continue
		}
		if writeCue().MatchString(text[:m[0]]) {
			h.writes = append(h.writes, path)
		} else {
			h.reads = append(h.reads, path)
		}
	}
	return blank(text, filePattern)
}

func (h *said) takeDay(text, today string) {
	h.period = dayPeriod().FindString(text)
	now, err := time.Parse(time.DateOnly, today)
	if err != nil {
		return
	}
	if m := isoDay().FindStringSubmatch(text); m != nil {
		h.day = dayOf(m[1], m[2], m[3])
	} else if m := hanDay().FindStringSubmatch(text); m != nil {
		if m[1] == "" {
			m[1] = today[:4]
		}
		h.day = dayOf(m[1], m[2], m[3])
	} else if name := nearDay().FindString(text); name != "" {
		h.day = now.AddDate(0, 0, offsets[strings.ToLower(name)]).Format(time.DateOnly)
	}
	h.today = h.day == now.Format(time.DateOnly)
}

// dayOf returns YYYY-MM-DD, or "" for a day that no calendar has.
func dayOf(year, month, day string) string {
	text := year + "-" + pad(month) + "-" + pad(day)
	if _, err := time.Parse(time.DateOnly, text); err != nil {
		return ""
	}
	return text
}

func pad(n string) string {
	v, err := strconv.Atoi(n)
	if err != nil || v > 9 {
		return n
	}
	return "0" + strconv.Itoa(v)
}
