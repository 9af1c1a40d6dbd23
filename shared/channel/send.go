package channel

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/message"
)

const (
	deliverySpace = "deliveries"     // how far deliveries of several parts got
	deliveryLife  = 48 * time.Hour   // longer than anybody tries
	maxWait       = 10 * time.Second // for the platform's leave to send; the caller's claim must outlive it
	reserve       = 3 * time.Second  // of the caller's time, for the call itself
	maxAttempts   = 5                // at one part: other forms of it, and times it is held back
)

// sender delivers messages through an adapter.
//
// A message of several parts is delivered part by part, and after each part the ledger knows how far its
// key got. So the caller that gets an error simply sends the same message again: what arrived is not sent
// twice. A part whose outcome is unknown is sent again, and the caller says so with Repeated.
type sender struct {
	env     *fn.Env
	adapter Adapter
	ledger  *ledger.Ledger
	api     api
	pace    *pacer
	closed  closed
}

// delivery is how far a message of several parts got.
type delivery struct {
	Digest string   `json:"digest"` // of what was to be delivered
	IDs    []string `json:"ids"`
}

// send delivers a message. Limited means that the platform wants us to wait longer than the call has time.
func (s *sender) send(ctx context.Context, out message.Outbound) (message.Receipt, error) {
	a := NewAccount(s.env, out.Address.Platform, out.Address.Account)
	digest := digestOf(out)
	if !s.adapter.Caps().Dedupes {
		out.Markdown = marked(out)
	}
	calls, err := s.adapter.Encode(a, out)
	if err != nil {
		return message.Receipt{}, err
	}
	if len(calls) == 0 {
		return message.Receipt{}, fault.New(fault.Invalid, "there is nothing to say").At("markdown")
	}
	doc, sent, err := s.resume(ctx, out, digest, len(calls))
	if err != nil {
		return message.Receipt{}, err
	}
	for n := len(sent.IDs); n < len(calls); n++ {
		id, err := s.deliver(ctx, a, out.Address, calls[n])
		if err != nil && len(calls) > 1 {
			err = fault.Wrap(err, "part %d of %d", n+1, len(calls))
		}
		if err != nil {
			return message.Receipt{}, err
		}
		sent.IDs = append(sent.IDs, id)
		doc = s.note(ctx, doc, sent, len(calls))
	}
	return message.Receipt{IDs: sent.IDs, At: s.env.Now().UTC()}, nil
}

// resume finds out how far a message of several parts got before.
func (s *sender) resume(ctx context.Context, out message.Outbound, digest string, parts int) (ledger.Doc, delivery, error) {
	fresh := delivery{Digest: digest}
	doc := ledger.Doc{ID: out.Address.Platform + "/" + out.Key, Rev: ledger.Absent}
	if parts == 1 || out.Key == "" {
		return doc, fresh, nil
	}
	found, err := s.ledger.Get(ctx, deliverySpace, doc.ID)
	if fault.Is(err, fault.NotFound) {
		return doc, fresh, nil
	}
	if err != nil {
		return doc, fresh, err
	}
	var before delivery
	if err := json.Unmarshal(found.Body, &before); err != nil {
		return doc, fresh, fault.As(fault.Internal, err, "a delivery is damaged")
	}
	if before.Digest != digest || len(before.IDs) > parts {
		return found, fresh, nil
	}
	return found, before, nil
}

// note writes down how far a message got. If that fails, the parts that are left are more important.
func (s *sender) note(ctx context.Context, doc ledger.Doc, sent delivery, parts int) ledger.Doc {
	if parts == 1 || strings.HasSuffix(doc.ID, "/") {
		return doc
	}
	body, err := json.Marshal(sent)
	if err == nil {
		doc.Body = body
		var written ledger.Doc
		if written, err = s.ledger.Put(ctx, deliverySpace, doc, deliveryLife); err == nil {
			return written
		}
	}
	fn.Logger(ctx, s.env.Log).Warn("cannot note a delivered part; a retry would repeat it", "key", doc.ID, "err", err)
	return doc
}

func digestOf(out message.Outbound) string {
	sum := sha256.Sum256([]byte(out.Edit + "\x00" + out.Markdown))
	return hex.EncodeToString(sum[:16])
}

// marked returns the text, with a last line that says so when this may be its second copy. It stands at
// the end, so that the parts before it stay the same.
func marked(out message.Outbound) string {
	if !out.Repeated {
		return out.Markdown
	}
	if strings.ContainsFunc(out.Markdown, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
		return out.Markdown + "\n\n*（此消息可能重复）*"
	}
	return out.Markdown + "\n\n*(you may have got this before)*"
}

// deliver makes one call: in its other form where the platform wants that, and again after a while when
// it says so and there is time.
func (s *sender) deliver(ctx context.Context, a Account, to message.Address, call Call) (string, error) {
	pace := s.adapter.Caps().Pace(to)
	for range maxAttempts {
		if err := s.turn(ctx, to, pace, call); err != nil {
			return "", err
		}
		id, err := s.attempt(ctx, a, call)
		switch {
		case errors.Is(err, ErrMarkup) && call.Plain != nil:
			fn.Logger(ctx, s.env.Log).Warn("the platform does not accept our markup; sending plain text", "platform", to.Platform)
			call = *call.Plain
		case errors.Is(err, ErrGone) && call.Fresh != nil:
			call = *call.Fresh
		case fault.Is(err, fault.Limited):
			s.hold(to, pace, call.Fresh != nil, fault.After(err))
		default:
			return cmp.Or(id, call.ID), err
		}
	}
	return "", fault.New(fault.Limited, "the platform holds us back").In(reserve)
}

func placeOf(to message.Address) string {
	return to.Platform + "/" + to.Account + "/" + to.Chat
}

// editsOf is the place of all edits of an account, which has one token.
func editsOf(to message.Address) string { return "edits/" + to.Platform + "/" + to.Account }

// turn waits until the platform takes the call: a message in its conversation's turn, and one that replaces
// another also in that of its account's edits. It may use their burst, which drafts leave alone: what is
// final goes first.
func (s *sender) turn(ctx context.Context, to message.Address, pace Pace, call Call) error {
	if err := s.wait(ctx, placeOf(to), pace.messages()); err != nil || call.Fresh == nil {
		return err
	}
	return s.wait(ctx, editsOf(to), pace.Edits)
}

// hold keeps back what the platform says is too much: the edits of the account where it counts those, else
// the conversation.
func (s *sender) hold(to message.Address, pace Pace, edit bool, after time.Duration) {
	if edit && pace.Edits != (Rate{}) {
		s.pace.block(editsOf(to), pace.Edits, s.env.Now(), after)
		return
	}
	s.pace.block(placeOf(to), pace.messages(), s.env.Now(), after)
}

func (s *sender) attempt(ctx context.Context, a Account, call Call) (string, error) {
	base, err := a.base(s.adapter)
	if err != nil {
		return "", err
	}
	if s.closed.has(base+call.Path, s.env.Now()) {
		return "", ErrClosed
	}
	if signer, ok := s.adapter.(Signer); ok {
		if call, err = signer.Sign(a, call); err != nil {
			return "", err
		}
	}
	answer, err := s.api.do(ctx, base, call, callTimeout)
	if err != nil {
		return "", err
	}
	id, err := s.adapter.Classify(answer)
	if errors.Is(err, ErrClosed) {
		s.closed.add(base+call.Path, s.env.Now())
	}
	return id, err
}

// wait waits for the turn of a place, or is Limited when that comes too late for this call.
func (s *sender) wait(ctx context.Context, place string, rate Rate) error {
	most := maxWait
	if deadline, ok := ctx.Deadline(); ok {
		most = min(most, time.Until(deadline)-reserve)
	}
	wait, ok := s.pace.take(place, rate, s.env.Now(), most)
	if !ok {
		return fault.New(fault.Limited, "this conversation has had many messages").In(wait)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fault.New(fault.Limited, "this conversation has had many messages").In(wait)
	}
}

// Draft is an answer that is being written, for platforms that show one by editing a message. Drafts are
// a courtesy: they are skipped when they come too fast.
type Draft struct {
	Address message.Address `json:"address"`
	Key     string          `json:"key"`
	Text    string          `json:"text"` // Markdown so far; empty for "is typing"
	ID      string          `json:"id"`   // the message that shows the draft; empty for none yet
}

// Drafted says which message shows a draft: what the next Draft names as ID, and the final Outbound as Edit.
type Drafted struct {
	ID string `json:"id"`
}

func (s *sender) draft(ctx context.Context, d Draft) (Drafted, error) {
	pace := s.adapter.Caps().Pace(d.Address)
	a := NewAccount(s.env, d.Address.Platform, d.Address.Account)
	call, ok, err := s.draftCall(a, d)
	if err != nil || !ok || pace.Draft == 0 || !s.mayDraft(d, pace) {
		return Drafted{d.ID}, err
	}
	id, err := s.attempt(ctx, a, call)
	switch {
	case fault.Is(err, fault.Limited):
		s.hold(d.Address, pace, d.ID != "", fault.After(err))
		return Drafted{d.ID}, nil
	case err != nil:
		return Drafted{d.ID}, err
	case d.Text == "":
		return Drafted{d.ID}, nil
	}
	return Drafted{cmp.Or(id, d.ID)}, nil
}

// mayDraft reports whether the platform would take a draft now. A new message counts as one, and an edit as
// one of the account's where the platform counts those together.
func (s *sender) mayDraft(d Draft, pace Pace) bool {
	now, place := s.env.Now(), placeOf(d.Address)
	ok := true
	switch _, rested := s.pace.take("draft/"+place, Rate{Every: pace.Draft}, now, 0); {
	case !rested:
		ok = false
	case d.Text == "":
	case d.ID == "":
		_, ok = s.pace.take(place, pace.messages(), now, 0)
	default:
		_, ok = s.pace.take(editsOf(d.Address), pace.Edits.steady(), now, 0)
	}
	return ok
}

// draftCall is the call that shows a draft, if the platform has one for it.
func (s *sender) draftCall(a Account, d Draft) (Call, bool, error) {
	if d.Text == "" {
		typer, ok := s.adapter.(Typer)
		if !ok {
			return Call{}, false, nil
		}
		call, err := typer.Typing(a, d.Address)
		return call, true, err
	}
	calls, err := s.adapter.Encode(a, message.Outbound{Key: d.Key, Address: d.Address, Markdown: d.Text, Edit: d.ID})
	if err != nil || len(calls) == 0 {
		return Call{}, false, err
	}
	call := calls[0]
	call.Fresh = nil // a draft that was deleted stays deleted
	return call, true, nil
}
