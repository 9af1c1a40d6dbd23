package auth

import (
	"context"
	"time"

	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/policy"
	"github.com/hearthfaas/hearth/shared/vault"
)

// linkLife is how long a sign-in link works.
const linkLife = 15 * time.Minute

// NewLink returns the code of a sign-in link for a user: it works once, for 15 minutes. It belongs into a
// URL's fragment, which browsers send to nobody.
func NewLink(ctx context.Context, l *ledger.Ledger, v *vault.Vault, user string, role policy.Role, now time.Time) (string, error) {
	id := fn.NewID()
	if _, err := l.Put(ctx, spaceLinks, ledger.Doc{ID: id, Body: []byte(user)}, linkLife); err != nil {
		return "", err
	}
	return v.Issue(vault.Token{For: "link", ID: id, Role: string(role), Expires: now.Add(linkLife).Unix()}), nil
}
