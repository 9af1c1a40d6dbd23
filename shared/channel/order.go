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
	run    string
	digest string // of the plan that the button was made for
	sure   bool   // undo: without being shown first what it would do
	word   bool   // said in words: an order only if it can mean one run
}

type verb string

const (
	approve verb = "approve"
	deny    verb = "deny"
	undo    verb = "undo"
	stop    verb = "stop"
	runs    verb = "runs"
	pair    verb = "pair"
	help    verb = "help"
)

// buttons are the first letters of the values of our buttons: a:<run>:<digest>, d:…, u:<run>, s:<run>.
var buttons = map[string]verb{"a": approve, "d": deny, "u": undo, "s": stop}

// commands are what follows a slash.
var commands = map[string]verb{
	"approve": approve, "deny": deny, "stop": stop, "undo": undo, "runs": runs, "pair": pair, "help": help, "start": help,
}

// words are the same in words.
var words = map[string]verb{
	"批准": approve, "同意": approve, "拒绝": deny, "停止": stop, "撤销": undo,
	"approve": approve, "deny": deny, "stop": stop, "undo": undo,
}

// orderOf reads a message as an order.
func orderOf(in message.Inbound) (order, bool) {
	if in.Kind == message.Action {
		letter, rest, _ := strings.Cut(in.Action.Value, ":")
		run, digest, _ := strings.Cut(rest, ":")
		v, ok := buttons[letter]
		return order{verb: v, run: run, digest: digest, sure: true}, ok && run != ""
	}
	text := strings.TrimSpace(in.Text)
	if command, found := strings.CutPrefix(text, "/"); found {
		name, run, _ := strings.Cut(command, " ")
		v, ok := commands[strings.ToLower(name)]
		run, sure := strings.CutSuffix(run, " yes")
		return order{verb: v, run: strings.Trim(run, " `<>"), sure: sure}, ok
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

// IsOrder is IsCommand for words that may as well begin a sentence: with at most a run behind them.
func IsOrder(text string) bool {
	o, _ := orderOf(message.Inbound{Kind: message.Text, Text: text})
	lane, err := ledger.ParseLane(o.run)
	return IsCommand(text) && (o.run == "" || err == nil && lane.IsRun())
}
