package slacktest

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// readParams returns the parameters of a call as JSON, or the error of a body that cannot be read.
func readParams(r *http.Request) (json.RawMessage, string) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case r.Method != http.MethodPost:
		return nil, "insecure_request"
	case kind != "application/json":
		return nil, "invalid_post_type"
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil || !json.Valid(raw) {
		return nil, "invalid_json"
	}
	return raw, ""
}

// authorized returns the error of a token that the method does not take.
func authorized(method, token string) string {
	want, other := Token, AppToken
	if method == "apps.connections.open" {
		want, other = AppToken, Token
	}
	switch token {
	case want:
		return ""
	case "":
		return "not_authed"
	case other:
		return "not_allowed_token_type"
	default:
		return "invalid_auth"
	}
}

// params are the parameters of all methods that we know.
type params struct {
	Channel string   `json:"channel"`
	TS      string   `json:"ts"`
	Thread  string   `json:"thread_ts"`
	Text    string   `json:"text"`
	Mrkdwn  *bool    `json:"mrkdwn"`
	Blocks  *[]block `json:"blocks"`
}

type block struct {
	Type     string    `json:"type"`
	Text     *text     `json:"text"`
	Elements []element `json:"elements"`
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
	Style  string `json:"style"`
}

type object map[string]any

func no(code string) object { return object{"ok": false, "error": code} }

// write says o as Slack says everything but rate limits: with status 200.
func (o object) write(w http.ResponseWriter) { o.say(w, http.StatusOK) }

func (o object) say(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(o) // the caller may be gone
}

// channelOf returns the channel that a call is about.
func channelOf(raw json.RawMessage) string {
	var p params
	_ = json.Unmarshal(raw, &p) // do refuses what cannot be read
	return p.Channel
}

// Post calls a method with the app's token and returns the answer.
func (s *Server) Post(method string, params []byte) string {
	raw, err := json.Marshal(s.do(method, params))
	if err != nil {
		panic(err) // our own types
	}
	return string(raw)
}

func (s *Server) do(method string, raw json.RawMessage) object {
	var p params
	if err := json.Unmarshal(raw, &p); err != nil {
		return no("invalid_arguments")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.Touch()
	switch method {
	case "auth.test":
		return object{"ok": true, "team": "Test", "team_id": "T1", "user": "hearth", "user_id": Bot, "bot_id": BotID}
	case "apps.connections.open":
		return s.open()
	case "chat.postMessage":
		return s.post(p)
	case "chat.update":
		return s.update(p)
	default:
		return no("unknown_method")
	}
}

func (s *Server) post(p params) object {
	c := s.channels[p.Channel]
	switch {
	case c == nil:
		return no("channel_not_found")
	case c.Archived:
		return no("is_archived")
	case c.Away:
		return no("not_in_channel")
	case p.Thread != "" && s.find(p.Channel, p.Thread) == nil:
		return no("thread_not_found")
	}
	m := &Message{TS: s.stamp(), Thread: p.Thread, User: Bot}
	if code := fill(m, p, 40_000); code != "" {
		return no(code)
	}
	s.messages[p.Channel] = append(s.messages[p.Channel], m)
	s.happen(messageEvent(p.Channel, m))
	return object{"ok": true, "channel": p.Channel, "ts": m.TS, "message": object{"ts": m.TS, "text": m.Text}}
}

func (s *Server) update(p params) object {
	m := s.find(p.Channel, p.TS)
	switch {
	case s.channels[p.Channel] == nil:
		return no("channel_not_found")
	case m == nil:
		return no("message_not_found")
	case m.User != Bot:
		return no("cant_update_message")
	}
	edited := *m
	if code := fill(&edited, p, 4000); code != "" {
		return no(code)
	}
	edited.Edits++
	*m = edited
	return object{"ok": true, "channel": p.Channel, "ts": m.TS, "text": m.Text}
}

// fill puts text and blocks into a message, or returns the error. Blocks that are not named stay.
func fill(m *Message, p params, most int) string {
	if p.Blocks != nil {
		if !valid(*p.Blocks) {
			return "invalid_blocks"
		}
		m.Buttons = nil
		for _, b := range *p.Blocks {
			for _, e := range b.Elements {
				m.Buttons = append(m.Buttons, Button{e.Text.Text, e.Value, e.Style})
			}
		}
	}
	switch n := utf8.RuneCountInString(p.Text); {
	case strings.TrimSpace(p.Text) == "" && (p.Blocks == nil || len(*p.Blocks) == 0):
		return "no_text"
	case n > most:
		return "msg_too_long"
	}
	m.Text, m.Mrkdwn = p.Text, p.Mrkdwn == nil || *p.Mrkdwn
	return ""
}

// valid holds blocks against the limits of Block Kit.
func valid(blocks []block) bool {
	seen := map[string]bool{}
	return len(blocks) <= 50 && !slices.ContainsFunc(blocks, func(b block) bool {
		switch b.Type {
		case "section":
			return b.Text == nil || !fits(*b.Text, 3000) || b.Text.Type != "mrkdwn" && b.Text.Type != "plain_text"
		case "actions":
			return len(b.Elements) == 0 || len(b.Elements) > 25 || slices.ContainsFunc(b.Elements, func(e element) bool {
				again := seen[e.Action]
				seen[e.Action] = true
				style := e.Style == "" || e.Style == "primary" || e.Style == "danger"
				return again || e.Type != "button" || e.Text.Type != "plain_text" || !fits(e.Text, 75) || len(e.Value) > 2000 || len(e.Action) > 255 || !style
			})
		default:
			return true
		}
	})
}

func fits(t text, most int) bool {
	n := utf8.RuneCountInString(t.Text)
	return n > 0 && n <= most
}

func (s *Server) find(channel, ts string) *Message {
	for _, m := range s.messages[channel] {
		if m.TS == ts {
			return m
		}
	}
	return nil
}
