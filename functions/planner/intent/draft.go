package intent

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/policy"
	"github.com/hearthfaas/hearth/shared/vault"
)

// errNeedsTools ends a stream that began with planWord.
var errNeedsTools = errors.New("the model asks for tools")

// Times of drafts on platforms that edit a message: short answers come whole, long ones grow.
const (
	draftAfter = 1500 * time.Millisecond
	draftEvery = 1200 * time.Millisecond
)

// draft passes an answer on while it is written, sentence by sentence. A sentence that claims an effect is
// held back. Drafts are for the eye: the answer itself is journaled and delivered whole.
type draft struct {
	*turn
	ctx   context.Context
	start time.Time
	tools bool // the model was told of tools

	text   strings.Builder // all of the answer so far
	read   int             // bytes of it that screen has
	screen policy.Screen   // holds claims back
	good   strings.Builder // what was passed on
	id     string          // the platform's message that grows
	at     time.Time       // of its last edit
	off    bool            // the platform has no drafts
}

// add takes the next piece of the answer.
func (d *draft) add(piece string) error {
	d.text.WriteString(piece)
	whole := d.text.String()
	if d.tools && isPlanWord(whole) {
		return errNeedsTools
	}
	if d.model.Builtin() || strings.HasPrefix(planWord, strings.TrimSpace(whole)) {
		return nil // instant anyway, or not yet clear what it becomes
	}
	sentence := d.screen.Add(whole[d.read:])
	d.read = len(whole)
	if sentence == "" {
		return nil
	}
	d.good.WriteString(sentence)
	if d.in.Inbound.Address.Platform == "web" {
		return d.log(sentence)
	}
	d.edit()
	return nil
}

func isPlanWord(text string) bool {
	text = strings.Trim(text, " \n*`\".")
	return text == planWord || strings.HasPrefix(text, planWord+"\n")
}

// log puts a sentence into the session's event log.
func (d *draft) log(sentence string) error {
	event, err := json.Marshal(map[string]any{"type": "draft", "seq": d.work.Inbox.Seq, "text": sentence})
	if err != nil {
		return fault.As(fault.Internal, err, "a draft")
	}
	if _, err := d.ledger.Append(d.ctx, d.work.Lane, "", event); err != nil {
		fn.Logger(d.ctx, d.env.Log).Debug("a draft was lost", "err", err)
	}
	return nil
}

// edit lets a message on the platform grow, where it can.
func (d *draft) edit() {
	now := d.env.Now()
	if d.off || now.Sub(d.start) < draftAfter || now.Sub(d.at) < draftEvery {
		return
	}
	d.at = now
	to := d.in.Inbound.Address
	in := channel.Draft{Address: to, Key: string(d.work.Lane) + "/" + ledger.AnswerID(d.work.Inbox.Seq), Text: d.good.String(), ID: d.id}
	var out channel.Drafted
	call := vault.Call{Lane: string(d.work.Lane), Owner: d.work.Owner, Epoch: d.work.Epoch}
	if err := d.gateway.Call(d.ctx, "adapter-"+to.Platform+"/_/draft", call, in, &out); err != nil {
		d.off = true
		return
	}
	d.id = out.ID
}
