package main

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hearthfaas/hearth/shared/flow"
)

const calendarsPath = tasksPath + "calendars"

func newCalendarCommand(a *app) *cobra.Command {
	return group("calendar", "Holiday calendars of automations", newCalendarApply(a), newCalendarList(a), newCalendarShow(a), newCalendarDelete(a))
}

// calendar is a holiday calendar as system-tasks shows it.
type calendar struct {
	Name string `json:"name"`
	Days struct {
		Holidays []string `json:"holidays"`
		Workdays []string `json:"workdays"`
	} `json:"days"`
	By    string    `json:"by"`
	At    time.Time `json:"at"`
	Tasks []string  `json:"tasks"`
}

func newCalendarApply(a *app) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use: "apply NAME -f FILE", Short: "Create or replace a calendar; tasks that use it are planned anew", Args: takes(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			raw, err := a.readFile(path, "hearth calendar apply "+args[0])
			if err != nil {
				return err
			}
			name := path
			if path == "-" {
				name = "stdin"
			}
			return inFile(a.applyCalendar(cmd, args[0], raw), name, raw)
		},
	}
	cmd.Flags().StringVarP(&path, "file", "f", "", `the calendar's `+"`file`"+`: {"holidays": ["2026-10-01"], "workdays": ["2026-10-10"]}, - for the standard input`)
	return cmd
}

func (a *app) applyCalendar(cmd *cobra.Command, name string, raw []byte) error {
	if _, err := flow.ParseCalendar(raw); err != nil {
		return err
	}
	d, err := a.desk(cmd)
	if err != nil {
		return err
	}
	applied, answer, err := fetch[struct {
		Tasks []task `json:"tasks"`
	}](cmd.Context(), d.client, "PUT", calendarsPath+"/"+url.PathEscape(name), json.RawMessage(raw))
	if err != nil {
		return err
	}
	return d.show(answer, func() {
		d.print("Applied: %s", name)
		for _, t := range applied.Tasks {
			d.print("%s next: %s", t.ID, nextFire(t))
		}
	})
}

func newCalendarList(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "All calendars", Args: takes(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := a.desk(cmd)
			if err != nil {
				return err
			}
			list, raw, err := fetch[struct {
				Calendars []calendar `json:"calendars"`
			}](cmd.Context(), d.client, "GET", calendarsPath, nil)
			if err != nil {
				return err
			}
			return d.show(raw, func() {
				rows := make([][]string, len(list.Calendars))
				for i, c := range list.Calendars {
					rows[i] = []string{c.Name, strconv.Itoa(len(c.Days.Holidays)), strconv.Itoa(len(c.Days.Workdays)), d.clock(c.At), c.By, strings.Join(c.Tasks, " ")}
				}
				d.table([]string{"CALENDAR", "HOLIDAYS", "WORKDAYS", "APPLIED", "BY", "TASKS"}, rows)
			})
		},
	}
}

func newCalendarShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "The days of a calendar", Args: takes(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := a.desk(cmd)
			if err != nil {
				return err
			}
			c, raw, err := fetch[calendar](cmd.Context(), d.client, "GET", calendarsPath+"/"+url.PathEscape(args[0]), nil)
			if err != nil {
				return err
			}
			return d.show(raw, func() {
				var rows [][]string
				for _, day := range c.Days.Holidays {
					rows = append(rows, []string{day, "holiday"})
				}
				for _, day := range c.Days.Workdays {
					rows = append(rows, []string{day, "workday"})
				}
				d.table([]string{"DAY", "IS A"}, rows)
			})
		},
	}
}

func newCalendarDelete(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME", Short: "Delete a calendar that no automation uses", Args: takes(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := a.desk(cmd)
			if err != nil {
				return err
			}
			raw, err := d.client.call(cmd.Context(), "DELETE", calendarsPath+"/"+url.PathEscape(args[0]), nil)
			if err != nil {
				return err
			}
			return d.show(raw, func() { d.print("Deleted: %s", args[0]) })
		},
	}
}
