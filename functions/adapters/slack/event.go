package slack

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/message"
)

// What we read of a request; Slack adds fields all the time.
type (
	// envelope says what a request is: a callback of the Events API and a press of a button by their type, a
	// slash command by its name.
	envelope struct {
		Type      string          `json:"type"`
		Command   string          `json:"command"`
		Challenge string          `json:"challenge"` // of url_verification
		Event     json.RawMessage `json:"event"`     // of event_callback
	}
	event struct {
		Type    string          `json:"type"`
		Subtype string          `json:"subtype"`
		Channel string          `json:"channel"`
		User    string          `json:"user"`
		Bot     string          `json:"bot_id"`
		Text    string          `json:"text"`
		TS      string          `json:"ts"`
		Thread  string          `json:"thread_ts"`
		EventTS string          `json:"event_ts"`
		Files   []file          `json:"files"`
		Message *event          `json:"message"` // of message_changed
		Edited  json.RawMessage `json:"edited"`  // by somebody; absent when Slack adds a link's preview
	}
	file struct {
		URL  string `json:"url_private_download"`
		Name string `json:"name"`
		Type string `json:"mimetype"`
		Size int64  `json:"size"`
	}
	press struct {
		User struct {
			ID   string `json:"id"`
			Name string `json:"username"`
		} `json:"user"`
		Container struct {
			Channel string `json:"channel_id"`
			Message string `json:"message_ts"`
			Thread  string `json:"thread_ts"`
		} `json:"container"`
		Message struct {
			Thread string `json:"thread_ts"`
		} `json:"message"`
		Actions []struct {
			Value string `json:"value"`
			TS    string `json:"action_ts"`
		} `json:"actions"`
	}
	command struct {
		Command  string `json:"command"`
		Text     string `json:"text"`
		Channel  string `json:"channel_id"`
		UserID   string `json:"user_id"`
		UserName string `json:"user_name"`
		Trigger  string `json:"trigger_id"`
	}
)

// Decode reads a request. What is none of the known kinds gives no event.
func (adapter) Decode(a channel.Account, r channel.Request) (channel.Batch, error) {
	body, err := opened(r.Body)
	if err != nil {
		return channel.Batch{}, fault.As(fault.Invalid, err, "not a request of Slack")
	}
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil {
		return channel.Batch{}, fault.As(fault.Invalid, err, "not a request of Slack")
	}
	if e.Type == "url_verification" {
		return channel.Batch{Ack: channel.Response{Type: "text/plain", Body: []byte(e.Challenge)}}, nil
	}
	in, err := e.inbound(a.Self, body)
	if err != nil {
		return channel.Batch{}, fault.As(fault.Invalid, err, "not a request of Slack")
	}
	if in.ID == "" {
		return channel.Batch{}, nil
	}
	in.Address.Platform, in.Address.Account = a.Platform, a.Name
	return channel.Batch{Events: []message.Inbound{in}}, nil
}

// opened returns a body as JSON. Slack sends presses as a form with a payload and commands as a form with
// fields; in Socket Mode both are JSON.
func opened(body []byte) ([]byte, error) {
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		return body, nil
	}
	form, err := url.ParseQuery(string(bytes.TrimSpace(body)))
	if err != nil {
		return nil, err
	}
	if payload := form.Get("payload"); payload != "" {
		return []byte(payload), nil
	}
	fields := map[string]string{}
	for name := range form {
		fields[name] = form.Get(name)
	}
	return json.Marshal(fields)
}

// inbound reads a body by its kind. The zero value is nothing for us.
func (e envelope) inbound(self message.Sender, body []byte) (message.Inbound, error) {
	switch {
	case e.Type == "event_callback":
		var kind struct{ Type string }
		err := json.Unmarshal(e.Event, &kind)
		if err != nil || kind.Type != "message" && kind.Type != "app_mention" {
			return message.Inbound{}, err // the same fields are other things in other events
		}
		var said event
		err = json.Unmarshal(e.Event, &said)
		return happened(self, said), err
	case e.Type == "block_actions":
		var p press
		err := json.Unmarshal(body, &p)
		return pressed(p), err
	case e.Command != "":
		var c command
		err := json.Unmarshal(body, &c)
		return commanded(self, c), err
	}
	return message.Inbound{}, nil
}

// spoken are the subtypes of messages that people write. Those of joins, topics, bots and the like are not.
var spoken = []string{"", "file_share", "thread_broadcast", "me_message"}

// happened reads an event. Its id is that of the message and not event_id: a message in a channel that names
// us comes as two events, app_mention and message. A retry of an event is about the same message.
func happened(self message.Sender, e event) message.Inbound {
	kind, change, where := message.Text, "", e.Channel
	if e.Subtype == "message_changed" && e.Message != nil && len(e.Message.Edited) > 0 {
		kind, change, e = message.Edit, "/"+e.EventTS, *e.Message
	}
	if !slices.Contains(spoken, e.Subtype) || e.Bot != "" || e.User == self.ID || e.TS == "" {
		return message.Inbound{}
	}
	text, mentioned := markdown(e.Text, self.ID)
	in := place(where, e.Thread)
	in.ID, in.Kind, in.MessageID, in.At = where+"/"+e.TS+change, kind, e.TS, timeOf(e.TS)
	in.From, in.Text = message.Sender{ID: e.User}, text
	in.Mentioned = mentioned || e.Type == "app_mention" || in.ChatKind == message.Direct
	for _, f := range e.Files {
		in.Files = append(in.Files, message.File{Ref: f.URL, Name: f.Name, Type: f.Type, Size: f.Size})
	}
	return in
}

func pressed(p press) message.Inbound {
	if len(p.Actions) == 0 {
		return message.Inbound{}
	}
	action, on := p.Actions[0], p.Container
	in := place(on.Channel, on.Thread)
	if in.Address.Thread == "" {
		in.Address.Thread = p.Message.Thread
	}
	in.ID = "press/" + on.Channel + "/" + on.Message + "/" + p.User.ID + "/" + action.TS
	in.Kind, in.MessageID, in.Mentioned, in.At = message.Action, on.Message, true, timeOf(action.TS)
	in.From = message.Sender{ID: p.User.ID, Name: p.User.Name}
	in.Action = &message.Press{ID: action.TS, Value: action.Value, MessageID: on.Message}
	return in
}

// commanded reads a slash command: /hearth TEXT is a message; /hearth runs and /runs are the order /runs.
func commanded(self message.Sender, c command) message.Inbound {
	text, _ := markdown(c.Text, self.ID)
	switch {
	case channel.IsCommand(c.Command):
		text = strings.TrimSpace(c.Command + " " + text)
	case channel.IsOrder("/" + text):
		text = "/" + text
	}
	in := place(c.Channel, "")
	in.ID, in.Kind, in.Mentioned = "command/"+c.Trigger, message.Text, true
	in.From, in.Text = message.Sender{ID: c.UserID, Name: c.UserName}, text
	return in
}

// place says where something was said. The ids of direct conversations begin with D.
func place(chat, thread string) message.Inbound {
	in := message.Inbound{ChatKind: message.Group, Address: message.Address{Chat: chat, Thread: thread}}
	if strings.HasPrefix(chat, "D") {
		in.ChatKind = message.Direct
	}
	return in
}

// timeOf reads a ts: seconds, with a fraction that makes it unique.
func timeOf(ts string) time.Time {
	whole, _, _ := strings.Cut(ts, ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}
