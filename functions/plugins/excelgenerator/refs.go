package excelgenerator

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// corner is one end of a reference: column and row, with their dollar signs.
type corner struct {
	col    string // as written, such as $B
	fixed  bool   // the row has a dollar sign
	row    int
	absent bool // the second end of a reference to one cell
}

// ref is a reference to cells, as formulas, charts and names have them.
type ref struct{ from, to corner }

var (
	cornerForm = regexp.MustCompile(`^(\$?[A-Za-z]{1,3})(\$?)([1-9][0-9]{0,6})$`)
	plainSheet = regexp.MustCompile(`^[\p{L}_][\p{L}\p{N}_.]*$`)
)

// parseRef reads A1, $A$1 or A1:B2.
func parseRef(s string) (ref, bool) {
	first, second, isRange := strings.Cut(s, ":")
	from, ok := parseCorner(first)
	if !ok {
		return ref{}, false
	}
	if !isRange {
		return ref{from: from, to: corner{absent: true}}, true
	}
	to, ok := parseCorner(second)
	return ref{from, to}, ok
}

func parseCorner(s string) (corner, bool) {
	m := cornerForm.FindStringSubmatch(s)
	if m == nil {
		return corner{}, false
	}
	row, err := strconv.Atoi(m[3])
	return corner{col: m[1], fixed: m[2] != "", row: row}, err == nil
}

func (r ref) String() string {
	if r.to.absent {
		return r.from.String()
	}
	return r.from.String() + ":" + r.to.String()
}

func (c corner) String() string {
	if c.fixed {
		return c.col + "$" + strconv.Itoa(c.row)
	}
	return c.col + strconv.Itoa(c.row)
}

// growth says what becomes of a sheet's rows when the template's data rows first to last become others:
// those below move by delta, and a range that ends with the last data row still does.
type growth struct {
	sheet       string
	first, last int
	delta       int
}

func (g growth) apply(r ref) ref {
	if r.to.absent {
		if r.from.row > g.last {
			r.from.row += g.delta
		}
		return r
	}
	if r.to.row >= g.last {
		r.to.row += g.delta
	}
	if r.from.row > g.last {
		r.from.row += g.delta
	}
	return r
}

// stretch is apply for charts, where one cell of a template with one data row stands for the column of data.
func (g growth) stretch(r ref) ref {
	if r.to.absent && g.first == g.last && r.from.row == g.first && g.delta > 0 {
		r.to = r.from
	}
	return g.apply(r)
}

// down moves the parts of r without dollar signs by rows, as copying a formula down does.
func (r ref) down(rows int) ref {
	if !r.from.fixed {
		r.from.row += rows
	}
	if !r.to.absent && !r.to.fixed {
		r.to.row += rows
	}
	return r
}

// rewrite returns formula with every reference to cells of sheet replaced by what change makes of it. home
// is the sheet that the formula stands on. Strings, function names, names and structured references stay.
func rewrite(formula, home, sheet string, change func(ref) ref) string {
	var out strings.Builder
	for s := formula; s != ""; {
		token := s[:tokenEnd(s)]
		s = s[len(token):]
		on := home
		if strings.HasPrefix(s, "!") && token != "" {
			on = strings.ReplaceAll(strings.Trim(token, "'"), "''", "'")
			out.WriteString(token + "!")
			s = s[1:]
			token = s[:tokenEnd(s)]
			s = s[len(token):]
		}
		if strings.HasPrefix(s, ":") {
			if second := s[1 : 1+tokenEnd(s[1:])]; isCorner(token) && isCorner(second) {
				token += ":" + second
				s = s[1+len(second):]
			}
		}
		r, ok := parseRef(token)
		if ok && strings.EqualFold(on, sheet) && !strings.HasPrefix(s, "(") {
			token = change(r).String()
		}
		out.WriteString(token)
	}
	return out.String()
}

func isCorner(s string) bool {
	_, ok := parseCorner(s)
	return ok
}

// tokenEnd returns the length of the token at the start of s: a string, a quoted sheet, a bracket, a run of
// letters and digits, or one character.
func tokenEnd(s string) int {
	switch {
	case s == "":
		return 0
	case s[0] == '"' || s[0] == '\'':
		return quotedEnd(s, s[0])
	case s[0] == '[':
		return bracketEnd(s)
	}
	end := 0
	for end < len(s) {
		r, size := utf8.DecodeRuneInString(s[end:])
		if r != '$' && r != '_' && r != '.' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			break
		}
		end += size
	}
	if end == 0 {
		_, end = utf8.DecodeRuneInString(s)
	}
	return end
}

func quotedEnd(s string, quote byte) int {
	for i := 1; i < len(s); i++ {
		if s[i] != quote {
			continue
		}
		if i+1 < len(s) && s[i+1] == quote {
			i++
			continue
		}
		return i + 1
	}
	return len(s)
}

func bracketEnd(s string) int {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '[':
			depth++
		case ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

// quoteSheet is a sheet's name as references write it.
func quoteSheet(name string) string {
	if plainSheet.MatchString(name) && !isCorner(name) {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", "''") + "'"
}
