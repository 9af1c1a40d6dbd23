package builtin

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hearthfaas/hearth/shared/manifest"
)

var (
	emailPattern = compiled(`[A-Za-z0-9._%+\-]+@[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)+`)
	urlPattern   = compiled(`https?://[^\s"'<>，。；）」”]+`)
	quotePattern = compiled("\"([^\"]+)\"|“([^”]+)”|「([^」]+)」|『([^』]+)』|《([^》]+)》|`([^`]+)`|\\B'([^']+)'\\B")
	filePattern  = compiled(`(?i)/[\p{L}\p{N}_\-./{}]*?\.(?:xlsx|xls|csv|pdf|docx|pptx|txt|md|json|html|png|jpe?g|zip)\b` +
		`|/[a-z0-9_\-.{}]+(?:/[a-z0-9_\-.{}]*)*` +
		`|\b[a-z0-9_\-.]+(?:/[a-z0-9_\-.]+)*\.(?:xlsx|xls|csv|pdf|docx|pptx|txt|md|json|html|png|jpe?g|zip)\b`)
	hostPattern = compiled(`\b(?:[a-z0-9\-]+\.)+[a-z]{2,}(?:/[a-z0-9/._\-]*)?`)
	sqlPattern  = compiled("(?is)\\b(?:select\\s.+?\\sfrom|with\\s+\\w+\\s+as)\\s[^;；。\n\"“”`]+")
	sqlEnd      = compiled(`(?i)[,，]?\s*(?:\band\s+|\bthen\s+)+(?:e?mail|send|make|create|put|export|generate|save|build)\b|[,，\s]*(?:并|然后|再|发)`)
)

// span is a stretch of a text, in bytes.
type span struct{ start, end int }

func (s span) within(o span) bool { return o.start <= s.start && s.end <= o.end }

// blank replaces what patterns match by spaces, so that an address or a file name is never read as words.
func blank(text string, patterns ...pattern) string {
	for _, p := range patterns {
		text = p().ReplaceAllStringFunc(text, func(s string) string { return strings.Repeat(" ", len(s)) })
	}
	return text
}

// statement returns where an SQL query stands in text, without the words that go on after it.
func statement(text string) (span, bool) {
	if !strings.Contains(strings.ToLower(text), "select") { // spares most texts a slow pattern
		return span{}, false
	}
	at := sqlPattern().FindStringIndex(text)
	if at == nil {
		return span{}, false
	}
	if end := sqlEnd().FindStringIndex(text[at[0]:at[1]]); end != nil {
		at[1] = at[0] + end[0]
	}
	return span{at[0], at[1]}, true
}

// bare returns the words of text alone: lower case, and without quotations, addresses, file names and the
// wording of a message to send.
func bare(text string) string {
	low := strings.ToLower(text)
	if s, ok := statement(low); ok {
		low = low[:s.start] + strings.Repeat(" ", s.end-s.start) + low[s.end:]
	}
	low = blank(low, quotePattern, urlPattern)
	if m := freeCue().FindStringIndex(low); m != nil {
		low = low[:m[0]]
	}
	return blank(low, emailPattern, filePattern, hostPattern)
}

// suffixes are the endings under which an English phrase still counts as said.
var suffixes = []string{"", "s", "es", "ed", "ing"}

// find returns where phrase stands in low. Chinese phrases stand anywhere; others at word boundaries.
func find(low, phrase string) []span {
	var found []span
	if strings.TrimSpace(phrase) == "" {
		return nil
	}
	for from := 0; from < len(low); {
		at := strings.Index(low[from:], phrase)
		if at < 0 {
			break
		}
		s := span{from + at, from + at + len(phrase)}
		from = s.end
		if Chinese(phrase) {
			found = append(found, s)
		} else if end, ok := wordEnd(low, s); ok {
			found = append(found, span{s.start, end})
		}
	}
	return found
}

// wordEnd reports whether s is a whole word or phrase of low, and where it ends with its ending.
func wordEnd(low string, s span) (int, bool) {
	before, _ := utf8.DecodeLastRuneInString(low[:s.start])
	if latin(before) {
		return 0, false
	}
	for _, suffix := range suffixes {
		rest, ok := strings.CutPrefix(low[s.end:], suffix)
		if after, _ := utf8.DecodeRuneInString(rest); ok && !latin(after) {
			return s.end + len(suffix), true
		}
	}
	return 0, false
}

// latin reports whether r continues an English word.
func latin(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)) && !isHan(r)
}

// breaks end a clause.
var breaks = compiled(`[,，.。;；:：!！?？、\n]|\b(?:and|then|but|or)\b|并且?|然后|但是?|而是?|接着|之后`)

// denials take back what follows them in their clause.
var denials = compiled(`\b(?:don'?t|do not|don’t|without|never|not|no need to|no need for)\b|不要|不用|不必|不需要|无需|请勿|(?:^|[^特分级区类性个识])别再?(?:给|把|发|做|生成|查|建|用|执行|运行|删|改|导)`)

// courtesies are clauses that thank for something done.
var courtesies = compiled(`^\s*(?:thanks? for|thank you for|thx for|谢谢你?的|感谢你?的|辛苦)`)

// wanted returns low with those clauses blanked that take something back, from the denial on, or that only thank.
func wanted(low string) string {
	var out strings.Builder
	from := 0
	for _, b := range append(breaks().FindAllStringIndex(low, -1), []int{len(low), len(low)}) {
		clause := low[from:b[0]]
		cut := len(clause)
		if courtesies().MatchString(clause) {
			cut = 0
		} else if d := denials().FindStringIndex(clause); d != nil {
			cut = d[0]
		}
		out.WriteString(clause[:cut] + strings.Repeat(" ", len(clause)-cut) + low[b[0]:b[1]])
		from = b[1]
	}
	return out.String()
}

// matches returns where each tool is named in low. A phrase inside a longer phrase of another tool is not
// a mention: "查邮件" means the mailbox, not sending mail.
func matches(low string, tools []manifest.Manifest) [][]span {
	all := make([][]span, len(tools))
	for i, tool := range tools {
		for _, phrase := range tool.Intent.Phrases {
			if phrase = strings.ToLower(phrase); !day(phrase) {
				all[i] = append(all[i], find(low, phrase)...)
			}
		}
	}
	kept := make([][]span, len(tools))
	for i := range all {
		for _, s := range all[i] {
			if !covered(s, all) && !slices.Contains(kept[i], s) {
				kept[i] = append(kept[i], s)
			}
		}
	}
	return kept
}

// mentions reports whether low may name a tool at all, or hold a query. Most messages are talk: this spares
// them the reading of each word.
func mentions(low string, tools []manifest.Manifest) bool {
	if _, ok := statement(low); ok {
		return true
	}
	for _, tool := range tools {
		for _, phrase := range tool.Intent.Phrases {
			if strings.Contains(low, strings.ToLower(phrase)) {
				return true
			}
		}
	}
	return false
}

// day reports whether phrase is the name of a day, which asks for nothing: "今天天气不错".
func day(phrase string) bool {
	_, is := offsets[phrase]
	return is
}

// covered reports whether s stands inside a longer span.
func covered(s span, all [][]span) bool {
	return slices.ContainsFunc(all, func(spans []span) bool {
		return slices.ContainsFunc(spans, func(o span) bool { return s != o && s.within(o) })
	})
}
