package channel

import (
	"strings"

	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/message"
)

// order is something people in charge say that is applied when it is accepted and never queued behind
// other messages.
type order struct {
	verb   verb
	run    string // of alerts: here or off
	digest string // of the plan that the button was made for
	sure   bool   // undo: without being shown first what it would do
	word   bool   // said in words: an order only if it can mean one run
	rest   string // of a command: all that stands behind it
}

type verb string

const (
	approve verb = "approve"
	deny    verb = "deny"
	undo    verb = "undo"
	stop    verb = "stop"
	resume  verb = "resume"
	runs    verb = "runs"
	pair    verb = "pair"
	help    verb = "help"
	tasks   verb = "tasks"
	freeze  verb = "freeze"
	keep    verb = "keep" // install the task that freeze showed
	alerts  verb = "alerts"
	settle  verb = "settle"
)

// What can be said of alerts: whether they come to this conversation.
const (
	here = "here"
	off  = "off"
)

// buttons are the first letters of the values of our buttons: a:<run>:<digest>, d:…, u:<run>, s:<run>, k:<run>,
// y:<run>:<step> and n:… for what a step in doubt did.
var buttons = map[string]verb{"a": approve, "d": deny, "u": undo, "s": stop, "k": keep, "y": settle, "n": settle}

// everything is what an operator stops with "/stop all".
const everything = "all"

// commands are what follows a slash.
var commands = map[string]verb{
	"approve": approve, "deny": deny, "stop": stop, "undo": undo, "resume": resume, "runs": runs, "pair": pair, "help": help, "start": help,
	"tasks": tasks, "freeze": freeze, "alerts": alerts, "settle": settle,
}

// words are the same in words.
var words = map[string]verb{
	"批准": approve, "同意": approve, "拒绝": deny, "停止": stop, "撤销": undo, "核实": settle,
	"approve": approve, "deny": deny, "stop": stop, "undo": undo, "settle": settle,
}

// orderOf reads a message as an order.
func orderOf(in message.Inbound) (order, bool) {
	if in.Kind == message.Action {
		letter, rest, _ := strings.Cut(in.Action.Value, ":")
		run, digest, _ := strings.Cut(rest, ":")
		v, ok := buttons[letter]
		if v == settle {
			return order{verb: v, run: run, rest: run + " " + digest + " " + outcomeOf[letter]}, ok && digest != ""
		}
		return order{verb: v, run: run, digest: digest, sure: true}, ok && run != ""
	}
	text := strings.TrimSpace(in.Text)
	if command, found := strings.CutPrefix(text, "/"); found {
		name, rest, _ := strings.Cut(command, " ")
		v, ok := commands[strings.ToLower(name)]
		rest = strings.Trim(rest, " `<>")
		run, digest, _ := strings.Cut(rest, " ")
		if v != approve && v != deny && v != settle {
			run, digest = rest, ""
		}
		run, sure := strings.CutSuffix(run, " yes")
		return order{verb: v, run: strings.Trim(run, " `<>"), digest: strings.TrimSpace(digest), rest: rest, sure: sure}, ok
	}
	v, ok := words[strings.ToLower(strings.TrimRight(text, "。！!. "))]
	return order{verb: v, word: true}, ok
}

// IsCommand reports whether text begins with a command: "/runs", "/stop RUN". It is for platforms where people
// give commands names of their own.
func IsCommand(text string) bool {
	o, ok := orderOf(message.Inbound{Kind: message.Text, Text: text})
	return ok && !o.word
}

// IsOrder is IsCommand for words that may as well begin a sentence: with at most a run behind them, or what an
// order knows besides.
func IsOrder(text string) bool {
	o, _ := orderOf(message.Inbound{Kind: message.Text, Text: text})
	if o.verb == alerts && (o.run == here || o.run == off) {
		return true
	}
	lane, err := ledger.ParseLane(o.run) // of settle, the first word behind it
	return IsCommand(text) && (o.run == "" || o.run == everything || err == nil && lane.IsRun())
}
