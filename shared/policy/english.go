package policy

// english applies the rules of English: an act of effect, who acted, and what takes it back.
func (c clause) english() bool {
	if c.did() {
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

// completed reports whether word i is the past of a verb of effect, or of one that no table knows.
func (c clause) completed(i int) bool {
	w := c.words[i]
	switch {
	case w.is(past | open):
		return true
	case w.is(giving) && (c.gave(i) || c.at(i-1).text == "been"), w.is(contact) && c.reached(i):
		return true
	case w.is(looking):
		return c.any(0, len(c.words), place)
	}
	return w.is(weak) && (c.deed(i) || c.at(i-1).text == "been" && c.at(i+1).is(particle))
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
		return c.inherited() && !c.subject(i) && c.object(i)
	case w.is(joint):
		return c.agentBefore(j) == me && c.mine(i)
	case w.is(me):
		return c.mine(i)
	case w.is(be) && !(w.is(have) && c.at(j-1).is(me)):
		return c.passive(j, i)
	case w.text == "you" || w.is(have) && c.at(c.before(j)).text == "you":
		return c.words[i-1].text == "successfully"
	case w.is(have):
		k := c.before(j)
		if k < 0 || c.at(k).is(me) || c.at(k).is(joint) && c.agentBefore(k) == me {
			return c.agentBefore(j) == me && c.mine(i)
		}
		return c.any(0, j, thing) && (c.words[i].text == "completed" || c.words[i].text == "finished")
	case c.had(j, i):
		return true
	case j <= 2 && c.nameless(j, i):
		return true
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
		if w := c.words[i]; w.is(past|open) && i > 0 && !c.words[i-1].is(me|other|have|be|adverb|joint) {
			return other
		}
	}
	return c.agent
}

// mine reports whether an act of the assistant is one on the world, and not on its own words.
func (c clause) mine(i int) bool {
	return !c.words[i].is(texty|weak|open|giving) || !c.any(i, len(c.words), shown) || c.any(i, len(c.words), place) && !c.words[i].is(open)
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
		case w.is(negation), w.is(modal) && !w.is(me), w.is(recipe) && c.at(j+1).is(be) && (c.then(j+1, "that") || c.then(j+1, "to")):
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
		if c.words[k].is(me) && !oneOf(c.words[j].text, "if", "unless", "whether") {
			return true
		}
	}
	return false
}
