package main

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func newDeadCommand(a *app) *cobra.Command {
	return group("dead", "Messages that could not be answered, answers that could not be delivered, runs that could not be read",
		newDeadList(a), newDeadVerb(a, "redrive", "Send one on its way again", "On its way: "),
		newDeadVerb(a, "discard", "Throw one away for good", "Discarded: "))
}

// deadLetter is one as system-tasks shows it.
type deadLetter struct {
	ID       string    `json:"id"`
	Kind     string    `json:"kind"`
	At       time.Time `json:"at"`
	Platform string    `json:"platform"`
	User     string    `json:"user"`
	Text     string    `json:"text"`
}

func newDeadList(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "Dead letters, newest first", Args: takes(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := a.desk(cmd)
			if err != nil {
				return err
			}
			list, raw, err := fetch[struct {
				Letters []deadLetter `json:"letters"`
			}](cmd.Context(), d.client, "GET", tasksPath+"dead", nil)
			if err != nil {
				return err
			}
			return d.show(raw, func() {
				rows := make([][]string, len(list.Letters))
				for i, l := range list.Letters {
					rows[i] = []string{l.ID, l.Kind, d.clock(l.At), strings.TrimSpace(l.Platform + " " + l.User), fit(l.Text, maxCell)}
				}
				d.table([]string{"LETTER", "KIND", "AT", "OF", "TEXT"}, rows)
			})
		},
	}
	addOutput(cmd)
	return cmd
}

func newDeadVerb(a *app, verb, short, done string) *cobra.Command {
	cmd := &cobra.Command{
		Use: verb + " LETTER", Short: short, Args: takes(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := a.desk(cmd)
			if err != nil {
				return err
			}
			l, raw, err := d.letter(cmd.Context(), args[0], verb)
			if err != nil {
				return err
			}
			return d.show(raw, func() { d.print("%s%s %s", done, l.ID, fit(l.Text, maxCell)) })
		},
	}
	addOutput(cmd)
	return cmd
}

func (d *desk) letter(ctx context.Context, id, verb string) (deadLetter, json.RawMessage, error) {
	return fetch[deadLetter](ctx, d.client, "POST", tasksPath+"dead/"+id+"/"+verb, struct{}{})
}
