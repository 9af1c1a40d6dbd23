package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
)

func newRunsSettle(a *app) *cobra.Command {
	var did, didNot bool
	cmd := &cobra.Command{
		Use: "settle ID STEP", Short: "Say whether a step happened that nobody could tell of", Args: takes(cobra.ExactArgs(2)),
		Long: "Says whether a step happened of which nobody knows, such as a mail whose server fell silent. When it happened, the " +
			"run goes on; when it did not, the run ends there, and can be retried or undone.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if did == didNot {
				return fault.New(fault.Invalid, "say --happened or --did-not")
			}
			s, err := a.desk(cmd)
			if err != nil {
				return err
			}
			return s.change(cmd.Context(), args[0], "settle", map[string]any{"step": args[1], "did": did}, "Settled")
		},
	}
	cmd.Flags().BoolVar(&did, "happened", false, "it happened")
	cmd.Flags().BoolVar(&didNot, "did-not", false, "it did not happen")
	return cmd
}

// addPreview gives an undo the flag by which it only says what it would do.
func addPreview(a *app, cmd *cobra.Command) {
	var preview bool
	cmd.Flags().BoolVar(&preview, "preview", false, "only say what would be taken back, and what has changed since")
	undo := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !preview {
			return undo(cmd, args)
		}
		s, err := a.desk(cmd)
		if err != nil {
			return err
		}
		return s.preview(cmd.Context(), args[0])
	}
}

// preview writes what an undo would do now.
func (d *desk) preview(ctx context.Context, id string) error {
	v, _, err := d.find(ctx, id)
	if err != nil {
		return err
	}
	plan, raw, err := fetch[flow.UndoPlan](ctx, d.client, "GET", runsPath+"/"+v.ID+"/preview", nil)
	if err != nil {
		return err
	}
	return d.show(raw, func() { d.undoPlan(plan) })
}

func (p *printer) undoPlan(plan flow.UndoPlan) {
	p.print("%s: %s %s", p.words("Undo", "撤销"), plan.Run, fit(plan.Title, maxCell))
	if len(plan.Steps) == 0 {
		p.print("%s", p.words("Nothing is left to take back.", "没有可撤销的内容。"))
		return
	}
	rows := make([][]string, len(plan.Steps))
	for i, s := range plan.Steps {
		until := ""
		if !s.Until.IsZero() {
			until = s.Until.In(p.zone).Format("2006-01-02 15:04")
		}
		rows[i] = []string{s.ID, s.Plugin, until, p.fate(s)}
	}
	p.table([]string{"STEP", "PLUGIN", "UNTIL", "UNDO"}, rows)
	for _, s := range plan.Steps {
		if s.Look == flow.LookChanged && s.Problem != nil {
			p.changes(s.ID, s.Problem.Changes)
		}
	}
	if plan.Can {
		p.print("\nnext: hearth undo %s", plan.Run)
	}
}

// fate is what an undo would make of a step.
func (p *printer) fate(s flow.UndoStep) string {
	switch {
	case s.Blocked == flow.TooLate:
		return p.words("too late: its time has ended", "已过撤销时间")
	case s.Blocked != "":
		return p.words("cannot be taken back", "无法撤销")
	case s.Look == flow.LookChanged && s.Problem != nil:
		return p.words("changed since, stays: ", "之后有改动，保持现状：") + s.Problem.Message
	case s.Look == flow.LookReady:
		return s.Would
	default:
		return p.words("can be taken back, if nobody has changed it since", "若之后没有改动，可以撤销")
	}
}

// changes writes what is not as a step left it.
func (p *printer) changes(step string, list []fault.Change) {
	if len(list) == 0 {
		return
	}
	p.print("\n%s", fmt.Sprintf(p.words("changed since %s:", "%s 之后的改动："), step))
	for _, c := range list {
		p.print("  %s", c.What)
		if none := p.words("not there", "不存在"); c.Then != "" || c.Now != "" {
			p.print("    %s  %s", p.words("then", "当时"), cmp.Or(c.Then, none))
			p.print("    %s   %s", p.words("now", "现在"), cmp.Or(c.Now, none))
		}
		for _, line := range c.Diff {
			p.print("    %s", line)
		}
	}
}

func (p *printer) words(en, zh string) string {
	if p.zh {
		return zh
	}
	return en
}

// known is how a step that was in doubt came to its state, "" where there was no doubt.
func (p *printer) known(s flow.ViewStep) string {
	switch {
	case s.Check == nil:
		return ""
	case s.Check.State == "asking":
		return p.words("in doubt; its plugin is asked", "结果不明，正在核实")
	case s.Check.By != "":
		return fmt.Sprintf(p.words("%s says so", "由 %s 确认"), s.Check.By)
	default:
		return p.words("checked afterwards", "事后核实")
	}
}

// expired says when the time to undo a step ended that stays because of that.
func (p *printer) expired(s flow.ViewStep) string {
	if s.Undo == nil || s.Undo.State != string(flow.TooLate) || s.Undo.Until.IsZero() {
		return ""
	}
	return fmt.Sprintf(p.words("to be undone until %s", "可撤销至 %s"), s.Undo.Until.In(p.zone).Format(time.DateTime))
}
