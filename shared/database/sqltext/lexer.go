package sqltext

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Dialect is the SQL that a data source speaks.
type Dialect string

// The dialects.
const (
	SQLite   Dialect = "sqlite"
	Postgres Dialect = "postgres"
	MySQL    Dialect = "mysql"
)

// Kind says what a token is.
type Kind int

// The kinds of tokens.
const (
	Word   Kind = iota // a bare word
	Quoted             // a quoted identifier
	Text               // a string literal
	Number             //
	Param              // ?, ?1 or $1
	Symbol             // one character of anything else
)

// Token is a piece of a statement. Comments and blanks are no tokens.
type Token struct {
	Kind  Kind
	Value string // words in lower case; identifiers and strings without their quotes
	Pos   int    // byte offset of its first character
	End   int
}

// lexer cuts a statement into tokens as the server will. Where it cannot be sure to read like the server
// it refuses, because a guard that reads differently is no guard.
type lexer struct {
	sql     string
	dialect Dialect
	pos     int
	tokens  []Token
}

// lex returns the tokens of sql. Errors are Invalid with the place.
func lex(sql string, d Dialect) ([]Token, error) {
	if i := strings.IndexByte(sql, 0); i >= 0 {
		return nil, fault.New(fault.Invalid, "a NUL character").At(place(sql, i))
	}
	l := &lexer{sql: sql, dialect: d}
	for l.pos < len(sql) {
		if err := l.next(); err != nil {
			return nil, err
		}
	}
	return l.tokens, nil
}

func (l *lexer) next() error {
	c := l.sql[l.pos]
	switch {
	case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v':
		l.pos++
		return nil
	case l.startsComment():
		return l.comment()
	case c == '\'':
		return l.quote(Text, '\'', l.dialect == MySQL)
	case c == '"' && l.dialect == MySQL:
		return l.quote(Text, '"', true)
	case c == '"':
		return l.quote(Quoted, '"', false)
	case c == '`' && l.dialect != Postgres:
		return l.quote(Quoted, '`', false)
	case c == '[' && l.dialect == SQLite:
		return l.quote(Quoted, ']', false)
	case c == '?' || c == '$':
		return l.dollarOrParam()
	case isDigit(c):
		return l.number()
	case isWordPart(c):
		return l.word()
	default:
		l.add(Symbol, l.sql[l.pos:l.pos+1], l.pos+1)
	}
	return nil
}

func (l *lexer) add(kind Kind, value string, end int) {
	l.tokens = append(l.tokens, Token{Kind: kind, Value: value, Pos: l.pos, End: end})
	l.pos = end
}

func (l *lexer) run(kind Kind, in func(byte) bool) {
	end := l.pos
	for end < len(l.sql) && in(l.sql[end]) {
		end++
	}
	l.add(kind, strings.ToLower(l.sql[l.pos:end]), end)
}

// number reads a number. A quote right behind one would open a string by rules that differ from version to
// version (PostgreSQL 14 reads 1e'…' as 1 and e'…').
func (l *lexer) number() error {
	l.run(Number, func(c byte) bool { return isWordPart(c) || c == '.' })
	if l.pos < len(l.sql) && (l.sql[l.pos] == '\'' || l.sql[l.pos] == '"') {
		return fault.New(fault.Invalid, "a blank is missing before the quote").At(place(l.sql, l.pos))
	}
	return nil
}

// word reads a bare word, or the string that a word such as PostgreSQL's E'…' opens.
func (l *lexer) word() error {
	start := l.pos
	l.run(Word, isWordPart)
	if l.pos == len(l.sql) || l.dialect == SQLite {
		return nil
	}
	prefix, next := l.tokens[len(l.tokens)-1].Value, l.sql[l.pos]
	switch {
	case l.dialect == Postgres && prefix == "e" && next == '\'':
		l.tokens = l.tokens[:len(l.tokens)-1]
		return l.quote(Text, '\'', true)
	case l.dialect == Postgres && prefix == "u" && next == '&':
		// U&"\0070g_sleep" hides a name from anybody who does not decode it.
		return fault.New(fault.Invalid, "U& literals are not taken; write the characters themselves").At(place(l.sql, start))
	}
	return nil
}

// startsComment reports whether a comment starts here. MySQL wants a blank after --.
func (l *lexer) startsComment() bool {
	rest := l.sql[l.pos:]
	if strings.HasPrefix(rest, "--") {
		return l.dialect != MySQL || len(rest) == 2 || rest[2] <= ' '
	}
	return strings.HasPrefix(rest, "/*") || l.dialect == MySQL && rest[0] == '#'
}

func (l *lexer) comment() error {
	rest := l.sql[l.pos:]
	if !strings.HasPrefix(rest, "/*") {
		line := strings.IndexByte(rest, '\n')
		if line < 0 {
			line = len(rest)
		}
		l.pos += line
		return nil
	}
	if l.dialect == MySQL && (strings.HasPrefix(rest, "/*!") || strings.HasPrefix(rest, "/*M!")) {
		return fault.New(fault.Forbidden, "comments that MySQL runs are not taken").At(place(l.sql, l.pos))
	}
	end := blockEnd(rest, l.dialect == Postgres)
	if end < 0 {
		return fault.New(fault.Invalid, "the comment has no end").At(place(l.sql, l.pos))
	}
	l.pos += end
	return nil
}

// blockEnd returns where the comment at the start of s ends, or -1. PostgreSQL's nest.
func blockEnd(s string, nested bool) int {
	depth := 1
	for i := 2; i+1 < len(s); i++ {
		switch {
		case s[i] == '*' && s[i+1] == '/':
			i++
			if depth--; depth == 0 {
				return i + 1
			}
		case nested && s[i] == '/' && s[i+1] == '*':
			i++
			depth++
		}
	}
	return -1
}

// quote reads up to end; a doubled end stands for itself, and so does what follows a backslash if escapes.
func (l *lexer) quote(kind Kind, end byte, escapes bool) error {
	var value strings.Builder
	for i := l.pos + 1; i < len(l.sql); i++ {
		c := l.sql[i]
		switch {
		case escapes && c == '\\' && i+1 < len(l.sql):
			i++
			value.WriteByte(l.sql[i])
		case c != end:
			value.WriteByte(c)
		case end != ']' && i+1 < len(l.sql) && l.sql[i+1] == end:
			i++
			value.WriteByte(c)
		default:
			l.add(kind, value.String(), i+1)
			return nil
		}
	}
	return fault.New(fault.Invalid, "the quote has no end").At(place(l.sql, l.pos))
}

// dollarOrParam reads ?, ?1, $1 or PostgreSQL's $tag$…$tag$.
func (l *lexer) dollarOrParam() error {
	end := l.pos + 1
	for end < len(l.sql) && isDigit(l.sql[end]) {
		end++
	}
	if l.sql[l.pos] == '?' || end > l.pos+1 {
		l.add(Param, l.sql[l.pos:end], end)
		return nil
	}
	for end < len(l.sql) && isWordPart(l.sql[end]) && l.sql[end] != '$' {
		end++
	}
	if l.dialect != Postgres || end == len(l.sql) || l.sql[end] != '$' {
		return fault.New(fault.Invalid, "name parameters by number: $1").At(place(l.sql, l.pos))
	}
	tag := l.sql[l.pos : end+1]
	length := strings.Index(l.sql[end+1:], tag)
	if length < 0 {
		return fault.New(fault.Invalid, "the quote %s has no end", tag).At(place(l.sql, l.pos))
	}
	l.add(Text, l.sql[end+1:end+1+length], end+1+length+len(tag))
	return nil
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// isWordPart reports whether c belongs to a word; bytes over 0x7f do, in all three dialects.
func isWordPart(c byte) bool {
	return c == '_' || c == '$' || isDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf
}

// place names an offset in the statement for people. Columns count characters.
func place(sql string, offset int) string {
	before := sql[:min(offset, len(sql))]
	line := strings.LastIndexByte(before, '\n') + 1
	return fmt.Sprintf("params.sql, line %d, column %d", strings.Count(before, "\n")+1, utf8.RuneCountInString(before[line:])+1)
}
