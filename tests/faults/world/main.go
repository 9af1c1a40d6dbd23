// Command world is everything outside the bundle: a chat platform with Telegram's semantics, a backend of
// effects, and a model. None of them recognises a call that comes again, and each writes a call down before it
// answers. What goes wrong is drawn from the seed and the call itself, so the same calls meet the same fate.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"github.com/hearthfaas/hearth/tests/faults/record"
)

func main() {
	dir := flag.String("dir", "", "where the logs go")
	seed := flag.Uint64("seed", 7, "of what goes wrong")
	flag.Parse()
	if err := run(*dir, *seed); err != nil {
		fmt.Fprintln(os.Stderr, "world:", err)
		os.Exit(1)
	}
}

func run(dir string, seed uint64) error {
	sent, err := record.Open(filepath.Join(dir, record.SentFile))
	if err != nil {
		return err
	}
	effects, err := record.Open(filepath.Join(dir, record.EffectFile))
	if err != nil {
		return err
	}
	w := &world{
		seed: seed, times: map[string]int{}, sent: sent, effects: effects,
		state: map[string]*effectState{}, gone: map[int64]bool{}, rates: map[string]float64{},
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", l.Addr()) // who started us reads it
	return http.Serve(l, w.routes())
}

// world is the state of the outside.
type world struct {
	seed          uint64
	sent, effects *record.Log

	mu      sync.Mutex
	rates   map[string]float64 // of trouble, by place
	times   map[string]int     // how often a call came
	message int64              // last id that the platform gave
	state   map[string]*effectState
	gone    map[int64]bool // chats that blocked the bot
}

func (w *world) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /control", w.control)
	mux.HandleFunc("POST /{bot}/{method}", w.platform)
	mux.HandleFunc("GET /effects", w.look)
	mux.HandleFunc("POST /effects", w.effect)
	mux.HandleFunc("GET /v1/models", w.models)
	mux.HandleFunc("POST /v1/chat/completions", w.complete)
	return mux
}

// control sets how much goes wrong, and who has left.
func (w *world) control(rw http.ResponseWriter, r *http.Request) {
	var in struct {
		Rates map[string]float64 `json:"rates"` // platform, model, effects: of 1
		Gone  []int64            `json:"gone"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for place, rate := range in.Rates {
		w.rates[place] = rate
	}
	for _, chat := range in.Gone {
		w.gone[chat] = true
	}
}

// fate draws what becomes of a call: one of the troubles, or "" for none. The same call has another fate each
// time it comes.
func (w *world) fate(place, call string, troubles ...string) string {
	w.mu.Lock()
	w.times[place+call]++
	n, rate := w.times[place+call], w.rates[place]
	w.mu.Unlock()
	h := fnv.New64a()
	fmt.Fprintf(h, "%d/%s/%s/%d", w.seed, place, call, n)
	x := h.Sum64() ^ h.Sum64()>>29
	x *= 0xbf58476d1ce4e5b9 // FNV's high bits are poor; this is splitmix64's mixer
	x ^= x >> 32
	if float64(x>>11)/(1<<53) >= rate {
		return ""
	}
	return troubles[x%uint64(len(troubles))]
}

// cut ends the connection without an answer.
func cut() { panic(http.ErrAbortHandler) }

func reply(rw http.ResponseWriter, status int, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_, err = rw.Write(raw)
	return err
}

// must ends the world when it cannot write its own record: nothing could be judged by it.
func must(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		fmt.Fprintln(os.Stderr, "world:", err)
		os.Exit(1)
	}
}
