package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/manifest"
)

const alertsPath = tasksPath + "alerts"

func newAlertsCommand(a *app) *cobra.Command {
	return group("alerts", "What needs a person", newAlertsList(a), newAlertsResolve(a))
}

// alert is an alert as system-tasks shows it.
type alert struct {
	ID       string          `json:"id"`
	Kind     string          `json:"kind"`
	Title    manifest.Phrase `json:"title"`
	Text     manifest.Phrase `json:"text"`
	Run      string          `json:"run"`
	Task     string          `json:"task"`
	At       time.Time       `json:"at"`
	Count    int             `json:"count"`
	Resolved bool            `json:"resolved"`
	By       string          `json:"by"`
}

func (d *desk) alerts(ctx context.Context) ([]alert, json.RawMessage, error) {
	list, raw, err := fetch[struct {
		Alerts []alert `json:"alerts"`
	}](ctx, d.client, "GET", alertsPath, nil)
	return list.Alerts, raw, err
}

func newAlertsList(a *app) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "list", Short: "Alerts of the last month that nobody has resolved", Args: takes(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := a.desk(cmd)
			if err != nil {
				return err
			}
			list, raw, err := d.alerts(cmd.Context())
			if err != nil {
				return err
			}
			return d.show(raw, func() {
				var rows [][]string
				for _, one := range list {
					if all || !one.Resolved {
						rows = append(rows, d.alertRow(one))
					}
				}
				d.table([]string{"ALERT", "AT", "KIND", "ABOUT", "RESOLVED", "TITLE"}, rows)
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "also those that somebody resolved; -o json always has them")
	return cmd
}

func (d *desk) alertRow(one alert) []string {
	title := one.Title.En
	if d.zh {
		title = one.Title.Zh
	}
	if one.Count > 0 {
		title += fmt.Sprintf(" (+%d)", one.Count)
	}
	by := ""
	if one.Resolved {
		by = "by " + one.By
	}
	return []string{one.ID, d.clock(one.At), one.Kind, strings.TrimSpace(one.Task + " " + one.Run), by, title}
}

func newAlertsResolve(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "resolve ID", Short: "Say that an alert is dealt with", Args: takes(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := a.desk(cmd)
			if err != nil {
				return err
			}
			list, _, err := d.alerts(cmd.Context())
			if err != nil {
				return err
			}
			ids := make([]string, len(list))
			for i, one := range list {
				ids[i] = one.ID
			}
			id, err := pick(ids, args[0])
			if fault.Is(err, fault.NotFound) {
				return fault.New(fault.NotFound, "no alert %q", args[0]).Try("hearth alerts list")
			}
			if err != nil {
				return err
			}
			raw, err := d.client.call(cmd.Context(), "POST", alertsPath+"/"+id+"/resolve", nil)
			if err != nil {
				return err
			}
			return d.show(raw, func() { d.print("Resolved: %s", id) })
		},
	}
}
