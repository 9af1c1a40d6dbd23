package main

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/hearthfaas/hearth/tests/faults/record"
)

// effectState is what the backend knows of a key. It can be asked for it; it never acts by it.
type effectState struct {
	Did    int `json:"did"`
	Undid  int `json:"undid"`
	Called int `json:"called"` // do and undo, applied or not
}

// look says what was done under a key.
func (w *world) look(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	s := *w.of(r.URL.Query().Get("key"))
	w.mu.Unlock()
	_ = reply(rw, 200, s) // who asked may be gone
}

func (w *world) of(key string) *effectState {
	if w.state[key] == nil {
		w.state[key] = &effectState{}
	}
	return w.state[key]
}

// effect carries out a call, each time it comes.
func (w *world) effect(rw http.ResponseWriter, r *http.Request) {
	var in struct {
		Key  string `json:"key"`
		Op   string `json:"op"`
		Kind string `json:"kind"`
		Wait int    `json:"wait_ms"` // after it is applied
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.Key == "" {
		http.Error(rw, "want a key", http.StatusBadRequest)
		return
	}
	e := record.Effect{At: time.Now(), Key: in.Key, Op: in.Op, Kind: in.Kind}
	fate := w.fate("effects", in.Key+in.Op, "503", "cut", "slow")
	if in.Kind == "stuck" && in.Op == "undo" {
		fate = "500"
	}
	e.Applied, e.Answer = fate != "503" && fate != "500", fate
	w.mu.Lock()
	s := w.of(in.Key)
	s.Called++
	if e.Applied && in.Op == "do" {
		s.Did++
	}
	if e.Applied && in.Op == "undo" {
		s.Undid++
	}
	now := *s
	w.mu.Unlock()
	must(w.effects.Append(e))
	wait := time.Duration(in.Wait) * time.Millisecond
	if fate == "slow" {
		wait += 2 * time.Second
	}
	time.Sleep(wait)
	switch fate {
	case "cut":
		cut()
	case "503", "500":
		status, _ := strconv.Atoi(fate)
		http.Error(rw, "the backend is not well", status)
	default:
		_ = reply(rw, 200, now) // who asked may be gone: the effect stays
	}
}
