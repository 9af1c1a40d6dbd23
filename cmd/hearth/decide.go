package main

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
)

func newApproveCommand(a *app) *cobra.Command {
	var follow, yes bool
	var set []string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "approve ID", Short: "Approve the plan of a run, or change it first", Args: takes(cobra.ExactArgs(1)),
		Long: "Approves the plan that the run shows now. With --set it changes parameters of the plan instead, which then " +
			"waits for an approval of what it became; with --yes as well, it is approved as changed.",
		RunE: func(cmd *cobra.Command, args []string) error {
			d, values, err := a.deskWith(cmd, set)
			if err != nil {
				return err
			}
			ctx, cancel := within(cmd.Context(), timeout)
			defer cancel()
			if len(values) > 0 {
				return d.edit(ctx, args[0], values, yes, follow)
			}
			id, err := d.decide(ctx, args[0], "approve", "Approved", follow)
			if err != nil || !follow {
				return err
			}
			return d.follower().toEnd(ctx, id)
		},
	}
	cmd.Flags().BoolVar(&follow, "follow", false, "follow the run to its end, and exit as it does")
	cmd.Flags().StringArrayVar(&set, "set", nil, "change `step.param=value`, JSON or text, before; may be repeated")
	cmd.Flags().BoolVar(&yes, "yes", false, "with --set: approve the plan as changed")
	addTimeout(cmd, &timeout)
	addOutput(cmd)
	return cmd
}

// edit changes parameters of a plan that waits, and shows what it became.
func (d *desk) edit(ctx context.Context, id string, set flow.Values, approve, follow bool) error {
	v, _, err := d.find(ctx, id)
	if err != nil {
		return err
	}
	in := map[string]any{"digest": v.Digest, "set": set, "approve": approve}
	v, raw, err := fetch[flow.View](ctx, d.client, "POST", runsPath+"/"+v.ID+"/edit", in)
	switch {
	case err != nil:
		return err
	case v.State == flow.WaitingApproval:
		if err := d.show(raw, func() { d.run(v) }); err != nil {
			return err
		}
		if approve {
			d.note("changed, but somebody else has to approve it")
		}
		return exitOf(v)
	case follow:
		return d.follower().toEnd(ctx, v.ID)
	}
	return d.show(raw, func() { d.print("Approved: %s %s", v.ID, fit(v.Title, maxCell)) })
}

func newDenyCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "deny ID", Short: "Refuse the plan of a run: nothing of it is done", Args: takes(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := a.desk(cmd)
			if err != nil {
				return err
			}
			_, err = d.decide(cmd.Context(), args[0], "deny", "Denied", false)
			return err
		},
	}
	addOutput(cmd)
	return cmd
}

// decide decides about the plan that the run shows now: had it another one, the gateway would refuse. With
// quiet, only the progress says so.
func (d *desk) decide(ctx context.Context, id, verb, done string, quiet bool) (string, error) {
	v, _, err := d.find(ctx, id)
	if err != nil {
		return "", err
	}
	_, raw, err := d.client.decide(ctx, v, verb)
	if err != nil {
		return "", err
	}
	var before struct {
		Earlier *struct {
			By string    `json:"by"`
			At time.Time `json:"at"`
		} `json:"earlier"`
	}
	if json.Unmarshal(raw, &before) == nil && before.Earlier != nil {
		d.note("%s decided already, at %s: the first decision counts", before.Earlier.By, d.clock(before.Earlier.At))
	}
	if quiet {
		d.note("%s: %s %s", done, v.ID, fit(v.Title, maxCell))
		return v.ID, nil
	}
	return v.ID, d.show(raw, func() { d.print("%s: %s %s", done, v.ID, fit(v.Title, maxCell)) })
}

func newStopCommand(a *app) *cobra.Command {
	var user, run string
	var yes bool
	cmd := &cobra.Command{
		Use: "stop", Short: "Stop a run, all runs of a user, or everything", Args: takes(cobra.NoArgs),
		Long: "Begins no further step and cuts off what can be cut off: of one run, of all that is done for a user, or of " +
			"everything. A stop of others, or of everything, lasts until hearth resume. What was done stays done; " +
			"hearth undo takes it back.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := a.desk(cmd)
			if err != nil {
				return err
			}
			if user != "" && run != "" {
				return fault.New(fault.Invalid, "--user and --run do not go together")
			}
			if user == "" && run == "" && !yes && isTerminal(a.in) {
				if yes, err = a.confirm("Stop all runs of everybody?"); err != nil || !yes {
					d.note("nothing was stopped")
					return err
				}
			}
			return d.stop(cmd.Context(), user, run)
		},
	}
	cmd.Flags().StringVar(&user, "user", "", "only the runs of this `user`")
	cmd.Flags().StringVar(&run, "run", "", "only this `run`")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask before everything is stopped")
	addOutput(cmd)
	return cmd
}

func (d *desk) stop(ctx context.Context, user, run string) error {
	if run != "" {
		v, _, err := d.find(ctx, run)
		if err != nil {
			return err
		}
		run = v.ID
	}
	out, raw, err := fetch[struct {
		Stopped []string `json:"stopped"`
		Lasts   bool     `json:"lasts"`
	}](ctx, d.client, "POST", tasksPath+"stop", map[string]string{"user": user, "run": run})
	if err != nil {
		return err
	}
	return d.show(raw, func() {
		if len(out.Stopped) == 0 {
			d.print("Nothing runs.")
		} else {
			d.print("Stopped: %s", strings.Join(out.Stopped, " "))
			d.note("hearth undo RUN takes back what was done")
		}
		if out.Lasts {
			d.print("Nothing begins until: %s", strings.TrimSpace("hearth resume "+flagged("--user", user)))
		}
	})
}

func flagged(flag, value string) string {
	if value == "" {
		return ""
	}
	return flag + " " + value
}

func newResumeCommand(a *app) *cobra.Command {
	var user string
	cmd := &cobra.Command{
		Use: "resume", Short: "Let a user, or everything, begin again after hearth stop", Args: takes(cobra.NoArgs),
		Long: "Takes back a stop that lasts. It needs more than stopping does: the role admin for everything, operator for a user. " +
			"Runs that were stopped stay so: hearth runs retry.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := a.desk(cmd)
			if err != nil {
				return err
			}
			_, raw, err := fetch[struct{}](cmd.Context(), d.client, "POST", tasksPath+"resume", map[string]string{"user": user})
			if err != nil {
				return err
			}
			return d.show(raw, func() { d.print("It goes on. What was stopped stays so.") })
		},
	}
	cmd.Flags().StringVar(&user, "user", "", "only this `user`")
	addOutput(cmd)
	return cmd
}
