package main

import (
	"cmp"

	"github.com/spf13/cobra"
)

func newPairCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "pair CODE", Short: "Link a chat account to you", Args: takes(cobra.ExactArgs(1)),
		Long: "Somebody whom the assistant does not know is shown a code in the chat. Whoever says it here makes that " +
			"account act for them, with their role.",
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := a.desk(cmd)
			if err != nil {
				return err
			}
			out, raw, err := fetch[struct {
				User     string `json:"user"`
				Role     string `json:"role"`
				Platform string `json:"platform"`
				Sender   string `json:"sender"`
				Name     string `json:"name"`
			}](cmd.Context(), d.client, "POST", authPath+"pair", map[string]string{"code": args[0]})
			if err != nil {
				return err
			}
			return d.show(raw, func() {
				d.print("%s on %s now acts as %s", cmp.Or(out.Name, out.Sender), out.Platform, out.User)
			})
		},
	}
	addOutput(cmd)
	return cmd
}
