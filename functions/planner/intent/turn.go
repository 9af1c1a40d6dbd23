package intent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/alert"
	"github.com/hearthfaas/hearth/shared/budget"
	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/model"
	"github.com/hearthfaas/hearth/shared/model/builtin"
	"github.com/hearthfaas/hearth/shared/policy"
)

// mostTools is how many tools a plan may choose from: long lists are what small models fail on.
const mostTools = 8

// planWord is what a model answers when it needs tools. It stands alone at the beginning.
const planWord = "PLAN"

// turn is one message on its way to an answer.
type turn struct {
	*handler
	work *ledger.Work
	in   channel.Accepted
	lang string
	out  message.Outbound
	run  *ledger.Spawn
	hint builtin.Draft // what the request's words alone make
	by   flow.Author   // of the plan that was made here, where there is one

	settled []string // parameters that the model's plan did not get from the model

	shown string // sentences of the answer that people saw while it was written
	drop  int    // oldest turns of the conversation that a summary replaces
	first []byte // the summary
	said  string // what the conversation remembers of the answer; "" for the answer itself
}

// think decides: somebody without rights gets words only; a request that tools fit gets a plan; anything
// else gets an answer.
func (t *turn) think(ctx context.Context) error {
	if strings.TrimSpace(t.in.Inbound.Text) == "" {
		t.out.Markdown = t.words("I can read text only so far.", "目前我只能阅读文字。")
		return nil
	}
	var tools []manifest.Manifest
	if policy.May(t.in.Principal, policy.Act, "") == nil {
		all, err := t.registry.All(ctx)
		if err != nil {
			return err
		}
		tools = all
	}
	if started, err := t.startSpoken(ctx, tools); err != nil || started {
		return err
	}
	if len(tools) > 0 && t.likely(tools) {
		planned, err := t.plan(ctx, tools)
		if err != nil || planned {
			return err
		}
	}
	needs, err := t.chat(ctx, tools)
	if err != nil || !needs {
		return err
	}
	planned, err := t.plan(ctx, tools)
	if err == nil && !planned {
		t.out.Markdown = t.words("I could not make a plan of that. Please say it in other words.", "我没能为此制定计划，请换一种说法。")
	}
	return err
}

// likely reports whether the request's words alone make a plan likely: then the model is asked for one at
// once. What they miss, a language model finds while it answers.
func (t *turn) likely(tools []manifest.Manifest) bool {
	r := t.planRequest(tools)
	d := builtin.Plan(builtin.Request{Text: r.Text, Lang: r.Lang, Date: r.Date, Zone: r.Zone, Turns: r.Turns, Tools: tools})
	t.hint = d
	return d.Ask != "" || len(d.Steps) > 0
}

// chat lets the model answer in words. It reports whether the model asked for tools instead.
func (t *turn) chat(ctx context.Context, tools []manifest.Manifest) (needsTools bool, err error) {
	prompt, err := t.prompt(ctx, tools)
	if err != nil {
		return false, err
	}
	screen := policy.Screen{Known: t.known()}
	d := &draft{turn: t, ctx: ctx, start: t.env.Now(), tools: len(tools) > 0, screen: screen}
	answer, err := t.model.Chat(ctx, prompt, d.add)
	t.shown, t.out.Edit = d.good.String(), d.id
	if errors.Is(err, errNeedsTools) {
		return true, nil
	}
	if err != nil {
		return false, t.apologise(ctx, err)
	}
	if len(tools) > 0 && isPlanWord(answer.Text) {
		return true, nil
	}
	text := strings.TrimSpace(answer.Text)
	if text == "" {
		return false, t.apologise(ctx, fault.New(fault.Unavailable, "%s answered without a word", t.model.Name()))
	}
	if !t.model.Builtin() {
		text, _ = screen.Honest(text, t.lang)
	}
	t.out.Markdown = text
	if t.in.Pairing != "" {
		t.out.Markdown += "\n\n" + t.words(
			"I do not know you yet, so I may only talk. To let me act for you, run on a signed-in machine: `hearth pair "+t.in.Pairing+"`",
			"我还不认识您，所以只能聊天。要让我替您办事，请在已登录的机器上运行：`hearth pair "+t.in.Pairing+"`")
	}
	return false, nil
}

// apologise turns a model that is away into an answer, once waiting no longer helps. Until then the error
// stands and the message is tried again.
func (t *turn) apologise(ctx context.Context, err error) error {
	const patience = 4
	if a, spent := alert.Refused(err, t.in.Principal.User, t.env.Now()); spent { // waiting would keep the conversation for hours
		if err := alert.Raise(ctx, t.ledger, a); err != nil {
			return err
		}
		t.out.Markdown = t.words("I may not ask the model now: ", "现在不能使用模型：") + fault.Text(err)
		return nil
	}
	if fault.Retryable(err) && t.work.Attempt < patience {
		return err
	}
	if fault.Is(err, fault.Stale) || ctx.Err() != nil {
		return err
	}
	fn.Logger(ctx, t.env.Log).Error("the model gives no answer", "kind", fault.KindOf(err), "err", err)
	t.out.Markdown = t.words("The model does not answer: ", "模型没有回应：") + fault.Text(err)
	return nil
}

// thinkUnlessStopped is think, cut short as soon as somebody says stop.
func (t *turn) thinkUnlessStopped(ctx context.Context) error {
	user := t.in.Principal.User
	if t.ledger.Held(t.work, user) {
		return t.stop(ctx)
	}
	heeding, forget := t.ledger.Heed(ctx, t.work, user)
	err := t.think(t.budget.Meter(heeding, t.charge(), budget.Who{User: user}))
	stopped := errors.Is(context.Cause(heeding), ledger.ErrStopped)
	forget()
	if stopped {
		return t.stop(ctx)
	}
	return err
}

// charge names this attempt at the message in the budgets.
func (t *turn) charge() string {
	return fmt.Sprintf("%s/%d/%d", t.work.Lane, t.work.Inbox.Seq, t.work.Epoch)
}

// stop makes the one final answer to a message that somebody stopped: what was shown of it, and that there is
// no more. A plan that was made meanwhile is forgotten.
func (t *turn) stop(ctx context.Context) error {
	braked, err := t.ledger.Braked(ctx, t.in.Principal.User)
	if err != nil {
		return err
	}
	word := t.words("Stopped.", "已停止。")
	if braked {
		word = t.words("Stopped: nothing is done until somebody with the right to says `hearth resume`.", "已停止：在有权限的人运行 `hearth resume` 之前，不会执行任何操作。")
	}
	t.run, t.drop, t.first, t.said, t.out.Run, t.out.Buttons = nil, 0, nil, "", "", nil
	t.out.Markdown = strings.TrimSpace(t.shown + "\n\n" + word)
	return nil
}

// prompt is the conversation in the model's window. What no longer fits is summarised and leaves it.
func (t *turn) prompt(ctx context.Context, tools []manifest.Manifest) (model.Prompt, error) {
	p := model.Prompt{System: t.system(tools), Lang: t.lang, Tools: tools, Date: t.today()}
	turns := append(t.conversation(), t.user())
	bounds, err := model.BoundsOf(ctx, t.env, t.model, p.System)
	if err != nil {
		return p, err
	}
	if bounds.Fits(turns) {
		p.Turns = turns
		return p, nil
	}
	noted := make([]model.Turn, len(turns))
	for i, raw := range turns {
		noted[i] = model.Note(raw)
	}
	view, err := model.Window(noted, bounds)
	if err != nil {
		return p, err
	}
	if len(view.Old) > 0 {
		summary, err := model.Summary(ctx, t.model, view.Old, t.lang, view.Room)
		if err != nil {
			return p, err
		}
		t.drop, t.first = len(view.Old), summary.Raw
		p.Turns = append(p.Turns, summary.Raw)
	}
	for _, turn := range view.Send {
		p.Turns = append(p.Turns, turn.Raw)
	}
	return p, nil
}

func (t *turn) today() string { return t.in.Inbound.At.In(t.zone).Format(time.DateOnly) }

// system tells a model who it is and what it may do. Outside text never stands here.
func (t *turn) system(tools []manifest.Manifest) string {
	var b strings.Builder
	b.WriteString("You are Hearth, an assistant that a company runs on its own machines. Answer briefly, in " + t.words("English", "Chinese") + ". ")
	fmt.Fprintf(&b, "Today is %s (%s). ", t.in.Inbound.At.In(t.zone).Format("Monday 2006-01-02"), t.zone)
	b.WriteString("Never say that you did, sent, saved or changed anything: you cannot do so in this conversation.")
	if len(tools) > 0 {
		fmt.Fprintf(&b, "\nIf the request needs one of these tools, answer with the one word %s and nothing else:\n", planWord)
		for _, m := range tools {
			fmt.Fprintf(&b, "- %s: %s\n", m.ID, m.Summary)
		}
	}
	return b.String()
}

func (t *turn) user() json.RawMessage { return model.Message("user", t.in.Inbound.Text) }

// finish is the end of the message in the ledger.
func (t *turn) finish() (ledger.Finish, error) {
	t.out.Key = string(t.work.Lane) + "/" + ledger.AnswerID(t.work.Inbox.Seq)
	answer, err := json.Marshal(t.out)
	if err != nil {
		return ledger.Finish{}, fault.As(fault.Internal, err, "an answer")
	}
	said := t.said
	if said == "" {
		said = t.out.Markdown
	}
	return ledger.Finish{
		Seq: t.work.Inbox.Seq, Answer: answer, Turns: [][]byte{t.user(), model.Message("assistant", said)},
		Drop: t.drop, First: t.first, Run: t.run,
	}, nil
}

func (t *turn) words(en, zh string) string {
	if t.lang == "zh" {
		return zh
	}
	return en
}

// known is what was said before the answer: only a run that stands in it may be named.
func (t *turn) known() string {
	var b strings.Builder
	for _, raw := range t.work.Turns {
		b.Write(raw)
	}
	b.WriteString(t.in.Inbound.Text)
	return b.String()
}

func (t *turn) conversation() []json.RawMessage {
	turns := make([]json.RawMessage, len(t.work.Turns))
	for i, raw := range t.work.Turns {
		turns[i] = raw
	}
	return turns
}
