package channel

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/policy"
	"github.com/hearthfaas/hearth/shared/vault"
)

// IdentitySpace is the ledger's space of who is who: Identity by IdentityID.
const IdentitySpace = "identities"

// Identity says whose account on a platform it is.
type Identity struct {
	User     string      `json:"user"`
	Role     policy.Role `json:"role"`
	Platform string      `json:"platform"`
	Account  string      `json:"account,omitempty"`
	Sender   string      `json:"sender"`
	Name     string      `json:"name,omitempty"` // as the platform showed it when it was linked
	At       time.Time   `json:"at"`
}

// IdentityID names the document of a sender.
func IdentityID(v *vault.Vault, platform, account, sender string) string {
	return v.Blind("identity", platform, account, sender)
}

const (
	identityLife  = 5 * time.Second // how long a change of a user's rights takes to be seen
	maxIdentities = 4096
)

// identities finds out who speaks. It remembers users for a moment, because people write several messages
// in a row; a guest is looked up each time, so that pairing works at once.
type identities struct {
	ledger *ledger.Ledger
	vault  *vault.Vault

	mu    sync.Mutex
	known map[string]known
}

type known struct {
	principal policy.Principal
	until     time.Time
}

// of returns the principal of a sender: a guest, unless somebody linked it to a user.
func (i *identities) of(ctx context.Context, a message.Address, sender string, now time.Time) (policy.Principal, error) {
	id := IdentityID(i.vault, a.Platform, a.Account, sender)
	i.mu.Lock()
	k, ok := i.known[id]
	i.mu.Unlock()
	if ok && now.Before(k.until) {
		return k.principal, nil
	}
	p := policy.Principal{Role: policy.Guest, Via: strings.Join([]string{a.Platform, a.Account, sender}, "/")}
	doc, err := i.ledger.Get(ctx, IdentitySpace, id)
	switch {
	case fault.Is(err, fault.NotFound):
		return p, nil
	case err != nil:
		return policy.Principal{}, err
	}
	var found Identity
	if err := json.Unmarshal(doc.Body, &found); err != nil {
		return policy.Principal{}, fault.As(fault.Internal, err, "the identity of a sender is damaged")
	}
	p.User, p.Role = found.User, found.Role
	i.remember(id, known{p, now.Add(identityLife)})
	return p, nil
}

func (i *identities) remember(id string, k known) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.known == nil || len(i.known) >= maxIdentities {
		i.known = map[string]known{}
	}
	i.known[id] = k
}
