package message

import (
	"unicode"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
)

// beforeEmphasis is a priority just before goldmark's own emphasis (500).
const beforeEmphasis = 499

// stars reads * and ** as CommonMark does, except that Chinese, Japanese and Korean text needs no spaces
// around them: CommonMark takes the marks in **注意：**请 for plain text, because a punctuation mark
// stands inside and a letter outside. Models write this all the time. The rule is that of the
// "CommonMark CJK-friendly amendments": CJK punctuation counts as a letter, and a CJK letter outside
// counts as a space.
type stars struct{}

// Trigger says which characters start Parse.
func (stars) Trigger() []byte { return []byte{'*'} }

// Parse reads a run of stars.
func (stars) Parse(_ ast.Node, block text.Reader, pc parser.Context) ast.Node {
	before := block.PrecendingCharacter()
	line, segment := block.PeekLine()
	run := parser.ScanDelimiter(line, before, 1, starRun{})
	if run == nil {
		return nil
	}
	rest := []rune(string(line[run.OriginalLength:min(len(line), run.OriginalLength+4)]))
	after := '\n'
	if len(rest) > 0 {
		after = rest[0]
	}
	if isCJK(before) || isCJK(after) {
		run.CanOpen = flanks(after, before)
		run.CanClose = flanks(before, after)
	}
	run.Segment = segment.WithStop(segment.Start + run.OriginalLength)
	block.Advance(run.OriginalLength)
	pc.PushDelimiter(run)
	return run
}

// flanks reports whether a mark can stand between a character of the marked text and one outside of it.
func flanks(inside, outside rune) bool {
	if unicode.IsSpace(inside) {
		return false
	}
	return !isPunct(inside) || isCJK(inside) || isCJK(outside) || unicode.IsSpace(outside) || isPunct(outside)
}

func isPunct(r rune) bool { return unicode.IsPunct(r) || unicode.IsSymbol(r) }

// isCJK includes the punctuation of these scripts: 3000 to 303F, and the full-width forms.
func isCJK(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul) ||
		r >= 0x3000 && r <= 0x303F || r >= 0xFF00 && r <= 0xFFEF
}

// starRun makes emphasis of matching runs.
type starRun struct{}

// IsDelimiter reports whether b is a star.
func (starRun) IsDelimiter(b byte) bool { return b == '*' }

// CanOpenCloser reports whether two runs can belong together.
func (starRun) CanOpenCloser(opener, closer *parser.Delimiter) bool {
	return opener.Char == closer.Char
}

// OnMatch returns the node for a pair that uses up this many stars on each side.
func (starRun) OnMatch(consumes int) ast.Node { return ast.NewEmphasis(consumes) }
