package web

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/policy"
)

const (
	pingEvery  = 15 * time.Second
	writeTime  = 20 * time.Second // for a client to take what we write; a slower one reconnects
	streamLife = time.Hour        // then the client signs in again
	maxWait    = 60 * time.Second // of a long poll
	page       = 100              // events read at once
)

// reader reads one session's log for one client, at the client's pace.
type reader struct {
	*handler
	principal policy.Principal
	session   string
	lane      ledger.Lane
	after     string // the last event that the client has
}

// line is an event as WebSocket and long poll carry it.
type line struct {
	ID   string          `json:"id"`
	Data json.RawMessage `json:"data"`
}

// events serves a session's log: as server-sent events, on a WebSocket, or as a long poll.
func (h *handler) events(w http.ResponseWriter, r *http.Request) {
	p, err := h.principal(r, nil)
	if err != nil {
		fault.Write(w, err)
		return
	}
	q := r.URL.Query()
	if err := checkSession(q.Get("session")); err != nil {
		fault.Write(w, err)
		return
	}
	rd := &reader{
		handler: h, principal: p, session: q.Get("session"), after: cmp.Or(r.Header.Get("Last-Event-ID"), q.Get("after")),
		lane: channel.Lane(h.ledger, address(p.User, q.Get("session"))),
	}
	switch {
	case q.Has("wait"):
		rd.poll(w, r, q.Get("wait"))
	case strings.EqualFold(r.Header.Get("Upgrade"), "websocket"):
		rd.socket(w, r)
	default:
		rd.stream(w, r)
	}
}

// next returns the events after the last ones. None means that there were none for as long as wait.
func (rd *reader) next(ctx context.Context, wait time.Duration) ([]ledger.Event, error) {
	events, err := rd.ledger.Events(ctx, rd.lane, rd.after, wait, page)
	if n := len(events); err == nil && n > 0 {
		rd.after = events[n-1].ID
	}
	return events, err
}

// poll answers with the events there are, or with the first that comes within so many seconds.
func (rd *reader) poll(w http.ResponseWriter, r *http.Request, wait string) {
	seconds, err := strconv.Atoi(wait)
	if err != nil || seconds < 0 {
		fault.Write(w, fault.New(fault.Invalid, "not a number of seconds: %.20q", wait).At("wait"))
		return
	}
	events, err := rd.next(r.Context(), min(maxWait, time.Duration(seconds)*time.Second))
	if err != nil {
		fn.Fail(w, r, err)
		return
	}
	lines := make([]line, len(events))
	for i, e := range events {
		lines[i] = line{e.ID, e.Body}
	}
	fn.Reply(w, http.StatusOK, map[string]any{"events": lines, "cursor": rd.after})
}

// stream writes server-sent events (WHATWG HTML, section 9.2) until the client goes.
func (rd *reader) stream(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), streamLife)
	defer cancel()
	events, err := rd.next(ctx, 0) // a bad Last-Event-ID is a 400
	if err != nil {
		fn.Fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would keep events back
	out := bytes.NewBufferString("retry: 2000\n\n")
	control := http.NewResponseController(w)
	for {
		for _, e := range events {
			fmt.Fprintf(out, "id: %s\ndata: %s\n\n", e.ID, bytes.ReplaceAll(e.Body, []byte("\n"), []byte(" ")))
		}
		// Where there are no deadlines, a stuck client holds this goroutine and nobody else's.
		_ = control.SetWriteDeadline(time.Now().Add(writeTime))
		if _, err := out.WriteTo(w); err != nil {
			return
		}
		if err := control.Flush(); err != nil {
			return
		}
		if events, err = rd.next(ctx, pingEvery); err != nil || ctx.Err() != nil {
			return // the client comes back with its Last-Event-ID
		}
		if len(events) == 0 {
			out.WriteString(": ping\n\n")
		}
	}
}
