package model

import "strings"

const (
	thinkOpen  = "<think>"
	thinkClose = "</think>"
)

// thoughts keeps apart what a model thinks aloud in front of its answer, where the server does not: some
// leave <think>…</think> in the content.
type thoughts struct {
	state  thinking
	held   string // not yet known to be thought or answer
	hidden string // thought
}

type thinking int

const (
	unsure thinking = iota
	inside
	outside
)

// text takes a piece of content and returns what of it belongs to the answer.
func (t *thoughts) text(piece string) string {
	if t.state == outside {
		return piece
	}
	t.held += piece
	if t.state == unsure {
		start := strings.TrimLeft(t.held, " \n\r\t")
		switch {
		case strings.HasPrefix(start, thinkOpen):
			t.state, t.held = inside, start[len(thinkOpen):]
		case strings.HasPrefix(thinkOpen, start):
			return "" // may still become one
		default:
			t.state = outside
			return t.take()
		}
	}
	thought, answer, closed := strings.Cut(t.held, thinkClose)
	if !closed {
		keep := min(len(t.held), len(thinkClose)-1) // the tag may be cut in two
		t.hidden += t.held[:len(t.held)-keep]
		t.held = t.held[len(t.held)-keep:]
		return ""
	}
	t.hidden += thought
	t.state, t.held = outside, ""
	return strings.TrimLeft(answer, " \n\r\t")
}

// rest returns what was held back when the answer ends.
func (t *thoughts) rest() string {
	if t.state == inside {
		t.hidden += t.take()
		return ""
	}
	t.state = outside
	return t.take()
}

func (t *thoughts) take() string {
	held := t.held
	t.held = ""
	return held
}
