package channel

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/vault"
)

// propose shows what an undo would do, with a button, when there is something to think over. done is false
// when there is not, and the undo may simply be asked for.
func (i *Intake) propose(ctx context.Context, lang string, call vault.Call, id string) (card orderAnswer, done bool, err error) {
	if err := isRun(id); err != nil {
		return orderAnswer{}, true, err
	}
	var plan flow.UndoPlan
	if err := i.gateway.Call(ctx, "system-tasks/runs/"+id+"/preview", call, struct{}{}, &plan); err != nil {
		return orderAnswer{}, true, err
	}
	if !plan.Can || plan.Simple() {
		return orderAnswer{}, false, nil
	}
	zone, err := i.env.Zone()
	if err != nil {
		return orderAnswer{}, true, err
	}
	buttons := [][]message.Button{{{Label: confirm.In(lang), Value: "u:" + id}}}
	return orderAnswer{Text: undoCard(lang, plan, zone), Run: id, Buttons: buttons}, true, nil
}

var (
	proposed    = phrase{"Undo %s? Newest first:", "撤销 %s？从最近的一步开始："}
	confirm     = phrase{"Undo this", "确认撤销"}
	confirmText = phrase{"To undo what can be taken back: `/undo %s yes`", "确认撤销可以撤销的部分：`/undo %s yes`"}
	within      = phrase{", until %s", "，%s 之前可撤销"}
	would       = phrase{"can be taken back", "可以撤销"}
	gone        = phrase{"cannot be taken back", "无法撤销"}
	expired     = phrase{"can no longer be taken back, its time ended at %s", "已过撤销时间（%s）"}
	differs     = phrase{"changed since: it would be left as it is", "之后有改动：将保持现状"}
	unsure      = phrase{"can be taken back, if nobody has changed it since", "若之后没有改动，可以撤销"}
)

// undoCard is what an undo would do, in Markdown.
func undoCard(lang string, plan flow.UndoPlan, zone *time.Location) string {
	var b strings.Builder
	fmt.Fprintf(&b, "**%s**\n", proposed.In(lang, named(view{ID: plan.Run, Title: plan.Title})))
	var changes strings.Builder
	for _, s := range plan.Steps {
		fmt.Fprintf(&b, "- %s `%s`: %s\n", s.Title, s.ID, fate(lang, s, zone))
		if s.Look == flow.LookChanged && s.Problem != nil {
			for _, c := range s.Problem.Changes {
				changes.WriteString(message.Change(lang, c))
			}
		}
	}
	b.WriteString(changes.String())
	b.WriteString("\n" + confirmText.In(lang, plan.Run))
	return b.String()
}

// fate is what an undo would make of a step.
func fate(lang string, s flow.UndoStep, zone *time.Location) string {
	until := s.Until.In(zone).Format("2006-01-02 15:04")
	text := ""
	switch {
	case s.Blocked == flow.TooLate:
		return "✗ " + expired.In(lang, until)
	case s.Blocked != "":
		return "✗ " + gone.In(lang)
	case s.Look == flow.LookChanged:
		return "! " + differs.In(lang)
	case s.Look == flow.LookReady && s.Would != "":
		text = "↩ " + s.Would
	case s.Look == flow.LookReady:
		text = "↩ " + would.In(lang)
	default:
		text = "↩ " + unsure.In(lang)
	}
	if !s.Until.IsZero() {
		text += within.In(lang, until)
	}
	return text
}
