package policy

import "strings"

// states are the ends of an effect that only a phrase tells: where things went, how they went, and where they
// are now.
var states = []string{
	"went through", "went thru", "went to", "went out", "went off", "went live", "reached", "gone out", "gone off", "gone through", "gone live", "has left",
	"is on its way", "now on its way", "already on its way", "are on their way", "is on the way", "is on route", "under way", "in progress", "out the door",
	"is successful", "was successful", "were successful", "is a success", "was a success", "has succeeded", "accepted by the server", "rows returned",
	"is complete", "are complete", "is done", "are done", "was done", "were done", "what i did", "what i have done", "what i've done",
	"is out", "in place", "is in the system", "available in your", "in the loop", "off your plate", "up and running",
}

// state is the rule of what a thing is like once an effect is over, without a verb for the effect: "Your mail
// went out", "The entry is gone", "The invoice is in Bo's inbox".
func (c clause) state() bool {
	return c.phrase() || c.sits() || c.turned() || c.came()
}

// stands reports whether the words before i are of a thing as it is, and nobody's wish, guess or story.
func (c clause) stands(i int) bool {
	return c.definite(i) && !c.any(0, i, shown|other|me) && !c.described(i) && !c.takenBack(i) && !c.told && !c.supposed && !c.any(i, len(c.words), condition|former|negation)
}

// described reports whether a participle before i tells which things are meant: "Reports saved in /output are".
func (c clause) described(i int) bool {
	for j := 1; j < i; j++ {
		if c.words[j].is(past|open) && c.words[j-1].is(thing|deed) {
			return true
		}
	}
	return false
}

// definite reports whether the words before i are of a thing, or of something that is pointed at.
func (c clause) definite(i int) bool {
	first := c.first().text
	return c.any(0, i, thing|deed) || i < 5 && (first == "your" || first == "the" || first == "both" || first == "all")
}

func (c clause) phrase() bool {
	var b strings.Builder
	for _, w := range c.words {
		b.WriteString(" " + w.text)
	}
	b.WriteByte(' ')
	line, first := b.String(), c.first().text
	for _, s := range states {
		at := strings.Index(line, " "+s+" ")
		if at < 0 {
			continue
		}
		own := strings.Count(line[:at+1], " ") - 1
		if strings.HasPrefix(s, "what") || (c.definite(own) || first == "that") && !c.any(0, own, shown) && !c.takenBack(own+1) &&
			!c.told && !c.any(own, len(c.words), condition|former) {
			return true
		}
	}
	return false
}

// sits is a thing where effects bring it: "is in Bo's inbox", "now sits on Friday".
func (c clause) sits() bool {
	for i, w := range c.words {
		if !w.is(be) && w.text != "sits" || w.text == "was" || w.text == "were" || !c.stands(i) {
			continue
		}
		j := i + 1
		for c.at(j).is(adverb) || c.at(j).text == "sitting" || c.at(j).text == "waiting" {
			j++
		}
		if t := c.at(j).text; (t == "in" || t == "on") && (c.then(j, "your") || c.any(j+1, j+3, name) || c.now()) {
			return c.any(j, len(c.words), holder)
		}
	}
	return false
}

func (c clause) now() bool {
	for _, w := range c.words {
		if w.text == "now" {
			return true
		}
	}
	return false
}

// turned is a thing that is another way than before: "is gone", "is off", "now has three entries".
func (c clause) turned() bool {
	for i, w := range c.words {
		if i > 0 && (c.gained(i) || c.tells(i) && c.stands(i) && (c.changed(i) || w.is(be) && c.ends(i))) {
			return true
		}
	}
	return false
}

// gained is "Lea has access now", whoever she is.
func (c clause) gained(i int) bool {
	last := len(c.words) - 1
	return c.words[i].is(have) && (c.at(i-1).text == "now" || c.words[last].text == "now") &&
		c.at(i+1).is(article|thing) && !c.any(0, i, other|me) && !c.takenBack(i)
}

// tells reports whether word i says how something is: no story, and no part of another verb.
func (c clause) tells(i int) bool {
	w := c.words[i]
	return w.is(be|finite) && !oneOf(w.text, "was", "were", "be", "been", "being") || oneOf(w.text, "contains", "reads", "points", "runs")
}

// changed reports whether the verb at i comes with "now".
func (c clause) changed(i int) bool {
	w, last := c.words[i], len(c.words)-1
	return c.at(i-1).text == "now" || c.at(i+1).text == "now" && w.is(be|have) ||
		w.is(be) && last > i && c.words[last].text == "now" && c.any(0, i, thing|deed)
}

// ends reports whether what follows the verb at i is the state after an effect: "is gone", "is back online",
// "is off until Monday".
func (c clause) ends(i int) bool {
	i++
	for c.at(i).is(adverb) && !c.at(i).is(outcome) || c.at(i).is(switched) && c.at(i+1).is(outcome) {
		i++
	}
	if w := c.at(i); !w.is(switched) {
		return w.is(outcome) && !w.is(past)
	}
	after := c.at(i + 1).text
	return after == "" || oneOf(after, "now", "and", "on", "again", "for", "until")
}

// came is a thing that came to its end by itself, or to somebody a moment ago: "The rollout finished", "The
// customer got the mail a moment ago".
func (c clause) came() bool {
	for i, w := range c.words {
		if w.is(ran) && c.before(i) >= 0 && c.at(c.before(i)).is(thing) && c.stands(i) && !c.subject(i) {
			return true
		}
		if w.text == "got" || w.text == "received" {
			recent := c.at(len(c.words)-1).text == "ago" && !c.any(0, len(c.words), number) || c.now()
			return recent && i > 0 && !c.any(0, i, other|me|negation|condition|said) && c.any(i, len(c.words), thing)
		}
	}
	return false
}
