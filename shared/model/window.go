package model

import (
	"context"
	"encoding/json"
	"strconv"
	"unicode"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
)

// DefaultContext is the length of a conversation that is aimed at, in tokens, unless CONTEXT_TOKENS says
// otherwise.
const DefaultContext = 8192

// Turn is a turn of a conversation with what the window needs to know of it, noted once when it is said.
type Turn struct {
	Raw    json.RawMessage `json:"raw"`            // the encoded OpenAI message
	Tokens int             `json:"tokens"`         // an estimate that is rather too high
	Role   string          `json:"role"`           // system, user, assistant, or tool: a result that belongs to the call before it
	Open   bool            `json:"open,omitempty"` // a request that is not done yet: kept word for word
}

// Note makes a turn of an encoded message.
func Note(raw json.RawMessage) Turn {
	role, _ := decoded(raw)
	return Turn{Raw: raw, Tokens: Estimate(raw), Role: role}
}

// longWord is the length, in letters, from which a word is more likely a key or base64.
const longWord = 12

// Estimate returns how many tokens a message takes, rather too many: tokenizers spend up to one on a
// Chinese character and on a digit, one on four letters of a word, more on what is no word, and less than
// one on a mark; the rest is the frame around a message. Held against Qwen2.5's tokenizer it is 1 to 2.7
// times the truth.
func Estimate(raw []byte) int {
	quarters, word := 0, 0
	for _, r := range string(raw) {
		word++
		latin := 'a' <= r|0x20 && r|0x20 <= 'z'
		switch {
		case r == ' ':
			quarters++
		case latin && word <= longWord:
			quarters++
		case latin:
			quarters += 3
		case '0' <= r && r <= '9', r >= 0x2e80, r >= 0x80 && unicode.IsDigit(r):
			quarters += 4
		default:
			quarters += 3
		}
		if !latin && (r < '0' || r > '9') && (r < 0x80 || !unicode.IsLetter(r) && !unicode.IsDigit(r)) {
			word = 0
		}
	}
	return quarters*11/40 + 4
}

// Bounds bounds what is sent to a model, in tokens.
type Bounds struct {
	Want   int // aimed at; 0 for DefaultContext
	Limit  int // the model's own, which may be used up before anything is summarised; 0 when unknown
	System int // what the system text takes
	Answer int // what is kept free for the answer
}

// BoundsOf returns the bounds by CONTEXT_TOKENS and the model's limit.
func BoundsOf(ctx context.Context, env *fn.Env, m Model, system string) (Bounds, error) {
	b := Bounds{Want: DefaultContext, Limit: m.Limit(ctx), System: Estimate([]byte(system)), Answer: DefaultMaxTokens}
	text := env.Setting("CONTEXT_TOKENS", "")
	if text == "" {
		return b, nil
	}
	want, err := strconv.Atoi(text)
	if err != nil || want < 1024 || want > 10_000_000 {
		return b, fault.New(fault.Invalid, "want a number of tokens from 1024 on, not %q", text).At("CONTEXT_TOKENS").Try("CONTEXT_TOKENS=8192")
	}
	b.Want = want
	return b, nil
}

// room returns how many tokens of turns fit at most.
func (b Bounds) room() int {
	most := max(b.want(), b.Limit)
	if b.Limit > 0 && b.Limit < most {
		most = b.Limit
	}
	return most - b.System - b.Answer
}

// aim returns how many tokens of turns are left after summarising: less than the room, so that not every
// further message is over it again.
func (b Bounds) aim() int {
	room := b.room()
	return min(b.want()-b.System-b.Answer, room*3/4)
}

func (b Bounds) want() int {
	if b.Want <= 0 {
		return DefaultContext
	}
	return b.Want
}

// Fits reports whether encoded messages fit into the bounds as they are. Most conversations do, and are spared from
// being taken apart: short ones by their length in bytes alone, which no estimate is above.
func (b Bounds) Fits(turns []json.RawMessage) bool {
	bytes := 0
	for _, raw := range turns {
		bytes += len(raw)
	}
	if bytes*11/10+4*len(turns) <= b.room() {
		return true
	}
	tokens := 0
	for _, raw := range turns {
		tokens += Estimate(raw)
	}
	return tokens <= b.room()
}

// View is what of a conversation is sent.
type View struct {
	Send    []Turn // in order
	Old     []Turn // what a summary of at most Room tokens stands for, in front of Send; empty when all is sent
	Room    int
	Dropped bool // Old is not empty and Room is too small for any summary
}

// minSummary is the shortest summary worth making, in tokens.
const minSummary = 64

// Window decides what of a conversation is sent: everything, as long as the model takes it, and otherwise
// the latest part and all open requests, next to a summary of the rest. A tool's result is never parted
// from its call. The error is TooLarge when the last turn alone does not fit.
func Window(turns []Turn, b Bounds) (View, error) {
	groups := grouped(turns)
	if total(turns) <= b.room() || len(groups) == 0 {
		return View{Send: turns}, nil
	}
	last := total(groups[len(groups)-1])
	if last > b.room() {
		return View{}, fault.New(fault.TooLarge, "the last message takes about %d tokens, and %d are left for it", last, max(b.room(), 0)).
			Try("send it as a file, or in parts")
	}
	aim := max(b.aim(), min(last+minSummary, b.room()))
	summary := min(aim/6, 1024)
	keep := kept(groups, max(last, aim-summary))
	var v View
	for i, g := range groups {
		if keep[i] {
			v.Send = append(v.Send, g...)
		} else {
			v.Old = append(v.Old, g...)
		}
	}
	v.Room = min(summary, b.room()-total(v.Send))
	v.Dropped = len(v.Old) > 0 && v.Room < minSummary
	return v, nil
}

// kept marks the groups to send whole: the last one, then open requests, then the latest others without a
// gap, as far as space goes.
func kept(groups [][]Turn, space int) []bool {
	keep := make([]bool, len(groups))
	last := len(groups) - 1
	keep[last] = true
	space -= total(groups[last])
	for i := last - 1; i >= 0; i-- {
		if cost := total(groups[i]); open(groups[i]) && cost <= space {
			keep[i] = true
			space -= cost
		}
	}
	for i := last - 1; i >= 0; i-- {
		if keep[i] {
			continue
		}
		cost := total(groups[i])
		if cost > space {
			break
		}
		keep[i] = true
		space -= cost
	}
	for i := range last { // chat templates want a person to speak first
		if keep[i] && groups[i][0].Role == "user" {
			break
		}
		keep[i] = keep[i] && open(groups[i])
	}
	return keep
}

// grouped cuts turns where they may be cut.
func grouped(turns []Turn) [][]Turn {
	var groups [][]Turn
	start := 0
	for i := range turns {
		if i > start && turns[i].Role != "tool" {
			groups = append(groups, turns[start:i])
			start = i
		}
	}
	if len(turns) > 0 {
		groups = append(groups, turns[start:])
	}
	return groups
}

func total(turns []Turn) int {
	sum := 0
	for _, t := range turns {
		sum += t.Tokens
	}
	return sum
}

func open(turns []Turn) bool {
	for _, t := range turns {
		if t.Open {
			return true
		}
	}
	return false
}

// decoded returns the role and the text of an encoded message, or nothing of what is none. Content may be
// a text or a list of parts.
func decoded(raw json.RawMessage) (role, text string) {
	var message struct {
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
	}
	if json.Unmarshal(raw, &message) != nil {
		return "", ""
	}
	if json.Unmarshal(message.Content, &text) == nil {
		return message.Role, text
	}
	var parts []struct {
		Text string `json:"text"`
	}
	if json.Unmarshal(message.Content, &parts) != nil {
		return message.Role, ""
	}
	for _, p := range parts {
		text += p.Text
	}
	return message.Role, text
}
