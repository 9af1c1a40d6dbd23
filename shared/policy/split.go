package policy

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// block reports whether text begins with a line that ends no other than by its end: a fence, a quotation or
// the row of a table.
func block(text string) bool {
	text = strings.TrimLeft(text, " \t")
	return text != "" && strings.ContainsRune("`>|~", rune(text[0]))
}

// lineEnd is the length of the first line, 0 when it goes on.
func lineEnd(text string, final bool) int {
	if n := strings.IndexByte(text, '\n'); n >= 0 {
		return min(n+1, longest)
	}
	if len(text) >= longest {
		return longest
	}
	if final {
		return len(text)
	}
	return 0
}

// quotation is the length of the quotation that text begins with, on its line; 0 when none is closed there.
// known is false when more has to come.
func quotation(text string, final bool) (n int, known bool) {
	const far = 400
	line := text[:min(len(text), far)]
	if end := strings.IndexByte(line, '\n'); end >= 0 {
		line, final = line[:end], true
	} else if len(text) > far {
		final = true
	}
	n = quoted(line)
	return n, n > 0 || final
}

// newline decides whether the line that ends at i ends a sentence. n is the length with the space after it.
func newline(text string, i int, final bool) (n int, end, known bool) {
	rest := strings.TrimLeftFunc(text[i:], unicode.IsSpace)
	n = len(text) - len(rest)
	if rest == "" || !utf8.FullRuneInString(rest) {
		return min(n, longest), true, final || n >= longest
	}
	if n > longest {
		return longest, true, true
	}
	if strings.Contains(text[i+1:n], "\n") {
		return n, true, true
	}
	before, _ := utf8.DecodeLastRuneInString(strings.TrimRight(text[:i], " \t\r*_"))
	first, _ := utf8.DecodeRuneInString(rest)
	return n, !unicode.IsLetter(first) || before == ':' || before == '：', true
}

// period decides whether the mark at i ends a sentence. n is the length with what closes it and the space after.
func period(text string, i int, final bool) (n int, end, known bool) {
	wide := false
	for i < len(text) && n < longest {
		r, size := utf8.DecodeRuneInString(text[i:])
		if strings.ContainsRune("。！？", r) {
			wide = true
		} else if !strings.ContainsRune(".!?…\"'”’)*_」』）", r) {
			break
		}
		i += size
	}
	if i >= len(text) || !utf8.FullRuneInString(text[i:]) {
		return min(i, longest), true, final
	}
	r, _ := utf8.DecodeRuneInString(text[i:])
	if !wide && !unicode.IsSpace(r) || short(text[:i]) {
		return 0, false, true
	}
	rest := strings.TrimLeftFunc(text[i:], unicode.IsSpace)
	n = len(text) - len(rest)
	if rest == "" && !final || n > longest {
		return min(n, longest), true, n >= longest
	}
	return n, true, true
}

// short reports whether text ends with an abbreviation or the number of a list item, and not a sentence.
func short(text string) bool {
	if !strings.HasSuffix(text, ".") {
		return false
	}
	start := strings.LastIndexAny(text, " \n(") + 1
	word := strings.ToLower(strings.TrimRight(text[start:], "."))
	switch word {
	case "mr", "mrs", "ms", "dr", "prof", "st", "no", "vs", "e.g", "i.e", "etc", "approx", "ca", "resp", "cf", "a.m", "p.m":
		return word != "no" || len(text) > 3
	}
	return len(word) <= 2 && word != "" && strings.Trim(word, "0123456789") == "" && strings.TrimSpace(text[:start]) == ""
}
