package message

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	east "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// Limits of Parse. Markdown comes from models and from people: what is over a limit is shown as it was
// written instead of being understood, so that no text is ever lost or refused.
const (
	MaxMarkdown = 64 << 10 // bytes
	maxNesting  = 8        // of quotes and lists
	maxCells    = 4096     // of a table
)

// The parser takes quadratic time, seconds for 64 KiB, for lines that open very many quotes or lists, for
// runs of brackets, and for very many links or stars.
const (
	maxLinks = 1000
	maxStars = 6000
)

// These are made when they are needed: that takes a millisecond, which a function that shows nothing should not wait for.
var (
	deep = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?m)^(?:[ \t]*(?:>|[-+*]|\d{1,9}[.)])){100}|\[{100}`)
	})
	// syntax is GitHub's Markdown. A parser is safe for concurrent use.
	syntax = sync.OnceValue(func() parser.Parser {
		return goldmark.New(
			goldmark.WithExtensions(extension.Table, extension.Strikethrough, extension.TaskList, extension.Linkify),
			goldmark.WithParserOptions(parser.WithInlineParsers(util.Prioritized(stars{}, beforeEmphasis))),
		).Parser()
	})
)

// Parse reads Markdown (CommonMark with tables, strike-through, tasks and bare links). It never fails.
// Raw HTML is text, and a link that leads anywhere but to http, https, mailto or tel is its text.
func Parse(markdown string) Document {
	markdown = clean(markdown)
	if hostile(markdown) {
		return literal(markdown)
	}
	r := reader{source: []byte(markdown)}
	root := syntax().Parse(text.NewReader(r.source), parser.WithContext(parser.NewContext()))
	return r.blocks(root, 0)
}

func hostile(markdown string) bool {
	return len(markdown) > MaxMarkdown || strings.Count(markdown, "](") > maxLinks || strings.Count(markdown, "*") > maxStars ||
		deep().MatchString(markdown)
}

// clean returns s as valid UTF-8 with plain line breaks and without control characters, which no platform
// shows and some refuse.
func clean(s string) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\r\n", "\n"), string(utf8.RuneError))
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\r':
			return '\n'
		case unicode.IsControl(r) && r != '\n' && r != '\t':
			return -1
		}
		return r
	}, s)
}

// literal returns text as paragraphs without any markup.
func literal(s string) Document {
	var doc Document
	for p := range strings.SplitSeq(s, "\n\n") {
		if p = strings.Trim(p, "\n"); strings.TrimSpace(p) != "" {
			doc = append(doc, Block{Spans: []Span{{Text: p}}})
		}
	}
	return doc
}

// reader turns a syntax tree into a Document.
type reader struct{ source []byte }

func (r reader) blocks(parent ast.Node, depth int) Document {
	var doc Document
	for n := parent.FirstChild(); n != nil; n = n.NextSibling() {
		doc = append(doc, r.block(n, depth)...)
	}
	return doc
}

func (r reader) block(n ast.Node, depth int) Document {
	switch n := n.(type) {
	case *ast.Heading:
		return textBlock(Block{Kind: Heading, Level: n.Level, Spans: r.spans(n)})
	case *ast.FencedCodeBlock:
		return Document{{Kind: Code, Lang: string(n.Language(r.source)), Code: r.lines(n)}}
	case *ast.CodeBlock:
		return Document{{Kind: Code, Code: r.lines(n)}}
	case *ast.HTMLBlock:
		return literal(r.html(n))
	case *ast.ThematicBreak:
		return Document{{Kind: Rule}}
	case *ast.LinkReferenceDefinition:
		return nil
	case *ast.Blockquote:
		if depth >= maxNesting {
			return r.blocks(n, depth)
		}
		return container(Block{Kind: Quote, Blocks: r.blocks(n, depth+1)})
	case *ast.List:
		return r.list(n, depth)
	case *east.Table:
		return r.table(n)
	default:
		return textBlock(Block{Spans: r.spans(n)})
	}
}

// textBlock drops a block without visible text.
func textBlock(b Block) Document {
	if blank(b.Spans) {
		return nil
	}
	return Document{b}
}

// container drops a quote of nothing.
func container(b Block) Document {
	if len(b.Blocks) == 0 {
		return nil
	}
	return Document{b}
}

func blank(spans []Span) bool {
	return !slices.ContainsFunc(spans, func(s Span) bool { return strings.TrimSpace(s.Text) != "" })
}

func (r reader) list(n *ast.List, depth int) Document {
	if depth >= maxNesting {
		var flat Document
		for item := n.FirstChild(); item != nil; item = item.NextSibling() {
			flat = append(flat, r.blocks(item, depth)...)
		}
		return flat
	}
	b := Block{Kind: List, Ordered: n.IsOrdered(), Start: n.Start}
	for item := n.FirstChild(); item != nil; item = item.NextSibling() {
		b.Items = append(b.Items, Item{Task: task(item), Blocks: r.blocks(item, depth+1)})
	}
	return Document{b}
}

func task(item ast.Node) Task {
	first := item.FirstChild()
	if first == nil || first.FirstChild() == nil {
		return NoTask
	}
	box, ok := first.FirstChild().(*east.TaskCheckBox)
	switch {
	case !ok:
		return NoTask
	case box.IsChecked:
		return Done
	default:
		return Open
	}
}

func (r reader) table(n *east.Table) Document {
	width := len(n.Alignments)
	if width == 0 || n.ChildCount()*width > maxCells {
		return r.flatTable(n)
	}
	b := Block{Kind: Table}
	for row := n.FirstChild(); row != nil; row = row.NextSibling() {
		cells := make([]Cell, 0, width)
		for c := row.FirstChild(); c != nil && len(cells) < width; c = c.NextSibling() {
			cells = append(cells, r.spans(c))
		}
		b.Rows = append(b.Rows, append(cells, make([]Cell, width-len(cells))...))
	}
	return Document{b}
}

// flatTable returns a table that is too large to be laid out as one paragraph a row.
func (r reader) flatTable(n *east.Table) Document {
	var doc Document
	for row := n.FirstChild(); row != nil; row = row.NextSibling() {
		var spans []Span
		for c := row.FirstChild(); c != nil; c = c.NextSibling() {
			spans = append(append(spans, r.spans(c)...), Span{Text: " "})
		}
		doc = append(doc, textBlock(Block{Spans: merge(spans)})...)
	}
	return doc
}

func (r reader) lines(n ast.Node) string {
	return strings.TrimSuffix(string(n.Lines().Value(r.source)), "\n")
}

func (r reader) html(n *ast.HTMLBlock) string {
	s := string(n.Lines().Value(r.source))
	if n.HasClosure() {
		s += string(n.ClosureLine.Value(r.source))
	}
	return strings.TrimSpace(s)
}

// spans returns the text below n.
func (r reader) spans(n ast.Node) []Span {
	var all []Span
	r.inline(n, Span{}, &all)
	out := merge(all)
	for len(out) > 0 && strings.HasSuffix(out[len(out)-1].Text, "\n") {
		out[len(out)-1].Text = strings.TrimRight(out[len(out)-1].Text, "\n")
		if out[len(out)-1].Text == "" {
			out = out[:len(out)-1]
		}
	}
	return out
}

// inline appends what is below parent to out, in the style of base.
func (r reader) inline(parent ast.Node, base Span, out *[]Span) {
	for n := parent.FirstChild(); n != nil; n = n.NextSibling() {
		s := base
		switch n := n.(type) {
		case *ast.Text:
			s.Text = r.text(n)
			*out = append(*out, s)
		case *ast.String:
			s.Text = string(n.Value)
			*out = append(*out, s)
		case *ast.RawHTML:
			s.Text = lineBreak(string(n.Segments.Value(r.source)))
			*out = append(*out, s)
		case *ast.AutoLink:
			s.Text, s.Link = string(n.Label(r.source)), allowed(autoURL(n, r.source))
			*out = append(*out, s)
		case *ast.CodeSpan:
			s.Style |= Mono
			r.inline(n, s, out)
		case *ast.Emphasis:
			s.Style |= emphasis(n.Level)
			r.inline(n, s, out)
		case *east.Strikethrough:
			s.Style |= Strike
			r.inline(n, s, out)
		case *ast.Link:
			s.Link = allowed(string(n.Destination))
			r.inline(n, s, out)
		case *ast.Image:
			r.image(n, s, out)
		default:
			r.inline(n, s, out)
		}
	}
}

// image shows a picture as a link with its description.
func (r reader) image(n *ast.Image, s Span, out *[]Span) {
	s.Link = allowed(string(n.Destination))
	before := len(*out)
	r.inline(n, s, out)
	if len(*out) == before {
		s.Text = s.Link
		*out = append(*out, s)
	}
}

func emphasis(level int) Style {
	if level >= 2 {
		return Bold
	}
	return Italic
}

// text returns a leaf with its line break. A soft break stays a break: in a chat people see lines as they
// were written.
func (r reader) text(n *ast.Text) string {
	s := string(n.Segment.Value(r.source))
	if _, code := n.Parent().(*ast.CodeSpan); code {
		return strings.ReplaceAll(s, "\n", " ")
	}
	if !n.IsRaw() {
		s = unescape(s)
	}
	if n.SoftLineBreak() || n.HardLineBreak() {
		s += "\n"
	}
	return s
}

// lineBreak understands the one tag that models use in cells of tables, and shows all others.
func lineBreak(tag string) string {
	switch strings.ToLower(strings.ReplaceAll(tag, " ", "")) {
	case "<br>", "<br/>":
		return "\n"
	default:
		return tag
	}
}

func autoURL(n *ast.AutoLink, source []byte) string {
	u := string(n.URL(source))
	if n.AutoLinkType == ast.AutoLinkEmail && !strings.HasPrefix(strings.ToLower(u), "mailto:") {
		return "mailto:" + u
	}
	return u
}

// allowed returns the address of a link, or "" when following it could do anything but open a page or
// write to somebody.
func allowed(link string) string {
	u, err := url.Parse(unescape(link))
	if err != nil {
		return ""
	}
	switch strings.ToLower(u.Scheme) {
	case "http", "https":
		if u.Host == "" {
			return ""
		}
	case "mailto", "tel":
	default:
		return ""
	}
	return u.String()
}
