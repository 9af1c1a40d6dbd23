package message

import (
	"fmt"
	"strings"
)

// Dialect is how a platform writes text. Its functions get and return text in the dialect, except Span,
// which alone sees raw text and escapes it: markup and text never meet before.
type Dialect struct {
	Span    func(s Span) string                       // text in its style
	Between func(before, after string) string         // what keeps two written spans apart; nil: nothing
	Heading func(level int) (mark string, also Style) // what a heading starts with, and the style of its text
	Code    func(lang, code string) string            // a block of raw code
	Quote   func(text string, depth int) string       // depth is 0 outside of other quotes
	Table   func(rows [][]string) string              // nil: the platform has no tables
	Indent  func(text, pad string) string             // every line but the first; nil: just so
	Bullet  string                                    // of a list's items
	Rule    string                                    // a line across
}

// maxAligned is the widest table in columns that is laid out with spaces: what a phone shows without
// breaking lines.
const maxAligned = 44

// Write returns doc in the dialect.
func (d Dialect) Write(doc Document) string { return d.blocks(doc, 0) }

func (d Dialect) blocks(doc Document, depth int) string {
	texts := make([]string, len(doc))
	for i, b := range doc {
		texts[i] = d.block(b, depth)
	}
	return strings.Join(texts, "\n\n")
}

func (d Dialect) block(b Block, depth int) string {
	switch b.Kind {
	case Heading:
		mark, also := d.Heading(b.Level)
		return mark + d.text(b.Spans, also)
	case Code:
		return d.Code(b.Lang, b.Code)
	case List:
		return d.list(b, depth)
	case Quote:
		return d.Quote(d.blocks(b.Blocks, depth+1), depth)
	case Table:
		return d.table(b, depth)
	case Rule:
		return d.Rule
	default:
		return d.text(b.Spans, 0)
	}
}

func (d Dialect) text(spans []Span, also Style) string {
	var b strings.Builder
	before := ""
	for _, s := range spans {
		s.Style |= also
		written := d.Span(s)
		if d.Between != nil {
			b.WriteString(d.Between(before, written))
		}
		b.WriteString(written)
		before = written
	}
	return b.String()
}

func (d Dialect) list(b Block, depth int) string {
	items := make([]string, len(b.Items))
	for i, item := range b.Items {
		mark := d.Bullet
		if b.Ordered {
			mark = fmt.Sprintf("%d. ", b.Start+i)
		}
		pad := strings.Repeat(" ", len([]rune(mark)))
		items[i] = mark + box(item.Task) + d.indent(d.item(item.Blocks, depth), pad)
	}
	return strings.Join(items, "\n")
}

// item writes what is in an item. Code and lists stand directly below the text they belong to.
func (d Dialect) item(doc Document, depth int) string {
	var out strings.Builder
	for i, b := range doc {
		switch {
		case i == 0:
		case b.Kind == Code, b.Kind == List && (!b.Ordered || b.Start == 1):
			out.WriteString("\n")
		default:
			out.WriteString("\n\n")
		}
		out.WriteString(d.block(b, depth))
	}
	return out.String()
}

func box(t Task) string {
	switch t {
	case Open:
		return "[ ] "
	case Done:
		return "[x] "
	default:
		return ""
	}
}

func (d Dialect) indent(text, pad string) string {
	if d.Indent != nil {
		return d.Indent(text, pad)
	}
	lines := strings.Split(text, "\n")
	for i := 1; i < len(lines); i++ {
		if lines[i] != "" {
			lines[i] = pad + lines[i]
		}
	}
	return strings.Join(lines, "\n")
}

// table writes a table as such where there are tables, else aligned with spaces, else as a list of records
// where that would be too wide to read.
func (d Dialect) table(b Block, depth int) string {
	if d.Table != nil {
		rows := make([][]string, len(b.Rows))
		for i, row := range b.Rows {
			for _, cell := range row {
				rows[i] = append(rows[i], d.text(cell, 0))
			}
		}
		return d.Table(rows)
	}
	if text, width := align(b.Rows); width <= maxAligned {
		return d.Code("", text)
	}
	return d.block(records(b.Rows), depth)
}
