package fault

import (
	"errors"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"
)

// Change is one thing that is no longer as somebody left it: why a Conflict leaves the world alone.
type Change struct {
	What string   `json:"what"`           // the path of a file, a row and its column
	Then string   `json:"then,omitempty"` // as it was left; empty when it was not there
	Now  string   `json:"now,omitempty"`  // as it is; empty when it is not there
	Diff []string `json:"diff,omitempty"` // lines of a unified diff, where it is text
}

// Bounds of what one error shows. The rest is left out, with a mark.
const (
	maxChanges  = 8
	maxDiff     = 24
	maxTextSize = 200 // bytes of one text or line
)

// Hidden stands for a value that is not shown.
const Hidden = "•••"

// Showing returns e with what has changed, within bounds.
func (e *Error) Showing(changes ...Change) *Error {
	c := *e
	c.Changes = bounded(changes)
	return &c
}

// Changes returns what err says has changed, or nil.
func Changes(err error) []Change {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Changes
	}
	return nil
}

// bounded cuts changes down to what people read and a journal can keep. They may come from a plugin.
func bounded(changes []Change) []Change {
	if len(changes) == 0 {
		return nil
	}
	list := make([]Change, min(len(changes), maxChanges))
	for i := range list {
		c := changes[i]
		list[i] = Change{What: fit(c.What), Then: fit(c.Then), Now: fit(c.Now)}
		for n, line := range c.Diff {
			if n == maxDiff {
				list[i].Diff = append(list[i].Diff, "…")
				break
			}
			list[i].Diff = append(list[i].Diff, fit(line))
		}
	}
	if len(changes) > maxChanges {
		list = append(list, Change{What: "…"})
	}
	return list
}

// fit is a text as one line of bounded size, without anything that steers a terminal.
func fit(text string) string {
	text = strings.Map(func(r rune) rune {
		if r == '\t' {
			return ' '
		}
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	if len(text) <= maxTextSize {
		return text
	}
	end := maxTextSize
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

var secretive = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)passw|passphrase|secret|token|credential|api[_-]?key|private[_-]?key|密码|口令|密钥`)
})

// Secretive reports whether a name or a line speaks of a secret, so that what goes with it is not shown.
func Secretive(text string) bool { return secretive().MatchString(text) }
