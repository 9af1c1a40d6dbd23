package intent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/model"
)

// repairs is how often a model gets the validator's message back.
const repairs = 2

func (t *turn) planRequest(tools []manifest.Manifest) model.PlanRequest {
	return model.PlanRequest{
		Text: t.in.Inbound.Text, Lang: t.lang, Date: t.today(), Zone: t.zone.String(),
		Turns: t.conversation(), Tools: tools,
	}
}

// prepare checks a drafted plan as strictly as one from a file.
func (t *turn) prepare(d model.Draft, tools []manifest.Manifest) (flow.Header, error) {
	raw, err := json.Marshal(flow.Plan{Title: d.Title, Steps: d.Steps})
	if err != nil {
		return flow.Header{}, fault.As(fault.Invalid, err, "the plan is not JSON")
	}
	plan, err := flow.Parse(raw)
	if err != nil {
		return flow.Header{}, err
	}
	return t.header(flow.Normalize(plan), journal.FromChat, tools)
}

// header makes the run of a plan, whose result this conversation hears.
func (t *turn) header(plan flow.Plan, origin string, tools []manifest.Manifest) (flow.Header, error) {
	reply := t.out
	reply.Markdown, reply.Buttons, reply.Edit = "", nil, ""
	place, err := json.Marshal(reply)
	if err != nil {
		return flow.Header{}, fault.As(fault.Internal, err, "the place of the answer")
	}
	recall, err := time.ParseDuration(t.env.Setting("HEARTH_RECALL", journal.DefaultRecall.String()))
	if err != nil {
		return flow.Header{}, fault.As(fault.Invalid, err, "want a time such as 30s").At("HEARTH_RECALL")
	}
	lane := t.ledger.RunFor(t.work.Lane, fmt.Sprint(t.work.Inbox.Seq))
	return journal.Prepare(journal.Request{
		ID: string(lane), Plan: plan, By: t.in.Principal, Origin: origin, Text: t.in.Inbound.Text,
		Session: string(t.work.Lane), Reply: place, Lang: t.lang, Zone: t.zone, Now: t.env.Now(), Recall: recall,
		Domains: strings.FieldsFunc(t.env.Setting("HEARTH_DOMAINS", ""), func(r rune) bool { return r == ',' || r == ' ' }),
	}, tools)
}

// begin creates the run with the answer: a card that asks for approval, or word that it is under way.
func (t *turn) begin(h flow.Header) error {
	raw, err := json.Marshal(h)
	if err != nil {
		return fault.As(fault.Internal, err, "the run %s", h.ID)
	}
	t.run = &ledger.Spawn{Lane: ledger.Lane(h.ID), Header: raw}
	t.out.Run = h.ID
	t.out.Markdown, t.said = t.card(h)+t.byline(), t.words("I made a plan: ", "我制定了计划：")+strings.Join(h.Card.Lines, "; ")
	if h.Approve {
		digest := h.Digest[:12]
		t.out.Buttons = [][]message.Button{{
			{Label: t.words("Approve", "批准"), Value: "a:" + h.ID + ":" + digest, Style: "primary"},
			{Label: t.words("Deny", "拒绝"), Value: "d:" + h.ID + ":" + digest, Style: "danger"},
		}}
	} else {
		t.out.Buttons = [][]message.Button{{{Label: t.words("Stop", "停止"), Value: "s:" + h.ID}}}
	}
	return nil
}

// card shows what will be read, written and sent to whom, with the concrete values, and what can be undone.
func (t *turn) card(h flow.Header) string {
	var b strings.Builder
	title := t.words("Plan", "计划")
	if h.Plan.Title != "" {
		title += t.words(": ", "：") + h.Plan.Title
	}
	fmt.Fprintf(&b, "**%s**\n\n", title)
	for i, line := range h.Card.Lines {
		fmt.Fprintf(&b, "%d. %s  `%s`\n", i+1, line, h.Plan.Steps[i].ID)
	}
	b.WriteString("\n")
	for _, r := range h.Card.Recipients {
		if r.External {
			fmt.Fprintf(&b, "%s **%s** (%s)\n", t.words("Goes to", "发送给"), r.To, t.words("outside", "外部"))
		} else {
			fmt.Fprintf(&b, "%s **%s**\n", t.words("Goes to", "发送给"), r.To)
		}
	}
	fmt.Fprintf(&b, t.words("%d of %d steps can be taken back.", "%d / %d 个步骤可以撤销。"), h.Card.Undoable, h.Card.Total)
	fmt.Fprintf(&b, "\n\n%s `%s`", t.words("Run", "运行"), h.ID)
	if h.Approve {
		fmt.Fprintf(&b, " · %s `hearth approve %s`", t.words("waits for your approval:", "等待批准："), h.ID)
	}
	return b.String()
}

// offerTask shows the task that a request with a time in it means. It is applied by its owner, who sees
// exactly what will run.
func (t *turn) offerTask(d model.Draft, tools []manifest.Manifest) error {
	if _, err := t.prepare(d, tools); err != nil {
		t.out.Markdown = t.words("I could not make a plan that holds: ", "我没能制定出可行的计划：") + fault.Text(err)
		return nil
	}
	plan := flow.Plan{TaskID: "task_" + strings.ToLower(string(t.ledger.RunFor(t.work.Lane, fmt.Sprint(t.work.Inbox.Seq)))[4:]), Title: d.Title, Trigger: d.Schedule, Steps: d.Steps}
	raw, err := json.Marshal(plan)
	if err != nil {
		return fault.As(fault.Internal, err, "the task")
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, raw, "", "  "); err != nil {
		return fault.As(fault.Internal, err, "the task")
	}
	t.out.Markdown = fmt.Sprintf("%s\n\n```json\n%s\n```\n\n%s%s", t.words("That is a task with a schedule:", "这是一个定时任务："), pretty.String(),
		t.words("Save it as task.json and apply it: `hearth task apply -f task.json`", "请保存为 task.json 并应用：`hearth task apply -f task.json`"), t.byline())
	return nil
}
