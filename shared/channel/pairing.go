package channel

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/policy"
	"github.com/hearthfaas/hearth/shared/vault"
)

// Pairing links a chat identity to a user: a guest gets a one-time code, and somebody who is signed in
// says it ("hearth pair CODE"). Codes are never stored: a code follows from the guest and the time it was
// made, so that the same one can be shown again while it lives, and it is found by its blind name.
const (
	pairingSpace = "pairing"
	pairingLife  = 10 * time.Minute
	pairingTries = 5 // wrong codes of one user in pairingLife
	codeLength   = 8
)

// pairing is what a code stands for.
type pairing struct {
	Platform string    `json:"platform"`
	Account  string    `json:"account,omitempty"`
	Sender   string    `json:"sender"`
	Name     string    `json:"name,omitempty"`
	Made     time.Time `json:"made"`
}

// code returns the code of a pairing: 40 bits.
func (p pairing) code(v *vault.Vault) string {
	made := p.Made.UTC().Format(time.RFC3339Nano)
	return strings.ToUpper(v.Blind("pairing", p.Platform, p.Account, p.Sender, made)[:codeLength])
}

func (p pairing) guestID(v *vault.Vault) string {
	return v.Blind("pairing guest", p.Platform, p.Account, p.Sender)
}

func codeID(v *vault.Vault, code string) string { return v.Blind("pairing code", code) }

// offer returns the living code of a guest, or makes one.
func offer(ctx context.Context, l *ledger.Ledger, v *vault.Vault, a message.Address, from message.Sender, now time.Time) (string, error) {
	p := pairing{a.Platform, a.Account, from.ID, from.Name, now.UTC()}
	for range 2 {
		doc, err := l.Get(ctx, pairingSpace, p.guestID(v))
		if err == nil {
			var living pairing
			if err := json.Unmarshal(doc.Body, &living); err != nil {
				return "", fault.As(fault.Internal, err, "a pairing is damaged")
			}
			return living.code(v), nil
		}
		if !fault.Is(err, fault.NotFound) {
			return "", err
		}
		body, err := json.Marshal(p)
		if err != nil {
			return "", fault.As(fault.Internal, err, "encode a pairing")
		}
		_, err = l.Change(ctx, pairingSpace, []ledger.Doc{
			{ID: p.guestID(v), Rev: ledger.Absent, Body: body, TTL: pairingLife},
			{ID: codeID(v, p.code(v)), Rev: ledger.Any, Body: body, TTL: pairingLife},
		}, nil)
		if err == nil {
			return p.code(v), nil
		}
		if !fault.Is(err, fault.Conflict) {
			return "", err
		}
	}
	return "", fault.New(fault.Unavailable, "two messages of one guest met; try again")
}

// Pair uses a code up and makes its guest known as user with role. NotFound means that no such code is
// alive; after five of those in ten minutes a user is Limited. The caller has checked that user may take
// role.
func Pair(ctx context.Context, l *ledger.Ledger, v *vault.Vault, code, user string, role policy.Role, now time.Time) (Identity, error) {
	if user == "" || !role.Valid() {
		return Identity{}, fault.New(fault.Invalid, "pairing needs a user and a role")
	}
	tries, err := wrongCodes(ctx, l, user)
	if err != nil {
		return Identity{}, err
	}
	code = strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(strings.TrimSpace(code)))
	doc, err := l.Get(ctx, pairingSpace, codeID(v, code))
	if fault.Is(err, fault.NotFound) {
		return Identity{}, countWrong(ctx, l, tries)
	}
	if err != nil {
		return Identity{}, err
	}
	var p pairing
	if err := json.Unmarshal(doc.Body, &p); err != nil {
		return Identity{}, fault.As(fault.Internal, err, "a pairing is damaged")
	}
	_, err = l.Change(ctx, pairingSpace, nil, []ledger.Doc{{ID: doc.ID, Rev: doc.Rev}, {ID: p.guestID(v), Rev: ledger.Any}})
	if fault.Is(err, fault.Conflict) || fault.Is(err, fault.NotFound) {
		return Identity{}, noCode()
	}
	if err != nil {
		return Identity{}, err
	}
	identity := Identity{user, role, p.Platform, p.Account, p.Sender, p.Name, now.UTC()}
	body, err := json.Marshal(identity)
	if err != nil {
		return Identity{}, fault.As(fault.Internal, err, "encode an identity")
	}
	id := IdentityID(v, p.Platform, p.Account, p.Sender)
	_, err = l.Put(ctx, IdentitySpace, ledger.Doc{ID: id, Rev: ledger.Any, Body: body}, 0)
	return identity, err
}

func noCode() error {
	return fault.New(fault.NotFound, "no such code is alive: a code works once and for ten minutes").
		Try("write to the assistant from the chat again for a new one")
}

func triesID(user string) string { return "tries/" + user }

// wrongCodes returns the marks of the wrong codes that user gave lately, or Limited.
func wrongCodes(ctx context.Context, l *ledger.Ledger, user string) (ledger.Doc, error) {
	doc, err := l.Get(ctx, pairingSpace, triesID(user))
	if fault.Is(err, fault.NotFound) {
		return ledger.Doc{ID: triesID(user), Rev: ledger.Absent}, nil
	}
	if err == nil && len(doc.Body) >= pairingTries {
		return ledger.Doc{}, fault.New(fault.Limited, "too many wrong codes").In(pairingLife)
	}
	return doc, err
}

// countWrong adds one mark. Of several tries at once, only one counts and the others are refused.
func countWrong(ctx context.Context, l *ledger.Ledger, marks ledger.Doc) error {
	marks.Body = append(marks.Body, 'x')
	_, err := l.Put(ctx, pairingSpace, marks, pairingLife)
	if fault.Is(err, fault.Conflict) {
		return fault.New(fault.Limited, "one code at a time").In(time.Second)
	}
	if err != nil {
		return err
	}
	return noCode()
}
