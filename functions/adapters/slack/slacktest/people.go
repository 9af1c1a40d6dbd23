package slacktest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// delivery is something that the app was not told of yet.
type delivery struct {
	kind    string // events_api, interactive or slash_commands
	payload json.RawMessage
}

// Open makes a channel.
func (s *Server) Open(c Channel) Channel {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.channels[c.ID] = &c
	return c
}

// Say has somebody write in a channel, in a thread unless thread is "". One who names the bot in a channel
// makes two events, as Slack does where an app subscribes to both kinds.
func (s *Server) Say(channel, user, words, thread string) Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := &Message{TS: s.stamp(), Thread: thread, User: user, Text: words}
	s.messages[channel] = append(s.messages[channel], m)
	e := messageEvent(channel, m)
	s.happen(e)
	if strings.Contains(words, "<@"+Bot+">") && !strings.HasPrefix(channel, "D") {
		mention := object{}
		for name, value := range e {
			mention[name] = value
		}
		mention["type"] = "app_mention"
		delete(mention, "channel_type")
		s.happen(mention)
	}
	return *m
}

func messageEvent(channel string, m *Message) object {
	e := object{"type": "message", "channel": channel, "channel_type": "channel", "user": m.User, "text": m.Text, "ts": m.TS, "event_ts": m.TS}
	if strings.HasPrefix(channel, "D") {
		e["channel_type"] = "im"
	}
	if m.Thread != "" {
		e["thread_ts"] = m.Thread
	}
	if m.User == Bot {
		e["bot_id"] = BotID
	}
	return e
}

// happen tells the app of an event.
func (s *Server) happen(event object) {
	s.enqueue("events_api", object{
		"token": "old", "team_id": "T1", "api_app_id": "A1", "event": event, "type": "event_callback",
		"event_id": "Ev" + s.stamp(), "event_time": 1790000000,
		"authorizations": []object{{"team_id": "T1", "user_id": Bot, "is_bot": true}},
	})
}

// Press has somebody press a button of a message.
func (s *Server) Press(channel string, m Message, user, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	on := object{"type": "message", "message_ts": m.TS, "channel_id": channel, "is_ephemeral": false}
	under := object{"type": "message", "user": Bot, "bot_id": BotID, "ts": m.TS, "text": m.Text}
	if m.Thread != "" {
		on["thread_ts"], under["thread_ts"] = m.Thread, m.Thread
	}
	s.enqueue("interactive", object{
		"type": "block_actions", "team": object{"id": "T1", "domain": "test"}, "api_app_id": "A1", "token": "old", "trigger_id": s.stamp(),
		"user": object{"id": user, "username": user, "name": user, "team_id": "T1"}, "container": on, "message": under,
		"channel": object{"id": channel, "name": "directmessage"}, "response_url": s.Base.URL + "/actions/1",
		"actions": []object{{
			"type": "button", "action_id": "b0", "block_id": "x", "value": value, "action_ts": s.stamp(),
			"text": object{"type": "plain_text", "text": "Yes", "emoji": true},
		}},
	})
}

// Command has somebody use a slash command.
func (s *Server) Command(channel, user, command, words string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.enqueue("slash_commands", object{
		"token": "old", "team_id": "T1", "team_domain": "test", "channel_id": channel, "channel_name": "ops", "user_id": user, "user_name": user,
		"command": command, "text": words, "api_app_id": "A1", "is_enterprise_install": "false",
		"response_url": s.Base.URL + "/commands/1", "trigger_id": s.stamp(),
	})
}

func (s *Server) enqueue(kind string, payload object) {
	raw, err := json.Marshal(payload)
	if err != nil {
		panic(err) // our own types
	}
	s.pending = append(s.pending, delivery{kind, raw})
	s.Touch()
}

// Repeat tells the app again of what somebody said, as Slack does when it did not hear the answer.
func (s *Server) Repeat(channel string, m Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.happen(messageEvent(channel, &m))
}

// Delivered reports whether the app was told of everything, and how much it never took.
func (s *Server) Delivered() (all bool, lost int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pending) == 0, s.lost
}

// Subscribe sets the Request URL, once the app behind it has repeated a challenge.
func (s *Server) Subscribe(address string) error {
	const challenge = "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"
	body := []byte(`{"token":"old","challenge":"` + challenge + `","type":"url_verification"}`)
	said, err := s.send(address, "application/json", body, 0)
	if err != nil {
		return err
	}
	if string(said) != challenge {
		return errors.New("your URL didn't respond with the value of the challenge parameter")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = address
	s.Touch()
	return nil
}

// send posts a body as Slack does and returns the answer to a success.
func (s *Server) send(address, kind string, body []byte, retry int) ([]byte, error) {
	ctx, cancel := context.WithTimeout(s.Context(), s.AckTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", kind)
	Sign(req.Header, Secret, body, time.Now())
	if retry > 0 {
		req.Header.Set("X-Slack-Retry-Num", strconv.Itoa(retry))
		req.Header.Set("X-Slack-Retry-Reason", "http_error")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, errors.New(resp.Status)
	}
	return io.ReadAll(resp.Body)
}

// Sign puts the proof of a body into a header.
func Sign(header http.Header, secret string, body []byte, at time.Time) {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(append([]byte("v0:"+stamp+":"), body...))
	header.Set("X-Slack-Request-Timestamp", stamp)
	header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
}

// form is how presses and commands are posted.
func form(d delivery) (kind string, body []byte) {
	if d.kind == "events_api" {
		return "application/json", d.payload
	}
	fields := url.Values{"payload": {string(d.payload)}}
	if d.kind == "slash_commands" {
		var all map[string]string
		if err := json.Unmarshal(d.payload, &all); err != nil {
			panic(err) // our own types
		}
		fields = url.Values{}
		for name, value := range all {
			fields.Set(name, value)
		}
	}
	return "application/x-www-form-urlencoded", []byte(fields.Encode())
}
