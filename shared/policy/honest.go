package policy

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A chat answer of a model has no receipt: effects happen in runs, and the result of a run is written by code
// from its receipts. So a sentence that says that an effect of the assistant happened is held back.

// Screen passes on what may stand of an answer while it is written. The zero Screen is ready for use.
type Screen struct {
	// Known is what people and code said before in the conversation: names of runs and receipts that stand in
	// it may be named again. Any other one is made up.
	Known string

	buf   string
	fence bool // within a block of code
	held  bool
	found []string
	last  string // the end of what was passed on
}

// notes stand for what was held back, once in an answer.
var notes = map[string]string{
	"en": "(None of that has happened. Tell me in one message what to do, and I will make a plan.)",
	"zh": "（这件事并没有执行。请用一句话告诉我要做什么，我会制定计划。）",
}

// Honest returns text without the sentences that claim an effect, and a note in lang in their place that says
// what to do. Text without such a claim comes back as it is. Honest is idempotent.
func (s Screen) Honest(text, lang string) (string, bool) {
	note, ok := notes[lang]
	if !ok {
		note = notes["en"]
	}
	rest, noted := text, false
	for _, old := range notes {
		if cut, found := strings.CutSuffix(rest, old); found {
			rest, note, noted = cut, old, true
		}
	}
	const passes = 4
	changed := false
	for range passes { // what stood apart may come together
		once := Screen{Known: s.Known}
		rest = once.Add(rest) + once.End()
		if !once.held {
			if !changed {
				return text, false
			}
			return strings.TrimSpace(strings.TrimSpace(rest) + "\n\n" + note), !noted || rest != text
		}
		changed = true
	}
	return note, true
}

// Unproven returns the sentences of text that claim an effect.
func (s Screen) Unproven(text string) []string {
	once := Screen{Known: s.Known}
	once.Add(text)
	once.End()
	return once.found
}

// Held reports whether something was held back so far.
func (s *Screen) Held() bool { return s.held }

// Add takes the next piece of an answer and returns what may be shown now. However an answer is cut into
// pieces, the same is shown of it.
func (s *Screen) Add(piece string) string {
	s.buf += piece
	return s.pass(false)
}

// End returns the rest.
func (s *Screen) End() string { return s.pass(true) }

func (s *Screen) pass(final bool) string {
	var out strings.Builder
	for {
		n := s.next(final)
		if n == 0 {
			return out.String()
		}
		unit := s.buf[:n]
		s.buf = s.buf[n:]
		good := s.screen(unit)
		if good != "" {
			s.last = good
		}
		out.WriteString(good)
	}
}

// screen returns what may stand of a unit: a sentence, or lines without an end.
func (s *Screen) screen(unit string) string {
	trimmed := strings.TrimSpace(unit)
	if strings.HasPrefix(trimmed, "```") || strings.HasPrefix(trimmed, "~~~") {
		s.fence = !s.fence
		return unit
	}
	if forged(unit, s.Known) {
		return s.hold(unit)
	}
	if s.fence || strings.HasPrefix(trimmed, ">") {
		return unit
	}
	if strings.Contains(trimmed, "\n") && claims(strings.ReplaceAll(unit, "\n", " ")) {
		return s.hold(unit)
	}
	for line := range strings.Lines(unit) {
		if claims(line) {
			return s.hold(unit)
		}
	}
	return unit
}

// hold keeps of a unit the end of its line, so that what follows stays apart from what came before.
func (s *Screen) hold(unit string) string {
	s.held = true
	trimmed := strings.TrimSpace(unit)
	s.found = append(s.found, trimmed)
	end := strings.TrimRightFunc(unit, unicode.IsSpace)
	if space := unit[len(end):]; strings.Contains(space, "\n") && s.last != "" && !strings.HasSuffix(s.last, space) {
		return space
	}
	return ""
}

// longest is the most bytes of a sentence: what is longer is cut, so that each is read in bounded time.
const longest = 2000

// next returns the length of the first unit of the buffer, 0 when more has to come to know it. The end of a
// sentence shows in what follows it, and the end of a line ends a sentence only before a list, a table, an
// empty line or the like.
func (s *Screen) next(final bool) int {
	text := s.buf
	if s.fence || block(text) {
		return lineEnd(text, final)
	}
	quote := 0 // the end of the quotation that we are in
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if !final && !utf8.FullRuneInString(text[i:]) {
			return 0
		}
		if i+size > longest {
			return max(i, 1)
		}
		switch {
		case i < quote:
		case closing[r] != "":
			n, known := quotation(text[i:], final)
			if !known {
				return 0
			}
			quote = i + n
		case r == '\n':
			if n, end, known := newline(text, i, final); !known {
				return 0
			} else if end {
				return n
			}
		case strings.ContainsRune(".!?…。！？", r):
			if n, end, known := period(text, i, final); !known {
				return 0
			} else if end {
				return n
			}
		}
		i += size
	}
	if final {
		return len(text)
	}
	return 0
}
