package policy

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// kind is what a word can do in a sentence; words of both languages share the kinds.
type kind uint64

const (
	me        kind = 1 << iota // the assistant itself
	other                      // somebody else as a subject
	past                       // a completed act of effect: sent, deleted
	open                       // the past of a verb that no table has
	going                      // the act under way: sending
	stem                       // its infinitive
	selfish                    // Chinese: an act that things do by themselves as well: 开, 降
	recipe                     // what announces how things go, not how they went: a plan
	weak                       // a past that is an effect only with a place, a deed or a particle: "put … in your calendar"
	looking                    // a past of looking up, an effect of no kind, but nothing that happened either
	giving                     // a past that is an effect on who gets it: "told Bo"
	contact                    // a past that is one with to or with: "spoke to Bo"
	particle                   // what makes a weak verb an act: "put in"
	texty                      // a past that is none where its object stands in the answer: "added below"
	tame                       // a verb that changes nothing outside
	have                       // has, have, had
	be                         // is, was, been
	adverb                     // words between subject and verb that change nothing
	joint                      // and, but, so
	negation                   // not, nothing
	modal                      // can, will, should
	condition                  // if, when, before
	said                       // what introduces somebody else's words
	assure                     // what introduces one's own: "I can confirm that"
	thing                      // what effects happen to: a mail, a file
	deed                       // a thing that is an act itself: to make a booking
	place                      // what a weak verb takes effect on
	holder                     // where things are once they were brought there: an inbox
	shown                      // words for what stands in the answer itself
	former                     // words of past time
	finite                     // verbs that make what is before them a subject
	outcome                    // how a thing is after an effect: gone, live
	switched                   // the same, at the end of a clause only: on, off
	ran                        // what a thing does that comes to its end: finished
	finished                   // done, finished: a claim where it stands alone
	filler                     // words that may stand beside it
	article                    // the, your
	instruct                   // verbs that begin an instruction
	act                        // Chinese: a verb of effect
	done                       // Chinese: already, just
	mark                       // Chinese: aspect after the verb
	into                       // Chinese: a complement that takes an object: 改到, 设为
	helps                      // Chinese: for whom something is done
	toward                     // Chinese: before one who does not act, but gets something
	title                      // Chinese: what follows the name of a person
	number                     // digits
	name                       // English: a capital where no sentence begins
	stop                       // the end of a clause
	asks                       // a question mark
	plainly                    // Chinese: longer words that hide one of the others
	han                        // a Han character that no list has
)

type word struct {
	kind
	text string
}

func (w word) is(k kind) bool { return w.kind&k != 0 }

// mostRunes is the length of the longest Chinese word in the lists.
const mostRunes = 5

// words takes a sentence apart. Quotations and inline code become one thing each: what they say is not said.
func words(s string) []word {
	out, whole := make([]word, 0, len(s)/4+4), s
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case quoted(s) > 0:
			s = s[quoted(s):]
			out = append(out, word{place | thing, "…"})
		case r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '/'):
			n := latin(s)
			out = english(out, s[:n])
			s = s[n:]
		case unicode.Is(unicode.Han, r):
			w, n := chinese(s)
			out = append(out, w)
			s = s[n:]
		default:
			if w := punctuation(r); w.kind != 0 && !within(whole, len(whole)-len(s)) && !(r == '.' && short(whole[:len(whole)-len(s)+1])) {
				out = append(out, w)
			}
			s = s[size:]
		}
	}
	return out
}

// within reports whether the mark at i stands in a number or a time: 1,250 or 9:40.
func within(s string, i int) bool {
	digit := func(b byte) bool { return b >= '0' && b <= '9' }
	return i > 0 && i+1 < len(s) && digit(s[i-1]) && digit(s[i+1])
}

func punctuation(r rune) word {
	switch r {
	case ',', ';', ':', '.', '!', '—', '–', '…', '(', ')', '|', '，', '；', '：', '。', '！', '（', '）', '→', '\r':
		return word{stop, string(r)}
	case '?', '？':
		return word{stop | asks, "?"}
	default:
		return word{}
	}
}

// closing has the quotation marks by what opens them.
var closing = map[rune]string{'"': `"`, '“': "”", '「': "」", '『': "』", '《': "》", '`': "`", '‘': "’"}

// quoted returns the length of the quotation that s begins with, 0 for none.
func quoted(s string) int {
	r, size := utf8.DecodeRuneInString(s)
	end, ok := closing[r]
	if !ok {
		return 0
	}
	if at := strings.Index(s[size:], end); at > 0 {
		return size + at + len(end)
	}
	return 0
}

// latin returns the length of the word, address or path that s begins with.
func latin(s string) int {
	n := 0
	for n < len(s) {
		r, size := utf8.DecodeRuneInString(s[n:])
		if r != '’' && (r >= utf8.RuneSelf || r <= ' ' || strings.ContainsRune(",;:!?()[]{}\"|<>=*`~#", r)) {
			break
		}
		n += size
	}
	return max(len(strings.TrimRight(s[:n], ".'’_-")), 1)
}

// english appends a word, its contraction as a word of its own.
func english(out []word, s string) []word {
	if strings.ContainsAny(s, "/@_") || strings.Contains(strings.Trim(s, "."), ".") {
		return append(out, word{place | thing, s})
	}
	capital := s[0] >= 'A' && s[0] <= 'Z'
	s = strings.ToLower(strings.ReplaceAll(strings.ReplaceAll(s, "’", "'"), "-", ""))
	if head, short := strings.CutSuffix(s, "n't"); short {
		if head == "ca" || head == "wo" {
			head = "can"
		}
		return append(out, entry(head), word{negation, "not"})
	}
	head, tail, short := strings.Cut(s, "'")
	w := entry(head)
	if head == "ago" && len(out) > 0 && oneOf(out[len(out)-1].text, "moment", "moments", "second", "seconds", "minute", "minutes") {
		w.kind &^= former
	}
	if capital && len(out) > 0 && !out[len(out)-1].is(stop) && !w.is(me) {
		w.kind |= name
	}
	out = append(out, w)
	if !short {
		return out
	}
	switch tail {
	case "ve":
		return append(out, word{have, "have"})
	case "re", "m":
		return append(out, word{be, "are"})
	case "ll", "d":
		return append(out, word{modal, "will"})
	case "s":
		return append(out, word{be | have, "is"})
	}
	return out
}

func entry(s string) word {
	if k, ok := lexicon()[s]; ok {
		return word{k, s}
	}
	if len(s) > 4 && strings.HasSuffix(s, "ed") {
		return word{open, s}
	}
	if s == "" || s[0] < '0' || s[0] > '9' {
		return word{0, s}
	}
	if len(s) == 4 && (s[0] == '1' || s[0] == '2') {
		return word{number | former, s}
	}
	return word{number, s}
}

// chinese returns the longest word of the lists that s begins with, or one character.
func chinese(s string) (word, int) {
	best, size, n := word{}, 0, 0
	for range mostRunes {
		if n >= len(s) {
			break
		}
		_, step := utf8.DecodeRuneInString(s[n:])
		n += step
		if k, ok := lexicon()[s[:n]]; ok {
			best, size = word{k, s[:n]}, n
		}
	}
	if size == 0 {
		_, size = utf8.DecodeRuneInString(s)
		best = word{han, s[:size]}
	}
	return best, size
}

// oneOf reports whether a word is one of a few.
func oneOf(text string, words ...string) bool { return slices.Contains(words, text) }
