package main

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func newUserCommand(a *app) *cobra.Command {
	return group("user", "People and machines that may sign in", newUserToken(a), newUserLink(a), newUserList(a))
}

// grant is what a person or a machine is given to sign in with.
type grant struct {
	User string `json:"user"`
	Role string `json:"role,omitempty"`
	Days int    `json:"days,omitempty"`
	Link bool   `json:"link,omitempty"`
}

// granted is a token, or the code of a sign-in link.
type granted struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
	Code    string    `json:"code"`
}

func (d *desk) grant(ctx context.Context, g grant) (granted, json.RawMessage, error) {
	return fetch[granted](ctx, d.client, "POST", authPath+"tokens", g)
}

func addRole(cmd *cobra.Command, role *string) {
	cmd.Flags().StringVar(role, "role", "", "`role`: member (default), operator, admin or owner")
}

func newUserToken(a *app) *cobra.Command {
	var g grant
	cmd := &cobra.Command{
		Use: "token NAME", Short: "Make a token for HEARTH_TOKEN and Authorization: Bearer", Args: takes(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := a.desk(cmd)
			if err != nil {
				return err
			}
			g.User = args[0]
			made, raw, err := d.grant(cmd.Context(), g)
			if err != nil {
				return err
			}
			if !made.Expires.IsZero() {
				d.note("for %s, until %s; it is shown only now", g.User, d.clock(made.Expires))
			}
			return d.show(raw, func() { d.print("%s", made.Token) })
		},
	}
	addRole(cmd, &g.Role)
	cmd.Flags().IntVar(&g.Days, "days", 0, "how many `days` it works (default 90, at most 366)")
	return cmd
}

func newUserLink(a *app) *cobra.Command {
	g := grant{Link: true}
	cmd := &cobra.Command{
		Use: "link NAME", Short: "Make a link that signs a browser in, once", Args: takes(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := a.desk(cmd)
			if err != nil {
				return err
			}
			g.User = args[0]
			made, raw, err := d.grant(cmd.Context(), g)
			if err != nil {
				return err
			}
			base := strings.TrimRight(d.client.env.Setting("HEARTH_PUBLIC_URL", d.client.base), "/")
			d.note("for %s, once, within 15 minutes", g.User)
			return d.show(raw, func() { d.print("%s%s#code=%s", base, consolePath, url.QueryEscape(made.Code)) })
		},
	}
	addRole(cmd, &g.Role)
	return cmd
}

func newUserList(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "Who was given a token or a link", Args: takes(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := a.desk(cmd)
			if err != nil {
				return err
			}
			list, raw, err := fetch[struct {
				Users []struct {
					User    string    `json:"user"`
					Role    string    `json:"role"`
					Created time.Time `json:"created"`
				} `json:"users"`
			}](cmd.Context(), d.client, "GET", authPath+"users", nil)
			if err != nil {
				return err
			}
			return d.show(raw, func() {
				rows := make([][]string, len(list.Users))
				for i, u := range list.Users {
					rows[i] = []string{u.User, u.Role, d.clock(u.Created)}
				}
				d.table([]string{"USER", "ROLE", "SINCE"}, rows)
			})
		},
	}
}
