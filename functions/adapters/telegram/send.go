package telegram

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/message"
)

// maxText is the longest text of a message in UTF-16 code units. Telegram counts it without the markup;
// we count with it, and are never over.
const maxText = 4096

// text are the parameters of sendMessage and editMessageText.
type text struct {
	Chat    any       `json:"chat_id"`
	Message int64     `json:"message_id,omitempty"` // to edit
	Thread  int64     `json:"message_thread_id,omitempty"`
	Text    string    `json:"text"`
	Mode    string    `json:"parse_mode,omitempty"`
	Preview preview   `json:"link_preview_options"`
	ReplyTo *replyTo  `json:"reply_parameters,omitempty"`
	Markup  *keyboard `json:"reply_markup,omitempty"`
}

type preview struct {
	Off bool `json:"is_disabled"`
}

type replyTo struct {
	Message int64 `json:"message_id"`
	Anyway  bool  `json:"allow_sending_without_reply"`
}

type keyboard struct {
	Rows [][]button `json:"inline_keyboard"`
}

type button struct {
	Text string `json:"text"`
	Data string `json:"callback_data"`
}

// Encode writes a message as HTML, with the buttons under its last part.
func (adapter) Encode(a channel.Account, out message.Outbound) ([]channel.Call, error) {
	chat, thread, err := target(out.Address)
	if err != nil {
		return nil, err
	}
	rows, err := buttons(out.Buttons)
	if err != nil {
		return nil, err
	}
	parts := message.Split(out.Document(), maxText, size)
	calls := make([]channel.Call, len(parts))
	for i, part := range parts {
		p := text{Chat: chat, Thread: thread, Preview: preview{true}}
		edit := ""
		if i == 0 {
			p.ReplyTo = reply(out.ReplyTo)
			edit = out.Edit
		}
		if i == len(parts)-1 {
			p.Markup = rows
		}
		if calls[i], err = forms(a, p, part, edit); err != nil {
			return nil, err
		}
	}
	return calls, nil
}

// size is the larger of both forms that a part can take.
func size(doc message.Document) int {
	return max(message.UTF16(message.TelegramHTML.Write(doc)), message.UTF16(message.Plain.Write(doc)))
}

// forms returns the call of one part with its other forms: without markup, and as a new message where it
// edits one.
func forms(a channel.Account, p text, part message.Document, edit string) (channel.Call, error) {
	html, plain := p, p
	html.Text, html.Mode = message.TelegramHTML.Write(part), "HTML"
	plain.Text = message.Plain.Write(part)
	call, err := pairOf(a, "sendMessage", html, plain)
	if err != nil || edit == "" {
		return call, err
	}
	id, err := strconv.ParseInt(edit, 10, 64)
	if err != nil {
		return channel.Call{}, fault.New(fault.Invalid, "not a message of Telegram: %.40q", edit).At("edit")
	}
	for _, form := range []*text{&html, &plain} {
		form.Message, form.Thread, form.ReplyTo = id, 0, nil
	}
	change, err := pairOf(a, "editMessageText", html, plain)
	change.ID, change.Fresh = edit, &call
	change.Plain.ID, change.Plain.Fresh = edit, call.Plain
	return change, err
}

func pairOf(a channel.Account, name string, html, plain text) (channel.Call, error) {
	call, err := method(a, name, html)
	if err != nil {
		return channel.Call{Plain: &channel.Call{}}, err
	}
	other, err := method(a, name, plain)
	call.Plain = &other
	return call, err
}

// target reads an address: chats have numbers, public channels have names too.
func target(to message.Address) (chat any, thread int64, err error) {
	id, err := strconv.ParseInt(to.Chat, 10, 64)
	chat = id
	if err != nil {
		if !strings.HasPrefix(to.Chat, "@") {
			return nil, 0, fault.New(fault.Invalid, "not a chat of Telegram: %.40q", to.Chat).At("address.chat")
		}
		chat = to.Chat
	}
	if to.Thread == "" {
		return chat, 0, nil
	}
	thread, err = strconv.ParseInt(to.Thread, 10, 64)
	if err != nil {
		return nil, 0, fault.New(fault.Invalid, "not a topic of Telegram: %.40q", to.Thread).At("address.thread")
	}
	return chat, thread, nil
}

// reply points at the message that is answered. One that is gone does not stop the answer.
func reply(id string) *replyTo {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return nil
	}
	return &replyTo{n, true}
}

func buttons(rows [][]message.Button) (*keyboard, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	k := &keyboard{}
	for _, row := range rows {
		var line []button
		for _, b := range row {
			if err := b.Check(); err != nil {
				return nil, err
			}
			line = append(line, button{b.Label, b.Value})
		}
		k.Rows = append(k.Rows, line)
	}
	return k, nil
}

// response is the envelope of every answer of the Bot API.
type response struct {
	OK          bool            `json:"ok"`
	Result      json.RawMessage `json:"result"`
	Code        int             `json:"error_code"`
	Description string          `json:"description"`
	Parameters  struct {
		RetryAfter int64 `json:"retry_after"` // seconds
		MigrateTo  int64 `json:"migrate_to_chat_id"`
	} `json:"parameters"`
}

// How long to wait when Telegram does not say, and for somebody to set a token that works: nothing is
// thrown away meanwhile.
const (
	unhinted = 5 * time.Second
	unset    = 30 * time.Second
)

// Classify reads an answer. The native id is that of the message that was sent or edited; other methods
// have none.
func (adapter) Classify(answer channel.Answer) (string, error) {
	result, err := resultOf(answer)
	if err != nil || len(result) == 0 || result[0] != '{' {
		return "", err
	}
	var made struct {
		ID number `json:"message_id"`
	}
	if err := json.Unmarshal(result, &made); err != nil || made.ID == 0 {
		return "", fault.As(fault.Unknown, err, "Telegram's answer names no message")
	}
	return made.ID.String(), nil
}

// resultOf returns the result of a successful answer, nothing for "not modified", or the error.
func resultOf(answer channel.Answer) (json.RawMessage, error) {
	var r response
	if err := json.Unmarshal(answer.Body, &r); err != nil {
		return nil, outage(answer.Status)
	}
	if r.OK {
		return r.Result, nil
	}
	switch code := r.Code; {
	case code == 400:
		return nil, refusal(r)
	case code == 401, code == 404: // a token that was never one is an unknown path
		return nil, fault.New(fault.Unavailable, "Telegram does not know the bot's token").
			Try("renew the secret telegram-bot-token").In(unset)
	case code == 403:
		return nil, fault.New(fault.Forbidden, "Telegram: %s", r.Description)
	case code == 409:
		return nil, fault.New(fault.Conflict, "Telegram: %s", r.Description).
			Try("set telegram-webhook-secret to use the webhook, or remove the webhook or the other poller of this bot")
	case code == 413:
		return nil, fault.New(fault.TooLarge, "Telegram: %s", r.Description)
	case code == 429:
		after := time.Duration(r.Parameters.RetryAfter) * time.Second
		return nil, fault.New(fault.Limited, "Telegram: %s", r.Description).In(max(after, time.Second))
	}
	return nil, outage(answer.Status)
}

// refusal reads a 400 by its text; there are no finer codes.
func refusal(r response) error {
	says := func(text string) bool { return strings.Contains(strings.ToLower(r.Description), text) }
	switch {
	case says("message is not modified"):
		return nil
	case says("can't parse entities"):
		return channel.ErrMarkup
	case says("message to edit not found"), says("message can't be edited"):
		return channel.ErrGone
	case says("chat not found"):
		return fault.New(fault.NotFound, "Telegram: %s", r.Description)
	case r.Parameters.MigrateTo != 0:
		return fault.New(fault.Failed, "the group became a supergroup and has the id %d now", r.Parameters.MigrateTo)
	default:
		return fault.New(fault.Failed, "Telegram: %s", r.Description)
	}
}

// outage is an answer that did not come from the Bot API itself or reports its own trouble. Except with
// 503, the call may have been carried out.
func outage(status int) error {
	if status == 503 {
		return fault.New(fault.Unavailable, "Telegram is away (503)").In(unhinted)
	}
	return fault.New(fault.Unknown, "Telegram failed (%d)", status)
}
