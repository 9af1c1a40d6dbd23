package journal

import (
	"encoding/json"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/plugin"
)

// describe adds a step to the card: what it reads and writes, who gets something, and one line for people.
func describe(card *flow.Card, m manifest.Manifest, s flow.Step, fact flow.Fact, r Request) {
	card.Total++
	if fact.Undo || fact.Effect == string(manifest.Read) {
		card.Undoable++
	}
	if fact.Undo {
		card.Undos = append(card.Undos, flow.CardUndo{Step: s.ID, For: fact.UndoFor})
	}
	files, err := plugin.Files(m.Params, s.Params)
	if err == nil {
		for _, f := range files {
			if f.Mode == plugin.ModeWrite {
				card.Writes = append(card.Writes, f.Path)
			} else {
				card.Reads = append(card.Reads, f.Path)
			}
		}
	}
	controls := controlValues(m, s)
	for _, value := range controls {
		if address, err := mail.ParseAddress(value); err == nil {
			card.Recipients = append(card.Recipients, flow.Recipient{To: address.Address, External: external(address.Address, r.Domains)})
		}
	}
	if fact.Effect == string(manifest.Read) && len(files) == 0 {
		card.Reads = append(card.Reads, strings.Join(controls, " "))
	}
	card.Lines = append(card.Lines, lineOf(fact, files, controls))
}

func lineOf(fact flow.Fact, files []plugin.File, controls []string) string {
	line := fact.Title
	var parts []string
	for _, value := range controls {
		if !slices.ContainsFunc(files, func(f plugin.File) bool { return f.Path == value }) {
			parts = append(parts, value)
		}
	}
	for _, f := range files {
		if f.Mode == plugin.ModeWrite {
			parts = append(parts, "→ "+f.Path)
		} else {
			parts = append(parts, f.Path)
		}
	}
	if len(parts) > 0 {
		line += ": " + strings.Join(parts, ", ")
	}
	return line
}

// controlValues returns the concrete values of the parameters that steer an effect, as people must see them.
func controlValues(m manifest.Manifest, s flow.Step) []string {
	var params map[string]json.RawMessage
	if json.Unmarshal(s.Params, &params) != nil {
		return nil
	}
	var values []string
	for _, name := range m.Control {
		raw, ok := params[name]
		if !ok {
			continue
		}
		var one string
		var many []string
		switch {
		case json.Unmarshal(raw, &one) == nil:
			values = append(values, one)
		case json.Unmarshal(raw, &many) == nil:
			values = append(values, many...)
		default:
			values = append(values, string(raw))
		}
	}
	return values
}

func external(address string, own []string) bool {
	_, domain, _ := strings.Cut(address, "@")
	return !slices.ContainsFunc(own, func(d string) bool { return strings.EqualFold(d, domain) })
}

// taken is the result of a step that is taken over, nil where it is too large to stand in the journal.
func taken(f *flow.Fork, s flow.Step) json.RawMessage {
	var list []json.RawMessage
	for _, e := range f.Taken {
		if e.Type != flow.Done || e.Step != s.ID && !strings.HasPrefix(e.Step, s.ID+"[") {
			continue
		}
		u := flow.Unit{Receipt: e.Receipt}
		result := u.Answer().Result
		if result == nil || s.Foreach == "" {
			return result
		}
		list = append(list, result)
	}
	raw, err := json.Marshal(list)
	if err != nil || list == nil {
		return nil
	}
	return raw
}

// foreseen is what is known of a step's result beforehand: a plugin that gives a file and writes one file
// only says in path which one it is (docs/plugin.md).
func foreseen(m manifest.Manifest, s flow.Step) json.RawMessage {
	var result struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	files, err := plugin.Files(m.Params, s.Params)
	if err != nil || m.Intent.Gives != "file" || s.If != "" || s.Foreach != "" || json.Unmarshal(m.Result, &result) != nil || result.Properties["path"] == nil {
		return nil
	}
	files = slices.DeleteFunc(files, func(f plugin.File) bool { return f.Mode != plugin.ModeWrite })
	if len(files) != 1 || strings.Contains(files[0].Path, "{{") {
		return nil
	}
	raw, err := json.Marshal(map[string]string{"path": files[0].Path})
	if err != nil {
		return nil
	}
	return raw
}

// Card shows a plan in Markdown as people must see it before they approve: each step with concrete values,
// who gets something, what can be taken back and for how long, who may approve, until when, and what
// happens then.
func Card(h flow.Header) string {
	var b strings.Builder
	title := words(h.Lang, "Plan", "计划")
	if h.Plan.Title != "" {
		title += words(h.Lang, ": ", "：") + h.Plan.Title
	}
	fmt.Fprintf(&b, "**%s**\n\n", title)
	if h.Install {
		b.WriteString(timetable(h))
	}
	for i, line := range h.Card.Lines {
		fmt.Fprintf(&b, "%d. %s  `%s`\n", i+1, strings.ReplaceAll(line, "{{date}}", words(h.Lang, "<day of the run>", "<当天日期>")), h.Plan.Steps[i].ID)
	}
	b.WriteString("\n")
	for _, r := range h.Card.Recipients {
		fmt.Fprintf(&b, "%s **%s**", words(h.Lang, "Goes to", "发送给"), r.To)
		if r.External {
			fmt.Fprintf(&b, " (%s)", words(h.Lang, "outside", "外部"))
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, words(h.Lang, "%d of %d steps can be taken back", "%d / %d 个步骤可以撤销"), h.Card.Undoable, h.Card.Total)
	b.WriteString(undoTimes(h) + words(h.Lang, ".", "。"))
	if cost := h.Card.Cost; cost != nil {
		fmt.Fprintf(&b, words(h.Lang, "\nEstimated cost: %s", "\n预计费用：%s"), costs(*cost))
	}
	fmt.Fprintf(&b, "\n\n%s `%s`", words(h.Lang, "Run", "运行"), h.ID)
	if h.Approve {
		b.WriteString(" · " + waits(h))
	}
	return b.String()
}

// undoTimes says how long what can be taken back can be, where that is limited.
func undoTimes(h flow.Header) string {
	var list []string
	for _, u := range h.Card.Undos {
		list = append(list, "`"+u.Step+"` "+words(h.Lang, "for ", "")+during(h.Lang, u.For))
	}
	if list == nil {
		return ""
	}
	return words(h.Lang, " (", "（") + strings.Join(list, ", ") + words(h.Lang, ")", "内）")
}

func during(lang string, d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day:
		return fmt.Sprintf(words(lang, "%d days", "%d 天"), int(d/day))
	case d >= 2*time.Hour:
		return fmt.Sprintf(words(lang, "%d hours", "%d 小时"), int(d/time.Hour))
	default:
		return fmt.Sprintf(words(lang, "%d minutes", "%d 分钟"), int(d/time.Minute))
	}
}

func costs(c flow.Cost) string {
	var parts []string
	if c.Tokens > 0 {
		parts = append(parts, fmt.Sprintf("%d tokens", c.Tokens))
	}
	if c.Amount != "" {
		parts = append(parts, c.Amount)
	}
	return strings.Join(parts, ", ")
}
