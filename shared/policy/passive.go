package policy

// telegram is a thing and what became of it, without a verb to be: "Email sent to Bo".
func (c clause) telegram(j, i int) bool {
	if !c.words[i].is(past) && (!c.words[i].is(open) || i+1 < len(c.words) && !c.then(i, "to") && !c.then(i, "with")) {
		return false
	}
	for _, w := range c.words[:j] {
		if w.is(other | me | be | have | modal | finite | said) {
			return false
		}
	}
	return !c.subject(i) && !c.then(i, "by")
}

// nameless is a telegram of a thing that no table has: "Coupon applied", "Onboarding checklist sent over". A
// verb that people do without an object may have a person before it instead: "Bo replied".
func (c clause) nameless(j, i int) bool {
	if !c.words[i].is(past) || oneOf(c.words[i].text, "replied", "called", "phoned", "texted", "moved", "registered", "signed", "confirmed", "approved", "started", "stopped", "paid", "ordered", "finished", "completed") {
		return false
	}
	for k, w := range c.words[:j+1] {
		if w.kind&^(thing|deed|article|name) != 0 || k > 0 && w.is(name) || w.text == "" {
			return false
		}
	}
	return i+1 >= len(c.words) || j > 0 && (c.at(i+1).is(particle) || c.at(i+1).text == "to" || c.at(i+1).text == "for")
}

// passive is "has been sent", "was sent" and "your mail is sent": the more it may be a story or a rule of
// how things work, the more it takes.
func (c clause) passive(j, i int) bool {
	if c.then(i, "by") && !c.then(i, "by", "me") || c.any(i, len(c.words), former) || c.release(i) || c.any(0, j, former|said) {
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
	if !c.suffers(j, i) {
		return false
	}
	switch aux := c.words[j].text; {
	case aux == "been":
		return c.perfect(j)
	case aux == "was" || aux == "were":
		return (c.any(0, j, thing|deed|filler) || c.first().text == "your") && !c.told && !c.rate(i)
	case aux == "be" || aux == "being" || aux == "am":
		return false
	}
	return !c.told && !c.supposed && !c.any(i, len(c.words), condition) && c.present(j, i)
}

// suffers reports whether the act at i is one on what stands before j. Any verb may act on a thing, a verb of
// every trade only makes deeds.
func (c clause) suffers(j, i int) bool {
	w := c.words[i]
	switch {
	case w.is(past), w.text == "taken", w.text == "told":
		return true
	case w.is(open):
		return (c.any(0, j, thing|deed) || c.first().text == "your") && !c.any(0, j, me)
	}
	return w.is(weak) && (c.any(0, j, deed) || c.words[j].text == "been" && c.any(0, j, thing) && c.at(i+1).is(particle))
}

// present is "is" with an act: more often a rule of how things work than an effect. It is one of what is
// pointed at, or of a deed, where nothing follows that makes it a rule.
func (c clause) present(j, i int) bool {
	first := c.first().text
	switch {
	case first == "you" || first == "we":
		return oneOf(c.words[i].text, "set", "booked", "registered", "subscribed", "unsubscribed", "confirmed", "enrolled")
	case c.over(j, i), c.words[i].text == "set" && c.definite(j) && (c.then(i, "to") || c.then(i, "for")) && c.any(i, len(c.words), number):
		return true
	case first == "the" && c.any(i, len(c.words), holder) && (c.then(i, "in", "your") || c.then(i, "on", "your")) && !c.rate(i):
		return true
	case c.words[i].is(open):
		return c.any(0, j, deed) && (i+1 >= len(c.words) || c.at(i+1).is(adverb))
	case oneOf(first, "your", "it", "this", "that", "everything", "all", "they", "these", "those"), first == "both" && c.any(0, j, thing|deed):
		return true
	}
	return c.first().is(article|thing|deed) &&
		first != "a" && first != "an" && first != "each" && c.words[j].text == "is" && c.any(0, j, thing|deed) && (i+1 >= len(c.words) || c.at(i+1).is(adverb|joint))
}

// rate reports whether the words after i say how often: "once an hour".
func (c clause) rate(i int) bool {
	for _, w := range c.words[i:] {
		if oneOf(w.text, "once", "twice", "every", "each", "often", "usually") {
			return true
		}
	}
	return false
}

// over reports whether a word between j and i says that it has just come to its end: "is now deleted".
func (c clause) over(j, i int) bool {
	for _, w := range c.words[j:i] {
		if oneOf(w.text, "now", "already", "just", "successfully", "finally", "duly", "officially") {
			return true
		}
	}
	return false
}

// release reports whether the words after i name the release of a product that something was done in.
func (c clause) release(i int) bool {
	for j := i + 1; j < len(c.words); j++ {
		if c.words[j].text == "in" && c.at(j+1).text == "version" {
			return true
		}
	}
	return false
}

// first is the first word of the clause that says something: "and your seat", "great, your seat".
func (c clause) first() word {
	for _, w := range c.words {
		if !w.is(joint) {
			return w
		}
	}
	return word{}
}

// perfect reports whether "been" has its "has", or stands with nothing before it: "Been sent".
func (c clause) perfect(j int) bool { return c.any(0, j+1, have) || j == 0 }
