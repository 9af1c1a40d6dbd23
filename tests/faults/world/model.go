package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// mark is the word by which the suite tells messages apart.
var mark = regexp.MustCompile(`\bm[0-9]+x\b`)

func (w *world) models(rw http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(rw, `{"object":"list","data":[{"id":"stub","object":"model","owned_by":"vllm","max_model_len":32768}]}`)
}

// complete repeats the last mark that it was told. It ends each answer with it, so that half an answer is none.
func (w *world) complete(rw http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, 4<<20))
	if err != nil {
		return
	}
	all := mark.FindAllString(string(raw), -1)
	if len(all) == 0 {
		http.Error(rw, `{"error":{"message":"no mark in the conversation"}}`, http.StatusBadRequest)
		return
	}
	last := all[len(all)-1]
	switch w.fate("model", last, "429", "500", "empty", "garbage", "cut", "stall", "endless", "long") {
	case "429":
		rw.Header().Set("Retry-After", "1")
		http.Error(rw, `{"error":{"message":"busy"}}`, http.StatusTooManyRequests)
	case "500":
		http.Error(rw, `{"error":{"message":"out of memory"}}`, http.StatusInternalServerError)
	case "empty":
		stream(rw, "", true)
	case "garbage":
		_, _ = io.WriteString(rw, "data: {\"choices\":[{\"delta\":\n\ndata: [DONE]\n\n")
	case "cut":
		stream(rw, "This is half of", false)
	case "stall":
		pause(r, 12*time.Second) // longer than a lease
		stream(rw, said(last), true)
	case "endless":
		endless(rw, r)
	case "long": // more than one message of the platform holds
		stream(rw, strings.Repeat("There is much to say about this. ", 200)+said(last), true)
	default:
		if bytes.Contains(raw, []byte("slowly")) {
			slow(rw, r, said(last))
			return
		}
		stream(rw, said(last), true)
	}
}

func said(mark string) string { return "You said " + mark + ". That was all." }

// stream sends an answer in two pieces; without an end it breaks off as a server does that dies.
func stream(rw http.ResponseWriter, text string, end bool) {
	rw.Header().Set("Content-Type", "text/event-stream")
	half := len(text) / 2
	for _, piece := range []string{text[:half], text[half:]} {
		_, _ = io.WriteString(rw, chunk(piece, "null"))
		flush(rw)
	}
	if end {
		_, _ = io.WriteString(rw, chunk("", `"stop"`)+"data: [DONE]\n\n")
	}
}

// slow sends an answer a word at a time, over some two seconds.
func slow(rw http.ResponseWriter, r *http.Request, text string) {
	rw.Header().Set("Content-Type", "text/event-stream")
	for _, word := range strings.SplitAfter(text, " ") {
		_, _ = io.WriteString(rw, chunk(word, "null"))
		flush(rw)
		pause(r, 300*time.Millisecond)
	}
	_, _ = io.WriteString(rw, chunk("", `"stop"`)+"data: [DONE]\n\n")
}

// endless talks for as long as somebody listens, at most half a minute.
func endless(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("Content-Type", "text/event-stream")
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end) && r.Context().Err() == nil; {
		if _, err := io.WriteString(rw, chunk("And so on. ", "null")); err != nil {
			return
		}
		flush(rw)
		pause(r, 50*time.Millisecond)
	}
	cut()
}

func chunk(text, finish string) string {
	content, err := json.Marshal(text)
	must(err)
	return fmt.Sprintf(`data: {"id":"1","object":"chat.completion.chunk","model":"stub","choices":[{"index":0,"delta":{"role":"assistant","content":%s},"finish_reason":%s}]}`+"\n\n", content, finish)
}

func flush(rw http.ResponseWriter) {
	if f, ok := rw.(http.Flusher); ok {
		f.Flush()
	}
}

func pause(r *http.Request, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
}
