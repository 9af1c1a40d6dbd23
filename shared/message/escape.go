package message

import (
	"html"
	"regexp"
	"strings"
	"unicode"
)

// entity is a character reference of Markdown; unlike in HTML, the semicolon is required.
var entity = regexp.MustCompile(`&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});`)

// unescape resolves the backslash escapes and character references of Markdown.
func unescape(s string) string {
	if !strings.ContainsAny(s, `\&`) {
		return s
	}
	var b strings.Builder
	for {
		at := strings.IndexByte(s, '\\')
		if at < 0 || at+1 == len(s) {
			b.WriteString(resolve(s))
			return b.String()
		}
		b.WriteString(resolve(s[:at]))
		if next := s[at+1]; next < unicode.MaxASCII && (unicode.IsPunct(rune(next)) || unicode.IsSymbol(rune(next))) {
			b.WriteByte(next)
			s = s[at+2:]
		} else {
			b.WriteByte('\\')
			s = s[at+1:]
		}
	}
}

func resolve(s string) string {
	return entity.ReplaceAllStringFunc(s, func(ref string) string { return clean(html.UnescapeString(ref)) })
}
