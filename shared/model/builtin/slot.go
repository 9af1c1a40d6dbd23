package builtin

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/hearthfaas/hearth/shared/manifest"
)

// value fills a slot: from the answer to its question, from the step before, or from what was said.
// Quotations are used up in the order of the slots.
func (d *drafting) value(tool manifest.Manifest, slot manifest.Slot, p property, quotes *[]string) (any, bool) {
	h := d.said
	if answer, ok := d.thread.answers[questionOf(tool, slot).key()]; ok {
		if q := questionOf(tool, slot); q.worded() {
			return shape(p, strings.Trim(strings.TrimSpace(answer), `"“”「」`)), true
		}
		h = hear(answer, d.today)
		h.reads = append(h.reads, h.writes...)
		h.writes = h.reads
	}
	switch slot.Kind {
	case "email":
		return d.address(slot, p, h)
	case "url":
		return list(p, h.urls)
	case "path":
		places := h.reads
		if p.writes() {
			places = h.writes
		}
		if !p.has("array") {
			places = places[:min(1, len(places))]
		}
		return list(p, places)
	case "text":
		if h.free != "" {
			d.worded = true
			return shape(p, h.free), true
		}
		return quoted(p, quotes)
	case "quoted":
		return quoted(p, quotes)
	case "sql":
		return shape(p, h.sql), h.sql != ""
	case "number":
		return shape(p, h.number), h.number != ""
	case "date":
		return d.date(p, h)
	default:
		return d.fromBefore(slot.Kind, p, h)
	}
}

func (d *drafting) address(slot manifest.Slot, p property, h said) (any, bool) {
	if slot.Param == "cc" || slot.Param == "bcc" {
		return list(p, h.copies)
	}
	return list(p, h.emails)
}

func (d *drafting) date(p property, h said) (any, bool) {
	switch {
	case h.today:
		return shape(p, "{{date}}"), true
	case d.repeats: // another day than the run's own cannot be said once for all runs
		return nil, false
	default:
		return shape(p, h.day), h.day != ""
	}
}

// fromBefore returns what an earlier step gives, the last one first, or a file that the request names.
func (d *drafting) fromBefore(kind string, p property, h said) (any, bool) {
	for _, m := range slices.Backward(d.made) {
		if m.kind == kind {
			return list(p, []string{m.value})
		}
	}
	if kind == "file" {
		return list(p, h.reads)
	}
	return nil, false
}

func quoted(p property, quotes *[]string) (any, bool) {
	if len(*quotes) == 0 {
		return nil, false
	}
	first := (*quotes)[0]
	*quotes = (*quotes)[1:]
	return shape(p, first), true
}

// list gives values the form that p takes: a list, or text with commas.
func list(p property, values []string) (any, bool) {
	if len(values) == 0 {
		return nil, false
	}
	if p.has("array") && (len(values) > 1 || !p.has("string")) {
		return values, true
	}
	return strings.Join(values, ", "), true
}

// shape gives a text the form that p takes: a number, a list of one, or text.
func shape(p property, text string) any {
	switch {
	case p.has("string"):
		return text
	case p.has("number") || p.has("integer"):
		if json.Valid([]byte(text)) {
			return json.Number(text)
		}
	case p.has("array"):
		return []string{text}
	}
	return text
}

// onDay moves an example, which speaks of today, to the day that the request names.
func (d *drafting) onDay(value any) any {
	if d.said.day == "" || d.said.today || d.repeats {
		return value
	}
	switch v := value.(type) {
	case string:
		return strings.NewReplacer("CURRENT_DATE", "'"+d.said.day+"'", "{{date}}", d.said.day).Replace(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = d.onDay(v[i])
		}
		return out
	case []string:
		out := make([]string, len(v))
		for i := range v {
			out[i], _ = d.onDay(v[i]).(string)
		}
		return out
	default:
		return value
	}
}

// vague reports whether the request names days that an example for today cannot be moved to.
func (d *drafting) vague() bool {
	return d.said.period != "" || d.repeats && d.said.day != "" && !d.said.today
}

// whichDays says why the example does not fit, in front of the question.
func (d *drafting) whichDays(question manifest.Phrase) manifest.Phrase {
	return manifest.Phrase{
		En: "Without a language model I can only ask for a single day's data. " + question.En,
		Zh: "没有语言模型时，我只会查询某一天的数据。" + question.Zh,
	}
}
