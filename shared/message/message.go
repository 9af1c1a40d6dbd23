// Package message holds the canonical form of what people and the assistant say to each other. Every
// adapter decodes its platform into Inbound and encodes Outbound for it; nothing else knows a platform.
package message

import (
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Address is a place on a platform. It is frozen in the inbound message: answers go there and nowhere
// else. Values keep the platform's own case and are never rebuilt from a session key.
type Address struct {
	Platform string `json:"platform"`          // telegram, slack, web …
	Account  string `json:"account,omitempty"` // which of our bots; empty is the default one
	Chat     string `json:"chat"`              // the conversation's native id
	Thread   string `json:"thread,omitempty"`  // topic or thread, where the platform has them
}

// ChatKind says who can read a conversation.
type ChatKind string

// The kinds of conversation.
const (
	Direct  ChatKind = "direct"  // one person and the assistant
	Group   ChatKind = "group"   // several people
	Channel ChatKind = "channel" // one-to-many
)

// Kind says what an inbound message is.
type Kind string

// The kinds of inbound message.
const (
	Text   Kind = "text"   // somebody said something, perhaps with files
	Edit   Kind = "edit"   // an earlier text was changed
	Action Kind = "action" // a button was pressed
	Joined Kind = "joined" // the assistant was added to a conversation
	Left   Kind = "left"   // the assistant was removed
)

// Sender is who spoke, as the platform vouches for it. Name is for display and is never an identity.
type Sender struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
	Bot  bool   `json:"bot,omitempty"`
}

// Inbound is one thing that reached the assistant.
type Inbound struct {
	ID        string    `json:"id"` // the platform's id of this delivery, unique within platform and account: the key for dedupe
	Kind      Kind      `json:"kind"`
	Address   Address   `json:"address"`
	ChatKind  ChatKind  `json:"chat_kind"`
	MessageID string    `json:"message_id,omitempty"` // the native id of the message itself
	ReplyTo   string    `json:"reply_to,omitempty"`   // the native id of the message this one answers
	From      Sender    `json:"from"`
	Text      string    `json:"text,omitempty"`      // Markdown; our own mention stripped
	Mentioned bool      `json:"mentioned,omitempty"` // the assistant was addressed by name (always true in a direct chat)
	Lang      string    `json:"lang,omitempty"`      // BCP 47, where the platform says
	Files     []File    `json:"files,omitempty"`
	Action    *Press    `json:"action,omitempty"`
	Reply     *Handle   `json:"reply,omitempty"` // a perishable right to answer, where the platform gives one
	At        time.Time `json:"at"`
}

// File is something attached. Ref is the platform's own reference or, once stored, a workspace path.
type File struct {
	Ref  string `json:"ref"`
	Name string `json:"name,omitempty"`
	Type string `json:"type,omitempty"` // MIME
	Size int64  `json:"size,omitempty"` // bytes
}

// Press is a pressed button.
type Press struct {
	ID        string `json:"id"`                   // the platform's id of the press, to acknowledge it
	Value     string `json:"value"`                // what the button carries, at most 64 bytes
	MessageID string `json:"message_id,omitempty"` // the message the button is on
}

// Handle is a perishable right to answer, such as LINE's reply token.
type Handle struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
	Uses    int       `json:"uses"`
}

// Outbound is something the assistant says. Key makes a repeated delivery recognisable.
type Outbound struct {
	Key      string     `json:"key"` // session and sequence number: stable over retries
	Address  Address    `json:"address"`
	Markdown string     `json:"markdown"`
	Buttons  [][]Button `json:"buttons,omitempty"` // rows
	Files    []File     `json:"files,omitempty"`
	Edit     string     `json:"edit,omitempty"`     // the native id of an earlier message of ours to replace
	ReplyTo  string     `json:"reply_to,omitempty"` // the native id of the message this one answers
	Reply    *Handle    `json:"reply,omitempty"`
	Run      string     `json:"run,omitempty"`      // the run this message is about
	Repeated bool       `json:"repeated,omitempty"` // an earlier delivery has an unknown outcome: this may be its second copy
}

// Document is what the message says, with the names of its files.
func (o Outbound) Document() Document {
	doc := Parse(o.Markdown)
	if len(o.Files) == 0 {
		return doc
	}
	list := Block{Kind: List}
	for _, f := range o.Files {
		name := Document{{Spans: []Span{{Text: f.Name, Style: Mono}}}}
		list.Items = append(list.Items, Item{Blocks: name})
	}
	return append(doc, list)
}

// Button is a choice under a message. Value comes back in Press: at most 64 bytes, the smallest limit of
// all platforms (Telegram's callback_data).
type Button struct {
	Label string `json:"label"`
	Value string `json:"value"`
	Style string `json:"style,omitempty"` // primary, danger or empty
}

// MaxButtonValue is the limit of Button.Value in bytes.
const MaxButtonValue = 64

// Check reports a value that is empty or too long. It is never cut: it would mean something else.
func (b Button) Check() error {
	if len(b.Value) == 0 || len(b.Value) > MaxButtonValue {
		return fault.New(fault.Invalid, "a button's value has 1 to %d bytes, not %d", MaxButtonValue, len(b.Value)).At("buttons")
	}
	return nil
}

// Receipt says where a message ended up. IDs are the native ids of its parts, in order.
type Receipt struct {
	IDs []string  `json:"ids,omitempty"`
	At  time.Time `json:"at"`
}
