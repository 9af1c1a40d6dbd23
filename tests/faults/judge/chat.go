package main

import (
	"html"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/tests/faults/record"
)

// What a text in a chat can be.
const (
	echo    = "echo"    // the answer to a message, with its mark
	card    = "card"    // the answer to a message that starts a run
	end     = "end"     // the result of a run
	sorry   = "sorry"   // an answer that says that there is none, with the mark
	silence = "silence" // the same, of the model: it has no mark
	hush    = "hush"    // an answer that was stopped: it has no mark either
)

// said is a text in a chat that is final: no draft.
type said struct {
	at     time.Time
	kind   string
	mark   string // of the message
	run    string
	head   string // first words of a result
	marked bool   // it says that it may be a repeat
	offers bool   // it says how to take the run back
}

var (
	tags    = regexp.MustCompile(`</?[a-z][^>]*>`)
	answer  = regexp.MustCompile(`You said (m[0-9]+x)\. That was all\.`)
	dead    = regexp.MustCompile(`(?s)^Sorry: your message .*?(m[0-9]+x)`)
	ofRun   = regexp.MustCompile(`\bRun\s+.?(r[0-9a-f]{2}-[a-z2-7]+)`)
	heads   = []string{"Done", "Failed; nothing had to be taken back", "Failed and rolled back", "Stopped: a person has to look at this", stoppedHead, "Undone"}
	hushed  = regexp.MustCompile(`(^|\n\n)Stopped\.($|\n)`)
	failing = []string{"The model does not answer:", "The task cannot start:"}
)

// stoppedHead begins the result of a run that was stopped.
const stoppedHead = "Stopped on request"

const repeatMark = "you may have got this before"

// read reads a text; ok is false for what is no final answer.
func read(s record.Sent) (said, bool) {
	text := strings.TrimSpace(html.UnescapeString(tags.ReplaceAllString(s.Text, "")))
	out := said{at: s.At, marked: strings.Contains(text, repeatMark)}
	if run := ofRun.FindStringSubmatch(text); run != nil {
		out.run = run[1]
	}
	if found := dead.FindStringSubmatch(text); found != nil {
		out.kind, out.mark = sorry, found[1]
		return out, true
	}
	if found := answer.FindStringSubmatch(text); found != nil {
		out.kind, out.mark = echo, found[1]
		return out, true
	}
	for _, words := range failing {
		if strings.HasPrefix(text, words) {
			out.kind = silence
			return out, true
		}
	}
	if out.run == "" {
		out.kind = hush
		return out, hushed.MatchString(text)
	}
	out.offers = strings.Contains(text, "hearth runs undo "+out.run)
	if strings.HasPrefix(text, "Plan") {
		out.kind = card
		return out, true
	}
	for _, head := range heads {
		if strings.HasPrefix(text, head) {
			out.kind, out.head = end, head
			return out, true
		}
	}
	return out, false
}

// nameless reports whether it cannot be seen to which message this is the answer.
func (s said) nameless() bool { return s.kind == silence || s.kind == hush }

// optional reports whether it may be a copy of the answer before it, or the first that was seen of the next.
func (s said) optional() bool { return s.nameless() && s.marked }

// final returns what was said in a chat, each message of the platform once: an edit that changes nothing of
// what it is says nothing new.
func final(calls []record.Sent) []said {
	seen := map[int64]said{}
	var all []said
	for _, call := range calls {
		if !call.Shown {
			continue
		}
		s, ok := read(call)
		if !ok {
			continue
		}
		was, known := seen[call.Message]
		seen[call.Message] = s
		if known && was.kind == s.kind && was.mark == s.mark && was.run == s.run && was.head == s.head {
			continue
		}
		all = append(all, s)
	}
	return all
}

// chat judges one chat and returns the runs that it was told of.
func (j *judge) chat(chat int64, messages []record.Posted, calls []record.Sent) []string {
	all := final(calls)
	var order []said // first appearances of answers to messages
	copies := map[string]int{}
	plain := map[string]int{}
	ends := map[string][]said{}
	for _, s := range all {
		key := s.kind + s.mark + s.run + s.head
		if s.nameless() {
			order = append(order, s)
			continue
		}
		copies[key]++
		if !s.marked {
			plain[key]++
		}
		if copies[key] > 1 && s.marked {
			j.Repeats++
		}
		if s.kind == end {
			if copies[key] == 1 {
				ends[s.run] = append(ends[s.run], s)
			}
		} else if copies[key] == 1 {
			order = append(order, s)
		}
	}
	for key, n := range plain {
		switch {
		case n < 2:
		case !j.lossy.IsZero():
			j.Twice += n - 1
		default:
			j.broken("I1", "chat %d: %q came %d times without a word of warning", chat, key, n)
		}
	}
	return j.match(chat, messages, order, ends)
}

// fits reports whether an answer can be one to a message.
func (j *judge) fits(s said, p record.Posted) bool {
	switch s.kind {
	case hush:
		return !j.stopOf(p, "").IsZero()
	case silence:
		return true
	case card:
		return p.Kind == record.Run && (p.Run == "" || p.Run == s.run)
	default:
		return s.mark == p.Mark
	}
}

// match goes through a chat's messages and their answers.
func (j *judge) match(chat int64, messages []record.Posted, order []said, ends map[string][]said) []string {
	var runs []string
	var before time.Time
	answers := j.align(messages, order)
	free := spare(answers, len(order))
	for i, p := range messages {
		if answers[i] < 0 {
			j.unmatched(chat, p, order, free)
			continue
		}
		s := order[answers[i]]
		j.Answers++
		switch s.kind {
		case sorry, silence:
			j.Apologies++
		case hush:
			j.Hushed++
		}
		j.waited(chat, p, s, before)
		before = s.at
		if s.run != "" {
			runs = append(runs, s.run)
			j.run(p, s.run, ends[s.run])
		}
	}
	for k := range order {
		switch s := order[k]; {
		case !free[k]:
		case s.optional():
			j.Repeats++
		case j.lossy.IsZero():
			j.broken("I1", "chat %d: an answer to nothing that was said: %s %s%s", chat, s.kind, s.mark, s.run)
		}
	}
	return runs
}

// spare marks those of n answers that belong to no message.
func spare(answers []int, n int) []bool {
	free := slices.Repeat([]bool{true}, n)
	for _, k := range answers {
		if k >= 0 {
			free[k] = false
		}
	}
	return free
}

// unmatched judges a message that has no answer in its place. It may have one in another, which it takes then.
func (j *judge) unmatched(chat int64, p record.Posted, order []said, free []bool) {
	for k, s := range order {
		if free[k] && !s.nameless() && s.kind != card && s.mark == p.Mark {
			j.broken("I3", "chat %d: the answer to %s came out of order", chat, p.Mark)
			j.Answers++
			free[k] = false
			return
		}
	}
	if j.mayLose(p) {
		j.Lost++
	} else {
		j.broken("I1", "chat %d: no answer to %s (%s)", chat, p.Mark, p.Kind)
	}
}

// waited judges how long an answer took, from when it was first possible.
func (j *judge) waited(chat int64, p record.Posted, s said, before time.Time) {
	from := p.Acked
	if before.After(from) {
		from = before
	}
	wait := max(0, s.at.Sub(from))
	j.Waits = append(j.Waits, wait.Milliseconds())
	if away := j.away(from, s.at); wait-away > j.starve && !j.mayLose(p) {
		j.broken("I4", "chat %d: %s waited %s, with the store away for %s of it", chat, p.Mark, wait.Round(time.Second), away.Round(time.Second))
	}
}

// away is for how long the store took no writes between two times.
func (j *judge) away(from, to time.Time) time.Duration {
	var all time.Duration
	for _, o := range j.outages {
		begin, end := o.From, o.To
		if from.After(begin) {
			begin = from
		}
		if to.Before(end) {
			end = to
		}
		all += max(0, end.Sub(begin))
	}
	return all
}
