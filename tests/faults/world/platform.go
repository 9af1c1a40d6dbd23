package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/hearthfaas/hearth/tests/faults/record"
)

// maxText is the longest text of a message in UTF-16 units (core.telegram.org/bots/api#sendmessage).
const maxText = 4096

// platform is the Bot API: sendMessage makes a message each time it is called.
func (w *world) platform(rw http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	var in struct {
		Chat    json.RawMessage `json:"chat_id"`
		Message int64           `json:"message_id"`
		Text    string          `json:"text"`
	}
	if err != nil || json.Unmarshal(raw, &in) != nil {
		refuse(rw, 400, "Bad Request: can't parse request body", nil)
		return
	}
	chat, _ := strconv.ParseInt(strings.Trim(string(in.Chat), `"`), 10, 64) // 0 is nobody
	switch method := r.PathValue("method"); method {
	case "getMe":
		result(rw, map[string]any{"id": 1, "is_bot": true, "first_name": "Hearth", "username": "hearth_bot"})
	case "sendMessage", "editMessageText":
		w.show(rw, record.Sent{Method: method, Chat: chat, Message: in.Message, Text: in.Text})
	case "sendChatAction", "answerCallbackQuery":
		result(rw, true)
	default:
		refuse(rw, 404, "Not Found: method not found", nil)
	}
}

// show carries out a call that people can see, unless its fate is another.
func (w *world) show(rw http.ResponseWriter, s record.Sent) {
	s.At = time.Now()
	status, after := w.verdict(s)
	s.Shown, s.Answer = status == 200 || status == 500 || status == 0, strconv.Itoa(status)
	if s.Shown && s.Method == "sendMessage" {
		w.mu.Lock()
		w.message++
		s.Message = w.message
		w.mu.Unlock()
	}
	if status == 0 {
		s.Answer = "cut"
	}
	must(w.sent.Append(s))
	switch status {
	case 0:
		cut()
	case 200:
		result(rw, map[string]any{"message_id": s.Message, "date": s.At.Unix(), "chat": map[string]any{"id": s.Chat, "type": "private"}, "text": s.Text})
	case 400:
		refuse(rw, 400, "Bad Request: message is too long", nil)
	case 403:
		refuse(rw, 403, "Forbidden: bot was blocked by the user", nil)
	case 429:
		refuse(rw, 429, "Too Many Requests: retry after "+strconv.Itoa(after), map[string]any{"retry_after": after})
	default: // what stands in front of the API answers in its own words
		rw.WriteHeader(status)
		_, _ = io.WriteString(rw, "<html>"+http.StatusText(status)+"</html>") // who asked may be gone
	}
}

// verdict is the status of a call, 0 for a connection that breaks after the message is out. A 500 may come
// after the message is out as well.
func (w *world) verdict(s record.Sent) (status, retryAfter int) {
	w.mu.Lock()
	gone := w.gone[s.Chat]
	w.mu.Unlock()
	switch {
	case gone:
		return 403, 0
	case len(utf16.Encode([]rune(s.Text))) > maxText:
		return 400, 0
	}
	switch w.fate("platform", strconv.FormatInt(s.Chat, 10)+s.Text, "429", "503", "500", "cut", "slow") {
	case "429":
		return 429, 1
	case "503":
		return 503, 0
	case "500":
		return 500, 0
	case "cut":
		return 0, 0
	case "slow":
		time.Sleep(2 * time.Second)
	}
	return 200, 0
}

func result(rw http.ResponseWriter, v any) {
	_ = reply(rw, 200, map[string]any{"ok": true, "result": v}) // who asked may be gone: the message stays
}

func refuse(rw http.ResponseWriter, code int, description string, parameters any) {
	body := map[string]any{"ok": false, "error_code": code, "description": description}
	if parameters != nil {
		body["parameters"] = parameters
	}
	_ = reply(rw, code, body) // as above
}
