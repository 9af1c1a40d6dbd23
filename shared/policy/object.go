package policy

import "strings"

// deed reports whether a verb of every trade is an act here: by where it takes effect, by the deed that it
// makes, or by its particle and a thing.
func (c clause) deed(i int) bool {
	if c.then(i, "care") || c.any(0, len(c.words), place) || c.any(i+1, i+5, deed) || c.any(0, i, deed) && c.at(c.before(i)).is(be) {
		return true
	}
	switch c.words[i].text {
	case "put":
		return c.any(i+1, i+3, particle) && c.any(i+1, len(c.words), thing|number) || c.brought(i)
	case "made", "wrote", "written", "edited", "completed", "finished":
		return false
	}
	return c.any(i+1, i+5, particle) && c.any(i+1, len(c.words), thing|holder|name|number|article)
}

// brought reports whether the words after i say where something was put: "on the list".
func (c clause) brought(i int) bool {
	for j := i + 2; j < len(c.words); j++ {
		if t := c.words[j].text; (t == "on" || t == "in" || t == "into" || t == "under") && (c.at(j+1).text == "the" || c.at(j+1).text == "your" || c.at(j+1).is(name)) {
			return true
		}
	}
	return false
}

// gave reports whether somebody gets something by the verb at i: "told Bo", "gave Tom edit access", "let
// Priya know". To tell the reader is to answer.
func (c clause) gave(i int) bool {
	verb, to := c.words[i].text, c.at(i+1)
	you := to.text == "you" || to.text == "your"
	switch {
	case to.text == "" || to.is(condition|negation):
		return false
	case verb == "let":
		return !you && c.knows(i)
	case verb == "told":
		return !you && to.text != "about" && to.text != "that"
	case verb == "asked":
		return to.is(name)
	case verb == "got" && c.then(i, "hold", "of"):
		return true
	case verb == "got":
		return (to.is(name) || to.text == "you") && c.any(i+2, len(c.words), thing|number)
	case verb == "left" || verb == "dropped":
		return !to.is(particle) || c.any(i, len(c.words), thing)
	case you:
		return c.any(i+1, len(c.words), thing|place)
	}
	return true
}

// knows is the end of "let Priya know".
func (c clause) knows(i int) bool {
	for j := i + 2; j < i+6 && j < len(c.words); j++ {
		if c.words[j].text == "know" || c.words[j].text == "in" {
			return true
		}
	}
	return false
}

// reached reports whether the verb at i is talk with somebody who is not the reader: "wrote to Bo".
func (c clause) reached(i int) bool {
	for j := i + 1; j <= i+3; j++ {
		if t := c.at(j).text; t == "to" || t == "with" {
			to := c.at(j + 1)
			return to.text != "" && to.text != "you" && to.text != "your" && !c.any(j, len(c.words), shown) && (c.words[i].text != "checked" || to.is(name|other))
		}
	}
	return false
}

// had is an object between "got" or "have" and what became of it: "I've got you booked", "Got it added".
func (c clause) had(j, i int) bool {
	for k := max(0, i-6); k < j; k++ {
		if t := c.words[k].text; t != "got" && t != "have" && t != "had" || c.at(k+1).text == "a" || c.at(k+1).text == "an" {
			continue
		}
		if first := c.before(k); first < 0 || c.at(first).is(me) || c.at(first).is(have) && c.at(first-1).is(me) {
			return (c.at(j).is(thing) || j == k+1) && c.words[i].is(past|open) && c.mine(i)
		}
	}
	return false
}

// object reports whether an act without a subject has an object, where it takes one to know it for an act:
// "Bumped the limit", but not "Located in Berlin". "Set the limit" is an instruction, and what follows in
// "Scheduled tasks ask" has the act for an attribute.
func (c clause) object(i int) bool {
	w, next := c.words[i], c.at(i+1)
	if next.text == "care" {
		return true
	}
	switch w.text {
	case "set", "reset", "put", "cut", "split", "shut", "cast", "let":
		return c.agent == me || i > 0 && c.words[i-1].is(adverb)
	}
	if !w.is(open|giving|weak) || w.is(past) {
		return !(next.is(thing) && strings.HasSuffix(next.text, "s") && i+2 < len(c.words) && !c.at(i+2).is(joint|adverb) && !c.preposition(i+2))
	}
	return !c.heading && next.is(article|number|name) || next.text == "it" || next.text == "that" || next.is(particle) && c.at(i+2).is(article|name)
}

func (c clause) preposition(i int) bool {
	return oneOf(c.at(i).text, "to", "for", "from", "in", "into", "on", "with", "at", "as", "under")
}
