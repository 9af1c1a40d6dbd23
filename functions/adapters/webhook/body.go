package webhook

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/message"
	signed "github.com/hearthfaas/hearth/shared/webhook"
)

const (
	maxID   = 256      // bytes of any id
	maxText = 16 << 10 // bytes of a reply's text: Standard Webhooks asks for bodies under 20 KB
	maxWait = time.Hour
)

// said is the body of a request. Its webhook-id makes it one message, however often it comes.
type said struct {
	Session string `json:"session" validate:"required,max=256"` // the conversation: replies name it
	Thread  string `json:"thread" validate:"max=256"`
	Group   bool   `json:"group"` // several people read the session
	Sender  struct {
		ID   string `json:"id" validate:"required,max=256"`
		Name string `json:"name" validate:"max=256"`
		Bot  bool   `json:"bot"`
	} `json:"sender"`
	Text    string `json:"text" validate:"max=65536"` // Markdown
	Action  string `json:"action" validate:"max=64"`
	Message string `json:"message" validate:"max=256"`  // its own id there
	ReplyTo string `json:"reply_to" validate:"max=256"` // the id of the message it answers, or whose button was pressed
	Lang    string `json:"lang" validate:"max=35"`
}

// Decode reads what somebody said, or the button that was pressed.
func (adapter) Decode(a channel.Account, r channel.Request) (channel.Batch, error) {
	var s said
	if err := fn.Decode(r.Body, &s); err != nil {
		return channel.Batch{}, err
	}
	if (s.Text == "") == (s.Action == "") {
		return channel.Batch{}, fault.New(fault.Invalid, "either text or action is needed").At("text")
	}
	in := message.Inbound{
		ID: r.Header.Get(signed.IDHeader), Kind: message.Text, ChatKind: message.Direct, Mentioned: true,
		Address:   message.Address{Platform: a.Platform, Account: a.Name, Chat: s.Session, Thread: s.Thread},
		From:      message.Sender{ID: s.Sender.ID, Name: s.Sender.Name, Bot: s.Sender.Bot},
		MessageID: s.Message, ReplyTo: s.ReplyTo, Text: s.Text, Lang: s.Lang,
	}
	if in.ID == "" {
		return channel.Batch{}, fault.New(fault.Invalid, "%s is missing", signed.IDHeader)
	}
	if s.Group {
		in.ChatKind = message.Group
	}
	if s.Action != "" {
		in.Kind, in.Action = message.Action, &message.Press{ID: in.ID, Value: s.Action, MessageID: s.ReplyTo}
	}
	return channel.Batch{Events: []message.Inbound{in}}, nil
}

// event is the body of a reply, in the form that Standard Webhooks recommends.
type event struct {
	Type string `json:"type"` // message
	Data reply  `json:"data"`
}

type reply struct {
	Session string             `json:"session"`
	Thread  string             `json:"thread,omitempty"`
	Text    string             `json:"text"` // Markdown
	Part    int                `json:"part"` // from 1
	Parts   int                `json:"parts"`
	ReplyTo string             `json:"reply_to,omitempty"`
	Run     string             `json:"run,omitempty"`
	Buttons [][]message.Button `json:"buttons,omitempty"` // with the last part
}

// Encode writes a message as Markdown whose links are safe.
func (adapter) Encode(a channel.Account, out message.Outbound) ([]channel.Call, error) {
	path, err := route(a)
	if err != nil {
		return nil, err
	}
	for _, row := range out.Buttons {
		for _, button := range row {
			if err := button.Check(); err != nil {
				return nil, err
			}
		}
	}
	parts := message.Split(out.Document(), maxText, func(doc message.Document) int { return len(message.GFM.Write(doc)) })
	calls := make([]channel.Call, len(parts))
	for i, part := range parts {
		e := event{"message", reply{
			Session: out.Address.Chat, Thread: out.Address.Thread, Text: message.GFM.Write(part),
			Part: i + 1, Parts: len(parts), Run: out.Run, ReplyTo: out.ReplyTo,
		}}
		if i == len(parts)-1 {
			e.Data.Buttons = out.Buttons
		}
		if calls[i], err = post(path, id(out, i), e); err != nil {
			return nil, err
		}
	}
	return calls, nil
}

func post(path, id string, e event) (channel.Call, error) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return channel.Call{}, fault.As(fault.Internal, err, "encode a reply")
	}
	return channel.Call{
		Path: path, ID: id, Body: bytes.TrimSpace(body.Bytes()),
		Header: http.Header{"Content-Type": {"application/json"}, signed.IDHeader: {id}},
	}, nil
}

// id is the webhook-id of a part: the same for each attempt at it.
func id(out message.Outbound, part int) string {
	sum := sha256.Sum256([]byte(out.Address.Account + "\x00" + cmp.Or(out.Key, out.Markdown) + "\x00" + strconv.Itoa(part)))
	return "msg_" + hex.EncodeToString(sum[:16])
}

// Classify reads an answer by its status, as Standard Webhooks says: 2xx is success and 410 the end of all
// messages; what else there is may pass. Only where the receiver says that the message itself is wrong, it is
// not tried again.
func (adapter) Classify(answer channel.Answer) (string, error) {
	status := answer.Status
	after := retryAfter(answer.Header)
	switch {
	case status >= 200 && status <= 299:
		return "", nil
	case status == http.StatusGone:
		return "", channel.ErrClosed
	case status == http.StatusTooManyRequests:
		return "", fault.New(fault.Limited, "the receiver has had many messages (429)").In(cmp.Or(after, 5*time.Second))
	case status == http.StatusRequestEntityTooLarge:
		return "", fault.New(fault.TooLarge, "the message is too large for the receiver (413)")
	case status == http.StatusBadRequest, status == http.StatusUnprocessableEntity:
		return "", fault.New(fault.Failed, "the receiver does not take the message (%d)", status)
	case status >= 500, status == http.StatusRequestTimeout, status == http.StatusTooEarly:
		return "", fault.New(fault.Unavailable, "the receiver fails (%d)", status).In(cmp.Or(after, 5*time.Second))
	default:
		return "", fault.New(fault.Unavailable, "the receiver refuses us (%d)", status).
			Try("look at the URL in webhook-url and the secret at the receiver").In(cmp.Or(after, unset))
	}
}

// retryAfter reads Retry-After: seconds, or a time by the receiver's own clock.
func retryAfter(header http.Header) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil {
		return min(maxWait, max(time.Second, time.Duration(seconds)*time.Second))
	}
	at, err := http.ParseTime(value)
	now, none := http.ParseTime(header.Get("Date"))
	if err != nil || none != nil {
		return 0
	}
	return min(maxWait, max(time.Second, at.Sub(now)))
}
