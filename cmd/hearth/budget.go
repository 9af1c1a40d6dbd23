package main

import (
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

func newBudgetCommand(a *app) *cobra.Command {
	var user, task string
	cmd := &cobra.Command{
		Use: "budget", Short: "What is used up of the budgets in HEARTH_BUDGET", Args: takes(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := a.desk(cmd)
			if err != nil {
				return err
			}
			query := url.Values{"user": {user}, "task": {task}}
			list, raw, err := fetch[struct {
				Budgets []struct {
					Budget string    `json:"budget"`
					For    string    `json:"for"`
					Limit  float64   `json:"limit"`
					Used   float64   `json:"used"`
					Until  time.Time `json:"until"`
				} `json:"budgets"`
			}](cmd.Context(), d.client, "GET", tasksPath+"budget?"+query.Encode(), nil)
			if err != nil {
				return err
			}
			return d.show(raw, func() {
				rows := make([][]string, len(list.Budgets))
				for i, b := range list.Budgets {
					rows[i] = []string{
						b.Budget, b.For, strconv.FormatFloat(b.Used, 'f', -1, 64), strconv.FormatFloat(b.Limit, 'f', -1, 64), d.clock(b.Until),
					}
				}
				d.table([]string{"BUDGET", "FOR", "USED", "OF", "BEGINS ANEW"}, rows)
			})
		},
	}
	cmd.Flags().StringVar(&user, "user", "", "of this `user`")
	cmd.Flags().StringVar(&task, "task", "", "and of this `task`")
	addOutput(cmd)
	return cmd
}
