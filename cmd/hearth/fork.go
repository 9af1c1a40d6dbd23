package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
)

func newRunsFork(a *app) *cobra.Command {
	var from string
	var set []string
	var now, dry, yes, detach bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "fork ID", Short: "Run again what a run did, as a new run, from a step on or with other parameters", Args: takes(cobra.ExactArgs(1)),
		Long: "Makes a new run of your own from an old one. Steps before --from keep their results, and the new run never undoes " +
			"them; the others run anew. The day, the zone and the event are those of the old run. What cannot be taken back waits for approval.",
		RunE: func(cmd *cobra.Command, args []string) error {
			d, values, err := a.deskWith(cmd, set)
			if err != nil {
				return err
			}
			ctx, cancel := within(cmd.Context(), timeout)
			defer cancel()
			old, _, err := d.find(ctx, args[0])
			if err != nil {
				return err
			}
			in := map[string]any{"from": from, "set": values, "now": now, "dry_run": dry}
			v, raw, err := fetchNew[flow.View](ctx, d.client, runsPath+"/"+old.ID+"/fork", in)
			if err != nil {
				return err
			}
			d.note("run %s, forked from %s", v.ID, old.ID)
			if detach {
				return d.show(raw, func() { d.print("%s", v.ID) })
			}
			return d.settle(ctx, v, raw, yes)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&from, "from", "", "begin with this `step`; those before it keep their results")
	flags.StringArrayVar(&set, "set", nil, "another `step.param=value`, JSON or text; null takes it out; may be repeated")
	flags.BoolVar(&now, "now", false, "the day and the zone of today, not those of the old run")
	flags.BoolVar(&dry, "dry-run", false, "do everything but the effects")
	flags.BoolVar(&yes, "yes", false, "approve the plan where it asks")
	flags.BoolVar(&detach, "detach", false, "print the run's id and do not wait")
	addTimeout(cmd, &timeout)
	return cmd
}

// settle follows a new run to its end. A plan that waits for approval is shown, and approved with yes.
func (d *desk) settle(ctx context.Context, v flow.View, raw json.RawMessage, yes bool) error {
	if v.State != flow.WaitingApproval {
		return d.follower().toEnd(ctx, v.ID)
	}
	if !yes {
		if err := d.show(raw, func() { d.run(v) }); err != nil {
			return err
		}
		return exitOf(v)
	}
	if _, _, err := d.client.decide(ctx, v, "approve"); err != nil {
		return err
	}
	return d.follower().toEnd(ctx, v.ID)
}

// deskWith is the desk of a command that has assignments, which are read first.
func (a *app) deskWith(cmd *cobra.Command, set []string) (*desk, flow.Values, error) {
	values, err := assignments(set)
	if err != nil {
		return nil, nil, err
	}
	d, err := a.desk(cmd)
	return d, values, err
}

// assignments reads name=value. A value that is no JSON is a text.
func assignments(list []string) (flow.Values, error) {
	values := flow.Values{}
	for _, text := range list {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, fault.New(fault.Invalid, "%q is no assignment", text).At("--set").Try("--set mail.to=bo@example.com")
		}
		raw := json.RawMessage(value)
		if !json.Valid(raw) {
			var err error
			if raw, err = json.Marshal(value); err != nil {
				return nil, fault.As(fault.Invalid, err, "the value of %s", name).At("--set")
			}
		}
		values[name] = raw
	}
	return values, nil
}

func newRunsFreeze(a *app) *cobra.Command {
	var as string
	var lift []string
	cmd := &cobra.Command{
		Use: "freeze ID", Short: "Write a run that ended well as a task file", Args: takes(cobra.ExactArgs(1)),
		Long: "Writes the task file of what the run did. Recipients, dates and what stood in the request become params " +
			"that hearth task run --set changes; no model is asked any more.",
		Example: "  hearth runs freeze RUN --as weekly_report > task.json\n  hearth task apply -f task.json\n  hearth task run weekly_report --set to=bo@example.com",
		RunE: func(cmd *cobra.Command, args []string) error {
			names := map[string]string{}
			for _, text := range lift {
				param, name, ok := strings.Cut(text, "=")
				if !ok || name == "" {
					return fault.New(fault.Invalid, "%q names no parameter", text).At("--lift").Try("--lift query.sql=sql")
				}
				names[param] = name
			}
			d, err := a.desk(cmd)
			if err != nil {
				return err
			}
			v, _, err := d.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			raw, err := d.client.call(cmd.Context(), "POST", runsPath+"/"+v.ID+"/freeze", map[string]any{"as": as, "lift": names})
			if err != nil {
				return err
			}
			d.json = true // a task file is JSON in any form of output
			return d.show(readable(raw), nil)
		},
	}
	cmd.Flags().StringVar(&as, "as", "", "the task's `id`")
	cmd.Flags().StringArrayVar(&lift, "lift", nil, "make `step.param=name` a parameter of the task; may be repeated")
	return cmd
}

// readable takes the escapes for HTML out of JSON: people are going to read and change the file.
func readable(raw json.RawMessage) json.RawMessage {
	plain := strings.NewReplacer(`\\`, `\\`, `\u003c`, `<`, `\u003e`, `>`, `\u0026`, `&`)
	return json.RawMessage(plain.Replace(string(raw)))
}

func newRunsReplay(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "replay ID", Short: "What happened in a run, line by line of its journal; changes nothing", Args: takes(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := a.desk(cmd)
			if err != nil {
				return err
			}
			v, _, err := d.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			out, raw, err := fetch[struct {
				Run     flow.View     `json:"run"`
				Moments []flow.Moment `json:"moments"`
			}](cmd.Context(), d.client, "GET", runsPath+"/"+v.ID+"/replay", nil)
			if err != nil {
				return err
			}
			return d.show(raw, func() { d.timeline(out.Run, out.Moments) })
		},
	}
}

// timeline writes the moments of a run: when, what, and where the run stood then.
func (d *desk) timeline(v flow.View, moments []flow.Moment) {
	d.print("%s", d.headline(v))
	d.print("%s\n", strings.Join(d.facts(v), " · "))
	rows := make([][]string, len(moments))
	for i, m := range moments {
		step := m.Step
		if m.Attempt > 1 {
			step += fmt.Sprintf(" (attempt %d)", m.Attempt)
		}
		rows[i] = []string{fmt.Sprint(m.N), m.At.In(d.zone).Format("2006-01-02 15:04:05.000"), string(m.Type), step, string(m.State), moment(m)}
	}
	d.table([]string{"LINE", "AT", "EVENT", "STEP", "RUN IS", "WHAT"}, rows)
}

// moment says what there is to say of a line.
func moment(m flow.Moment) string {
	var parts []string
	if m.By != "" {
		parts = append(parts, "by "+m.By)
	}
	if m.Void {
		parts = append(parts, "too late to count")
	}
	if m.From != "" {
		parts = append(parts, "from "+m.From)
	}
	parts = append(parts, m.Changes...)
	switch {
	case m.Problem != nil:
		parts = append(parts, m.Problem.Message+" ("+m.Problem.Kind+")")
	case m.Summary != "":
		parts = append(parts, m.Summary)
	case m.Type == flow.Intent && len(m.Params) > 0:
		parts = append(parts, string(m.Params))
	}
	return strings.Join(parts, "; ")
}
