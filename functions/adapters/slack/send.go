package slack

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/message"
)

// maxText is the longest text of a section block, the smallest of Slack's limits on texts: a message with
// buttons shows its text there.
const maxText = 3000

// Limits of Block Kit ("Reference: blocks").
const (
	maxLabel    = 75 // characters of a button
	maxElements = 25 // in one actions block
	maxRows     = 49 // of 50 blocks, one is the text
)

// post are the parameters of chat.postMessage and chat.update. link_names is never set, so that nothing the
// model writes calls people.
type post struct {
	Channel string  `json:"channel"`
	TS      string  `json:"ts,omitempty"` // to edit
	Thread  string  `json:"thread_ts,omitempty"`
	Text    string  `json:"text"`
	Mrkdwn  bool    `json:"mrkdwn"`
	Parse   string  `json:"parse"`
	Blocks  []block `json:"blocks,omitzero"`
	Links   bool    `json:"unfurl_links"`
	Media   bool    `json:"unfurl_media"`
}

type block struct {
	Type     string    `json:"type"`
	Text     *text     `json:"text,omitempty"`
	Elements []element `json:"elements,omitempty"`
}

type text struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

type element struct {
	Type   string `json:"type"`
	Action string `json:"action_id"`
	Text   text   `json:"text"`
	Value  string `json:"value"`
	Style  string `json:"style,omitempty"`
}

// ids of conversations and messages.
var (
	chatID  = regexp.MustCompile(`^[A-Z0-9]{2,32}$`)
	stampID = regexp.MustCompile(`^\d{1,16}\.\d{1,16}$`)
)

// Encode writes a message as mrkdwn, with the buttons under its last part. What is said in a thread stays
// there.
//
// Drafts are edits, and not chat.startStream: a stream only grows and ends after minutes, and in a channel
// it must name its reader, while our drafts may be taken back and an address names nobody.
func (adapter) Encode(a channel.Account, out message.Outbound) ([]channel.Call, error) {
	to := out.Address
	switch {
	case !chatID.MatchString(to.Chat):
		return nil, fault.New(fault.Invalid, "not a conversation of Slack: %.40q", to.Chat).At("address.chat")
	case to.Thread != "" && !stampID.MatchString(to.Thread):
		return nil, fault.New(fault.Invalid, "not a thread of Slack: %.40q", to.Thread).At("address.thread")
	case out.Edit != "" && !stampID.MatchString(out.Edit):
		return nil, fault.New(fault.Invalid, "not a message of Slack: %.40q", out.Edit).At("edit")
	}
	rows, err := buttons(out.Buttons)
	if err != nil {
		return nil, err
	}
	parts := message.Split(out.Document(), maxText, size)
	calls := make([]channel.Call, len(parts))
	for i, part := range parts {
		p := post{Channel: to.Chat, Thread: to.Thread, Parse: "none", Mrkdwn: true, Text: message.Mrkdwn.Write(part)}
		edit := ""
		if i == 0 {
			edit = out.Edit
		}
		if i == len(parts)-1 && len(rows) > 0 {
			p.Blocks = append([]block{{Type: "section", Text: &text{"mrkdwn", p.Text}}}, rows...)
		}
		if calls[i], err = forms(a, p, part, edit); err != nil {
			return nil, err
		}
	}
	return calls, nil
}

var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// plain is a part without markup; what would call people is escaped all the same.
func plain(doc message.Document) string { return escape.Replace(message.Plain.Write(doc)) }

// size is the larger of both forms that a part can take.
func size(doc message.Document) int {
	return max(message.UTF16(message.Mrkdwn.Write(doc)), message.UTF16(plain(doc)))
}

// forms returns the call of one part with its other forms: without markup and blocks, and as a new message
// where it edits one.
func forms(a channel.Account, p post, part message.Document, edit string) (channel.Call, error) {
	bare := p
	bare.Text, bare.Mrkdwn, bare.Blocks = plain(part), false, nil
	call, err := pairOf(a, "chat.postMessage", p, bare)
	if err != nil || edit == "" {
		return call, err
	}
	for _, form := range []*post{&p, &bare} {
		form.TS, form.Thread = edit, ""
		if form.Blocks == nil {
			form.Blocks = []block{} // an edit leaves blocks alone that it does not name
		}
	}
	change, err := pairOf(a, "chat.update", p, bare)
	change.ID, change.Fresh = edit, &call
	change.Plain.ID, change.Plain.Fresh = edit, call.Plain
	return change, err
}

func pairOf(a channel.Account, name string, p, bare post) (channel.Call, error) {
	call, err := method(a, "bot-token", name, p)
	if err != nil {
		return channel.Call{Plain: &channel.Call{}}, err
	}
	other, err := method(a, "bot-token", name, bare)
	call.Plain = &other
	return call, err
}

// buttons returns an actions block for each row.
func buttons(rows [][]message.Button) ([]block, error) {
	if len(rows) > maxRows {
		return nil, fault.New(fault.TooLarge, "at most %d rows of buttons, not %d", maxRows, len(rows)).At("buttons")
	}
	var blocks []block
	n := 0
	for _, row := range rows {
		b := block{Type: "actions"}
		if len(row) > maxElements {
			return nil, fault.New(fault.TooLarge, "at most %d buttons in a row, not %d", maxElements, len(row)).At("buttons")
		}
		for _, button := range row {
			if err := button.Check(); err != nil {
				return nil, err
			}
			b.Elements = append(b.Elements, element{"button", "b" + strconv.Itoa(n), text{"plain_text", label(button.Label)}, button.Value, button.Style})
			n++
		}
		blocks = append(blocks, b)
	}
	return blocks, nil
}

// label cuts what a button says.
func label(s string) string {
	if utf8.RuneCountInString(s) <= maxLabel {
		return s
	}
	return string([]rune(s)[:maxLabel-1]) + "…"
}
