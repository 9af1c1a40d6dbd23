package policy

import "strings"

// chinese applies the rules of Chinese. A verb of effect is a claim with an aspect that completes it (已发送,
// 发送了, 发送完毕) or with 正在, unless its clause takes it back or tells of somebody else.
func (c clause) chinese() bool {
	for i, w := range c.words {
		if ((w.is(act|stem|past) || w.is(looking) && c.any(0, len(c.words), place|holder)) && c.zhDone(i) || c.unknown(i)) && !c.zhTakenBack(i) {
			return true
		}
	}
	return c.arrived() || c.ended()
}

// ended is an end that says by itself that something was done: 索引重建完毕, 退票办妥.
func (c clause) ended() bool {
	last := len(c.words) - 1
	for last > 0 && c.words[last].text != "完毕" && c.words[last].is(mark|filler) && !c.words[last].is(finished) {
		last--
	}
	w := c.words[last]
	return last > 0 && (w.text == "完毕" || w.text == "成功" && c.any(0, last, thing) || w.is(act) && w.is(finished) && w.text != "完成") && !c.zhTakenBack(last)
}

func (c clause) zhDone(i int) bool {
	w := c.words[i]
	if c.attribute(i) || c.then(i, "得") {
		return false
	}
	mine, completed := c.lastBefore(i, me) >= 0, c.lastBefore(i, done) >= 0
	if c.underWay(i) || w.is(act) && c.at(i+1).text == "中" && i+2 >= len(c.words) {
		return w.is(act)
	}
	if completed {
		return true
	}
	if !w.is(act | looking) {
		return false
	}
	end := i + 1
	for c.at(end).is(mark | into) {
		end++
	}
	if c.any(i+1, end, mark) && !c.perhaps(i+1) {
		return mine || end >= len(c.words) && c.certain(i) || i == 0 && c.inherited() || c.at(i-1).is(joint) && c.inherited() || c.at(i-1).is(thing|mark) || c.helped(i) || c.moved(i)
	}
	if mine || c.helped(i) || c.moved(i) || c.at(i+1).is(into) {
		return c.any(i+1, len(c.words), mark) && !c.perhaps(i+1)
	}
	// A thing and where it went: 邮件发给团队了, 牛奶加到清单里了, 邮件全部标为已读.
	went := c.any(0, i, thing) || c.any(i, len(c.words), holder) || c.at(i+1).is(into) || strings.ContainsAny(w.text, "到进入给至")
	return went && c.closed() || c.any(0, i, thing) && c.lastBeforeText(i, "全部") && !c.has(modal)
}

// certain reports whether the verb at i is an act whatever stands before it. What things do by themselves as
// well is one after a thing that effects happen to, where the clause begins, or with more than 了 after it.
func (c clause) certain(i int) bool {
	return !c.words[i].is(selfish) || c.any(0, i, thing|deed) || !c.any(0, i, han|tame) || !c.then(i, "了")
}

// underWay reports whether 正在 stands before the verb at i: 正在为您发送.
func (c clause) underWay(i int) bool {
	for j := max(0, i-4); j < i; j++ {
		if c.words[j].text == "正在" {
			return true
		}
	}
	return false
}

// closed reports whether the clause ends with 了 or what is said instead.
func (c clause) closed() bool {
	t := c.at(len(c.words) - 1).text
	return t == "了" || t == "啦" || c.at(len(c.words)-2).text == "了" && c.at(len(c.words)-1).is(mark|filler)
}

// moved reports whether 把 brings the object before the verb at i. Who acts stands before it, if anybody does.
func (c clause) moved(i int) bool {
	for j := range i {
		if c.words[j].text == "把" {
			return j == 0 || c.any(0, j, me|done)
		}
	}
	return false
}

// unknown reports whether word i begins an act that no table has: what the assistant did to something, or what
// 已 says of a thing. A tame verb is none.
func (c clause) unknown(i int) bool {
	if !c.words[i].is(han) || c.any(0, len(c.words), tame|shown) || c.attribute(i) {
		return false
	}
	if c.at(i - 1).is(done) {
		return c.any(0, i, thing|me) || i == 1
	}
	mine := c.lastBefore(i, me)
	if mine < 0 && !c.moved(i) {
		return false
	}
	end := i + 1
	for c.at(end).is(han) && end < i+3 {
		end++
	}
	aspect := c.at(end)
	if !aspect.is(mark) {
		return (c.moved(i) || c.helped(i)) && c.any(i, len(c.words), mark)
	}
	// 我累了 is no act: without an object it takes more than 了.
	return c.moved(i) || c.helped(i) || aspect.text != "了" || end+1 < len(c.words)
}

// arrived is a thing that is where effects bring it: 发票在小王的收件箱里了.
func (c clause) arrived() bool {
	for i, w := range c.words {
		there := w.text == "在" && c.any(0, i, thing) && c.any(i, len(c.words), holder) ||
			w.is(into) && c.at(i-1).is(done) && c.any(0, i, thing|number)
		if there && c.closed() {
			return !c.zhTakenBack(i)
		}
	}
	return false
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
func (c clause) helped(i int) bool { return c.any(0, i, helps) }

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
	if mine < 0 && (c.longAgo() || c.story && !c.any(0, i, done) || c.stranger(i)) {
		return true
	}
	if c.words[i].is(texty|han) && c.has(shown) && !c.any(i, len(c.words), holder|place) {
		return true
	}
	from := 0
	for j := range i {
		if c.words[j].is(assure) && c.has(me) && !c.any(from, j, negation) {
			from = j + 1
		}
	}
	words := c.lastBefore(i, said) // whose are they?
	return c.any(from, i, negation|condition) || c.mayBe(from, i) || words >= from && (words > mine || !c.any(from, i, done) || c.any(from, i, other))
}

// longAgo reports whether the clause has a time that is over. 昨天的快照 is a thing.
func (c clause) longAgo() bool {
	for i, w := range c.words {
		if w.is(former) && !c.then(i, "的") {
			return true
		}
	}
	return false
}

// stranger reports whether somebody else acts: a person before the verb who owns nothing and for whom
// nothing is done, or 被 and 由 with a name.
func (c clause) stranger(i int) bool {
	if c.named(i) {
		return true
	}
	for j := range i {
		w := c.words[j]
		if w.text == "由" || w.text == "被" && j+1 < i {
			return true
		}
		if w.text == "把" && j > 0 && !c.any(0, j, me|done|helps) {
			return true
		}
		if (w.is(other) || c.titled(j)) && c.at(j+1).text != "的" && c.at(j+1).text != "那边" && !c.any(0, j, toward) {
			return true
		}
	}
	return false
}

// titled reports whether word i is the title of a person: 王总, 律师.
func (c clause) titled(i int) bool {
	w := c.words[i]
	return w.is(title) && (len(w.text) > len("总") || i > 0 && strings.Contains(surnames, c.words[i-1].text))
}

// surnames are the most frequent ones, and what stands before them among colleagues.
const surnames = "小老阿王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董程曹袁邓许沈曾彭吕"

// named reports whether the clause begins with the name of a person who acts at i: 小刘, 陈丹.
func (c clause) named(i int) bool {
	return i > 1 && c.words[0].is(han) && strings.Contains(surnames, c.words[0].text) && c.words[1].is(han) && !c.then(1, "的") && !c.then(2, "的") && !c.then(1, "那边")
}

// mayBe reports whether a possibility stands before the verb. 将 is one only where nothing is completed, and
// 的会 is a meeting.
func (c clause) mayBe(from, i int) bool {
	for j := from; j < i; j++ {
		w := c.words[j]
		if w.is(modal) && !(w.text == "将" && c.any(0, j, done)) && !(w.text == "会" && c.at(j-1).text == "的") && !(w.text == "让" && c.at(j-1).is(me)) {
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
