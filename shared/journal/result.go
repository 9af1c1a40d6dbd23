package journal

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/message"
)

// result is the outbox entry that tells the session how the run ended. It is written by code from the
// receipts: nothing in it is claimed by a model.
func result(run *flow.Run, now time.Time) ([]byte, error) {
	out, err := addressed(run)
	if err != nil {
		return nil, err
	}
	out.Markdown = Summary(run)
	if run.Can(now).Undo && (run.State == flow.StateDone || run.State == flow.Stopped) {
		out.Buttons = [][]message.Button{{{Label: words(run.Lang, "Undo", "撤销"), Value: "u:" + run.ID}}}
	}
	var doubts []string
	for _, u := range run.InDoubt() {
		doubts = append(doubts, u.ID)
	}
	out.Buttons = append(out.Buttons, channel.SettleButtons(run.Lang, run.ID, doubts)...)
	raw, err := json.Marshal(out)
	if err != nil {
		return nil, fault.As(fault.Internal, err, "the result of run %s", run.ID)
	}
	return raw, nil
}

// addressed is an empty message to the place that hears of a run.
func addressed(run *flow.Run) (message.Outbound, error) {
	out := message.Outbound{Run: run.ID}
	if len(run.Reply) == 0 {
		return out, nil
	}
	if err := json.Unmarshal(run.Reply, &out); err != nil {
		return out, fault.As(fault.Internal, err, "the reply place of run %s", run.ID)
	}
	out.Run = run.ID
	return out, nil
}

// Summary tells in Markdown how a run ended: one line for the whole, one for each step, what went wrong,
// and what to do next.
func Summary(run *flow.Run) string {
	if run.Install && run.State == flow.StateDone {
		return installed(run)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "**%s**\n", headline(run))
	for _, s := range run.Steps {
		for _, u := range s.Units {
			if line := unitLine(run.Lang, s, u); line != "" {
				fmt.Fprintf(&b, "- %s\n", line)
			}
		}
	}
	b.WriteString(moved(run))
	if run.Problem != nil && run.State != flow.StateDone && run.State != flow.StateUndone {
		fmt.Fprintf(&b, "\n%s `%s`: %s\n", words(run.Lang, "What went wrong in", "出错的步骤"), run.Culprit, run.Problem.Message)
	}
	fmt.Fprintf(&b, "\n%s `%s`", words(run.Lang, "Run", "运行"), run.ID)
	if run.Approved && run.By != run.User && run.By != "" {
		fmt.Fprintf(&b, " · %s %s", words(run.Lang, "approved by", "批准人："), run.By)
	}
	if next := advice(run); next != "" {
		fmt.Fprintf(&b, " · %s", next)
	}
	return b.String()
}

func headline(run *flow.Run) string {
	text := map[flow.State][2]string{
		flow.StateDone:   {"Done", "已完成"},
		flow.StateFailed: {"Failed; nothing had to be taken back", "失败，没有需要撤销的内容"},
		flow.RolledBack:  {"Failed and rolled back", "失败，已自动回滚"},
		flow.NeedsHuman:  {"Stopped: a person has to look at this", "已停止，需要人工处理"},
		flow.Stopped:     {"Stopped on request", "已按要求停止"},
		flow.StateUndone: {"Undone", "已撤销"},
		flow.StateDenied: {"Not approved; nothing was done", "未获批准，什么都没有执行"},
		flow.Expired:     {"Nobody approved in time; nothing was done", "审批超时，什么都没有执行"},
	}[run.State]
	line := words(run.Lang, text[0], text[1])
	if title := run.Title(); title != "" {
		line += words(run.Lang, ": ", "：") + title
	}
	if run.DryRun {
		line += words(run.Lang, " (dry run)", "（试运行）")
	}
	return line
}

// unitLine tells what became of a unit, with its receipt: run and step.
func unitLine(lang string, s *flow.StepRun, u *flow.Unit) string {
	title := s.Fact.Title
	if u.ID != s.ID {
		title += " " + u.ID[len(s.ID):]
	}
	switch u.State {
	case flow.UnitDone:
		if u.Taken != "" {
			return fmt.Sprintf("= %s: %s `%s`  `%s`", title, words(lang, "taken over from", "沿用运行"), u.Taken, u.ID)
		}
		summary := u.Answer().Summary
		if summary == "" {
			summary = words(lang, "done", "完成")
		}
		return fmt.Sprintf("✓ %s: %s%s  `%s`", title, summary, known(lang, u), u.ID)
	case flow.UnitUndone:
		return fmt.Sprintf("↩ %s: %s  `%s`", title, words(lang, "undone", "已撤销"), u.ID)
	case flow.UnitFailed:
		return fmt.Sprintf("✗ %s: %s  `%s`", title, problem(u.Problem), u.ID)
	case flow.UnitUnknown:
		return fmt.Sprintf("? %s: %s  `%s`", title, words(lang, "nobody knows whether it happened; please check", "无法确定是否已执行，请核实"), u.ID)
	case flow.UndoBroken:
		return fmt.Sprintf("! %s: %s: %s  `%s`", title, words(lang, "could not be undone", "无法撤销"), problem(u.UndoErr), u.ID)
	case flow.UnitSkipped:
		return fmt.Sprintf("– %s: %s  `%s`", title, words(lang, "skipped", "已跳过"), u.ID)
	default:
		return ""
	}
}

// known says how it is known that a unit is done, and why it still is, where that is not plain.
func known(lang string, u *flow.Unit) string {
	note := ""
	switch {
	case u.Settler != "":
		note = fmt.Sprintf(words(lang, " (%s says so)", "（由 %s 确认）"), u.Settler)
	case u.Checked:
		note = words(lang, " (checked afterwards)", "（事后核实）")
	}
	if !u.Late.IsZero() {
		ended := u.Late.UTC().Format("2006-01-02 15:04 MST")
		note += fmt.Sprintf(words(lang, "; stays, the time to undo it ended at %s", "；保留，可撤销的时间已于 %s 结束"), ended)
	}
	return note
}

// moved shows what is not as the steps left it, where that kept them from being undone.
func moved(run *flow.Run) string {
	var b strings.Builder
	for _, s := range run.Steps {
		for _, u := range s.Units {
			if u.State != flow.UndoBroken || u.UndoErr == nil {
				continue
			}
			for _, c := range u.UndoErr.Changes {
				b.WriteString(message.Change(run.Lang, c))
			}
		}
	}
	return b.String()
}

func problem(p *flow.Problem) string {
	if p == nil {
		return "?"
	}
	return p.Message
}

// advice is the next thing a person can do.
func advice(run *flow.Run) string {
	switch run.State {
	case flow.RolledBack, flow.StateFailed:
		return "`hearth runs retry " + run.ID + "`"
	case flow.Expired:
		return words(run.Lang, "ask again: ", "重新申请：") + "`hearth runs fork " + run.ID + "`"
	case flow.NeedsHuman, flow.Stopped:
		settle := ""
		if doubts := run.InDoubt(); len(doubts) == 1 {
			settle = "`" + channel.SettleCommand(run.ID, doubts[0].ID) + "` · "
		} else if len(doubts) > 1 {
			settle = "`" + channel.SettleCommand(run.ID, words(run.Lang, "STEP", "步骤")) + "` · "
		}
		return settle + "`hearth runs show " + run.ID + "` · `hearth runs undo " + run.ID + "`"
	default:
		return ""
	}
}

func words(lang, en, zh string) string {
	if lang == "zh" {
		return zh
	}
	return en
}
