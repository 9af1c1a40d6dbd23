package channel

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/manifest"
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
	Card    *card    `json:"card"`
	Earlier *earlier `json:"earlier"` // who decided the same before

	Can struct {
		Approve bool `json:"approve"`
		Deny    bool `json:"deny"`
		Cancel  bool `json:"cancel"`
		Undo    bool `json:"undo"`
	} `json:"can"`
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
		list, err := i.list(ctx, call)
		return orderAnswer{Text: listed(lang, list)}, true, err
	case o.verb == tasks:
		text, err := i.tasks(ctx, call, o.rest, lang)
		return orderAnswer{Text: text}, true, err
	case o.verb == freeze || o.verb == keep:
		answer, err := i.freeze(ctx, call, o, lang)
		return answer, true, err
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
	if v.Earlier != nil {
		text = decidedBefore.In(lang, v.Earlier.By, v.Earlier.At.UTC().Format("2006-01-02 15:04 UTC"), text)
	}
	return orderAnswer{Text: text, Run: o.run}, true, err
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

// stopOwn stops all that is done for the one who says so, after the answers of this conversation were.
func (i *Intake) stopOwn(ctx context.Context, p policy.Principal, call vault.Call, halted int, lang string) (string, error) {
	text, err := nothing.In(lang), error(nil)
	if p.User != "" {
		text, err = i.stopRuns(ctx, p.User, call, lang)
	}
	if halted > 0 && text == nothing.In(lang) {
		text = hushed.In(lang)
	}
	return text, err
}

// stopRuns stops what is done for a user, or for everybody.
func (i *Intake) stopRuns(ctx context.Context, user string, call vault.Call, lang string) (string, error) {
	var out struct {
		Stopped []string `json:"stopped"`
		Lasts   bool     `json:"lasts"`
	}
	if err := i.gateway.Call(ctx, "system-tasks/stop", call, map[string]string{"user": user}, &out); err != nil {
		return "", err
	}
	text := nothing.In(lang)
	if len(out.Stopped) > 0 {
		text = decided[stop].In(lang, "`"+strings.Join(out.Stopped, "`, `")+"`") + "\n" + takenBack.In(lang)
	}
	if out.Lasts {
		text = strings.TrimPrefix(text, nothing.In(lang)) + "\n" + lasts.In(lang)
	}
	return strings.TrimSpace(text), nil
}

// resumed lets a user begin again, or everybody.
func (i *Intake) resumed(ctx context.Context, call vault.Call, user, lang string) (string, error) {
	if user == everything {
		user = ""
	}
	return goesOn.In(lang), i.gateway.Call(ctx, "system-tasks/resume", call, map[string]string{"user": user}, nil)
}

func (i *Intake) list(ctx context.Context, call vault.Call) ([]view, error) {
	var out struct {
		Runs []view `json:"runs"`
	}
	err := i.gateway.Call(ctx, "system-tasks/runs", call, map[string]int{"limit": listedRuns}, &out)
	return out.Runs, err
}

// fitting returns the runs that a verb without a run can mean, newest first. One's undo is of one's own.
func (i *Intake) fitting(ctx context.Context, call vault.Call, v verb) ([]view, error) {
	if call.User == "" {
		return nil, nil
	}
	list, err := i.list(ctx, call)
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

// phrase is a text in our languages, with the verbs of fmt.
type phrase manifest.Phrase

// In returns the phrase in a language.
func (p phrase) In(lang string, args ...any) string {
	if lang == "zh" {
		return fmt.Sprintf(p.Zh, args...)
	}
	return fmt.Sprintf(p.En, args...)
}

var (
	helped = phrase{
		"Tell me what you need. Orders: /runs, /approve RUN, /deny RUN, /stop [RUN], /undo [RUN], /tasks [off|on TASK], /freeze RUN, /alerts here, /pair. Operators: /stop all, /resume.",
		"直接说你需要什么。指令：/runs 列出运行，/approve 批准，/deny 拒绝，/stop 停止，/undo 撤销，/tasks 列出任务（off|on 停用或启用），/freeze 固化为任务，/alerts here 接收警报，/pair 绑定账号。管理员：/stop all 全部停止，/resume 恢复。",
	}
	offered    = phrase{"I do not know you yet. On a signed-in machine, run:\n\n    hearth pair %s", "我还不认识你。请在已登录的机器上运行：\n\n    hearth pair %s"}
	privately  = phrase{"Ask me for a code in a direct chat.", "请在私聊中向我索取配对码。"}
	introduced = phrase{"You are %s (%s).", "你是 %s（%s）。"}
	hushed     = phrase{"Stopped.", "已停止。"}
	takenBack  = phrase{"What was done can be taken back: /undo RUN", "已完成的部分可以撤销：/undo 任务编号"}
	lasts      = phrase{"Nothing begins until an administrator says /resume.", "在管理员发送 /resume 之前，不会开始任何操作。"}
	goesOn     = phrase{"It goes on. What was stopped stays so.", "已恢复。已停止的任务保持停止。"}
	nothing    = phrase{"Nothing waits for that.", "没有等待处理的任务。"}
	which      = phrase{"Which one? Say /%s RUN.", "是哪一个？请发送 /%s 任务编号。"}
	refused    = phrase{"That did not work: %s", "没有成功：%s"}
	alertsHelp = phrase{"Say /alerts here to hear of alerts in this conversation, /alerts off to hear no more.", "发送 /alerts here 在此会话接收警报，/alerts off 停止接收。"}
	alertsAll  = phrase{"All alerts come here from now on.", "今后所有警报都会发送到这里。"}
	alertsOwn  = phrase{"Alerts about your own runs and tasks come here from now on.", "今后与你的任务有关的警报会发送到这里。"}
	alertsOff  = phrase{"No more alerts come here.", "警报不再发送到这里。"}
	none       = phrase{"No runs yet.", "还没有任务。"}

	decidedBefore = phrase{"%s decided already, at %s, and the first decision counts. %s", "%s 已于 %s 作出决定，以最先的决定为准。%s"}
)

// decided are the answers to a decision about one run.
var decided = map[verb]phrase{
	approve: {"Approved: %s", "已批准：%s"},
	deny:    {"Denied: %s", "已拒绝：%s"},
	stop:    {"Stopped: %s", "已停止：%s"},
	undo:    {"Undoing: %s", "正在撤销：%s"},
}

// named is a run as people know it.
func named(v view) string {
	if v.Title == "" {
		return "`" + v.ID + "`"
	}
	return v.Title + " (`" + v.ID + "`)"
}

func listed(lang string, list []view) string {
	if len(list) == 0 {
		return none.In(lang)
	}
	var lines []string
	for _, v := range list {
		lines = append(lines, "- "+named(v)+": "+v.State)
	}
	return strings.Join(lines, "\n")
}
