package tasks

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/policy"
)

// mostLetters bounds a list of dead letters.
const mostLetters = 1000

// letter is a dead letter as people see it.
type letter struct {
	ID       string    `json:"id"`
	Kind     string    `json:"kind"` // message, answer, apology or run
	At       time.Time `json:"at"`   // when it was given up
	Platform string    `json:"platform"`
	User     string    `json:"user,omitempty"`
	Text     string    `json:"text"`
}

// letters lists what could not be answered, delivered or read, newest first.
func (h *handler) letters(ctx context.Context, r gateway.Request) (any, error) {
	dead, err := h.dead(ctx, r)
	if err != nil {
		return nil, err
	}
	list := make([]letter, len(dead))
	for i, d := range dead {
		if list[i], err = h.readLetter(ctx, d); err != nil {
			return nil, err
		}
	}
	return map[string]any{"letters": list}, nil
}

// dead returns the dead letters to somebody who commands: they are of everybody.
func (h *handler) dead(ctx context.Context, r gateway.Request) ([]ledger.Letter, error) {
	if err := policy.May(r.By, policy.Command, ""); err != nil {
		return nil, err
	}
	return h.ledger.Letters(ctx, mostLetters)
}

func (h *handler) readLetter(ctx context.Context, d ledger.Letter) (letter, error) {
	l := letter{ID: d.ID, Kind: "message", At: d.At}
	if d.Kind == ledger.Unreadable {
		l.Kind = "run"
		if _, err := journal.Load(ctx, h.ledger, d.Lane); err != nil {
			l.Text = fault.Text(err)
		}
		return l, nil
	}
	var a channel.Accepted
	err := json.Unmarshal(d.Body, &a)
	l.Platform, l.User, l.Text = a.Inbound.Address.Platform, a.Principal.User, a.Inbound.Text
	if d.Kind == ledger.Undelivered {
		l.Kind = "apology"
	}
	if d.Kind == ledger.Undelivered && a.Inbound.ID == "" {
		var out message.Outbound
		err = json.Unmarshal(d.Body, &out)
		l.Kind, l.Platform, l.Text = "answer", out.Address.Platform, out.Markdown
	}
	if err != nil {
		return l, fault.As(fault.Internal, err, "the dead letter %s cannot be read", d.ID)
	}
	return l, nil
}

// post sends a dead letter on its way again, or throws it away.
func (h *handler) post(ctx context.Context, r gateway.Request) (any, error) {
	dead, err := h.dead(ctx, r)
	if err != nil {
		return nil, err
	}
	id := r.PathValue("letter")
	i := slices.IndexFunc(dead, func(d ledger.Letter) bool { return d.ID == id })
	if i < 0 {
		return nil, fault.New(fault.NotFound, "no such dead letter: %.80q", id).Try("hearth dead list")
	}
	shown, err := h.readLetter(ctx, dead[i])
	if err != nil {
		return nil, err
	}
	switch r.PathValue("verb") {
	case "redrive":
		if err := h.ledger.Redrive(ctx, dead[i]); err != nil {
			return nil, err
		}
		worker := "planner-intent"
		if dead[i].Kind == ledger.Unreadable {
			worker = "planner-execute"
		}
		return shown, h.gateway.Ring(ctx, worker, string(dead[i].Lane))
	case "discard":
		return shown, h.ledger.Discard(ctx, dead[i])
	default:
		return nil, fault.New(fault.NotFound, "a dead letter cannot %.20s", r.PathValue("verb"))
	}
}
