package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
)

func newDoCommand(a *app) *cobra.Command {
	var plan, yes bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "do TEXT",
		Short: "Have something done",
		Long: "Has the assistant make a plan. Without a flag it asks on a terminal, and elsewhere leaves the plan waiting " +
			"and exits with 7. An answer without a plan, or a question back, is printed and exits with 0.",
		Example: "  hearth do --plan \"make the sales report of today and email it to team@example.com\"",
		Args:    takes(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if plan && yes {
				return fault.New(fault.Invalid, "--plan and --yes do not go together")
			}
			c, err := a.newChat(cmd, "do-"+strings.ToLower(rand.Text()[:16]))
			if err != nil {
				return err
			}
			c.shown = false // what is made here is a plan: it comes whole
			ctx, cancel := within(cmd.Context(), timeout)
			defer cancel()
			d := doing{chat: c, app: a, plan: plan, yes: yes}
			return d.do(ctx, strings.Join(args, " "))
		},
	}
	cmd.Flags().BoolVar(&plan, "plan", false, "only make the plan, and leave it waiting for approval")
	cmd.Flags().BoolVar(&yes, "yes", false, "approve the plan, and follow the run to its end")
	addTimeout(cmd, &timeout)
	addOutput(cmd)
	return cmd
}

// doing is a request on its way to a run.
type doing struct {
	*chat
	app       *app
	plan, yes bool
}

func (d *doing) do(ctx context.Context, text string) error {
	answer, err := d.ask(ctx, text)
	if err != nil {
		return err
	}
	if answer.Run == "" {
		return d.show(answer.raw, func() { d.answer(answer) })
	}
	f := d.follower()
	v, err := f.look(ctx, runsPath+"/"+answer.Run)
	if err != nil {
		return err
	}
	if v.State != flow.WaitingApproval {
		return d.begun(ctx, f, v, answer)
	}
	approved, err := d.choose(f, v, answer)
	if err != nil || !approved {
		return err
	}
	if _, _, err = d.client.decide(ctx, v, "approve"); err != nil {
		return err
	}
	return f.toEnd(ctx, v.ID)
}

// begun goes on with a plan that needs no approval and runs already.
func (d *doing) begun(ctx context.Context, f *follower, v flow.View, answer chatEvent) error {
	if d.plan {
		d.note("nothing in this plan needs an approval: it runs as %s", v.ID)
		return d.show(f.raw, func() { d.answer(answer) })
	}
	d.note("%s", answer.Markdown)
	return f.toEnd(ctx, v.ID)
}

// choose reports whether the plan is to be carried out now. A plan that keeps waiting is exit code 7.
func (d *doing) choose(f *follower, v flow.View, answer chatEvent) (bool, error) {
	if d.yes {
		d.note("%s\n", answer.Markdown)
		return true, nil
	}
	ask := !d.plan && !d.json && isTerminal(d.app.in)
	if err := d.show(f.raw, func() { d.print("%s", answer.Markdown) }); err != nil {
		return false, err
	}
	if ask {
		if yes, err := d.app.confirm("\nCarry it out?"); yes || err != nil {
			return yes, err
		}
	}
	d.note("waits for approval: hearth approve %s · hearth deny %s", v.ID, v.ID)
	return false, exitOf(v)
}

// toEnd follows a run and writes how it ended.
func (f *follower) toEnd(ctx context.Context, id string) error {
	v, err := f.follow(ctx, id)
	if err != nil {
		return err
	}
	return f.finish(v)
}

// decide tells the gateway what was decided about a run, bound to the plan that v shows.
func (c *client) decide(ctx context.Context, v flow.View, verb string) (flow.View, json.RawMessage, error) {
	in := map[string]string{}
	if v.Digest != "" {
		in["digest"] = v.Digest
	}
	decided, raw, err := fetch[flow.View](ctx, c, "POST", runsPath+"/"+v.ID+"/"+verb, in)
	return decided, raw, err
}
