package builtin

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/hearthfaas/hearth/shared/manifest"
)

// question is something that a plan may have to ask.
type question struct {
	tool, param, kind string
	text              manifest.Phrase
}

// timeQuestion asks for the time of day of a schedule. It belongs to no tool.
var timeQuestion = question{kind: "time", text: manifest.Phrase{
	En: "At what time? For example 9:00.", Zh: "几点执行？例如 9:00。",
}}

// questionOf returns what to ask for a slot.
func questionOf(tool manifest.Manifest, slot manifest.Slot) question {
	q := question{tool.ID, slot.Param, slot.Kind, slot.Ask}
	if q.text.En == "" {
		q.text.En = tool.Title.In("en") + " needs " + slot.Param + ". What should it be?"
	}
	if q.text.Zh == "" {
		q.text.Zh = tool.Title.In("zh") + "还缺少 " + slot.Param + "，应该是什么？"
	}
	return q
}

// asks reports whether text puts the question.
func (q question) asks(text string) bool {
	return strings.Contains(text, q.text.En) || strings.Contains(text, q.text.Zh)
}

// worded reports whether any wording is an answer.
func (q question) worded() bool { return q.kind == "text" || q.kind == "quoted" || q.kind == "" }

// answered reports whether text holds what was asked for.
func (q question) answered(text string) bool {
	h := hear(text, "2000-01-01")
	switch q.kind {
	case "email":
		return len(h.emails)+len(h.copies) > 0
	case "url":
		return len(h.urls) > 0
	case "path", "file":
		return len(h.reads)+len(h.writes) > 0
	case "date":
		return h.day != ""
	case "number":
		return h.number != ""
	case "sql":
		return h.sql != ""
	case "time":
		return clockOf(atTime(text)).span != nil
	default:
		return strings.TrimSpace(text) != ""
	}
}

// bareTime is an answer that is nothing but a time of day.
var bareTime = compiled(`^\s*\d{1,2}(?:[:：]\d{2})?\s*$`)

// atTime makes a bare time readable as one.
func atTime(text string) string {
	if bareTime().MatchString(text) {
		return "at " + strings.ReplaceAll(strings.TrimSpace(text), "：", ":")
	}
	return text
}

// thread is a request together with the questions that were asked about it and their answers.
type thread struct {
	title   string // the words it began with
	text    string // everything said, without the answers that are mere wording
	answers map[string]string
	dropped bool // the person let it go
}

func (q question) key() string { return q.tool + "." + q.param }

// dropping is how people let a pending question go.
var dropping = compiled(`(?i)^\s*(?:算了|不用了|取消|不发了|不做了|never ?mind|cancel|forget it|stop)\s*[.。!！]?\s*$`)

// recall puts r.Text together with the request that it completes: as long as the turn before a person's
// words is one of our questions, they belong to what was said before it.
func recall(r Request) thread {
	t := thread{title: r.Text, text: r.Text, answers: map[string]string{}, dropped: dropping().MatchString(r.Text)}
	turns := lastTurns(r, 3) // words, the question before them, and perhaps r.Text itself
	if len(turns) == 0 {
		return t
	}
	before, asked := turns[len(turns)-1].text, questions(r.Tools)
	if !slices.ContainsFunc(asked, func(q question) bool { return q.asks(before) }) {
		return t
	}
	turns = lastTurns(r, maxTurns)
	said := []string{}
	current := r.Text
	for i := len(turns) - 1; i >= 1; i -= 2 {
		at := slices.IndexFunc(asked, func(q question) bool { return turns[i].role == "assistant" && q.asks(turns[i].text) })
		if at < 0 || turns[i-1].role != "user" {
			break
		}
		q := asked[at]
		if len(said) == 0 && !q.answered(current) && elsewhere(current, r.Tools) || dropping().MatchString(current) {
			break
		}
		if _, later := t.answers[q.key()]; !later && q.answered(current) {
			t.answers[q.key()] = current
		}
		said = append(said, spoken(q, current))
		current = turns[i-1].text
		t.title = current
	}
	said = append(said, current)
	slices.Reverse(said)
	t.text = strings.Join(said, "\n")
	return t
}

// spoken returns what of an answer counts as part of the request.
func spoken(q question, answer string) string {
	if q.worded() {
		return ""
	}
	if q.kind == "time" {
		return atTime(answer)
	}
	return answer
}

// elsewhere reports whether text is about something new rather than a failed answer.
func elsewhere(text string, tools []manifest.Manifest) bool {
	return kindOf(text) != other || len(choose(wanted(bare(text)), false, tools)) > 0
}

// questions returns all that may have been asked about tools.
func questions(tools []manifest.Manifest) []question {
	out := []question{timeQuestion}
	for _, tool := range tools {
		for _, slot := range tool.Intent.Slots {
			out = append(out, questionOf(tool, slot))
		}
		for _, name := range schemaOf(tool.Params).Required {
			out = append(out, questionOf(tool, slotOf(tool, name)))
		}
		if len(tool.Ops) > 0 {
			out = append(out, questionOf(tool, target(tool)))
		}
	}
	return out
}

type turn struct{ role, text string }

// lastTurns decodes the end of the conversation, at most `most` turns, without r.Text itself.
func lastTurns(r Request, most int) []turn {
	raws := r.Turns[max(0, len(r.Turns)-most):]
	var turns []turn
	for _, raw := range raws {
		if t := turnOf(raw); t.text != "" && (t.role == "user" || t.role == "assistant") {
			turns = append(turns, t)
		}
	}
	if n := len(turns); n > 0 && turns[n-1] == (turn{"user", r.Text}) {
		turns = turns[:n-1]
	}
	return turns
}

// turnOf decodes an OpenAI message. Its content is a text or a list of parts.
func turnOf(raw json.RawMessage) turn {
	var message struct {
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
	}
	if json.Unmarshal(raw, &message) != nil {
		return turn{}
	}
	var text string
	if json.Unmarshal(message.Content, &text) == nil {
		return turn{message.Role, bounded(text)}
	}
	var parts []struct {
		Text string `json:"text"`
	}
	if json.Unmarshal(message.Content, &parts) != nil {
		return turn{}
	}
	for _, p := range parts {
		text += p.Text
	}
	return turn{message.Role, bounded(text)}
}
