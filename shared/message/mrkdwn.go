package message

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Mrkdwn is Slack's own markup (docs.slack.dev, "Formatting message text"): only &, < and > are escaped, *, _,
// ~ and ` mark text when no letter stands directly outside of them, marks do not reach over a line's end, and
// there are no headings, nested quotes or tables. The characters of marks cannot be escaped.
var Mrkdwn = Dialect{
	Span:    mrkdwnSpan,
	Between: mrkdwnBetween,
	Heading: func(int) (string, Style) { return "", Bold },
	Code: func(_, code string) string {
		return fence + "\n" + mrkdwnEscape.Replace(code) + "\n" + fence
	},
	Quote: func(text string, depth int) string {
		if depth > 0 {
			return quoteEscaped(text)
		}
		return quoteLines(text, depth)
	},
	Indent: mrkdwnIndent,
	Bullet: "• ",
	Rule:   "——————",
}

const (
	fence = "```"
	gap   = "\u200b" // a zero-width space: what Slack takes for the end of a word
)

// mrkdwnEscape leaves no mention, no channel-wide alarm and no end of a block of code in a text.
var mrkdwnEscape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", fence, "`"+gap+"`"+gap+"`")

// mrkdwnLabel is the same for a link's text, which a bar or a line's end would end.
var mrkdwnLabel = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "`", "'", "|", "¦", "\n", " ")

var mrkdwnURL = strings.NewReplacer("&", "&amp;", "<", "%3C", ">", "%3E", "|", "%7C")

func mrkdwnSpan(s Span) string {
	if s.Link != "" {
		return mrkdwnMarks(s, mrkdwnLink(s))
	}
	lines := strings.Split(s.Text, "\n")
	for i, line := range lines {
		if inner := strings.TrimSpace(line); inner != "" {
			before, after, _ := strings.Cut(line, inner)
			lines[i] = before + mrkdwnMarks(Span{Text: inner, Style: s.Style}, mrkdwnEscape.Replace(inner)) + after
		}
	}
	return strings.Join(lines, "\n")
}

func mrkdwnLink(s Span) string {
	if s.Link == s.Text {
		return "<" + mrkdwnURL.Replace(s.Link) + ">"
	}
	return "<" + mrkdwnURL.Replace(s.Link) + "|" + mrkdwnLabel.Replace(s.Text) + ">"
}

// mrkdwnMarks puts marks around a written text. A text that holds the mark itself goes without: it would end
// there.
func mrkdwnMarks(s Span, written string) string {
	if s.Style&Mono != 0 && s.Link == "" {
		if strings.Contains(s.Text, "`") {
			return written
		}
		return "`" + written + "`"
	}
	for _, m := range []struct {
		style Style
		mark  string
	}{{Strike, "~"}, {Italic, "_"}, {Bold, "*"}} {
		if s.Style&m.style != 0 && !strings.Contains(s.Text, m.mark) {
			written = m.mark + written + m.mark
		}
	}
	return written
}

// mrkdwnBetween keeps a mark off the letter beside it. Chinese text has no spaces there.
func mrkdwnBetween(before, after string) string {
	last, _ := utf8.DecodeLastRuneInString(before)
	first, _ := utf8.DecodeRuneInString(after)
	mark := func(r rune) bool { return strings.ContainsRune("*_~`", r) }
	free := func(r rune) bool { return unicode.IsSpace(r) || r < utf8.RuneSelf && unicode.IsPunct(r) && !mark(r) }
	if before == "" || after == "" || !mark(last) && !mark(first) || free(last) || free(first) {
		return ""
	}
	return gap
}

// mrkdwnIndent leaves code where it is: its spaces would be shown.
func mrkdwnIndent(text, pad string) string {
	lines := strings.Split(text, "\n")
	inCode := false
	for i, line := range lines {
		edge := strings.HasSuffix(line, fence)
		if i > 0 && line != "" && !inCode && !edge {
			lines[i] = pad + line
		}
		inCode = inCode != edge
	}
	return strings.Join(lines, "\n")
}
