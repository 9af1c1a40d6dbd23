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
	"sync"
	"sync/atomic"
	"time"
)

// secret is the webhook's secret, and sender the one person who writes.
const (
	secret = "bench-secret"
	sender = 7
	token  = "1:bench"
)

// patience bounds the wait for one reply.
const patience = 60 * time.Second

// world is everything outside: the platform, the model, and the people who write.
type world struct {
	platform, model string
	client          *http.Client
	delay           atomic.Int64
	servers         []*http.Server

	mu      sync.Mutex
	waiting map[int64]chan time.Time // by chat
	texts   map[int64]string
	last    int64
}

func newWorld() (*world, error) {
	w := &world{
		client:  &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}},
		waiting: map[int64]chan time.Time{}, texts: map[int64]string{}, last: 1000,
	}
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

func (w *world) setDelay(d time.Duration) { w.delay.Store(int64(d)) }

// send is the platform's API: it notes when a message arrived in a chat.
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
		w.arrived(chat, m.Text)
	}
	fmt.Fprint(rw, `{"ok":true,"result":{"message_id":1,"date":1,"chat":{"id":1,"type":"private"}}}`)
}

func (w *world) arrived(chat int64, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts[chat] = text
	if c := w.waiting[chat]; c != nil {
		delete(w.waiting, chat)
		c <- time.Now()
	}
}

// complete is the model: it answers after the delay, as a stream or whole.
func (w *world) complete(rw http.ResponseWriter, r *http.Request) {
	var req struct {
		Stream bool `json:"stream"`
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(raw, &req) != nil {
		return
	}
	if d := time.Duration(w.delay.Load()); d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		<-timer.C
	}
	if !req.Stream {
		fmt.Fprint(rw, `{"id":"1","object":"chat.completion","model":"stub","choices":[{"index":0,"message":{"role":"assistant","content":"All is well."},"finish_reason":"stop"}]}`)
		return
	}
	rw.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(rw, `data: {"id":"1","object":"chat.completion.chunk","model":"stub","choices":[{"index":0,"delta":{"role":"assistant","content":"All is well."},"finish_reason":null}]}`+"\n\n")
	fmt.Fprint(rw, `data: {"id":"1","object":"chat.completion.chunk","model":"stub","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")
}

// loaded is what a load saw, in milliseconds per message.
type loaded struct {
	took        time.Duration
	acked, done []float64
}

// load sends n messages, each into a chat of its own, with at most callers that wait for their reply. A
// refused or unanswered message is an error.
func (w *world) load(url string, n, callers int) (loaded, error) {
	var out loaded
	var mu sync.Mutex
	var wg sync.WaitGroup
	var failed error
	next := make(chan struct{}, n)
	for range n {
		next <- struct{}{}
	}
	close(next)
	start := time.Now()
	for range callers {
		wg.Go(func() {
			for range next {
				acked, done, err := w.one(url)
				mu.Lock()
				if err != nil {
					failed = err
				}
				out.acked, out.done = append(out.acked, acked), append(out.done, done)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	out.took = time.Since(start)
	return out, failed
}

// one sends a message and waits for the reply.
func (w *world) one(url string) (acked, done float64, err error) {
	w.mu.Lock()
	w.last++
	chat := w.last
	arrived := make(chan time.Time, 1)
	w.waiting[chat] = arrived
	w.mu.Unlock()
	start := time.Now()
	if err := w.write(url, chat, fmt.Sprintf("how are you, %d", chat)); err != nil {
		return 0, 0, err
	}
	acked = ms(time.Since(start))
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case at := <-arrived:
		return acked, ms(at.Sub(start)), nil
	case <-timer.C:
		return 0, 0, fmt.Errorf("no reply to the message in chat %d", chat)
	}
}

// write posts an update as Telegram does.
func (w *world) write(url string, chat int64, text string) error {
	update := fmt.Sprintf(`{"update_id":%d,"message":{"message_id":%d,"date":%d,"text":%q,"chat":{"id":%d,"type":"private","first_name":"a"},"from":{"id":%d,"is_bot":false,"first_name":"a"}}}`,
		chat, chat, time.Now().Unix(), text, chat, sender)
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader([]byte(update)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Telegram-Bot-Api-Secret-Token", secret)
	resp, err := w.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the webhook was answered %s %s", resp.Status, raw)
	}
	return nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
