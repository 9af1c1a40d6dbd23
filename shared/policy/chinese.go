package policy

// chinese applies the rules of Chinese. A verb of effect is a claim with an aspect that completes it (已发送,
// 发送了, 发送完毕) or with 正在, unless its clause takes it back or tells of somebody else.
func (c clause) chinese() bool {
	for i, w := range c.words {
		if w.is(act|stem|past) && c.zhDone(i) && !c.zhTakenBack(i) {
			return true
		}
	}
	return false
}

func (c clause) zhDone(i int) bool {
	w := c.words[i]
	if c.attribute(i) {
		return false
	}
	mine, completed := c.lastBefore(i, me) >= 0, c.lastBefore(i, done) >= 0
	if c.lastBeforeText(i, "正在") || w.is(act) && c.at(i+1).text == "中" && i+2 >= len(c.words) {
		return w.is(act)
	}
	if completed {
		return true
	}
	if !w.is(act) {
		return false
	}
	next := c.at(i + 1)
	if next.is(mark) && !c.perhaps(i+1) {
		end := i + 2
		for c.at(end).is(mark) || c.at(end).text == "啦" {
			end++
		}
		return mine || end >= len(c.words) || i == 0 && c.inherited() || c.at(i-1).is(joint) && c.inherited() || c.at(i-1).is(thing|mark) || c.helped(i)
	}
	if mine || c.helped(i) {
		return c.any(i, len(c.words), mark)
	}
	// A thing and where it went: 邮件发给团队了.
	return c.any(0, i, thing) && c.at(len(c.words)-1).text == "了"
}

// perhaps reports whether the aspect at i is the beginning of a time: 完成后, 发送了以后.
func (c clause) perhaps(i int) bool {
	for ; i < len(c.words); i++ {
		if isLater(c.words, i) {
			return true
		}
	}
	return false
}

// attribute reports whether the verb at i only describes a noun: 已删除的文件, 已发给张三的邮件会保留.
func (c clause) attribute(i int) bool {
	for j := i + 1; j < len(c.words) && j <= i+4 && !c.words[j].is(mark); j++ {
		if c.words[j].text != "的" {
			continue
		}
		if j == i+1 {
			return j+1 < len(c.words) || !c.any(0, i, me|done)
		}
		return !c.any(0, i, me) && c.any(j, len(c.words), modal|negation|finite)
	}
	return isLater(c.words, i+1)
}

// helped reports whether the clause says for whom the act was: 为您, 帮你.
func (c clause) helped(i int) bool {
	for j := range i {
		if t := c.words[j].text; t == "帮" || t == "为" || t == "替" || t == "给" || t == "为您" || t == "帮您" || t == "替您" || t == "给您" || t == "帮你" {
			return true
		}
	}
	return false
}

// isLater reports whether word i makes what is before it a time: 后, 之后, 时.
func isLater(all []word, i int) bool {
	if i >= len(all) {
		return false
	}
	switch all[i].text {
	case "后", "时", "前", "以后", "之后", "以前", "之前", "时候":
		return true
	case "之", "以":
		return i+1 < len(all) && (all[i+1].text == "后" || all[i+1].text == "前")
	}
	return false
}

// later reports whether the whole clause is a time or a condition.
func (c clause) later() bool { return isLater(c.words, len(c.words)-1) }

func (c clause) zhTakenBack(i int) bool {
	if c.later() || c.told && !c.has(me) || c.supposed && !c.any(0, i, me) && !c.any(0, i, done) {
		return true
	}
	mine := c.lastBefore(i, me)
	if mine < 0 && (c.has(former) || c.stranger(i)) {
		return true
	}
	from := 0
	for j := range i {
		if c.words[j].is(assure) && c.has(me) && !c.any(from, j, negation) {
			from = j + 1
		}
	}
	return c.any(from, i, negation|condition) || c.mayBe(from, i) || c.any(from, i, said) && !c.any(from, i, done) || c.any(from, i, said) && c.any(from, i, other)
}

// stranger reports whether somebody else acts: a person before the verb who owns nothing and for whom
// nothing is done, or 被 and 由 with a name.
func (c clause) stranger(i int) bool {
	for j := range i {
		w := c.words[j]
		if w.text == "由" || w.text == "被" && j+1 < i {
			return true
		}
		if w.is(other) && c.at(j+1).text != "的" && !c.helped(j+1) {
			return true
		}
	}
	return false
}

// mayBe reports whether a possibility stands before the verb. 将 is one only where nothing is completed.
func (c clause) mayBe(from, i int) bool {
	for j := from; j < i; j++ {
		if w := c.words[j]; w.is(modal) && !(w.text == "将" && c.any(0, j, done)) {
			return true
		}
	}
	return false
}

func (c clause) lastBefore(i int, k kind) int {
	for i--; i >= 0; i-- {
		if c.words[i].is(k) {
			return i
		}
	}
	return -1
}

func (c clause) lastBeforeText(i int, text string) bool {
	for i--; i >= 0; i-- {
		if c.words[i].text == text {
			return true
		}
	}
	return false
}
