package message

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// align lays a table out with spaces and returns it with its width in columns. Chinese characters take
// two columns each.
func align(rows [][]Cell) (text string, columns int) {
	widths := columnWidths(rows)
	var out strings.Builder
	for i, row := range rows {
		out.WriteString(alignedRow(row, widths))
		if i == 0 {
			out.WriteString(ruler(widths))
		}
	}
	for _, w := range widths {
		columns += w + 2
	}
	return strings.TrimSuffix(out.String(), "\n"), columns - 2
}

func columnWidths(rows [][]Cell) []int {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for c, cell := range row {
			widths[c] = max(widths[c], columnsOf(cell.plain()))
		}
	}
	return widths
}

func alignedRow(row []Cell, widths []int) string {
	var line strings.Builder
	for c, cell := range row {
		text := cell.plain()
		line.WriteString(text)
		line.WriteString(strings.Repeat(" ", widths[c]-columnsOf(text)+2))
	}
	return strings.TrimRight(line.String(), " ") + "\n"
}

func ruler(widths []int) string {
	var line strings.Builder
	for _, w := range widths {
		line.WriteString(strings.Repeat("-", w) + "  ")
	}
	return strings.TrimRight(line.String(), " ") + "\n"
}

// plain is the cell's text in one line.
func (c Cell) plain() string {
	var b strings.Builder
	for _, s := range c {
		b.WriteString(strings.ReplaceAll(s.Text, "\n", " "))
	}
	return strings.TrimSpace(b.String())
}

// records turns a table into a list: an item for each row, a line for each cell that is not empty.
func records(rows [][]Cell) Block {
	list := Block{Kind: List}
	head := rows[0]
	if len(rows) == 1 {
		rows, head = [][]Cell{nil, head}, make([]Cell, len(head))
	}
	for _, row := range rows[1:] {
		list.Items = append(list.Items, Item{Blocks: record(head, row)})
	}
	return list
}

func record(head, row []Cell) Document {
	var spans []Span
	for c, cell := range row {
		if cell.plain() == "" {
			continue
		}
		if len(spans) > 0 {
			spans = append(spans, Span{Text: "\n"})
		}
		if name := head[c].plain(); name != "" {
			spans = append(spans, Span{Text: name + ": ", Style: Bold})
		}
		spans = append(spans, cell...)
	}
	return textBlock(Block{Spans: merge(spans)})
}

// columnsOf returns how many columns of a fixed-width font s takes.
func columnsOf(s string) int {
	n := 0
	for _, r := range s {
		switch kind := width.LookupRune(r).Kind(); {
		case unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Cf, r):
		case kind == width.EastAsianWide || kind == width.EastAsianFullwidth:
			n += 2
		default:
			n++
		}
	}
	return n
}
