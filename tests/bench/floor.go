package main

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// window is how much of a conversation is kept and sent: 8192 tokens of four bytes.
const window = 32 << 10

// floorVerb makes this program the floor, so that it has a process of its own, as Hearth has.
const floorVerb = "floor"

// theFloor is the least that anybody can do: one handler and one goroutine per message. It verifies, appends
// to a stream durably, answers 200, loads the session, asks the model with all of it, stores the session and
// sends: four round trips to a Redis that syncs each write. It keeps no order and survives nothing.
var theFloor = variant{
	name: "floor",
	command: func(b *bench, _ string) *exec.Cmd {
		cmd := exec.Command(b.self, floorVerb)
		cmd.Env = append(os.Environ(), "OPENAI_BASE_URL="+b.world.model+"/v1", "TELEGRAM_API_URL="+b.world.platform)
		return cmd
	},
	know: func(context.Context, *store) error { return nil }, // it answers everybody
	fill: fillFloor,
}

type floor struct {
	rdb             *redis.Client
	model, platform string
	client          *http.Client
}

// runFloor serves until the process is told to end.
func runFloor() error {
	ctx, end := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer end()
	options, err := redisOptions(os.Getenv("REDIS_URL"))
	if err != nil {
		return err
	}
	f := &floor{
		rdb: redis.NewClient(options), client: newClient(time.Minute),
		model: os.Getenv("OPENAI_BASE_URL"), platform: os.Getenv("TELEGRAM_API_URL"),
	}
	defer f.rdb.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := &http.Server{Handler: http.HandlerFunc(f.webhook)}
	context.AfterFunc(ctx, func() { _ = s.Close() })
	fmt.Fprintf(os.Stderr, "ready http://%s\nTry: it\n", l.Addr())
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (f *floor) webhook(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil || subtle.ConstantTimeCompare([]byte(r.Header.Get("X-Telegram-Bot-Api-Secret-Token")), []byte(secret)) != 1 {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var u struct {
		ID      int64 `json:"update_id"`
		Message struct {
			Text string `json:"text"`
			Chat struct {
				ID int64 `json:"id"`
			} `json:"chat"`
		} `json:"message"`
	}
	if json.Unmarshal(raw, &u) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	id, err := f.rdb.XAdd(r.Context(), &redis.XAddArgs{Stream: "in", Values: []any{"u", raw}}).Result()
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusOK)
	go f.answer(context.WithoutCancel(r.Context()), id, u.ID, u.Message.Chat.ID, u.Message.Text) // the floor promises nothing
}

func sessionKey(chat int64) string { return fmt.Sprintf("s:%d", chat) }

func (f *floor) answer(ctx context.Context, entry string, update, chat int64, text string) {
	var stored *redis.StringCmd
	_, err := f.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.SetNX(ctx, fmt.Sprintf("d:%d", update), 1, time.Hour)
		stored = p.Get(ctx, sessionKey(chat))
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return
	}
	talk := stored.Val() + text + "\n"
	body, _ := json.Marshal(map[string]any{"model": "stub", "stream": true, "messages": []map[string]string{{"role": "user", "content": talk}}})
	reply, err := f.post(ctx, f.model+"/chat/completions", body)
	if err != nil {
		return
	}
	said := streamed(reply)
	talk += said + "\n"
	if f.rdb.Set(ctx, sessionKey(chat), talk[max(0, len(talk)-window):], time.Hour).Err() != nil {
		return
	}
	body, _ = json.Marshal(map[string]any{"chat_id": chat, "text": said})
	if _, err := f.post(ctx, f.platform+"/bot"+token+"/sendMessage", body); err != nil {
		return
	}
	_ = f.rdb.XDel(ctx, "in", entry).Err()
}

// streamed returns the text of a streamed answer.
func streamed(events []byte) string {
	text := ""
	for line := range bytes.Lines(events) {
		var chunk struct {
			Choices []struct {
				Delta struct {
					Content string `json:"content"`
				} `json:"delta"`
			} `json:"choices"`
		}
		data, found := bytes.CutPrefix(bytes.TrimSpace(line), []byte("data: {"))
		if found && json.Unmarshal(append([]byte("{"), data...), &chunk) == nil && len(chunk.Choices) > 0 {
			text += chunk.Choices[0].Delta.Content
		}
	}
	return text
}

func (f *floor) post(ctx context.Context, url string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := f.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

// fillFloor writes sessions as the floor does, many at a time.
func fillFloor(ctx context.Context, s *store, chats []int64, bytes int) error {
	talk := strings.Join(turns(bytes), "\n")
	const batch = 100
	for len(chats) > 0 {
		some := chats[:min(batch, len(chats))]
		chats = chats[len(some):]
		_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, chat := range some {
				p.Set(ctx, sessionKey(chat), talk+"\n", time.Hour)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
