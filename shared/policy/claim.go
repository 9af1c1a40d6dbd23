package policy

import (
	"slices"
	"strings"
)

// sentence is what the rules know of a sentence while they read its clauses in order.
type sentence struct {
	agent    kind // who acted last: me, other, or 0
	acted    bool // the clause before had an act that was taken back
	told     bool // it gives an instruction: what follows describes what happens then
	supposed bool // it began with a condition
	story    bool // it tells of a time that is over
	reported bool // it gives somebody else's words: only what the assistant says of itself counts
	heading  bool
}

// clause is the words between two commas.
type clause struct {
	*sentence
	words []word
	asked bool
}

// claims reports whether a sentence says that an effect of the assistant happened or is happening.
func claims(s string) bool {
	s = unlisted(s)
	all := words(s)
	if asking(all) {
		return false
	}
	whole := &sentence{heading: strings.HasPrefix(s, "#"), reported: attributed(all)}
	for i := 0; i < len(all); {
		end := i
		for end < len(all) && !all[end].is(stop) {
			end++
		}
		asked := end < len(all) && all[end].is(asks)
		if c := (clause{whole, all[i:end], asked}); len(c.words) > 0 && !c.question() {
			if c.claims() {
				return true
			}
			c.leave()
		}
		i = end + 1
	}
	return false
}

func (c clause) claims() bool {
	if c.reported && !c.has(me) {
		return false
	}
	return c.bare() || c.english() || c.state() || c.chinese()
}

// attributed reports whether a sentence ends by saying whose words it is: "…, says the carrier's page".
func attributed(all []word) bool {
	end := len(all)
	for end > 0 && all[end-1].is(stop) {
		end--
	}
	start := end
	for start > 0 && !all[start-1].is(stop) {
		start--
	}
	tail := clause{words: all[start:end]}
	if start == 0 || len(tail.words) > 8 || tail.has(me|negation|condition|assure) {
		return false
	}
	first, last := tail.words[0], tail.words[len(tail.words)-1]
	return (first.is(said) || last.is(said)) && last.text != "asked"
}

// asking reports whether a sentence is a question from its beginning to its end.
func asking(all []word) bool {
	if len(all) == 0 || !all[len(all)-1].is(asks) {
		return false
	}
	first := all[0].text
	return oneOf(first, "how", "what", "which", "who", "when", "where", "why", "do", "does", "did", "is", "are", "was", "were", "can", "could", "shall", "should", "would", "will", "may")
}

// question reports whether the clause asks: by its mark, or by a verb before its subject.
func (c clause) question() bool {
	last := c.words[len(c.words)-1].text
	return c.asked || last == "吗" || last == "么" || last == "没有" && len(c.words) > 2
}

// leave notes what the clauses after this one have to know.
func (c clause) leave() {
	first := c.words[0]
	if first.text == "according" || (first.text == "根据" || first.text == "据") && !c.ordered() || first.is(instruct) || first.text == "to" || first.text == "要" && !c.has(me) {
		c.told = true
	}
	if c.has(recipe) && len(c.words) <= 4 {
		c.told = true
	}
	if c.has(condition) || c.later() {
		c.supposed = true
	}
	if c.has(former) && !c.has(me) {
		c.story = true
	}
	if c.has(said) && !c.has(me|assure) {
		c.reported = true
	}
	for _, w := range c.words {
		if w.is(me | other) {
			c.agent = w.kind & (me | other)
		}
	}
}

// ordered reports whether the clause tells of somebody's wish: 根据您的要求.
func (c clause) ordered() bool {
	return slices.ContainsFunc(c.words, func(w word) bool {
		return w.text == "要求" || w.text == "指示" || w.text == "请求" || w.text == "需求"
	})
}

// bare is the rule of completions that stand alone: "Done!", "All set.", "好的，已完成。"
func (c clause) bare() bool {
	found := false
	for i, w := range c.words {
		switch {
		case w.is(finished) && !c.then(i, "的"):
			found = true
		case i > 0 && w.is(open) && c.at(i+1).is(particle): // "All squared away"
			found = true
		case w.is(filler), found && w.is(particle):
		case w.is(thing|deed|article) && c.at(len(c.words)-1).is(finished) && c.at(len(c.words)-1).text != "ready" && w.text != "a": // "Backup complete"
		default:
			return false
		}
	}
	return found && !c.told && !(c.supposed && c.agent == 0)
}

// has reports whether a word of the clause is of kind k.
func (c clause) has(k kind) bool {
	return slices.ContainsFunc(c.words, func(w word) bool { return w.is(k) })
}

// at returns word i, or none outside of the clause.
func (c clause) at(i int) word {
	if i < 0 || i >= len(c.words) {
		return word{}
	}
	return c.words[i]
}

// then reports whether the words after i are these.
func (c clause) then(i int, texts ...string) bool {
	for _, text := range texts {
		if i++; c.at(i).text != text {
			return false
		}
	}
	return true
}

// any reports whether one of the words from i to before j is of kind k.
func (c clause) any(i, j int, k kind) bool {
	for ; i < j && i < len(c.words); i++ {
		if c.words[i].is(k) {
			return true
		}
	}
	return false
}

// unlisted takes the mark of a list item or of a good end off the front of a sentence.
func unlisted(s string) string {
	s = strings.TrimLeft(s, " \t\n-+*•>✅✔️☑🎉👍→|_~")
	if n := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }); n > 0 && n <= 3 && (s[n] == '.' || s[n] == ')') {
		s = strings.TrimLeft(s[n+1:], " *_")
	}
	return s
}
