package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
)

// noon is when everything happens.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// fake is a gateway of cardboard: it speaks the HTTP API of the functions that the commands talk to, with
// its errors and limits. A test scripts what runs and answers do.
type fake struct {
	*httptest.Server
	t *testing.T

	life context.Context // of the program, where it ends before the test

	mu       sync.Mutex
	changed  chan struct{} // closed at the next change
	events   map[string][]line
	earlier  int                                   // messages of a session that were accepted before
	posts    []post                                // messages in the order they were accepted
	reply    func(f *fake, p post)                 // called for each of them
	runs     map[string]*flow.View                 //
	order    []string                              // of runs, newest first
	script   map[string][]func(v *flow.View)       // by run: what its next long polls find
	decided  func(v *flow.View, verb, body string) // called for each decision
	requests []string                              // method, path and body of everything but chat
	broken   map[string][]error                    // by path: errors of the next requests
	cut      int                                   // events after which the stream breaks, once
	tasks    map[string]string                     // plans by id
	extra    map[string]func(body []byte) (any, error)
}

type line struct {
	id   string
	data string
}

type post struct {
	Session string `json:"session"`
	Text    string `json:"text"`
	Key     string `json:"key"`
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{
		t: t, changed: make(chan struct{}), events: map[string][]line{}, runs: map[string]*flow.View{}, tasks: map[string]string{},
		script: map[string][]func(*flow.View){}, broken: map[string][]error{}, extra: map[string]func([]byte) (any, error){},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /function/adapter-web/messages", f.accept)
	mux.HandleFunc("GET /function/adapter-web/events", f.follow)
	mux.HandleFunc("GET /function/system-tasks/runs", f.handle(f.list))
	mux.HandleFunc("GET /function/system-tasks/runs/{run}", f.handle(f.look))
	mux.HandleFunc("POST /function/system-tasks/runs/{run}/{verb}", f.handle(f.decide))
	mux.HandleFunc("GET /function/system-tasks/{$}", f.handle(f.listTasks))
	mux.HandleFunc("/", f.handle(f.other))
	f.Server = httptest.NewServer(f.guard(mux))
	t.Cleanup(f.Close)
	return f
}

// guard refuses who is not signed in, and fails the requests that the test wants to fail.
func (f *fake) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" && r.URL.Path != "/system/info" && r.Header.Get("Authorization") != "Bearer ht_owner" {
			fault.Write(w, fault.New(fault.Unauthorized, "sign in first").Try("hearth user token NAME"))
			return
		}
		if err := f.fail(r.URL.Path); err != nil {
			fault.Write(w, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (f *fake) fail(path string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := f.broken[path]
	if len(list) == 0 {
		return nil
	}
	f.broken[path] = list[1:]
	return list[0]
}

// handle answers with JSON, and remembers what was asked.
func (f *fake) handle(answer func(r *http.Request, body []byte) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		if _, err := body.ReadFrom(r.Body); err != nil {
			f.t.Error(err)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if r.Method != http.MethodGet {
			f.requests = append(f.requests, r.Method+" "+r.URL.Path+" "+body.String())
		}
		out, err := answer(r, body.Bytes())
		if err != nil {
			fault.Write(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(out); err != nil {
			f.t.Error(err)
		}
	}
}

func (f *fake) wake() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// say appends an event to the log of a session.
func (f *fake) say(session string, event map[string]any) {
	f.t.Helper()
	raw, err := json.Marshal(event)
	if err != nil {
		f.t.Error(err)
	}
	f.events[session] = append(f.events[session], line{fmt.Sprintf("1700000000000-%d", len(f.events[session])+1), string(raw)})
	f.wake()
}

func answerEvent(seq int, markdown, run string) map[string]any {
	return map[string]any{"type": "answer", "key": fmt.Sprintf("s00-x/m%d", seq), "seq": seq, "markdown": markdown, "run": run, "at": noon}
}

func userEvent(key, text string) map[string]any {
	return map[string]any{"type": "user", "key": key, "text": text, "from": "mei", "at": noon}
}

// accept takes a message once, whatever happens to its answer.
func (f *fake) accept(w http.ResponseWriter, r *http.Request) {
	var p post
	if err := json.NewDecoder(r.Body).Decode(&p); err != nil || p.Key == "" || p.Session == "" {
		fault.Write(w, fault.New(fault.Invalid, "a message needs a session and a key"))
		return
	}
	if len(p.Text) > 1000 {
		fault.Write(w, fault.New(fault.TooLarge, "the message is over 1000 bytes").At("text"))
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	at := slices.IndexFunc(f.posts, func(old post) bool { return old.Key == p.Key })
	if at < 0 {
		at = len(f.posts)
		f.posts = append(f.posts, p)
		f.say(p.Session, userEvent(p.Key, p.Text))
		f.reply(f, p)
	}
	message := fmt.Sprint(f.earlier + at + 1)
	if strings.HasPrefix(p.Text, "/") {
		message = "order/web//" + p.Key
	}
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintf(w, `{"session":%q,"message":%q,"key":%q}`, p.Session, message, p.Key)
}

// after returns the events after an id, and what is closed when there are more.
func (f *fake) after(session, id string) ([]line, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := f.events[session]
	for i, e := range list {
		if e.id == id {
			return list[i+1:], f.changed
		}
	}
	return list, f.changed
}

func (f *fake) follow(w http.ResponseWriter, r *http.Request) {
	session := r.URL.Query().Get("session")
	if r.URL.Query().Has("wait") {
		f.poll(w, session, r.URL.Query().Get("after"))
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, "retry: 2000\n\n")
	for last := r.Header.Get("Last-Event-ID"); ; {
		list, changed := f.after(session, last)
		for _, e := range list {
			fmt.Fprintf(w, "id: %s\ndata: %s\n\n", e.id, e.data)
			last = e.id
			if f.cutNow() {
				return
			}
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

func (f *fake) cutNow() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cut--
	return f.cut == 0
}

// poll answers with at most two events, as a server with a limit does.
func (f *fake) poll(w http.ResponseWriter, session, after string) {
	list, _ := f.after(session, after)
	type event struct {
		ID   string          `json:"id"`
		Data json.RawMessage `json:"data"`
	}
	events := []event{}
	for _, e := range list[:min(2, len(list))] {
		events = append(events, event{e.id, json.RawMessage(e.data)})
		after = e.id
	}
	if err := json.NewEncoder(w).Encode(map[string]any{"events": events, "cursor": after}); err != nil {
		f.t.Error(err)
	}
}

func (f *fake) addRun(v flow.View) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.putRun(v)
}

func (f *fake) putRun(v flow.View) {
	f.runs[v.ID] = &v
	f.order = append([]string{v.ID}, f.order...)
}

func (f *fake) list(*http.Request, []byte) (any, error) {
	views := []flow.View{}
	for _, id := range f.order {
		views = append(views, *f.runs[id])
	}
	return map[string]any{"runs": views}, nil
}

// look answers a long poll with what the script has for it.
func (f *fake) look(r *http.Request, _ []byte) (any, error) {
	v, err := f.runOf(r)
	if err != nil {
		return nil, err
	}
	if script := f.script[v.ID]; r.URL.Query().Get("rev") == fmt.Sprint(v.Rev) {
		if len(script) == 0 {
			f.t.Errorf("a poll of %s in rev %d with nothing to come", v.ID, v.Rev)
			return nil, fault.New(fault.Internal, "the script is over")
		}
		v.Rev++
		script[0](v)
		f.script[v.ID] = script[1:]
	}
	return v, nil
}

func (f *fake) runOf(r *http.Request) (*flow.View, error) {
	v, ok := f.runs[r.PathValue("run")]
	if !ok {
		return nil, fault.New(fault.NotFound, "no such run: %.40q", r.PathValue("run")).Try("hearth runs list")
	}
	return v, nil
}

func (f *fake) decide(r *http.Request, body []byte) (any, error) {
	v, err := f.runOf(r)
	if err != nil {
		return nil, err
	}
	verb := r.PathValue("verb")
	can := map[string]bool{"approve": v.Can.Approve, "deny": v.Can.Deny, "cancel": v.Can.Cancel, "retry": v.Can.Retry, "undo": v.Can.Undo, "settle": v.Can.Settle}
	if !can[verb] {
		return nil, fault.New(fault.Conflict, "the run is %s: it cannot %s now", v.State, verb).Try("hearth runs show " + v.ID)
	}
	var in struct {
		Digest string `json:"digest"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, fault.New(fault.Invalid, "not JSON")
	}
	if in.Digest != "" && in.Digest != v.Digest {
		return nil, fault.New(fault.Conflict, "the plan is not the one that was shown").At("digest")
	}
	v.Rev++
	f.decided(v, verb, string(body))
	return v, nil
}

func (f *fake) listTasks(*http.Request, []byte) (any, error) {
	list := []map[string]any{}
	for _, id := range slices.Sorted(maps.Keys(f.tasks)) {
		list = append(list, map[string]any{
			"task_id": id, "owner": "mei", "plan": json.RawMessage(f.tasks[id]), "next": "2026-11-23T09:00:00+08:00",
			"last_run": "r00-aaaaaaaaaa", "enabled": true,
		})
	}
	return map[string]any{"tasks": list}, nil
}

// other answers what a test has put in extra, by method and path.
func (f *fake) other(r *http.Request, body []byte) (any, error) {
	answer := f.extra[r.Method+" "+r.URL.Path]
	if answer == nil {
		return nil, fault.New(fault.NotFound, "no %s %s here", r.Method, r.URL.Path)
	}
	return answer(body)
}

// result is what a command left behind.
type result struct {
	code     int
	out, err string
}

// hearth runs the program with these settings.
func (f *fake) hearth(in string, settings map[string]string, args ...string) result {
	f.t.Helper()
	set := map[string]string{"HEARTH_GATEWAY": f.URL, "HEARTH_TOKEN": "ht_owner", "HEARTH_DATA": f.t.TempDir(), "HEARTH_TIMEZONE": "Asia/Shanghai"}
	for name, value := range settings {
		set[name] = value
	}
	var out, errs bytes.Buffer
	a := &app{in: strings.NewReader(in), out: &out, err: &errs, lookup: func(name string) (string, bool) {
		v, ok := set[name]
		return v, ok
	}}
	ctx, cancel := context.WithTimeout(cmp.Or(f.life, f.t.Context()), 20*time.Second)
	defer cancel()
	code := a.run(ctx, args)
	return result{code, out.String(), errs.String()}
}
