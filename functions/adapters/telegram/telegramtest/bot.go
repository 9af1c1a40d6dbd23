package telegramtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

// readParams returns the parameters of a call as JSON. A form's values are strings, which is also how the
// Bot API takes numbers and objects there.
func readParams(r *http.Request) (json.RawMessage, error) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind == "application/json" {
		raw, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil || !json.Valid(raw) {
			return nil, errors.New("can't parse request body")
		}
		return raw, nil
	}
	if err := r.ParseForm(); err != nil {
		return nil, errors.New("can't parse request body")
	}
	fields := map[string]json.RawMessage{}
	for name := range r.Form {
		value := r.Form.Get(name)
		if !json.Valid([]byte(value)) || name == "text" {
			value = strconv.Quote(value)
		}
		fields[name] = json.RawMessage(value)
	}
	return json.Marshal(fields)
}

// params are the parameters of all methods that we know.
type params struct {
	Chat     json.RawMessage `json:"chat_id"`
	Thread   int64           `json:"message_thread_id"`
	Message  int64           `json:"message_id"`
	Text     string          `json:"text"`
	Mode     string          `json:"parse_mode"`
	Markup   *Keyboard       `json:"reply_markup"`
	ReplyTo  *replyTo        `json:"reply_parameters"`
	Callback string          `json:"callback_query_id"`
	Action   string          `json:"action"`
	Offset   int64           `json:"offset"`
	Limit    int             `json:"limit"`
	Timeout  int             `json:"timeout"`
	Allowed  []string        `json:"allowed_updates"`
	URL      string          `json:"url"`
	Secret   string          `json:"secret_token"`
	Drop     bool            `json:"drop_pending_updates"`
}

type replyTo struct {
	Message int64 `json:"message_id"`
	Anyway  bool  `json:"allow_sending_without_reply"`
}

func (s *Server) do(ctx context.Context, method string, raw json.RawMessage) answer {
	var p params
	if err := json.Unmarshal(raw, &p); err != nil {
		return no(400, "can't parse "+err.Error())
	}
	switch strings.ToLower(method) {
	case "getupdates":
		return s.getUpdates(ctx, p)
	case "getme":
		return ok(Bot)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.Touch()
	switch strings.ToLower(method) {
	case "setwebhook":
		return s.setWebhook(p)
	case "deletewebhook":
		return s.setWebhook(params{Drop: p.Drop})
	case "getwebhookinfo":
		return ok(map[string]any{"url": s.webhook.url, "pending_update_count": len(s.updates), "last_error_message": s.webhook.lastError})
	case "sendmessage":
		return s.sendMessage(p)
	case "editmessagetext":
		return s.editMessageText(p)
	case "answercallbackquery":
		return s.answerCallbackQuery(p)
	case "sendchataction":
		return s.sendChatAction(p)
	default:
		return answer{Code: 404, Description: "Not Found: method not found"}
	}
}

// chatOf returns the chat that a call is about.
func chatOf(raw json.RawMessage) string {
	var p params
	_ = json.Unmarshal(raw, &p) // do refuses what cannot be read
	return strings.Trim(string(p.Chat), `"`)
}

func (s *Server) chat(p params) (*Chat, *answer) {
	id, err := strconv.ParseInt(strings.Trim(string(p.Chat), `"`), 10, 64)
	chat := s.chats[id]
	if err != nil || chat == nil {
		a := no(400, "chat not found")
		return nil, &a
	}
	if chat.Closed != "" {
		a := no(403, chat.Closed)
		return nil, &a
	}
	return chat, nil
}

func (s *Server) sendMessage(p params) answer {
	chat, problem := s.chat(p)
	if problem != nil {
		return *problem
	}
	if p.Thread != 0 && !chat.Forum {
		return no(400, "message thread not found")
	}
	m := &Message{
		ID: s.next(), From: Bot, Chat: *chat, Date: time.Now().Unix(), Thread: p.Thread, InTopic: p.Thread != 0, Markup: p.Markup,
	}
	if problem := fill(m, p); problem != nil {
		return *problem
	}
	if p.ReplyTo != nil {
		m.ReplyTo = s.find(chat.ID, p.ReplyTo.Message)
		if m.ReplyTo == nil && !p.ReplyTo.Anyway {
			return no(400, "message to be replied not found")
		}
	}
	s.messages[chat.ID] = append(s.messages[chat.ID], m)
	return ok(m)
}

// fill puts text and buttons into a message, or says what is wrong with them.
func fill(m *Message, p params) *answer {
	text, entities := p.Text, []Entity(nil)
	switch p.Mode {
	case "":
	case "HTML":
		var err error
		if text, entities, err = parseHTML(p.Text); err != nil {
			a := no(400, "can't parse entities: "+err.Error())
			return &a
		}
	default:
		a := no(400, "unsupported parse_mode")
		return &a
	}
	problem := ""
	switch n := len(utf16.Encode([]rune(text))); {
	case strings.TrimSpace(text) == "":
		problem = "message text is empty"
	case n > 4096:
		problem = "message is too long"
	}
	if p.Markup != nil {
		for _, b := range slices.Concat(p.Markup.Rows...) {
			if b.Text == "" {
				problem = "text buttons are unallowed in the inline keyboard"
			}
			if len(b.Data) == 0 || len(b.Data) > 64 {
				problem = "BUTTON_DATA_INVALID"
			}
		}
	}
	if problem != "" {
		a := no(400, problem)
		return &a
	}
	m.Text, m.Entities, m.Markup = text, entities, p.Markup
	return nil
}

func (s *Server) editMessageText(p params) answer {
	chat, problem := s.chat(p)
	if problem != nil {
		return *problem
	}
	m := s.find(chat.ID, p.Message)
	switch {
	case m == nil:
		return no(400, "message to edit not found")
	case m.From.ID != Bot.ID:
		return no(400, "message can't be edited")
	}
	edited := *m
	if problem := fill(&edited, p); problem != nil {
		return *problem
	}
	if edited.Text == m.Text && reflect.DeepEqual(edited.Entities, m.Entities) && reflect.DeepEqual(edited.Markup, m.Markup) {
		return no(400, "message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message")
	}
	edited.Edits++
	*m = edited
	return ok(m)
}

func (s *Server) answerCallbackQuery(p params) answer {
	if answer, known := s.callbacks[p.Callback]; !known || answer != "?" {
		return no(400, "query is too old and response timeout expired or query ID is invalid")
	}
	if len([]rune(p.Text)) > 200 {
		return no(400, "MESSAGE_TOO_LONG")
	}
	s.callbacks[p.Callback] = p.Text
	return ok(true)
}

func (s *Server) sendChatAction(p params) answer {
	if _, problem := s.chat(p); problem != nil {
		return *problem
	}
	if p.Action != "typing" {
		return no(400, "wrong parameter action in request")
	}
	return ok(true)
}

// secretToken is what setWebhook allows as secret_token.
var secretToken = regexp.MustCompile(`^[A-Za-z0-9_-]{0,256}$`)

func (s *Server) setWebhook(p params) answer {
	if !secretToken.MatchString(p.Secret) {
		return no(400, "secret token contains unallowed characters")
	}
	s.webhook = webhook{url: p.URL, secret: p.Secret}
	if p.Drop {
		s.updates = nil
	}
	return ok(true)
}

// errReplaced ends a poll when another one begins.
var errReplaced = errors.New("terminated by other getUpdates request; make sure that only one bot instance is running")

func (s *Server) getUpdates(ctx context.Context, p params) answer {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	s.mu.Lock()
	if s.poll != nil {
		s.poll(errReplaced)
	}
	s.poll = end
	s.updates = slices.DeleteFunc(s.updates, func(u pending) bool { return u.id < p.Offset })
	s.Touch()
	s.mu.Unlock()
	limit := time.NewTimer(time.Duration(p.Timeout) * time.Second)
	defer limit.Stop()
	for {
		changed := s.Changed()
		s.mu.Lock()
		found, url := s.matching(p), s.webhook.url
		s.mu.Unlock()
		switch {
		case url != "":
			return no(409, "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first")
		case errors.Is(context.Cause(ctx), errReplaced):
			return no(409, errReplaced.Error())
		case len(found) > 0:
			return ok(found)
		}
		select {
		case <-changed:
		case <-limit.C:
			return ok([]json.RawMessage{})
		case <-ctx.Done():
			if !errors.Is(context.Cause(ctx), errReplaced) {
				return ok([]json.RawMessage{})
			}
		case <-s.Context().Done():
			return ok([]json.RawMessage{})
		}
	}
}

// matching returns the waiting updates of the kinds that the bot asked for.
func (s *Server) matching(p params) []json.RawMessage {
	most := p.Limit
	if most <= 0 || most > 100 {
		most = 100
	}
	var found []json.RawMessage
	for _, u := range s.updates {
		if len(found) < most && (len(p.Allowed) == 0 || slices.Contains(p.Allowed, u.kind)) {
			found = append(found, u.body)
		}
	}
	return found
}

func (s *Server) find(chat, id int64) *Message {
	for _, m := range s.messages[chat] {
		if m.ID == id {
			return m
		}
	}
	return nil
}

// next numbers messages, updates and presses.
func (s *Server) next() int64 {
	s.lastID++
	return 1000 + s.lastID
}

// String shows a message as a test's output should.
func (m Message) String() string { return fmt.Sprintf("%d %s: %s", m.ID, m.From.First, m.Text) }
