package message

import (
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Unit measures text the way a platform counts its limit.
type Unit func(text string) int

// Bytes counts UTF-8 bytes.
func Bytes(text string) int { return len(text) }

// Runes counts code points.
func Runes(text string) int { return utf8.RuneCountInString(text) }

// UTF16 counts UTF-16 code units: what JavaScript and Telegram call characters.
func UTF16(text string) int {
	n := 0
	for _, r := range text {
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return n
}

// Split returns doc as parts whose size is at most limit each. It cuts between blocks where it can, then
// between items, rows and lines, then after sentences, words and characters; each part is whole in
// itself: code is code in both of its parts, and a table has its head in each. No text is lost. Parts can
// be larger only if limit is too small for the markup around a single character.
func Split(doc Document, limit int, size func(Document) int) []Document {
	parts := splitter{limit: limit, size: size}.pack(doc)
	return slices.DeleteFunc(parts, func(part Document) bool { return strings.TrimSpace(Plain.Write(part)) == "" })
}

type splitter struct {
	limit int
	size  func(Document) int
	later func(Document) int // the size of all parts but the first; nil: the same
}

func (s splitter) fits(doc Document) bool { return s.size(doc) <= s.limit }

// next is the splitter of the parts after the first.
func (s splitter) next() splitter {
	if s.later != nil {
		s.size, s.later = s.later, nil
	}
	return s
}

// within returns a splitter for what stands in a block that wrap puts around it.
func (s splitter) within(wrap func(Document) Block) splitter {
	around := func(size func(Document) int) func(Document) int {
		return func(doc Document) int { return size(Document{wrap(doc)}) }
	}
	return splitter{s.limit, around(s.size), around(s.next().size)}
}

// pack fills parts with blocks. A heading goes along with what it stands above.
func (s splitter) pack(doc Document) []Document {
	p := packer{splitter: s}
	for len(doc) > 0 {
		n := p.most(len(doc), func(n int) Document { return p.with(doc[:n]...) })
		p.part, doc = p.with(doc[:n]...), doc[n:]
		switch {
		case len(doc) == 0:
		case len(p.part) > 0 && p.next().fits(doc[:1]):
			p.turn(doc[0])
		default:
			for _, piece := range p.below(p.part.heading()).pieces(doc[0]) {
				if len(p.part) > 0 && !p.fits(p.with(piece)) {
					p.turn(piece)
				}
				p.part = p.with(piece)
			}
			doc = doc[1:]
		}
	}
	if len(p.part) > 0 {
		p.parts = append(p.parts, p.part)
	}
	return p.parts
}

// packer is a pack under way.
type packer struct {
	splitter
	parts []Document
	part  Document // the one that is being filled
}

// with returns the part with more blocks.
func (p *packer) with(blocks ...Block) Document {
	return append(p.part[:len(p.part):len(p.part)], blocks...)
}

// turn begins a new part for a block, with the heading above it where both have room.
func (p *packer) turn(b Block) {
	p.splitter = p.next()
	head := p.part.heading()
	if len(head) == len(p.part) || !p.fits(append(head[:len(head):len(head)], b)) {
		head = nil
	}
	p.parts = append(p.parts, p.part[:len(p.part)-len(head)])
	p.part = head
}

// heading returns the heading at the end.
func (doc Document) heading() Document {
	if n := len(doc); n > 0 && doc[n-1].Kind == Heading {
		return Document{doc[n-1]}
	}
	return nil
}

// below returns a splitter whose first piece leaves room for a heading above it, unless that takes most.
func (s splitter) below(head Document) splitter {
	if len(head) == 0 || s.size(head) > s.limit/2 {
		return s
	}
	size := func(doc Document) int { return s.size(append(head[:1:1], doc...)) }
	return splitter{s.limit, size, s.next().size}
}

// pieces returns a block as one or more that fit.
func (s splitter) pieces(b Block) []Block {
	switch b.Kind {
	case Code:
		return s.code(b)
	case List:
		return s.list(b)
	case Quote:
		return s.quote(b)
	case Table:
		return s.table(b)
	case Rule:
		return nil
	default:
		return s.text(b)
	}
}

// code cuts code between lines, and a line that is too long between characters.
func (s splitter) code(b Block) []Block {
	var out []Block
	piece := func(code string) Block { return Block{Kind: Code, Lang: b.Lang, Code: code} }
	lines := strings.Split(b.Code, "\n")
	for len(lines) > 0 {
		n := s.most(len(lines), func(n int) Document { return Document{piece(strings.Join(lines[:n], "\n"))} })
		if n > 0 {
			out = append(out, piece(strings.Join(lines[:n], "\n")))
			lines = lines[n:]
			s = s.next()
			continue
		}
		line := []rune(lines[0])
		if len(line) == 0 {
			lines = lines[1:] // not even an empty line has room
			continue
		}
		n = max(1, s.most(len(line), func(n int) Document { return Document{piece(string(line[:n]))} }))
		n = whole(line, n)
		out = append(out, piece(string(line[:n])))
		lines[0] = string(line[n:])
		if n == len(line) {
			lines = lines[1:]
		}
		s = s.next()
	}
	return out
}

// list cuts between items. What does not fit of an item follows it without its mark.
func (s splitter) list(b Block) []Block {
	var out []Block
	piece := func(from, n int) Block {
		return Block{Kind: List, Ordered: b.Ordered, Start: b.Start + from, Items: b.Items[from : from+n]}
	}
	for at := 0; at < len(b.Items); {
		n := s.most(len(b.Items)-at, func(n int) Document { return Document{piece(at, n)} })
		if n > 0 {
			out = append(out, piece(at, n))
			at += n
		} else {
			out = append(out, s.item(b, at)...)
			at++
		}
		s = s.next()
	}
	return out
}

func (s splitter) item(b Block, at int) []Block {
	marked := func(doc Document) Block {
		return Block{Kind: List, Ordered: b.Ordered, Start: b.Start + at, Items: []Item{{b.Items[at].Task, doc}}}
	}
	inner := s.within(marked)
	inner.later = s.next().size
	var out []Block
	for i, part := range inner.pack(b.Items[at].Blocks) {
		if i == 0 {
			out = append(out, marked(part))
			continue
		}
		out = append(out, part...)
	}
	return out
}

func (s splitter) quote(b Block) []Block {
	wrap := func(doc Document) Block { return Block{Kind: Quote, Blocks: doc} }
	var out []Block
	for _, part := range s.within(wrap).pack(b.Blocks) {
		out = append(out, wrap(part))
	}
	return out
}

// table cuts between rows and repeats the head. A table with a row that does not fit becomes a list.
func (s splitter) table(b Block) []Block {
	var out []Block
	piece := func(from, n int) Block {
		return Block{Kind: Table, Rows: append([][]Cell{b.Rows[0]}, b.Rows[from:from+n]...)}
	}
	for at := 1; at < len(b.Rows); {
		n := s.most(len(b.Rows)-at, func(n int) Document { return Document{piece(at, n)} })
		if n == 0 {
			return s.list(records(b.Rows))
		}
		out = append(out, piece(at, n))
		at += n
		s = s.next()
	}
	if out == nil {
		return s.list(records(b.Rows))
	}
	return out
}

// text cuts a paragraph or heading.
func (s splitter) text(b Block) []Block {
	var out []Block
	piece := func(spans []Span) Block { return Block{Kind: b.Kind, Level: b.Level, Spans: spans} }
	for rest := b.Spans; len(rest) > 0; {
		runes := flat(rest)
		n := max(1, s.most(len(runes), func(n int) Document {
			head, _ := cut(rest, n)
			return Document{piece(head)}
		}))
		if n < len(runes) {
			n = boundary(runes, n)
		}
		var head []Span
		head, rest = cut(rest, n)
		if !blank(head) {
			out = append(out, piece(head))
		}
		s = s.next()
	}
	return out
}

// most returns the largest n in 0..total whose document fits. It looks at small ones first: total may be
// very much more than fits.
func (s splitter) most(total int, of func(n int) Document) int {
	over := 1
	for over <= total && s.fits(of(over)) {
		over *= 2
	}
	fit := over / 2
	over = min(over, total+1)
	return fit + sort.Search(over-fit-1, func(i int) bool { return !s.fits(of(fit + i + 1)) })
}

func flat(spans []Span) []rune {
	var runes []rune
	for _, s := range spans {
		runes = append(runes, []rune(s.Text)...)
	}
	return runes
}

// cut returns the first n runes of spans, and the others.
func cut(spans []Span, n int) (head, tail []Span) {
	for i, s := range spans {
		runes := []rune(s.Text)
		if n > len(runes) {
			head = append(head, s)
			n -= len(runes)
			continue
		}
		first, second := s, s
		first.Text, second.Text = string(runes[:n]), string(runes[n:])
		return merge(append(head, first)), merge(append([]Span{second}, spans[i+1:]...))
	}
	return head, nil
}

// boundary returns the best place to cut at or before n, in the second half of the text: after a line,
// else after a sentence, else after a word or clause, else between characters.
func boundary(runes []rune, n int) int {
	best, rank := 0, 0
	for at := n; at > n/2; at-- {
		if r := breakRank(runes, at); r > rank {
			best, rank = at, r
		}
	}
	if rank == 0 {
		return whole(runes, n)
	}
	return best
}

// breakRank says how good a place is to cut: 3 after a line, 2 after a sentence, 1 after a word or clause.
func breakRank(runes []rune, at int) int {
	before := runes[at-1]
	switch {
	case before == '\n':
		return 3
	case strings.ContainsRune("。！？；…", before):
		return 2
	case strings.ContainsRune("，、：", before):
		return 1
	case !unicode.IsSpace(before):
		return 0
	case at > 1 && strings.ContainsRune(".!?;:", runes[at-2]):
		return 2
	default:
		return 1
	}
}

// whole moves a cut out of what is seen as one character: before accents, variation selectors and joined
// emoji.
func whole(runes []rune, n int) int {
	const joiner = '\u200d'
	for at := n; at > 0 && at < len(runes); at-- {
		next := runes[at]
		if !unicode.IsMark(next) && next != joiner && runes[at-1] != joiner {
			return at
		}
	}
	return n
}
