package main

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/hearthfaas/hearth/shared/redisd"
)

// floor is the least that anybody can do: one handler and one goroutine per message. It verifies, appends
// to a stream durably, answers 200, loads the session, asks the model, stores the session and sends: four
// round trips to a Redis that syncs each write. It keeps no order and survives nothing.
type floor struct {
	rdb    *redis.Client
	world  *world
	client *http.Client
}

func (b *bench) startFloor(ctx context.Context) (*target, error) {
	dir, err := os.MkdirTemp(b.dir, "floor-")
	if err != nil {
		return nil, err
	}
	start := time.Now()
	store, err := redisd.Start(ctx, dir, quiet)
	if err != nil {
		return nil, err
	}
	options, err := redis.ParseURL(strings.TrimSuffix(store.URL, "?hearth_volatile=1"))
	if err != nil {
		return nil, errors.Join(err, store.Stop())
	}
	options.PoolSize, options.DisableIdentity, options.Protocol = 64, true, 2
	f := &floor{rdb: redis.NewClient(options), world: b.world, client: b.world.client}
	url, err := b.world.serve(http.HandlerFunc(f.webhook))
	if err != nil {
		return nil, errors.Join(err, store.Stop())
	}
	stop := func() error { return errors.Join(f.rdb.Close(), store.Stop()) }
	return &target{url: url, ready: time.Since(start), stop: stop}, nil
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

func (f *floor) answer(ctx context.Context, entry string, update, chat int64, text string) {
	session := fmt.Sprintf("s:%d", chat)
	var before *redis.StringCmd
	_, err := f.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.SetNX(ctx, fmt.Sprintf("d:%d", update), 1, time.Hour)
		before = p.Get(ctx, session)
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return
	}
	body, _ := json.Marshal(map[string]any{"model": "stub", "stream": true, "messages": []map[string]string{{"role": "user", "content": before.Val() + text}}})
	answer, err := f.post(ctx, f.world.model+"/v1/chat/completions", body)
	if err != nil {
		return
	}
	if f.rdb.Set(ctx, session, text+answer, time.Hour).Err() != nil {
		return
	}
	body, _ = json.Marshal(map[string]any{"chat_id": chat, "text": "All is well."})
	if _, err := f.post(ctx, f.world.platform+"/bot"+token+"/sendMessage", body); err != nil {
		return
	}
	_ = f.rdb.XDel(ctx, "in", entry).Err()
}

func (f *floor) post(ctx context.Context, url string, body []byte) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	resp, err := f.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return string(raw), err
}
