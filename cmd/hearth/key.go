package main

import (
	"encoding/base64"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/hearthfaas/hearth/shared/policy"
	"github.com/hearthfaas/hearth/shared/vault"
)

// firstLife is how long the owner's first token of a cluster works: long enough to make others.
const firstLife = 24 * time.Hour

// newKeyCommand holds what follows from ENCRYPTION_KEY where no hearth up derives it: on a cluster.
func newKeyCommand(a *app) *cobra.Command {
	return group("key", "What a cluster needs that follows from ENCRYPTION_KEY",
		a.derived("call", "Print the public key of calls: the secret hearth-call-key of plugins", func(v *vault.Vault) string {
			return base64.StdEncoding.EncodeToString(v.CallKey())
		}),
		a.derived("owner", "Print an owner's token for HEARTH_TOKEN, good for a day", func(v *vault.Vault) string {
			return v.Issue(vault.Token{For: "user", ID: "owner", Role: string(policy.Owner), Expires: time.Now().Add(firstLife).Unix()})
		}),
	)
}

// derived prints what is derived from the master key at hand.
func (a *app) derived(name, short string, derive func(v *vault.Vault) string) *cobra.Command {
	return &cobra.Command{
		Use: name, Short: short, Args: takes(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			env, _, err := a.env()
			if err != nil {
				return err
			}
			v, err := env.Vault()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(a.out, derive(v))
			return err
		},
	}
}
