package channel

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/policy"
	"github.com/hearthfaas/hearth/shared/vault"
)

const (
	orderSpace = "orders"       // answers to orders, by the order's key
	orderLife  = 24 * time.Hour // platforms redeliver for so long
	listedRuns = 20
)

// orderAnswer is what an order was answered. It is written down before it is delivered, so that an order
// that arrives again is not carried out again.
type orderAnswer struct {
	Text string `json:"text"`
	Run  string `json:"run,omitempty"`
	Sent bool   `json:"sent"`

	Buttons [][]message.Button `json:"buttons,omitempty"`
}

// view is what we read of a run.
type view struct {
	ID    string `json:"id"`
	User  string `json:"user"`
	Title string `json:"title"`
	State string `json:"state"`

	Digest  string   `json:"digest"`
	Install bool     `json:"install"`
	Card    *card    `json:"card"`
	Earlier *earlier `json:"earlier"` // who decided the same before

	Can struct {
		Approve bool `json:"approve"`
		Deny    bool `json:"deny"`
		Cancel  bool `json:"cancel"`
		Undo    bool `json:"undo"`
	} `json:"can"`

	Steps []step `json:"steps"`
}

// card is what we read of a plan's card.
type card struct {
	Lines []string `json:"lines"`
}

type earlier struct {
	By string    `json:"by"`
	At time.Time `json:"at"`
}

// obey carries an order out and answers it. done is false when the words were no order after all.
func (i *Intake) obey(ctx context.Context, in message.Inbound, p policy.Principal, o order) (taken Taken, done bool, err error) {
	doc, err := i.ledger.Get(ctx, orderSpace, key(in))
	var answer orderAnswer
	switch {
	case fault.Is(err, fault.NotFound):
		answer, done, err = i.carryOut(ctx, in, p, o)
		if err != nil || !done {
			return Taken{}, done, err
		}
		doc = ledger.Doc{ID: key(in), Rev: ledger.Absent}
		if doc, err = i.note(ctx, doc, answer); err != nil {
			return Taken{}, true, err
		}
	case err != nil:
		return Taken{}, true, err
	default:
		if err := json.Unmarshal(doc.Body, &answer); err != nil {
			return Taken{}, true, fault.As(fault.Internal, err, "the answer to an order is damaged")
		}
	}
	taken = Taken{Answer: "order/" + key(in)}
	if answer.Sent {
		return taken, true, nil
	}
	out := message.Outbound{Key: taken.Answer, Address: in.Address, Markdown: answer.Text, Run: answer.Run, Reply: in.Reply, Buttons: answer.Buttons}
	if in.ChatKind != message.Direct {
		out.ReplyTo = in.MessageID // among people, say whose order this answers
	}
	if err := i.deliver(ctx, out); err != nil {
		return Taken{}, true, err
	}
	answer.Sent = true
	_, err = i.note(ctx, doc, answer)
	return taken, true, err
}

func (i *Intake) note(ctx context.Context, doc ledger.Doc, answer orderAnswer) (ledger.Doc, error) {
	body, err := json.Marshal(answer)
	if err != nil {
		return ledger.Doc{}, fault.As(fault.Internal, err, "encode the answer to an order")
	}
	doc.Body = body
	return i.ledger.Put(ctx, orderSpace, doc, orderLife)
}

// carryOut does what an order says. An error means that it may be tried again; a refusal is an answer.
func (i *Intake) carryOut(ctx context.Context, in message.Inbound, p policy.Principal, o order) (orderAnswer, bool, error) {
	lang := Speaks(in)
	call := vault.Call{User: p.User, Role: string(p.Role)}
	answer, done, err := i.apply(ctx, in, p, o, call)
	if err != nil {
		if fault.Retryable(err) || fault.Is(err, fault.Internal) {
			return orderAnswer{}, true, err
		}
		answer, done = orderAnswer{Text: refused.In(lang, fault.Text(err)), Run: o.run}, true
		if o.verb == approve && fault.Is(err, fault.Conflict) {
			i.showAgain(ctx, call, lang, &answer)
		}
	}
	if !done {
		return orderAnswer{}, false, nil
	}
	event, err := said(in, p)
	if err != nil {
		return orderAnswer{}, true, err
	}
	_, err = i.ledger.Append(ctx, Lane(i.ledger, in.Address), key(in), event)
	return answer, true, err
}

func (i *Intake) apply(ctx context.Context, in message.Inbound, p policy.Principal, o order, call vault.Call) (orderAnswer, bool, error) {
	lang := Speaks(in)
	switch {
	case o.verb == help:
		return orderAnswer{Text: helped.In(lang)}, true, nil
	case o.verb == pair:
		text, err := i.paired(ctx, in, p, lang)
		return orderAnswer{Text: text}, true, err
	case o.verb == alerts:
		text, err := i.place(ctx, in, p, o.run, call)
		return orderAnswer{Text: text}, true, err
	case o.verb == runs:
		list, err := i.list(ctx, call, listedRuns)
		return orderAnswer{Text: listed(lang, list)}, true, err
	case o.verb == tasks:
		text, err := i.tasks(ctx, call, o.rest, lang)
		return orderAnswer{Text: text}, true, err
	case o.verb == freeze || o.verb == keep:
		answer, err := i.freeze(ctx, call, o, lang)
		return answer, true, err
	case o.verb == settle:
		return i.settle(ctx, p, call, o, lang)
	case o.verb == resume:
		text, err := i.resumed(ctx, call, o.run, lang)
		return orderAnswer{Text: text}, true, err
	case o.verb == stop && o.run == everything:
		text, err := i.stopRuns(ctx, "", call, lang)
		return orderAnswer{Text: text}, true, err
	case o.verb == stop && o.run == "":
		halted, err := i.ledger.Halt(ctx, Lane(i.ledger, in.Address))
		if err != nil {
			return orderAnswer{}, true, err
		}
		if !o.word || halted > 0 {
			text, err := i.stopOwn(ctx, p, call, halted, lang)
			return orderAnswer{Text: text}, true, err
		}
	}
	if o.run == "" {
		fit, err := i.fitting(ctx, call, o.verb)
		switch {
		case err != nil:
			return orderAnswer{}, true, err
		case len(fit) == 0 && o.word:
			return orderAnswer{}, false, nil
		case len(fit) == 0:
			return orderAnswer{Text: nothing.In(lang)}, true, nil
		case len(fit) > 1 && o.verb != undo: // an undo is of the latest
			return orderAnswer{Text: which.In(lang, o.verb) + "\n\n" + listed(lang, fit)}, true, nil
		}
		o.run = fit[0].ID
	}
	if o.verb == undo && !o.sure {
		card, done, err := i.propose(ctx, lang, call, o.run)
		if err != nil || done {
			return card, true, err
		}
	}
	v, err := i.decide(ctx, call, o)
	text := decided[o.verb].In(lang, named(v))
	return orderAnswer{Text: v.after(lang, text), Run: o.run}, true, err
}

// after puts in front of what was decided who had decided the same before.
func (v view) after(lang, text string) string {
	if v.Earlier == nil {
		return text
	}
	return decidedBefore.In(lang, v.Earlier.By, v.Earlier.At.UTC().Format("2006-01-02 15:04 UTC"), text)
}

// decide tells system-tasks what was decided about one run.
func (i *Intake) decide(ctx context.Context, call vault.Call, o order) (view, error) {
	if err := isRun(o.run); err != nil {
		return view{}, err
	}
	var v view
	if o.verb == stop {
		err := i.gateway.Call(ctx, "system-tasks/stop", call, map[string]string{"run": o.run}, nil)
		return view{ID: o.run}, err
	}
	in := map[string]string{}
	if o.digest != "" {
		in["digest"] = o.digest
	}
	err := i.gateway.Call(ctx, "system-tasks/runs/"+o.run+"/"+string(o.verb), call, in, &v)
	return v, err
}

// isRun refuses what names no run.
func isRun(id string) error {
	if lane, err := ledger.ParseLane(id); err != nil || !lane.IsRun() {
		return fault.New(fault.NotFound, "no such run: %.40q", id).Try("/runs")
	}
	return nil
}

// list returns the newest runs that the caller may see, at most so many.
func (i *Intake) list(ctx context.Context, call vault.Call, most int) ([]view, error) {
	var out struct {
		Runs []view `json:"runs"`
	}
	err := i.gateway.Call(ctx, "system-tasks/runs", call, map[string]int{"limit": most}, &out)
	return out.Runs, err
}

// fitting returns the runs that a verb without a run can mean, newest first. One's undo is of one's own.
func (i *Intake) fitting(ctx context.Context, call vault.Call, v verb) ([]view, error) {
	if call.User == "" {
		return nil, nil
	}
	list, err := i.list(ctx, call, listedRuns)
	var fit []view
	for _, r := range list {
		if v == undo && r.User != call.User {
			continue
		}
		if map[verb]bool{approve: r.Can.Approve, deny: r.Can.Deny, stop: r.Can.Cancel, undo: r.Can.Undo}[v] {
			fit = append(fit, r)
		}
	}
	return fit, err
}

// place makes the conversation hear of alerts, or no more.
func (i *Intake) place(ctx context.Context, in message.Inbound, p policy.Principal, what string, call vault.Call) (string, error) {
	lang := Speaks(in)
	if what != here && what != off {
		return alertsHelp.In(lang), nil
	}
	ask := map[string]any{"address": in.Address, "lang": lang, "on": what == here}
	if strings.HasPrefix(p.Via, in.Address.Platform+"/") { // by a link, which can be taken back
		ask["sender"] = in.From.ID
	}
	var out struct {
		All bool `json:"all"`
	}
	if err := i.gateway.Call(ctx, "system-tasks/alerts", call, ask, &out); err != nil {
		return "", err
	}
	switch {
	case what == off:
		return alertsOff.In(lang), nil
	case out.All:
		return alertsAll.In(lang), nil
	default:
		return alertsOwn.In(lang), nil
	}
}

func (i *Intake) paired(ctx context.Context, in message.Inbound, p policy.Principal, lang string) (string, error) {
	if p.User != "" {
		return introduced.In(lang, p.User, p.Role), nil
	}
	if in.ChatKind != message.Direct {
		return privately.In(lang), nil
	}
	code, err := offer(ctx, i.ledger, i.vault, in.Address, in.From, i.env.Now())
	return offered.In(lang, code), err
}
