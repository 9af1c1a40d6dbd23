package telegramtest

import (
	"fmt"
	"html"
	"regexp"
	"strings"
	"unicode/utf16"
)

// kinds are the tags that Telegram knows, and the entities they make.
var kinds = map[string]string{
	"b": "bold", "strong": "bold", "i": "italic", "em": "italic", "u": "underline", "ins": "underline",
	"s": "strikethrough", "strike": "strikethrough", "del": "strikethrough", "tg-spoiler": "spoiler",
	"a": "text_link", "code": "code", "pre": "pre", "blockquote": "blockquote",
}

var (
	tag       = regexp.MustCompile(`^<(/?)([a-zA-Z][a-zA-Z0-9-]*)([^<>]*)>`)
	attribute = regexp.MustCompile(`([a-z-]+)\s*=\s*"([^"]*)"`)
	reference = regexp.MustCompile(`^&(?:lt|gt|amp|quot|#[0-9]+|#x[0-9a-fA-F]+);`)
)

// open is a tag that waits for its end.
type open struct {
	name string
	Entity
}

// parseHTML reads HTML as the Bot API does: a few tags, a few character references, and an error for
// every other tag and everything that is not closed.
func parseHTML(source string) (string, []Entity, error) {
	var text strings.Builder
	var entities []Entity
	var stack []open
	units := func() int { return len(utf16.Encode([]rune(text.String()))) }
	for at := 0; at < len(source); {
		rest := source[at:]
		switch rest[0] {
		case '&':
			ref := reference.FindString(rest)
			if ref == "" {
				ref = "&"
			}
			text.WriteString(html.UnescapeString(ref))
			at += len(ref)
		case '<':
			m := tag.FindStringSubmatch(rest)
			if m == nil {
				return "", nil, fmt.Errorf("unsupported start tag %q at byte offset %d", firstWord(rest[1:]), at)
			}
			name := strings.ToLower(m[2])
			if m[1] == "" {
				o, err := begin(name, m[3], stack, units(), at)
				if err != nil {
					return "", nil, err
				}
				stack = append(stack, o)
			} else {
				if len(stack) == 0 || stack[len(stack)-1].name != name {
					return "", nil, fmt.Errorf("unexpected end tag at byte offset %d", at)
				}
				entities = finish(entities, stack[len(stack)-1], units())
				stack = stack[:len(stack)-1]
			}
			at += len(m[0])
		default:
			next := strings.IndexAny(rest, "&<")
			if next < 0 {
				next = len(rest)
			}
			text.WriteString(rest[:next])
			at += next
		}
	}
	if len(stack) > 0 {
		return "", nil, fmt.Errorf("can't find end tag corresponding to start tag %q", stack[len(stack)-1].name)
	}
	return text.String(), entities, nil
}

func begin(name, attributes string, stack []open, offset, at int) (open, error) {
	kind, known := kinds[name]
	if !known {
		return open{}, fmt.Errorf("unsupported start tag %q at byte offset %d", name, at)
	}
	o := open{name, Entity{Type: kind, Offset: offset}}
	for _, a := range attribute.FindAllStringSubmatch(attributes, -1) {
		value := html.UnescapeString(a[2])
		switch {
		case name == "a" && a[1] == "href":
			o.URL = value
		case name == "code" && a[1] == "class":
			o.Lang = strings.TrimPrefix(value, "language-")
		}
	}
	for _, outer := range stack {
		if outer.name == "blockquote" && name == "blockquote" {
			return open{}, fmt.Errorf("nested blockquote at byte offset %d", at)
		}
	}
	return o, nil
}

// finish closes an entity. Code that is all of a pre is its language.
func finish(entities []Entity, o open, end int) []Entity {
	o.Length = end - o.Offset
	if n := len(entities); o.Type == "pre" && n > 0 {
		if inner := entities[n-1]; inner.Type == "code" && inner.Offset == o.Offset && inner.Length == o.Length {
			o.Lang = inner.Lang
			entities = entities[:n-1]
		}
	}
	if o.Length == 0 || o.Type == "text_link" && o.URL == "" {
		return entities
	}
	return append(entities, o.Entity)
}

func firstWord(s string) string {
	word, _, _ := strings.Cut(s, " ")
	return word[:min(len(word), 16)]
}
