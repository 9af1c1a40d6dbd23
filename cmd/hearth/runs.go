package main

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
)

func newRunsCommand(a *app) *cobra.Command {
	return group("runs", "What was done, is done, and waits to be done",
		newRunsList(a), newRunsShow(a), newRunsWatch(a), newRunsCancel(a), newRunsRetry(a), newUndoCommand(a), newRunsSettle(a),
		newRunsFork(a), newRunsReplay(a), newRunsFreeze(a))
}

func newRunsList(a *app) *cobra.Command {
	limit := 20
	cmd := &cobra.Command{
		Use: "list", Short: "The newest runs", Args: takes(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.desk(cmd)
			if err != nil {
				return err
			}
			list, raw, err := s.runs(cmd.Context(), limit)
			if err != nil {
				return err
			}
			return s.show(raw, func() { s.list(list) })
		},
	}
	cmd.Flags().IntVar(&limit, "limit", limit, "at most this `many`, up to 200")
	return cmd
}

func newRunsShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "A run: why it failed, its plan, its steps", Args: takes(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.desk(cmd)
			if err != nil {
				return err
			}
			v, raw, err := s.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return s.show(raw, func() { s.run(v) })
		},
	}
}

func newRunsWatch(a *app) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "watch ID", Short: "Follow a run to its end; exits as the run does", Args: takes(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.desk(cmd)
			if err != nil {
				return err
			}
			ctx, cancel := within(cmd.Context(), timeout)
			defer cancel()
			v, _, err := s.find(ctx, args[0])
			if err != nil {
				return err
			}
			f := s.follower()
			f.stay = true
			return f.toEnd(ctx, v.ID)
		},
	}
	addTimeout(cmd, &timeout)
	return cmd
}

func newRunsCancel(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "cancel ID", Short: "Begin no further step of a run", Args: takes(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.desk(cmd)
			if err != nil {
				return err
			}
			return s.change(cmd.Context(), args[0], "cancel", nil, "Stopping")
		},
	}
}

func newRunsRetry(a *app) *cobra.Command {
	var from string
	cmd := &cobra.Command{
		Use: "retry ID", Short: "Run again what did not end well, or a step and all that depend on it",
	}
	cmd.Flags().StringVar(&from, "from", "", "begin with this `step`")
	again(a, cmd, "retry", func() any { return map[string]string{"from": from} })
	return cmd
}

func newUndoCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "undo ID", Short: "Take back what a run did, newest step first"}
	again(a, cmd, "undo", func() any { return struct{}{} })
	addPreview(a, cmd)
	addOutput(cmd)
	return cmd
}

// again makes cmd ask something of a run that has ended, and follow what comes of it.
func again(a *app, cmd *cobra.Command, verb string, body func() any) {
	var detach bool
	var timeout time.Duration
	cmd.Args = takes(cobra.ExactArgs(1))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := a.desk(cmd)
		if err != nil {
			return err
		}
		ctx, cancel := within(cmd.Context(), timeout)
		defer cancel()
		if detach {
			return s.change(ctx, args[0], verb, body(), "Accepted")
		}
		v, _, err := s.find(ctx, args[0])
		if err != nil {
			return err
		}
		f := s.follower()
		f.known(v)
		if _, err := s.client.call(ctx, "POST", runsPath+"/"+v.ID+"/"+verb, body()); err != nil {
			return err
		}
		return f.toEnd(ctx, v.ID)
	}
	cmd.Flags().BoolVar(&detach, "detach", false, "do not wait for the end")
	addTimeout(cmd, &timeout)
}

// desk is where a command does its work: a printer, and a client that is signed in.
type desk struct {
	*printer
	client *client
}

func (a *app) desk(cmd *cobra.Command) (*desk, error) {
	p, err := a.printer(cmd)
	if err != nil {
		return nil, err
	}
	client, err := a.client()
	if err != nil {
		return nil, err
	}
	p.zone, err = client.env.Zone()
	return &desk{p, client}, err
}

func (d *desk) follower() *follower { return &follower{printer: d.printer, client: d.client} }

func (d *desk) runs(ctx context.Context, limit int) ([]flow.View, json.RawMessage, error) {
	list, raw, err := fetch[struct {
		Runs []flow.View `json:"runs"`
	}](ctx, d.client, "GET", runsPath+"?limit="+strconv.Itoa(limit), nil)
	return list.Runs, raw, err
}

func (d *desk) list(list []flow.View) {
	if len(list) == 0 {
		d.note("no runs yet: hearth do TEXT, or hearth task run ID")
	}
	rows := make([][]string, len(list))
	for i, v := range list {
		rows[i] = []string{v.ID, string(v.State), d.clock(v.Created), v.User, v.Origin, v.Title}
	}
	d.table([]string{"RUN", "STATE", "CREATED", "USER", "FROM", "TITLE"}, rows)
}

// find returns the run whose id is, or begins with, id.
func (d *desk) find(ctx context.Context, id string) (flow.View, json.RawMessage, error) {
	v, raw, err := d.runOf(ctx, id)
	if !fault.Is(err, fault.NotFound) {
		return v, raw, err
	}
	list, _, listErr := d.runs(ctx, 200)
	if listErr != nil {
		return v, raw, listErr
	}
	ids := make([]string, len(list))
	for i, r := range list {
		ids[i] = r.ID
	}
	whole, pickErr := pick(ids, id)
	if fault.Is(pickErr, fault.NotFound) {
		return v, raw, err
	}
	if pickErr != nil {
		return v, raw, pickErr
	}
	return d.runOf(ctx, whole)
}

func (d *desk) runOf(ctx context.Context, id string) (flow.View, json.RawMessage, error) {
	return fetch[flow.View](ctx, d.client, "GET", runsPath+"/"+url.PathEscape(id), nil)
}

// change asks something of a run and writes what was asked.
func (d *desk) change(ctx context.Context, id, verb string, body any, done string) error {
	v, _, err := d.find(ctx, id)
	if err != nil {
		return err
	}
	if body == nil {
		body = struct{}{}
	}
	_, raw, err := fetch[flow.View](ctx, d.client, "POST", runsPath+"/"+v.ID+"/"+verb, body)
	if err != nil {
		return err
	}
	return d.show(raw, func() { d.print("%s: %s %s", done, v.ID, fit(v.Title, maxCell)) })
}
