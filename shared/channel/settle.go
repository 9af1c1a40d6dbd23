package channel

import (
	"context"
	"strings"

	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/policy"
	"github.com/hearthfaas/hearth/shared/vault"
)

// searchedRuns is how many runs are searched for steps in doubt, as many as system-tasks lists.
const searchedRuns = 200

// mostButtons is how many steps get buttons; beyond that the commands stand alone.
const mostButtons = 4

// What a person says of a step in doubt, in the words of hearth runs settle.
const (
	happened = "happened"
	didNot   = "did-not"
)

// outcomes are the words for whether a step happened.
var outcomes = map[string]bool{happened: true, didNot: false, "not": false, "已发生": true, "未发生": false}

// outcomeOf are the words that the buttons stand for.
var outcomeOf = map[string]string{"y": happened, "n": didNot}

// step is what we read of a step of a run.
type step struct {
	ID     string `json:"id"`
	Title  string `json:"title"`
	Settle bool   `json:"settle"` // nobody knows whether it happened
}

// SettleButtons are the buttons by which a person says whether steps of a run happened, a row for each; none
// when they are many. A step whose name is too long for a button has none.
func SettleButtons(lang, run string, steps []string) [][]message.Button {
	if len(steps) > mostButtons {
		return nil
	}
	var rows [][]message.Button
	for _, id := range steps {
		row := []message.Button{
			{Label: "✓ " + id + itHappened.In(lang), Value: "y:" + run + ":" + id},
			{Label: "✗ " + id + itDidNot.In(lang), Value: "n:" + run + ":" + id},
		}
		if row[0].Check() == nil {
			rows = append(rows, row)
		}
	}
	return rows
}

// SettleCommand is what people send to say whether a step of a run happened.
func SettleCommand(run, step string) string {
	return "/settle " + run + " " + step + " " + happened + "|" + didNot
}

// settle writes down what a person says of a step in doubt. Where they do not say it whole, it answers what is
// in doubt and what to send; done is false when that is nothing, and the words were no order.
func (i *Intake) settle(ctx context.Context, p policy.Principal, call vault.Call, o order, lang string) (answer orderAnswer, done bool, err error) {
	if call.User == "" {
		return orderAnswer{Text: nothing.In(lang)}, !o.word, nil
	}
	if words := strings.Fields(strings.ReplaceAll(o.rest, "`", "")); len(words) > 2 {
		if did, known := outcomes[strings.ToLower(strings.Join(words[2:], "-"))]; known {
			answer, err := i.settled(ctx, call, words[0], words[1], did, lang)
			return answer, true, err
		}
	}
	list, err := i.list(ctx, call, searchedRuns)
	if err != nil {
		return orderAnswer{}, true, err
	}
	for _, v := range list {
		if (o.run == "" || o.run == v.ID) && policy.May(p, policy.Undo, v.User) == nil {
			answer.ask(lang, v)
		}
	}
	if answer.Text == "" {
		return orderAnswer{Text: nothing.In(lang)}, !o.word, nil
	}
	answer.Text = inDoubt.In(lang) + answer.Text
	return answer, true, nil
}

// settled tells system-tasks whether a step happened, and asks about what else of the run is in doubt.
func (i *Intake) settled(ctx context.Context, call vault.Call, run, id string, did bool, lang string) (orderAnswer, error) {
	if err := isRun(run); err != nil {
		return orderAnswer{}, err
	}
	var v view
	if err := i.gateway.Call(ctx, "system-tasks/runs/"+run+"/settle", call, map[string]any{"step": id, "did": did}, &v); err != nil {
		return orderAnswer{}, err
	}
	text := saidDidNot
	if did {
		text = saidHappened
	}
	answer := orderAnswer{Run: run}
	answer.ask(lang, v)
	if answer.Text != "" {
		answer.Text = "\n\n" + inDoubt.In(lang) + answer.Text
	}
	answer.Text = v.after(lang, text.In(lang, named(v), id)) + answer.Text
	return answer, nil
}

// ask adds the steps of a run that are in doubt, with what to send and buttons.
func (a *orderAnswer) ask(lang string, v view) {
	var steps []string
	for _, s := range v.Steps {
		if !s.Settle {
			continue
		}
		steps = append(steps, s.ID)
		command := "/settle " + v.ID + " " + s.ID + " "
		a.Text += "\n- " + inDoubtStep.In(lang, named(v), s.Title, command+happened, command+didNot)
	}
	if rows := SettleButtons(lang, v.ID, steps); len(a.Buttons)+len(rows) <= mostButtons {
		a.Buttons = append(a.Buttons, rows...)
	}
}

var (
	inDoubt      = phrase{"Nobody knows whether this happened. Look there, then say:", "无法确定以下步骤是否已执行。请核实后发送："}
	inDoubtStep  = phrase{"%s, %s: `%s` or `%s`", "%s，%s：`%s` 或 `%s`"}
	saidHappened = phrase{"Settled: %s. `%s` happened.", "已确认：%s。步骤 `%s` 已发生。"}
	saidDidNot   = phrase{"Settled: %s. `%s` did not happen.", "已确认：%s。步骤 `%s` 未发生。"}
	itHappened   = phrase{" happened", " 已发生"}
	itDidNot     = phrase{" did not happen", " 未发生"}
)
