package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/openfaas/faas-provider/logs"

	"github.com/hearthfaas/hearth/shared/fault"
)

// What is kept of a function's log: this many lines, each cut at this many bytes.
const (
	maxLines = 500
	maxLine  = 8 << 10
)

// followBuffer is how many lines a slow reader of /system/logs may lag behind before it misses some.
const followBuffer = 256

// Logs keeps the last lines of each function. Lines come through its slog handler: every record with the
// attribute "function" is one.
type Logs struct {
	mu    sync.Mutex
	rings map[string]*ring
}

// NewLogs returns empty logs.
func NewLogs() *Logs { return &Logs{rings: map[string]*ring{}} }

// ring is the log of one function.
type ring struct {
	lines   []logs.Message // circular once it is full
	next    int
	readers map[chan logs.Message]bool
}

// add appends a line and hands it to those who follow.
func (l *Logs) add(m logs.Message) {
	if len(m.Text) > maxLine {
		m.Text = m.Text[:maxLine]
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.ring(m.Name)
	if len(r.lines) < maxLines {
		r.lines = append(r.lines, m)
	} else {
		r.lines[r.next] = m
	}
	r.next = (r.next + 1) % maxLines
	for reader := range r.readers {
		select {
		case reader <- m:
		default: // a reader that lags must not hold up a function
		}
	}
}

func (l *Logs) ring(name string) *ring {
	r := l.rings[name]
	if r == nil {
		r = &ring{readers: map[chan logs.Message]bool{}}
		l.rings[name] = r
	}
	return r
}

// drop forgets the log of a function. Those who follow it see what comes after.
func (l *Logs) drop(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.rings[name]
	switch {
	case r == nil:
	case len(r.readers) == 0:
		delete(l.rings, name)
	default:
		r.lines, r.next = nil, 0
	}
}

// past returns the lines so far that match, oldest first.
func (r *ring) past(q logs.Request) []logs.Message {
	all := r.lines
	if len(all) == maxLines {
		all = slices.Concat(all[r.next:], all[:r.next])
	}
	var matching []logs.Message
	for _, m := range all {
		if matches(m, q) {
			matching = append(matching, m)
		}
	}
	if q.Tail > 0 && len(matching) > q.Tail {
		matching = matching[len(matching)-q.Tail:]
	}
	return matching
}

func matches(m logs.Message, q logs.Request) bool {
	return (q.Instance == "" || q.Instance == m.Instance) && (q.Since == nil || !m.Timestamp.Before(*q.Since))
}

// open returns the lines so far and, when q follows, those to come. close ends the latter.
func (l *Logs) open(q logs.Request) (past []logs.Message, live chan logs.Message, closed func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.ring(q.Name)
	past = r.past(q)
	if !q.Follow {
		return past, nil, func() {}
	}
	live = make(chan logs.Message, followBuffer)
	r.readers[live] = true
	return past, live, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(r.readers, live)
	}
}

// serveLogs answers /system/logs with a message per line, and with follow until the client leaves. It is
// not faas-provider's handler, which ends every stream after a fixed time and drops malformed parameters.
func (p *Provider) serveLogs(w http.ResponseWriter, r *http.Request) {
	q, err := parseLogRequest(r)
	if err != nil {
		fault.Write(w, err)
		return
	}
	if err := inNamespace(r, ""); err != nil {
		fault.Write(w, err)
		return
	}
	s, err := p.registry.find(q.Name)
	if err != nil {
		fault.Write(w, err)
		return
	}
	q.Name = s.deployment.Name
	past, live, closed := p.logs.open(q)
	defer closed()
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := json.NewEncoder(w)
	for _, m := range past {
		if out.Encode(m) != nil {
			return // the client left
		}
	}
	if q.Follow {
		p.follow(w, r, out, live, q)
	}
}

func (p *Provider) follow(w http.ResponseWriter, r *http.Request, out *json.Encoder, live chan logs.Message, q logs.Request) {
	flush := http.NewResponseController(w)
	for flush.Flush() == nil {
		select {
		case <-r.Context().Done():
			return
		case <-p.drain.Done():
			return
		case m := <-live:
			if matches(m, q) && out.Encode(m) != nil {
				return
			}
		}
	}
}

func parseLogRequest(r *http.Request) (logs.Request, error) {
	query := r.URL.Query()
	q := logs.Request{Name: query.Get("name"), Namespace: query.Get("namespace"), Instance: query.Get("instance")}
	var err error
	if tail := query.Get("tail"); tail != "" {
		if q.Tail, err = strconv.Atoi(tail); err != nil {
			return q, fault.New(fault.Invalid, "want a number of lines, not %.20q", tail).At("tail")
		}
	}
	if follow := query.Get("follow"); follow != "" {
		if q.Follow, err = strconv.ParseBool(follow); err != nil {
			return q, fault.New(fault.Invalid, "want true or false, not %.20q", follow).At("follow")
		}
	}
	if since := query.Get("since"); since != "" {
		at, err := time.Parse(time.RFC3339, since)
		if err != nil {
			return q, fault.New(fault.Invalid, "want an RFC 3339 time, not %.40q", since).At("since")
		}
		q.Since = &at
	}
	return q, nil
}

// Handler returns a handler that keeps the functions' records from level Info, and hands everything to
// next.
func (l *Logs) Handler(next slog.Handler) slog.Handler { return &keeper{logs: l, next: next} }

// keeper is the slog handler of Logs.
type keeper struct {
	logs  *Logs
	next  slog.Handler
	attrs []slog.Attr
	group string // prefix of the names of further attributes
}

func (k *keeper) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo || k.next.Enabled(ctx, level)
}

func (k *keeper) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelInfo {
		k.keep(r)
	}
	if !k.next.Enabled(ctx, r.Level) {
		return nil
	}
	return k.next.Handle(ctx, r)
}

// keep makes a line of a record: its message and the attributes that the line's own fields do not show.
func (k *keeper) keep(r slog.Record) {
	m := logs.Message{Namespace: Namespace, Timestamp: r.Time}
	var text strings.Builder
	if r.Level != slog.LevelInfo {
		text.WriteString(r.Level.String() + " ")
	}
	text.WriteString(r.Message)
	show := func(a slog.Attr) bool {
		switch a.Key {
		case "function":
			m.Name = a.Value.String()
		case "instance":
			m.Instance = a.Value.String()
		default:
			fmt.Fprintf(&text, " %s=%s", a.Key, a.Value)
		}
		return true
	}
	for _, a := range k.attrs {
		show(a)
	}
	r.Attrs(func(a slog.Attr) bool { return show(slog.Attr{Key: k.group + a.Key, Value: a.Value}) })
	if m.Text = text.String(); m.Name != "" {
		k.logs.add(m)
	}
}

func (k *keeper) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *k
	c.next = k.next.WithAttrs(attrs)
	c.attrs = make([]slog.Attr, 0, len(k.attrs)+len(attrs))
	c.attrs = append(c.attrs, k.attrs...)
	for _, a := range attrs {
		c.attrs = append(c.attrs, slog.Attr{Key: k.group + a.Key, Value: a.Value})
	}
	return &c
}

func (k *keeper) WithGroup(name string) slog.Handler {
	c := *k
	c.next = k.next.WithGroup(name)
	c.group = k.group + name + "."
	return &c
}
