// Package reply is the planner step that delivers an answer to the place that was frozen in the message,
// and records that it did. What became of a delivery decides what happens to the outbox: sent, again
// later, again and marked as a possible repeat, or put aside for good.
package reply

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/vault"
)

// name is the function's name.
const name = "planner-reply"

// Function is planner-reply as hosts see it. Its body is a channel.Delivery, its answer channel.Delivered.
var Function = fn.Function{Name: name, Timeout: 2 * time.Minute, New: start}

// Pauses before a delivery is tried again: of one that did not arrive, doubling up to the longest, and of one that
// may have.
const (
	pauseAway  = 2 * time.Second
	longest    = 10 * time.Minute
	pauseDoubt = 5 * time.Second
)

type handler struct {
	env     *fn.Env
	ledger  *ledger.Ledger
	gateway *gateway.Client
}

func start(ctx context.Context, env *fn.Env) (http.Handler, error) {
	h := &handler{env: env}
	var err error
	if h.ledger, err = ledger.Open(ctx, env); err != nil {
		return nil, err
	}
	if h.gateway, err = gateway.Open(env, name); err != nil {
		return nil, err
	}
	return gateway.Signed(env, name, fn.JSON(h.serve)), nil
}

func (h *handler) serve(ctx context.Context, d channel.Delivery) (channel.Delivered, error) {
	out, err := compose(d)
	if err != nil {
		return h.settle(ctx, d, err)
	}
	held, release := h.ledger.Hold(ctx, d.Claim)
	call := vault.Call{Lane: string(d.Claim.Lane), Owner: d.Claim.Owner, Epoch: d.Claim.Epoch, Key: out.Key}
	err = h.gateway.Call(held, "adapter-"+out.Address.Platform+"/_/send", call, out, nil)
	if lost := context.Cause(held); fault.Is(lost, fault.Stale) {
		err = lost
	}
	release()
	return h.settle(ctx, d, err)
}

// compose returns the message to deliver.
func compose(d channel.Delivery) (message.Outbound, error) {
	var out message.Outbound
	if d.Dead {
		return apology(d)
	}
	if err := json.Unmarshal(d.Body, &out); err != nil {
		return out, fault.As(fault.Failed, err, "an answer cannot be read")
	}
	out.Key, out.Repeated = string(d.Claim.Lane)+"/"+d.ID, d.Doubt
	return out, nil
}

// apology is the one final answer to a message that could not be answered.
func apology(d channel.Delivery) (message.Outbound, error) {
	var a channel.Accepted
	if err := json.Unmarshal(d.Body, &a); err != nil {
		return message.Outbound{}, fault.As(fault.Failed, err, "a dead message cannot be read")
	}
	text := "Sorry: your message %q could not be answered after several attempts. It is kept for the operators; please say it again in other words."
	if channel.Speaks(a.Inbound) == "zh" {
		text = "抱歉：您的消息%q多次尝试后仍无法处理。管理员可以查到它；请换一种说法再试。"
	}
	return message.Outbound{
		Key: string(d.Claim.Lane) + "/" + d.ID, Address: a.Inbound.Address, ReplyTo: a.Inbound.MessageID, Reply: a.Inbound.Reply,
		Markdown: fmt.Sprintf(text, excerpt(a.Inbound.Text)), Repeated: d.Doubt,
	}, nil
}

func excerpt(text string) string {
	const most = 40
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}

// settle records what became of a delivery.
func (h *handler) settle(ctx context.Context, d channel.Delivery, err error) (channel.Delivered, error) {
	ctx = context.WithoutCancel(ctx) // what happened must be recorded even when our time is up
	log := fn.Logger(ctx, h.env.Log)
	kind := fault.KindOf(err)
	switch {
	case err == nil:
		more, err := h.ledger.Sent(ctx, d.Claim, d.ID, false)
		return channel.Delivered{More: more}, err
	case kind == fault.Stale:
		return channel.Delivered{}, err
	case kind == fault.Unavailable || kind == fault.Limited:
		log.Info("delivery waits", "lane", d.Claim.Lane, "id", d.ID, "err", err)
		after := max(min(pauseAway<<min(d.Tries, 16), longest), fault.After(err))
		return channel.Delivered{}, h.ledger.Undelivered(ctx, d.Claim, after, !d.Doubt)
	case fault.InDoubt(err):
		log.Warn("delivery in doubt", "lane", d.Claim.Lane, "id", d.ID, "err", err)
		return channel.Delivered{}, h.ledger.Undelivered(ctx, d.Claim, max(pauseDoubt, min(pauseAway<<min(d.Tries, 16), longest)), false)
	default:
		log.Error("delivery refused for good", "lane", d.Claim.Lane, "id", d.ID, "kind", kind, "err", err)
		more, err := h.ledger.Sent(ctx, d.Claim, d.ID, true)
		return channel.Delivered{More: more}, err
	}
}
