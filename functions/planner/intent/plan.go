package intent

import (
	"encoding/json"
	"fmt"
	"strings"

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
	lane := t.ledger.RunFor(t.work.Lane, fmt.Sprint(t.work.Inbox.Seq))
	r, err := journal.Request{
		ID: string(lane), Plan: plan, By: t.in.Principal, Origin: origin, Text: t.in.Inbound.Text, Author: t.author(),
		Session: string(t.work.Lane), Reply: place, Lang: t.lang, Zone: t.zone, Now: t.env.Now(), Install: plan.Trigger != nil && origin == journal.FromChat,
	}.Under(t.env)
	if err != nil {
		return flow.Header{}, err
	}
	return journal.Prepare(r, tools)
}

// begin creates the run with the answer: a card that asks for approval, or word that it is under way.
func (t *turn) begin(h flow.Header) error {
	raw, err := json.Marshal(h)
	if err != nil {
		return fault.As(fault.Internal, err, "the run %s", h.ID)
	}
	t.run = &ledger.Spawn{Lane: ledger.Lane(h.ID), Header: raw}
	t.out.Run = h.ID
	t.out.Markdown, t.said = journal.Card(h)+t.byline(), t.words("I made a plan: ", "我制定了计划：")+strings.Join(h.Card.Lines, "; ")
	if h.Approve {
		t.out.Buttons = journal.CardButtons(flow.Fold(h, nil), t.in.Inbound.ChatKind == message.Direct)
	} else {
		t.out.Buttons = [][]message.Button{{{Label: t.words("Stop", "停止"), Value: "s:" + h.ID}}}
	}
	return nil
}

// offerTask shows the task that a request with a time in it means. Approved by the one who asked, it is
// installed; until then it waits like any plan.
func (t *turn) offerTask(d model.Draft, tools []manifest.Manifest) error {
	id := "task_" + strings.ToLower(string(t.ledger.RunFor(t.work.Lane, fmt.Sprint(t.work.Inbox.Seq)))[4:])
	raw, err := json.Marshal(flow.Plan{TaskID: id, Title: d.Title, Trigger: d.Schedule, Steps: d.Steps})
	if err != nil {
		return fault.As(fault.Invalid, err, "the task is not JSON")
	}
	plan, err := flow.Parse(raw)
	if err == nil {
		var header flow.Header
		if header, err = t.header(flow.Normalize(plan), journal.FromChat, tools); err == nil {
			return t.begin(header)
		}
	}
	t.out.Markdown = t.words("I could not make a plan that holds: ", "我没能制定出可行的计划：") + fault.Text(err)
	return nil
}
