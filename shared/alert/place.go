package alert

import (
	"context"
	"fmt"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/policy"
	"github.com/hearthfaas/hearth/shared/vault"
)

// postKey begins the keys under which alerts are posted.
const postKey = "alert/"

// placeSpace is where conversations are kept that hear of alerts, by their lane.
const placeSpace = "alerts/places"

// Place is a conversation that somebody wants to hear alerts in: all of them where an operator said so, else those
// about that person's own runs and tasks.
type Place struct {
	Address message.Address `json:"address"`
	User    string          `json:"user"`
	Role    policy.Role     `json:"role"`
	Sender  string          `json:"sender,omitempty"` // on the platform, whose link says what role they have today; "" for who signed in
	Lang    string          `json:"lang"`
	At      time.Time       `json:"at"`
}

// Here makes a place hear of alerts from now on.
func Here(ctx context.Context, l *ledger.Ledger, p Place) error {
	if p.User == "" || p.Address.Platform == "" || p.Address.Chat == "" {
		return fault.New(fault.Invalid, "a place has a user and an address")
	}
	_, err := put(ctx, l, placeSpace, ledger.Doc{ID: string(channel.Lane(l, p.Address)), Rev: ledger.Any}, p, 0)
	return err
}

// Off ends that. Whose place it is, or an operator, may say so; there is none is fine.
func Off(ctx context.Context, l *ledger.Ledger, at message.Address, by policy.Principal) error {
	doc, err := l.Get(ctx, placeSpace, string(channel.Lane(l, at)))
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	p, err := read[Place](doc)
	if err != nil {
		return err
	}
	if err := policy.May(by, policy.See, p.User); err != nil {
		return err
	}
	return l.Delete(ctx, placeSpace, doc.ID, doc.Rev)
}

// places returns the places that there are, each with the role that its user has today.
func places(ctx context.Context, l *ledger.Ledger, v *vault.Vault) ([]Place, error) {
	docs, err := l.List(ctx, placeSpace)
	if err != nil {
		return nil, err
	}
	var list []Place
	for _, doc := range docs {
		p, err := read[Place](doc)
		if err != nil {
			return nil, err
		}
		known, err := current(ctx, l, v, &p)
		if err != nil {
			return nil, err
		}
		if known {
			list = append(list, p)
		}
	}
	return list, nil
}

// current brings the role of a place's user up to date. It reports whether they are still linked.
func current(ctx context.Context, l *ledger.Ledger, v *vault.Vault, p *Place) (bool, error) {
	if p.Sender == "" {
		return true, nil
	}
	doc, err := l.Get(ctx, channel.IdentitySpace, channel.IdentityID(v, p.Address.Platform, p.Address.Account, p.Sender))
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	who, err := read[channel.Identity](doc)
	p.Role = who.Role
	return who.User == p.User, err
}

// hears reports whether an alert is for a place.
func (p Place) hears(a Alert) bool {
	by := policy.Principal{User: p.User, Role: p.Role}
	if a.User == "" {
		return policy.May(by, policy.Command, "") == nil
	}
	return policy.May(by, policy.See, a.User) == nil
}

// post puts an alert into the outbox of a place, once.
func (p Place) post(ctx context.Context, l *ledger.Ledger, a Alert) error {
	body, err := encode(message.Outbound{Address: p.Address, Markdown: a.markdown(p.Lang), Run: a.Run})
	if err != nil {
		return err
	}
	_, err = l.Post(ctx, channel.Lane(l, p.Address), postKey+a.ID, body)
	return err
}

// markdown is what people read of an alert in a chat.
func (a Alert) markdown(lang string) string {
	head := manifest.Phrase{En: "Alert: ", Zh: "警报："}
	return fmt.Sprintf("**%s%s**\n\n%s\n\n`hearth alerts resolve %s`", head.In(lang), a.Title.In(lang), a.Text.In(lang), a.ID)
}
