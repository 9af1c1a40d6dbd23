package policy

import "strings"

// english applies the rules of English: an act of effect, who acted, and what takes it back.
func (c clause) english() bool {
	if c.did() || c.state() {
		return true
	}
	acted := false
	for i, w := range c.words {
		var claim bool
		switch {
		case c.completed(i):
			claim = c.act(i)
			c.acted = true
			acted = true
		case w.is(going):
			claim = c.progress(i)
		case w.is(stem):
			claim = c.infinitive(i)
		}
		if claim && !c.takenBack(i) {
			return true
		}
	}
	c.acted = acted
	return false
}

// completed reports whether word i is the past of a verb of effect.
func (c clause) completed(i int) bool {
	w := c.words[i]
	if w.is(past) {
		return true
	}
	switch w.text {
	case "took", "taken":
		return c.then(i, "care")
	}
	return w.is(weak) && c.any(0, len(c.words), place)
}

// before returns the place of the word before i that is no adverb.
func (c clause) before(i int) int {
	for i--; i >= 0; i-- {
		if w := c.words[i]; !w.is(adverb) && !(w.text == "and" && c.at(i-1).text == "ahead") {
			break
		}
	}
	return i
}

// act decides by what stands before a completed act.
func (c clause) act(i int) bool {
	j := c.before(i)
	w := c.at(j)
	switch {
	case j < 0, w.is(joint) && j == 0:
		return c.inherited() && !c.subject(i)
	case w.is(joint):
		return c.agentBefore(j) == me
	case w.is(me):
		return c.mine(i)
	case w.is(be) && !(w.is(have) && c.at(j-1).is(me)):
		return c.passive(j, i)
	case w.is(have):
		k := c.before(j)
		if k < 0 || c.at(k).is(me) || c.at(k).is(joint) && c.agentBefore(k) == me {
			return c.agentBefore(j) == me && c.mine(i)
		}
		return c.any(0, j, thing) && (c.words[i].text == "completed" || c.words[i].text == "finished")
	case w.is(thing) && j <= 3 && !w.is(me|other):
		return c.telegram(j, i)
	}
	return false
}

// inherited reports whether an act without a subject may be the assistant's: nobody else acted before it.
func (c clause) inherited() bool { return c.agent == me || c.agent == 0 && !c.acted }

// agentBefore is who the last person before word i is.
func (c clause) agentBefore(i int) kind {
	for i--; i >= 0; i-- {
		if w := c.words[i]; w.is(me | other) {
			return w.kind & (me | other)
		}
		if w := c.words[i]; w.is(past) && i > 0 && !c.words[i-1].is(me|other|have|be|adverb|joint) {
			return other
		}
	}
	return c.agent
}

// mine reports whether an act of the assistant is one on the world, and not on its own words.
func (c clause) mine(i int) bool {
	return !c.words[i].is(texty|weak) || !c.any(i, len(c.words), shown) || c.any(i, len(c.words), place)
}

// subject reports whether a verb follows that makes the words before it its subject: "Deleted files are kept".
func (c clause) subject(i int) bool {
	for j := i + 1; j < len(c.words); j++ {
		if c.words[j].is(finite) && !c.any(i+1, j, joint) {
			return true
		}
	}
	return false
}

// telegram is a thing and what became of it, without a verb to be: "Email sent to Bo".
func (c clause) telegram(j, i int) bool {
	for _, w := range c.words[:j] {
		if w.is(other | me | be | have | modal | finite | said) {
			return false
		}
	}
	return !c.subject(i)
}

// passive is "has been sent", "was sent" and "your mail is sent": the more it may be a story or a rule of
// how things work, the more it takes.
func (c clause) passive(j, i int) bool {
	if c.then(i, "by") && !c.then(i, "by", "me") || c.any(i, len(c.words), former) || c.any(0, j, former|said) {
		return false
	}
	for k := i; k < len(c.words); k++ {
		if c.words[k].text == "by" && !c.then(k, "by", "me") && k-i < 6 && !c.any(k, len(c.words), number) {
			return false
		}
	}
	if who := c.at(j - 1).text; j > 1 && (who == "that" || who == "which") { // "the rows that were deleted"
		return false
	}
	if !c.words[i].is(past) && c.words[i].text != "taken" {
		return false
	}
	switch aux := c.words[j].text; {
	case aux == "been":
		return c.perfect(j)
	case aux == "was" || aux == "were":
		return c.any(0, j, thing|filler) && !c.told
	case aux == "be" || aux == "being" || aux == "am":
		return false
	}
	if c.told || c.supposed || c.any(i, len(c.words), condition) {
		return false
	}
	first := c.words[0].text
	return strings.Contains(" your it this that everything all both they these those that's it's ", " "+first+" ") || c.any(j, i, adverb)
}

// perfect reports whether "been" has its "has", or stands with nothing before it: "Been sent".
func (c clause) perfect(j int) bool { return c.any(0, j+1, have) || j == 0 }

// did is "did it", "did that".
func (c clause) did() bool {
	for i, w := range c.words {
		if w.text != "did" && w.text != "done" {
			continue
		}
		object := c.at(i + 1).text
		if object != "it" && object != "that" && object != "so" && object != "this" {
			continue
		}
		if j := c.before(i); !c.takenBack(i) && (c.at(j).is(me) || j < 0 || c.at(j).is(have) && c.at(c.before(j)).is(me)) {
			return true
		}
	}
	return false
}

// infinitive is "did send" and "while I send".
func (c clause) infinitive(i int) bool {
	j := c.before(i)
	if c.at(j).text == "did" && c.at(c.before(j)).is(me) {
		return true
	}
	if c.at(j).text == "to" && (c.at(j-1).text == "able" || c.at(j-1).text == "managed") {
		return c.agentBefore(j) == me
	}
	return c.at(j).is(me) && c.at(j-1).text == "while"
}

// progress is an act under way: "I'm sending it", "Sending now".
func (c clause) progress(i int) bool {
	j := c.before(i)
	if w := c.at(j); w.is(be) && c.at(c.before(j)).is(me) {
		return true
	}
	if j >= 0 || c.heading || c.subject(i) || !c.inherited() {
		return false
	}
	next := c.at(i + 1)
	return next.text == "" || next.text == "your" || next.text == "the" || next.text == "it" || c.any(i, len(c.words), adverb)
}

// states are the ends of an effect that no verb of it tells.
var states = []string{
	"went through", "went out", "gone out", "gone through", "on its way", "on the way", "is out", "is live", "are live", "was successful",
	"were successful", "is now live", "in progress", "in your calendar", "on your calendar", "what i did", "what i have done", "what i've done", "rows returned",
	"by the server", "is complete", "is done", "are done", "has succeeded", "is now active", "available in your",
}

// state is the rule of such ends, for a thing that effects happen to.
func (c clause) state() bool {
	var b strings.Builder
	for _, w := range c.words {
		b.WriteString(" " + w.text)
	}
	b.WriteByte(' ')
	line := b.String()
	for _, s := range states {
		at := strings.Index(line, " "+s+" ")
		if at < 0 {
			continue
		}
		own := strings.Count(line[:at+1], " ") - 1
		if strings.HasPrefix(s, "what") || c.any(0, own, thing) && !c.any(0, own, shown) && !c.takenBack(own+1) && !c.told && !c.any(own, len(c.words), condition|former) {
			return true
		}
	}
	return false
}

// takenBack reports whether what a clause says before word i makes it no claim: a negation, a possibility,
// a condition, or somebody else's words.
func (c clause) takenBack(i int) bool {
	from := 0
	for j := range i {
		w := c.words[j]
		if w.is(me) && c.at(j-1).is(joint) || w.is(assure) && !c.any(from, j, negation) && c.has(me) {
			from = j
		}
	}
	for j := from; j < i; j++ {
		w := c.words[j]
		switch {
		case w.is(negation), w.is(modal) && !w.is(me):
			return true
		case w.is(said) && !w.is(assure):
			return true
		case w.is(condition):
			if !c.late(j, i) {
				return true
			}
		}
	}
	return c.any(i+1, i+3, negation) && c.at(i+1).text == "not"
}

// late reports whether the condition at j is over before the assistant's own act at i: "after checking it I
// sent it".
func (c clause) late(j, i int) bool {
	if c.words[j].text == "while" {
		return true
	}
	for k := j + 2; k < i; k++ {
		if c.words[k].is(me) && !strings.Contains(" if unless whether ", " "+c.words[j].text+" ") {
			return true
		}
	}
	return false
}
