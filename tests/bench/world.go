package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// The bot's credentials, and the one person who writes in all chats.
const (
	secret = "bench-secret"
	token  = "1:bench"
	sender = 7
)

// world is everything outside: the platform and the model.
type world struct {
	platform, model string
	servers         []*http.Server
	delay           atomic.Int64
	book            atomic.Pointer[book] // of the target that is measured
	prompts, bytes  atomic.Int64         // that the model was asked
}

func newWorld() (*world, error) {
	w := &world{}
	var err error
	if w.platform, err = w.serve(http.HandlerFunc(w.send)); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models", func(rw http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(rw, `{"object":"list","data":[{"id":"stub","object":"model","owned_by":"vllm","max_model_len":32768}]}`)
	})
	mux.HandleFunc("POST /v1/chat/completions", w.complete)
	if w.model, err = w.serve(mux); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *world) serve(h http.Handler) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	s := &http.Server{Handler: h}
	w.servers = append(w.servers, s)
	go func() { _ = s.Serve(l) }() // ends with close
	return "http://" + l.Addr().String(), nil
}

func (w *world) close() {
	for _, s := range w.servers {
		_ = s.Close()
	}
}

// setDelay says how long the model thinks.
func (w *world) setDelay(d time.Duration) { w.delay.Store(int64(d)) }

// promptKB is the size of an average request to the model since the last call, in units of 1024 bytes.
func (w *world) promptKB() float64 {
	bytes, prompts := w.bytes.Swap(0), w.prompts.Swap(0)
	return float64(bytes) / float64(prompts) / 1024
}

// send is the platform's API: it notes which reply arrived in which chat.
func (w *world) send(rw http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if strings.HasSuffix(r.URL.Path, "/getMe") {
		fmt.Fprint(rw, `{"ok":true,"result":{"id":1,"is_bot":true,"first_name":"b","username":"bench_bot"}}`)
		return
	}
	var m struct {
		Chat json.RawMessage `json:"chat_id"`
		Text string          `json:"text"`
	}
	if json.Unmarshal(raw, &m) == nil && strings.HasSuffix(r.URL.Path, "/sendMessage") {
		chat, _ := strconv.ParseInt(strings.Trim(string(m.Chat), `"`), 10, 64)
		w.book.Load().arrived(chat, m.Text, time.Now())
	}
	fmt.Fprint(rw, `{"ok":true,"result":{"message_id":1,"date":1,"chat":{"id":1,"type":"private"}}}`)
}

// complete is the model: after the delay it answers the last message of the conversation, as a stream or
// whole. It does not decode the conversation: that would cost the machine more than serving it.
func (w *world) complete(rw http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	w.prompts.Add(1)
	w.bytes.Add(int64(len(raw)))
	if d := time.Duration(w.delay.Load()); d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		<-timer.C
	}
	text := "All is well, " + lastMark(raw) + "."
	if !bytes.Contains(raw, []byte(`"stream":true`)) {
		fmt.Fprintf(rw, `{"id":"1","object":"chat.completion","model":"stub","choices":[{"index":0,"message":{"role":"assistant","content":%q},"finish_reason":"stop"}]}`, text)
		return
	}
	rw.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprintf(rw, `data: {"id":"1","object":"chat.completion.chunk","model":"stub","choices":[{"index":0,"delta":{"role":"assistant","content":%q},"finish_reason":null}]}`+"\n\n", text)
	fmt.Fprint(rw, `data: {"id":"1","object":"chat.completion.chunk","model":"stub","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")
}

// lastMark returns the last "msg" with a number in a text: what tells the messages of the bench apart.
func lastMark(text []byte) string {
	for {
		i := bytes.LastIndex(text, []byte("msg"))
		if i < 0 {
			return "nobody"
		}
		end := i + 3
		for end < len(text) && text[end] >= '0' && text[end] <= '9' {
			end++
		}
		if end > i+3 {
			return string(text[i:end])
		}
		text = text[:i]
	}
}
