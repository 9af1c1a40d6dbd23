package slack

import (
	"regexp"
	"strings"
	"unicode"
)

// Slack's markup of what people wrote ("Formatting message text"): &, < and > are escaped, and what stands in
// <> is a link, a mention or a channel.
var (
	literal  = regexp.MustCompile("(?s)```.*?```|`[^`\n]+`|<[^<>\n]+>")
	angled   = regexp.MustCompile(`<[^<>\n]+>`)
	unescape = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&")
	inURL    = strings.NewReplacer("(", "%28", ")", "%29", " ", "%20")
)

// holder is the first of the private characters that hold the place of what has no marks in it.
const holder = 0xF0000

// markdown returns a text of Slack as Markdown without our own name, and whether it names us.
func markdown(text, self string) (md string, mentioned bool) {
	text = strings.Map(func(r rune) rune {
		if r >= holder {
			return -1
		}
		return r
	}, text)
	var held []string
	text = literal.ReplaceAllStringFunc(text, func(piece string) string {
		if strings.HasPrefix(piece, "<") {
			mentioned = mentioned || names(piece, self)
			piece = inside(piece, self, true)
		} else {
			piece = angled.ReplaceAllStringFunc(piece, func(in string) string { return inside(in, self, false) })
			piece = fenced(unescape.Replace(piece))
		}
		held = append(held, piece)
		return string(rune(holder + len(held) - 1))
	})
	text = unescape.Replace(marked([]rune(text)))
	var out strings.Builder
	for _, r := range text {
		if r >= holder {
			out.WriteString(held[r-holder])
		} else {
			out.WriteRune(r)
		}
	}
	return strings.TrimSpace(out.String()), mentioned
}

// names reports whether a piece in <> is our own name.
func names(piece, self string) bool {
	id, _, _ := strings.Cut(strings.Trim(piece, "<>"), "|")
	return self != "" && id == "@"+self
}

// inside reads a piece in <>.
func inside(piece, self string, links bool) string {
	target, label, labelled := strings.Cut(strings.Trim(piece, "<>"), "|")
	target, label = unescape.Replace(target), unescape.Replace(label)
	switch target[0] {
	case '@':
		if names(piece, self) {
			return ""
		}
		if labelled {
			return "@" + label
		}
		return target
	case '#':
		if labelled && label != "" {
			return "#" + label
		}
		return target
	case '!': // <!here>, <!subteam^S1|@team>, <!date^…|in words>
		if labelled {
			return label
		}
		return "@" + target[1:]
	}
	if !links || !labelled || label == target || "mailto:"+label == target {
		return strings.TrimPrefix(target, "mailto:")
	}
	return "[" + label + "](" + inURL.Replace(target) + ")"
}

// fenced gives a block of code lines of its own, as Markdown wants it.
func fenced(code string) string {
	const fence = "```"
	inner, ok := strings.CutPrefix(code, fence)
	if !ok {
		return code
	}
	return "\n" + fence + "\n" + strings.Trim(strings.TrimSuffix(inner, fence), "\n") + "\n" + fence + "\n"
}

// marks are the marks of Slack and those of Markdown.
var marks = map[rune]string{'*': "**", '_': "*", '~': "~~"}

// marked translates the marks around text. They stand at the edges of words and in one line.
func marked(text []rune) string {
	var out strings.Builder
	unclosed := map[rune]int{} // up to where a mark has no end
	for i := 0; i < len(text); i++ {
		mark, known := marks[text[i]]
		if !known || i < unclosed[text[i]] || !edge(text, i-1) || edge(text, i+1) && !open(text, i+1) {
			out.WriteRune(text[i])
			continue
		}
		end, closed := closing(text, i)
		if !closed {
			unclosed[text[i]] = end
			out.WriteRune(text[i])
			continue
		}
		out.WriteString(mark + marked(text[i+1:end]) + mark)
		i = end
	}
	return out.String()
}

// closing finds the end of what the mark at i opens, or the end of the line.
func closing(text []rune, i int) (int, bool) {
	for j := i + 1; j < len(text); j++ {
		switch {
		case text[j] == '\n':
			return j, false
		case text[j] == text[i] && j > i+1 && !unicode.IsSpace(text[j-1]) && edge(text, j+1):
			return j, true
		}
	}
	return len(text), false
}

// edge reports whether no letter or digit stands at i.
func edge(text []rune, i int) bool {
	return i < 0 || i >= len(text) || !unicode.IsLetter(text[i]) && !unicode.IsDigit(text[i])
}

// open reports whether a marked text can begin at i with something else than a letter.
func open(text []rune, i int) bool {
	return i < len(text) && !unicode.IsSpace(text[i])
}
