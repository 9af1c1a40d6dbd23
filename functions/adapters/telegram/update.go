package telegram

import (
	"cmp"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/message"
)

// number is an id. They have up to 52 bits.
type number int64

func (n number) String() string { return strconv.FormatInt(int64(n), 10) }

// What we read of an Update; Telegram adds fields all the time.
type (
	update struct {
		ID       number      `json:"update_id"`
		Message  *post       `json:"message"`
		Edited   *post       `json:"edited_message"`
		Callback *callback   `json:"callback_query"`
		Member   *membership `json:"my_chat_member"`
	}
	post struct {
		ID       number    `json:"message_id"`
		Thread   number    `json:"message_thread_id"`
		InTopic  bool      `json:"is_topic_message"`
		From     *user     `json:"from"`
		Chat     chat      `json:"chat"`
		Date     int64     `json:"date"`
		ReplyTo  *post     `json:"reply_to_message"`
		Text     string    `json:"text"`
		Entities []entity  `json:"entities"`
		Caption  string    `json:"caption"`
		InCap    []entity  `json:"caption_entities"`
		Document *document `json:"document"`
		Photo    []photo   `json:"photo"`
		Voice    *document `json:"voice"`
		Audio    *document `json:"audio"`
		Video    *document `json:"video"`
	}
	user struct {
		ID       number `json:"id"`
		Bot      bool   `json:"is_bot"`
		First    string `json:"first_name"`
		Last     string `json:"last_name"`
		Username string `json:"username"`
		Lang     string `json:"language_code"`
	}
	chat struct {
		ID   number `json:"id"`
		Type string `json:"type"`
	}
	callback struct {
		ID      string `json:"id"`
		From    user   `json:"from"`
		Message *post  `json:"message"`
		Data    string `json:"data"`
	}
	membership struct {
		Chat chat  `json:"chat"`
		From user  `json:"from"`
		Date int64 `json:"date"`
		New  struct {
			Status string `json:"status"`
		} `json:"new_chat_member"`
	}
	document struct {
		ID   string `json:"file_id"`
		Name string `json:"file_name"`
		Type string `json:"mime_type"`
		Size int64  `json:"file_size"`
	}
	photo struct {
		ID   string `json:"file_id"`
		Size int64  `json:"file_size"`
	}
)

// Decode reads an update. What is none of the known kinds gives no event.
func (adapter) Decode(a channel.Account, r channel.Request) (channel.Batch, error) {
	var u update
	if err := json.Unmarshal(r.Body, &u); err != nil {
		return channel.Batch{}, fault.As(fault.Invalid, err, "not an update of Telegram")
	}
	var in message.Inbound
	switch {
	case u.Message != nil && u.Message.From != nil:
		in = said(a.Self, u.Message)
	case u.Edited != nil && u.Edited.From != nil:
		in = said(a.Self, u.Edited)
		in.Kind = message.Edit
	case u.Callback != nil && u.Callback.Message != nil:
		in = pressed(u.Callback)
	case u.Member != nil:
		in = moved(u.Member)
	default:
		return channel.Batch{}, nil
	}
	in.ID = u.ID.String()
	in.Address.Platform, in.Address.Account = a.Platform, a.Name
	return channel.Batch{Events: []message.Inbound{in}}, nil
}

func said(self message.Sender, p *post) message.Inbound {
	in := place(p)
	in.Kind, in.MessageID, in.At = message.Text, p.ID.String(), time.Unix(p.Date, 0).UTC()
	in.From, in.Lang = sender(*p.From), p.From.Lang
	in.Files = files(p)
	text, mentioned := read(cmp.Or(p.Text, p.Caption), append(p.Entities, p.InCap...), self)
	in.Text = text
	in.Mentioned = mentioned || in.ChatKind == message.Direct
	if p.ReplyTo != nil {
		in.ReplyTo = p.ReplyTo.ID.String()
		in.Mentioned = in.Mentioned || p.ReplyTo.From != nil && p.ReplyTo.From.ID.String() == self.ID
	}
	return in
}

func pressed(c *callback) message.Inbound {
	in := place(c.Message)
	in.Kind, in.MessageID = message.Action, c.Message.ID.String()
	in.From, in.Lang, in.Mentioned = sender(c.From), c.From.Lang, true
	in.Action = &message.Press{ID: c.ID, Value: c.Data, MessageID: c.Message.ID.String()}
	return in
}

func moved(m *membership) message.Inbound {
	in := place(&post{Chat: m.Chat})
	in.From, in.At, in.Kind = sender(m.From), time.Unix(m.Date, 0).UTC(), message.Joined
	if m.New.Status == "left" || m.New.Status == "kicked" {
		in.Kind = message.Left
	}
	return in
}

// place says where a post stands. A thread id outside of a topic only names a chain of answers.
func place(p *post) message.Inbound {
	in := message.Inbound{ChatKind: message.Group, Address: message.Address{Chat: p.Chat.ID.String()}}
	switch p.Chat.Type {
	case "private":
		in.ChatKind = message.Direct
	case "channel":
		in.ChatKind = message.Channel
	}
	if p.InTopic {
		in.Address.Thread = p.Thread.String()
	}
	return in
}

func sender(u user) message.Sender {
	name := strings.TrimSpace(u.First + " " + u.Last)
	return message.Sender{ID: u.ID.String(), Name: cmp.Or(name, u.Username), Bot: u.Bot}
}

func files(p *post) []message.File {
	var out []message.File
	for _, d := range []*document{p.Document, p.Voice, p.Audio, p.Video} {
		if d != nil {
			out = append(out, message.File{Ref: d.ID, Name: d.Name, Type: d.Type, Size: d.Size})
		}
	}
	if n := len(p.Photo); n > 0 { // several sizes of one picture, the largest last
		out = append(out, message.File{Ref: p.Photo[n-1].ID, Type: "image/jpeg", Size: p.Photo[n-1].Size})
	}
	return out
}
