package flow

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/hearthfaas/hearth/shared/fault"
)

// expression is what stands between {{ and }}: a path and the filters that its value goes through.
//
//	{{steps.query.rows[0].amount}}
//	{{date | add '-1d' | format 'YYYYMMDD'}}
type expression struct {
	path    path
	filters []call
}

// path is a way into the scope; its first segment is one of the roots.
type path []segment

// segment is a name, or an index where name is empty.
type segment struct {
	name  string
	index int
}

// call is a filter with its argument.
type call struct {
	name   string
	arg    string
	hasArg bool
}

func (p path) String() string {
	var b strings.Builder
	for i, s := range p {
		switch {
		case s.name == "":
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
		case i == 0:
			b.WriteString(s.name)
		case isName(s.name):
			b.WriteString("." + s.name)
		default:
			b.WriteString(`["` + s.name + `"]`)
		}
	}
	return b.String()
}

// part is a piece of a template: literal text, or an expression with the text that it is written as.
type part struct {
	text string
	expr *expression
}

// parseTemplate splits a string into literal text and expressions. `\{{` is a literal `{{`.
func parseTemplate(s string) ([]part, error) {
	var parts []part
	var text strings.Builder
	for {
		before, after, found := strings.Cut(s, "{{")
		if !found {
			text.WriteString(s)
			break
		}
		if escaped, ok := strings.CutSuffix(before, `\`); ok {
			text.WriteString(escaped + "{{")
			s = after
			continue
		}
		text.WriteString(before)
		x, rest, err := parseExpression(after)
		if err != nil {
			return nil, err
		}
		if text.Len() > 0 {
			parts = append(parts, part{text: text.String()})
			text.Reset()
		}
		parts = append(parts, part{text: "{{" + after[:len(after)-len(rest)], expr: x})
		s = rest
	}
	if text.Len() > 0 {
		parts = append(parts, part{text: text.String()})
	}
	return parts, nil
}

// parseExpression reads an expression up to its }} and returns what follows.
func parseExpression(s string) (*expression, string, error) {
	r := &reader{rest: s, whole: s}
	x := &expression{}
	if err := r.path(x); err != nil {
		return nil, "", err
	}
	for r.eat("|") {
		if err := r.filter(x); err != nil {
			return nil, "", err
		}
	}
	if !r.eat("}}") {
		return nil, "", r.wrong("}} or | expected")
	}
	return x, r.rest, nil
}

// reader reads an expression from left to right.
type reader struct {
	rest, whole string
}

// wrong says what is wrong where the reader stands.
func (r *reader) wrong(format string, args ...any) error {
	shown, _, closed := strings.Cut(r.whole, "}}")
	if !closed {
		return fault.New(fault.Invalid, "{{ without }}").Try(`write \{{ for two braces that are meant as text`)
	}
	at := r.rest
	if i := strings.Index(at, "}}"); i >= 0 {
		at = at[:i]
	}
	e := fault.New(fault.Invalid, format, args...)
	e.Message += " in {{" + clip(shown) + "}}"
	if at = strings.TrimSpace(at); at != "" {
		e.Message += ", before " + strconv.Quote(clip(at))
	}
	return e
}

func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

func (r *reader) space() { r.rest = strings.TrimLeft(r.rest, " \t\r\n") }

// eat skips white space and token, and reports whether token was there.
func (r *reader) eat(token string) bool {
	r.space()
	rest, ok := strings.CutPrefix(r.rest, token)
	if ok {
		r.rest = rest
	}
	return ok
}

// name reads a name: letters of any script, digits, _ and -.
func (r *reader) name() string {
	rest := strings.TrimLeftFunc(r.rest, nameRune)
	name := r.rest[:len(r.rest)-len(rest)]
	r.rest = rest
	return name
}

func nameRune(c rune) bool {
	return c == '_' || c == '-' || unicode.IsLetter(c) || unicode.IsDigit(c) || unicode.IsMark(c)
}

// isName reports whether s can be written after a dot.
func isName(s string) bool {
	return s != "" && strings.TrimLeftFunc(s, nameRune) == ""
}

func (r *reader) path(x *expression) error {
	r.space()
	root := r.name()
	if root == "" {
		return r.wrong("a name expected")
	}
	x.path = path{{name: root}}
	for {
		switch {
		case strings.HasPrefix(r.rest, "."):
			r.rest = r.rest[1:]
			name := r.name()
			if name == "" {
				return r.wrong("a name expected")
			}
			x.path = append(x.path, segment{name: name})
		case strings.HasPrefix(r.rest, "["):
			key, err := r.subscript()
			if err != nil {
				return err
			}
			x.path = append(x.path, key)
		default:
			return nil
		}
	}
}

// subscript reads [0] or ["any text"].
func (r *reader) subscript() (segment, error) {
	r.rest = r.rest[1:]
	if text, ok := r.quoted(); ok {
		if text == "" || !r.eat("]") {
			return segment{}, r.wrong("a key and ] expected")
		}
		return segment{name: text}, nil
	}
	r.space()
	digits := r.rest[:len(r.rest)-len(strings.TrimLeft(r.rest, "0123456789"))]
	r.rest = r.rest[len(digits):]
	i, err := strconv.Atoi(digits)
	if err != nil || !r.eat("]") {
		return segment{}, r.wrong("an index, or a key in quotes, and ] expected")
	}
	return segment{index: i}, nil
}

// quoted reads '…' or "…". There are no escapes: each kind can hold the other.
func (r *reader) quoted() (string, bool) {
	r.space()
	if r.rest == "" || r.rest[0] != '"' && r.rest[0] != '\'' {
		return "", false
	}
	text, rest, closed := strings.Cut(r.rest[1:], r.rest[:1])
	if closed {
		r.rest = rest
	}
	return text, closed
}

func (r *reader) filter(x *expression) error {
	r.space()
	c := call{name: r.name()}
	c.arg, c.hasArg = r.quoted()
	f, known := filters[c.name]
	if !known {
		return r.wrong("unknown filter %q; known: %s;", c.name, filterNames)
	}
	if f.needsArg != c.hasArg && !f.optionalArg {
		return r.wrong("the filter %s takes %s", c.name, f.takes())
	}
	x.filters = append(x.filters, c)
	return nil
}
