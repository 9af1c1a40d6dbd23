// Package builtin answers and plans without any language model: from the manifests of the plugins, a few
// rules about words, and nothing else. It is pure, instant and always gives the same answer, and it says
// of itself that it is not a language model.
package builtin

import (
	"encoding/json"
	"regexp"
	"strings"
	"sync"
	"unicode"

	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/manifest"
)

// Limits of a request. What is longer is cut: nobody types that much, and rules about words gain nothing.
const (
	maxText  = 16 << 10 // bytes
	maxTurns = 16       // that are looked back at
	maxSteps = 8
)

// Request is what somebody said, and what it may mean.
type Request struct {
	Text  string
	Lang  string              // zh or en; "" to go by the text
	Date  string              // today in Zone, YYYY-MM-DD
	Zone  string              // IANA name
	Turns []json.RawMessage   // the conversation before Text, as OpenAI messages, oldest first
	Tools []manifest.Manifest // the plugins it may be about
}

// Draft is what to do about a request: steps, or a question, or neither when there is nothing to do.
type Draft struct {
	Reasoning string        // what was understood, for people
	Ask       string        // the question to ask instead of guessing; then there are no steps
	Title     string        // of the run, in the person's words
	Steps     []flow.Step   // in order
	Schedule  *flow.Trigger // when the request names a time: offer a task instead of a run
}

// lang returns the request's language.
func (r Request) lang() string {
	switch {
	case r.Lang == "zh", r.Lang == "" && Chinese(r.Text):
		return "zh"
	case r.Lang == "":
		return "en"
	default:
		return r.Lang
	}
}

// pattern is a regular expression that is compiled when it is first used: every process of the bundle links
// this package, and most never need it.
type pattern = func() *regexp.Regexp

func compiled(expr string) pattern {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

// Chinese reports whether text has Chinese characters.
func Chinese(text string) bool { return strings.ContainsFunc(text, isHan) }

func isHan(r rune) bool { return unicode.Is(unicode.Han, r) }

// clip shortens text to n runes.
func clip(text string, n int) string {
	for i := range text {
		if n == 0 {
			return text[:i] + "…"
		}
		n--
	}
	return text
}

// bounded cuts text to the limit of a request, at a rune.
func bounded(text string) string {
	if len(text) > maxText {
		text = text[:maxText]
	}
	return strings.ToValidUTF8(text, "")
}
