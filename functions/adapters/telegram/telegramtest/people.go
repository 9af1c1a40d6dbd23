package telegramtest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"
)

// pending is an update that was not taken yet.
type pending struct {
	id   int64
	kind string
	body json.RawMessage
}

type webhook struct {
	url       string
	secret    string
	lastError string
}

// Open makes a chat known to the bot.
func (s *Server) Open(chat Chat) Chat {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chats[chat.ID] = &chat
	return chat
}

// Person opens the private chat of somebody with the bot.
func (s *Server) Person(from User) Chat { return s.Open(Chat{ID: from.ID, Type: "private"}) }

// Say has somebody write in a chat. Entities are those that Telegram's apps would add.
func (s *Server) Say(chat Chat, from User, text string, entities ...Entity) Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := &Message{ID: s.next(), From: from, Chat: chat, Date: time.Now().Unix(), Text: text, Entities: entities}
	s.messages[chat.ID] = append(s.messages[chat.ID], m)
	s.enqueue("message", m)
	return *m
}

// Press has somebody press a button and returns the id of the press.
func (s *Server) Press(m Message, from User, data string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := strconv.FormatInt(s.next(), 10)
	s.callbacks[id] = "?"
	s.enqueue("callback_query", map[string]any{"id": id, "from": from, "message": m, "data": data, "chat_instance": "1"})
	return id
}

// Repeat delivers an update again, as Telegram does when it did not hear the answer.
func (s *Server) Repeat(update json.RawMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.updates = append(s.updates, pending{kind: "message", body: update})
	s.Touch()
}

func (s *Server) enqueue(kind string, value any) {
	id := s.next()
	body, err := json.Marshal(map[string]any{"update_id": id, kind: value})
	if err != nil {
		panic(err) // our own types
	}
	s.updates = append(s.updates, pending{id, kind, body})
	s.Touch()
}

// retryWebhook is how long the server waits after a webhook failed. Telegram waits longer.
const retryWebhook = 20 * time.Millisecond

// pump posts updates to the webhook, one after the other, each until it is taken.
func (s *Server) pump() {
	for {
		changed := s.Changed()
		s.mu.Lock()
		hook := s.webhook
		var next json.RawMessage
		if hook.url != "" && len(s.updates) > 0 {
			next = s.updates[0].body
		}
		s.mu.Unlock()
		if next == nil {
			select {
			case <-changed:
				continue
			case <-s.Context().Done():
				return
			}
		}
		problem := s.post(hook, next)
		s.mu.Lock()
		s.webhook.lastError = problem
		if problem == "" && len(s.updates) > 0 {
			s.updates = s.updates[1:]
		}
		s.Touch()
		s.mu.Unlock()
		if problem != "" && !s.Pause(retryWebhook) {
			return
		}
	}
}

// post returns what is wrong with the webhook, or "".
func (s *Server) post(hook webhook, body []byte) string {
	req, err := http.NewRequestWithContext(s.Context(), http.MethodPost, hook.url, bytes.NewReader(body))
	if err != nil {
		return err.Error()
	}
	req.Header.Set("Content-Type", "application/json")
	if hook.secret != "" {
		req.Header.Set("X-Telegram-Bot-Api-Secret-Token", hook.secret)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err.Error()
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return "Wrong response from the webhook: " + resp.Status
	}
	return ""
}
