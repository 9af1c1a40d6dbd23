// Package intent is the planner step that understands a message: it answers, asks what is missing, or
// makes a plan that becomes a run. It holds the session's claim from the message to the delivered answer.
package intent

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/hearthfaas/hearth/shared/budget"
	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/model"
	"github.com/hearthfaas/hearth/shared/model/builtin"
	"github.com/hearthfaas/hearth/shared/plugin/remote"
	"github.com/hearthfaas/hearth/shared/vault"
)

// name is the function's name.
const name = "planner-intent"

// Function is planner-intent as hosts see it. Its body is a gateway.Bell with the lane of a session.
var Function = fn.Function{Name: name, Timeout: 10 * time.Minute, New: start}

type handler struct {
	env      *fn.Env
	ledger   *ledger.Ledger
	gateway  *gateway.Client
	registry *remote.Registry
	model    model.Model
	budget   *budget.Book
	zone     *time.Location
	spoken   *spoken
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
	if h.registry, err = remote.OpenRegistry(env, h.gateway); err != nil {
		return nil, err
	}
	if h.model, err = model.Open(ctx, env); err != nil {
		return nil, err
	}
	if h.budget, err = budget.Open(ctx, env); err != nil {
		return nil, err
	}
	h.spoken = &spoken{ledger: h.ledger, now: env.Now}
	if h.zone, err = env.Zone(); err != nil {
		return nil, err
	}
	return gateway.Signed(env, name, fn.JSON(h.serve)), nil
}

// serve answers a doorbell: it works until the session has nothing more to do.
func (h *handler) serve(ctx context.Context, bell gateway.Bell) (struct{}, error) {
	lane, err := ledger.ParseLane(bell.Lane)
	if err != nil {
		return struct{}{}, err
	}
	for more := true; more && ctx.Err() == nil; {
		work, err := h.ledger.Claim(ctx, lane, ledger.NewOwner())
		if err != nil || work == nil {
			return struct{}{}, err
		}
		if more, err = h.do(ctx, work); err != nil {
			return struct{}{}, h.pause(ctx, work, err)
		}
	}
	return struct{}{}, nil
}

// do delivers what waits in the outbox, or else answers the message at the head of the inbox.
func (h *handler) do(ctx context.Context, w *ledger.Work) (more bool, err error) {
	if w.Outbox != nil {
		return h.deliver(ctx, channel.Delivery{Claim: w.Claim, ID: w.Outbox.ID, Body: w.Outbox.Body, Doubt: w.Outbox.Doubt, Dead: w.Outbox.Dead, Tries: w.Outbox.Tries})
	}
	held, release := h.ledger.Hold(ctx, w.Claim)
	f, err := h.answer(held, w)
	if lost := context.Cause(held); fault.Is(lost, fault.Stale) {
		err = lost
	}
	release()
	if err != nil {
		return false, err
	}
	head, err := h.ledger.Finish(ctx, w.Claim, f)
	if fault.Is(err, fault.Forbidden) { // somebody said stop meanwhile: the next claim says so
		return true, h.ledger.Retry(ctx, w.Claim, 0)
	}
	if err != nil {
		return false, err
	}
	if f.Run != nil {
		if err := h.gateway.Ring(ctx, "planner-execute", string(f.Run.Lane)); err != nil {
			fn.Logger(ctx, h.env.Log).Info("the run starts with the next round of the pump", "run", f.Run.Lane, "err", err)
		}
	}
	if !head {
		return true, nil
	}
	return h.deliver(ctx, channel.Delivery{Claim: w.Claim, ID: ledger.AnswerID(f.Seq), Body: f.Answer})
}

// deliver hands the claim on to planner-reply and waits for it.
func (h *handler) deliver(ctx context.Context, d channel.Delivery) (bool, error) {
	var out channel.Delivered
	call := vault.Call{Lane: string(d.Claim.Lane), Owner: d.Claim.Owner, Epoch: d.Claim.Epoch}
	err := h.gateway.Call(ctx, "planner-reply", call, d, &out)
	return out.More, err
}

// pause gives the lane free after an error: the message is tried again, later each time. A claim that was
// lost, or that planner-reply gave free already, needs nothing.
func (h *handler) pause(ctx context.Context, w *ledger.Work, err error) error {
	if fault.Is(err, fault.Stale) {
		return nil
	}
	fn.Logger(ctx, h.env.Log).Warn("the answer waits", "lane", w.Lane, "attempt", w.Attempt, "kind", fault.KindOf(err), "err", err)
	after := max(min(time.Second<<min(w.Attempt-1, 6), time.Minute), fault.After(err))
	err = h.ledger.Retry(context.WithoutCancel(ctx), w.Claim, after)
	if fault.Is(err, fault.Stale) {
		return nil
	}
	return err
}

// answer works a message out: what to say, what to remember, and the run to start, if any.
func (h *handler) answer(ctx context.Context, w *ledger.Work) (ledger.Finish, error) {
	var a channel.Accepted
	if err := json.Unmarshal(w.Inbox.Body, &a); err != nil {
		return ledger.Finish{}, fault.As(fault.Internal, err, "a message cannot be read")
	}
	t := &turn{
		handler: h, work: w, in: a, lang: language(a.Inbound, w.Turns),
		out: message.Outbound{Address: a.Inbound.Address, ReplyTo: quoted(a.Inbound), Reply: a.Inbound.Reply},
	}
	if err := t.thinkUnlessStopped(ctx); err != nil {
		return ledger.Finish{}, err
	}
	return t.finish()
}

// quoted is the message that the answer names, which only a group needs.
func quoted(in message.Inbound) string {
	if in.ChatKind == message.Direct {
		return ""
	}
	return in.MessageID
}

// wordless is a message that belongs to no language: an address, a path, a number.
var wordless = regexp.MustCompile(`^[\s\d\p{P}\p{S}]*$|^\s*\S*[@/]\S*\s*$`)

// language is the language to answer in: the message's own, or for one without words that of the
// conversation.
func language(in message.Inbound, turns [][]byte) string {
	if !wordless.MatchString(in.Text) {
		return channel.Speaks(in)
	}
	for _, turn := range slices.Backward(turns) {
		if builtin.Chinese(string(turn)) {
			return "zh"
		}
		if bytes.Contains(turn, []byte(`"role":"user"`)) {
			return "en"
		}
	}
	return channel.Speaks(in)
}
