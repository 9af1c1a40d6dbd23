package web

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/ledger"
)

const (
	maxTitle  = 60              // characters
	freshness = time.Minute     // how exact the time of the last message is kept
	keepIdle  = ledger.KeepIdle // as long as the conversation itself
)

// session is a line in the list of somebody's sessions.
type session struct {
	Session string    `json:"session"`
	Title   string    `json:"title"` // how its first message begins
	At      time.Time `json:"at"`    // of about the last message
}

func space(user string) string { return "sessions/" + user }

// visit notes that something was said in a session: who reads the list finds it on top.
func (h *handler) visit(ctx context.Context, user string, s saying) error {
	now := h.env.Now().UTC()
	line := session{Session: s.Session, Title: title(s.Text)}
	doc, err := h.ledger.Get(ctx, space(user), s.Session)
	switch {
	case fault.Is(err, fault.NotFound):
		doc = ledger.Doc{ID: s.Session, Rev: ledger.Absent}
	case err != nil:
		return err
	default:
		if err := json.Unmarshal(doc.Body, &line); err != nil {
			return fault.As(fault.Internal, err, "a session's line is damaged")
		}
		if now.Sub(line.At) < freshness {
			return nil
		}
	}
	line.At = now
	if doc.Body, err = json.Marshal(line); err != nil {
		return fault.As(fault.Internal, err, "encode a session's line")
	}
	_, err = h.ledger.Put(ctx, space(user), doc, keepIdle)
	if fault.Is(err, fault.Conflict) {
		return nil // another message of the same moment was here
	}
	return err
}

// title is the beginning of a text in one line.
func title(text string) string {
	runes := []rune(strings.Join(strings.Fields(text), " "))
	return string(runes[:min(len(runes), maxTitle)])
}

func (h *handler) sessions(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), callTime)
	defer cancel()
	p, err := h.principal(r, nil)
	if err != nil {
		fault.Write(w, err)
		return
	}
	list, err := h.list(ctx, p.User)
	if err != nil {
		fn.Fail(w, r, err)
		return
	}
	fn.Reply(w, http.StatusOK, map[string]any{"sessions": list})
}

// list returns somebody's sessions, newest first.
func (h *handler) list(ctx context.Context, user string) ([]session, error) {
	docs, err := h.ledger.List(ctx, space(user))
	if err != nil {
		return nil, err
	}
	list := make([]session, len(docs))
	for i, doc := range docs {
		if err := json.Unmarshal(doc.Body, &list[i]); err != nil {
			return nil, fault.As(fault.Internal, err, "a session's line is damaged")
		}
	}
	slices.SortStableFunc(list, func(a, b session) int { return b.At.Compare(a.At) })
	return list, nil
}
