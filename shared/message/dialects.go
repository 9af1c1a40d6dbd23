package message

import (
	"html"
	"regexp"
	"strings"
)

// Plain is text without any markup: for platforms that have none, and for what is sent again when a
// platform refuses the markup.
var Plain = Dialect{
	Span: func(s Span) string {
		if s.Link == "" || s.Link == s.Text || s.Link == "mailto:"+s.Text {
			return s.Text
		}
		return s.Text + " (" + s.Link + ")"
	},
	Heading: func(int) (string, Style) { return "", 0 },
	Code:    func(_, code string) string { return code },
	Quote:   quoteLines,
	Bullet:  "- ",
	Rule:    "---",
}

// GFM is GitHub's Markdown. What Parse reads of it is the document it was written from.
var GFM = Dialect{
	Span:    gfmSpan,
	Heading: func(level int) (string, Style) { return strings.Repeat("#", level) + " ", 0 },
	Code:    gfmCode,
	Quote:   quoteLines,
	Table:   gfmTable,
	Bullet:  "- ",
	Rule:    "---",
}

// TelegramHTML is the HTML of Telegram's Bot API (core.telegram.org/bots/api#html-style): only &, < and >
// are escaped, code holds no other markup, quotes do not nest, and there are no headings, lists or tables.
var TelegramHTML = Dialect{
	Span:    telegramSpan,
	Heading: func(int) (string, Style) { return "", Bold },
	Code:    telegramCode,
	Quote: func(text string, depth int) string {
		if depth > 0 {
			return quoteEscaped(text)
		}
		return "<blockquote>" + text + "</blockquote>"
	},
	Indent: telegramIndent,
	Bullet: "• ",
	Rule:   "——————",
}

// quoteLines puts a mark before every line.
func quoteLines(text string, _ int) string {
	return "> " + strings.ReplaceAll(text, "\n", "\n> ")
}

// gfmSpecial are the characters that can start markup inside a line, or at the start of one.
var (
	gfmSpecial   = strings.NewReplacer(escapePairs("\\`*_[]<>~|&")...)
	gfmLineStart = regexp.MustCompile(`(?m)^([ \t]*)([#+=:-]|\d{1,9}[.)])`)
)

func escapePairs(chars string) []string {
	var pairs []string
	for _, c := range chars {
		pairs = append(pairs, string(c), `\`+string(c))
	}
	return pairs
}

func gfmSpan(s Span) string {
	inner := strings.Trim(s.Text, " \t\n")
	if inner == "" {
		return s.Text
	}
	before, after, _ := strings.Cut(s.Text, inner)
	switch {
	case s.Link == s.Text && s.Style == 0:
		return "<" + s.Link + ">"
	case s.Style&Mono != 0:
		inner = gfmMono(inner)
	default:
		inner = gfmEscape(inner)
	}
	for _, m := range []struct {
		style Style
		mark  string
	}{{Italic, "*"}, {Bold, "**"}, {Strike, "~~"}} {
		if s.Style&m.style != 0 {
			inner = m.mark + inner + m.mark
		}
	}
	if s.Link != "" {
		inner = "[" + inner + "](<" + s.Link + ">)"
	}
	return before + inner + after
}

func gfmEscape(s string) string {
	s = gfmSpecial.Replace(s)
	return gfmLineStart.ReplaceAllStringFunc(s, func(start string) string {
		at := len(start) - 1 // the mark itself, or the dot of a number
		return start[:at] + `\` + start[at:]
	})
}

// gfmMono fences code with more backticks than it holds in a row.
func gfmMono(code string) string {
	fence := strings.Repeat("`", longestRun(code, '`')+1)
	if strings.HasPrefix(code, "`") || strings.HasSuffix(code, "`") {
		code = " " + code + " "
	}
	return fence + code + fence
}

func gfmCode(lang, code string) string {
	fence := strings.Repeat("`", max(3, longestRun(code, '`')+1))
	lang = strings.NewReplacer("`", "", "\n", " ").Replace(lang)
	return fence + lang + "\n" + code + "\n" + fence
}

func longestRun(s string, of rune) int {
	longest, run := 0, 0
	for _, r := range s {
		if r != of {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}

// gfmCell escapes every bar once, also those in code, where text outside of tables has them bare.
var gfmCell = strings.NewReplacer("\n", "<br>", `\|`, `\|`, "|", `\|`)

func gfmTable(rows [][]string) string {
	var b strings.Builder
	for i, row := range rows {
		for _, cell := range row {
			b.WriteString("| " + gfmCell.Replace(cell) + " ")
		}
		b.WriteString("|\n")
		if i == 0 {
			b.WriteString(strings.Repeat("| --- ", len(row)) + "|\n")
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

var telegramEscape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func telegramSpan(s Span) string {
	out := telegramEscape.Replace(s.Text)
	if s.Style&Mono != 0 && s.Link == "" {
		return "<code>" + out + "</code>"
	}
	for _, m := range []struct {
		style Style
		tag   string
	}{{Strike, "s"}, {Italic, "i"}, {Bold, "b"}} {
		if s.Style&m.style != 0 {
			out = "<" + m.tag + ">" + out + "</" + m.tag + ">"
		}
	}
	if s.Link != "" {
		out = `<a href="` + html.EscapeString(s.Link) + `">` + out + "</a>"
	}
	return out
}

func telegramCode(lang, code string) string {
	code = telegramEscape.Replace(code)
	if lang == "" {
		return "<pre>" + code + "</pre>"
	}
	return `<pre><code class="language-` + html.EscapeString(lang) + `">` + code + "</code></pre>"
}

func quoteEscaped(text string) string {
	return "&gt; " + strings.ReplaceAll(text, "\n", "\n&gt; ")
}

// telegramIndent leaves code where it is: its spaces would be shown.
func telegramIndent(text, pad string) string {
	lines := strings.Split(text, "\n")
	inCode := false
	for i, line := range lines {
		if i > 0 && line != "" && !inCode && !strings.HasPrefix(line, "<pre>") {
			lines[i] = pad + line
		}
		if strings.Contains(line, "<pre>") {
			inCode = true
		}
		if strings.Contains(line, "</pre>") {
			inCode = false
		}
	}
	return strings.Join(lines, "\n")
}
