package message

import "strings"

// Document is a text as blocks, in the order they are read. It is what every dialect is written from and
// what is split, so that markup is never cut in two.
type Document []Block

// BlockKind says which fields of a Block count.
type BlockKind int

// The kinds of block.
const (
	Paragraph BlockKind = iota // Spans
	Heading                    // Level, Spans
	Code                       // Lang, Code
	List                       // Ordered, Start, Items
	Quote                      // Blocks
	Table                      // Rows
	Rule                       // a line across
)

// Block is one block of a Document.
type Block struct {
	Kind    BlockKind
	Level   int    // of a heading, 1 to 6
	Lang    string // of code, as the author wrote it
	Code    string // literal, without the last line break
	Spans   []Span
	Ordered bool
	Start   int // the number of an ordered list's first item
	Items   []Item
	Blocks  Document
	Rows    [][]Cell // the first row is the head; all rows have the same length
}

// Item is an item of a list.
type Item struct {
	Task   Task
	Blocks Document
}

// Task says whether an item is a task.
type Task int

// The states of a task.
const (
	NoTask Task = iota
	Open
	Done
)

// Cell is a cell of a table.
type Cell []Span

// Span is text in one style. A line break in Text is a line break for the reader.
type Span struct {
	Text  string
	Style Style
	Link  string // where it leads: http, https, mailto or tel; empty for no link
}

// Style is a set of styles.
type Style uint8

// The styles.
const (
	Bold Style = 1 << iota
	Italic
	Strike
	Mono // literal, such as a name in a program
)

// same reports whether both spans can be one.
func (s Span) same(o Span) bool { return s.Style == o.Style && s.Link == o.Link }

// merge makes one span of neighbours that nothing tells apart, and drops the empty ones.
func merge(spans []Span) []Span {
	var out []Span
	for i := 0; i < len(spans); {
		first, text := spans[i], strings.Builder{}
		for ; i < len(spans) && spans[i].same(first); i++ {
			text.WriteString(spans[i].Text)
		}
		if first.Text = text.String(); first.Text != "" {
			out = append(out, first)
		}
	}
	return out
}
