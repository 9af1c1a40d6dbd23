package main

import (
	"context"
	"encoding/json"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
)

func newTaskCommand(a *app) *cobra.Command {
	return group("task", "Automations", newTaskApply(a), newTaskList(a), newTaskRun(a), newTaskHistory(a), newTaskDelete(a))
}

// task is an automation as system-tasks shows it.
type task struct {
	ID      string    `json:"task_id"`
	Title   string    `json:"title"`
	Owner   string    `json:"owner"`
	Plan    flow.Plan `json:"plan"`
	Next    string    `json:"next"` // RFC 3339 in the task's zone
	LastRun string    `json:"last_run"`
}

func newTaskApply(a *app) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use: "apply -f FILE", Short: "Create or replace an automation from a JSON file", Args: takes(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			raw, err := a.readFile(path, "hearth task apply")
			if err != nil {
				return err
			}
			name := path
			if path == "-" {
				name = "stdin"
			}
			return inFile(a.apply(cmd, raw), name, raw)
		},
	}
	cmd.Flags().StringVarP(&path, "file", "f", "", "the task's `file`, - for the standard input")
	return cmd
}

// readFile reads a JSON file for a command.
func (a *app) readFile(path, command string) ([]byte, error) {
	if ext := filepath.Ext(path); ext == ".yaml" || ext == ".yml" {
		return nil, fault.New(fault.Invalid, "what is applied is JSON, and %s is YAML", path).Try("convert it: yq -o=json . " + path + " | " + command + " -f -")
	}
	in := a.in
	switch path {
	case "":
		return nil, fault.New(fault.Invalid, "which file?").At("--file").Try(command + " -f FILE.json")
	case "-":
	default:
		f, err := os.Open(path)
		if err != nil {
			return nil, fault.As(fault.Invalid, err, "cannot read %s", path).At("--file")
		}
		defer f.Close()
		in = f
	}
	raw, err := io.ReadAll(io.LimitReader(in, flow.MaxPlan+1)) // flow.Parse refuses what is over
	if err != nil {
		return nil, fault.As(fault.Invalid, err, "cannot read %s", path).At("--file")
	}
	return raw, nil
}

// apply checks a task here, and then there: only the gateway knows the plugins.
func (a *app) apply(cmd *cobra.Command, raw []byte) error {
	plan, err := flow.Parse(raw)
	if err != nil {
		return err
	}
	if plan.TaskID == "" {
		return fault.New(fault.Invalid, "a task needs a task_id").At("task_id")
	}
	d, err := a.desk(cmd)
	if err != nil {
		return err
	}
	t, answer, err := fetch[task](cmd.Context(), d.client, "PUT", tasksPath+plan.TaskID, json.RawMessage(raw))
	if err != nil {
		return err
	}
	return d.show(answer, func() {
		d.print("Applied: %s", t.ID)
		if next := nextFire(t); next != "" {
			d.print("next: %s", next)
		} else {
			d.print("next: hearth task run %s", t.ID)
		}
	})
}

func newTaskList(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "All automations", Args: takes(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := a.desk(cmd)
			if err != nil {
				return err
			}
			tasks, raw, err := d.tasks(cmd.Context())
			if err != nil {
				return err
			}
			return d.show(raw, func() {
				rows := make([][]string, len(tasks))
				for i, t := range tasks {
					rows[i] = []string{t.ID, trigger(t.Plan.Trigger), nextFire(t), t.LastRun, t.Owner, t.Title}
				}
				d.table([]string{"TASK", "TRIGGER", "NEXT", "LAST RUN", "OWNER", "TITLE"}, rows)
			})
		},
	}
}

func (d *desk) tasks(ctx context.Context) ([]task, json.RawMessage, error) {
	list, raw, err := fetch[struct {
		Tasks []task `json:"tasks"`
	}](ctx, d.client, "GET", tasksPath, nil)
	return list.Tasks, raw, err
}

func trigger(t *flow.Trigger) string {
	if t == nil {
		return "manual"
	}
	return strings.Join(strings.Fields(strings.Join([]string{t.Type, t.Schedule, t.Phrase, t.Timezone}, " ")), " ")
}

// nextFire is when a task is due, in its own zone.
func nextFire(t task) string {
	at, err := time.Parse(time.RFC3339, t.Next)
	if err != nil {
		return t.Next
	}
	return at.Format("2006-01-02 15:04 -0700")
}

func newTaskRun(a *app) *cobra.Command {
	var dry, detach bool
	var set []string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "run ID", Short: "Run an automation now, wait for its end, and exit as the run does", Args: takes(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, values, err := a.deskWith(cmd, set)
			if err != nil {
				return err
			}
			ctx, cancel := within(cmd.Context(), timeout)
			defer cancel()
			started, raw, err := d.start(ctx, args[0], dry, values)
			if err != nil {
				return err
			}
			if detach {
				return d.show(raw, func() { d.print("%s", started) })
			}
			d.note("run %s", started)
			return d.follower().toEnd(ctx, started)
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "do everything but the effects")
	cmd.Flags().BoolVar(&detach, "detach", false, "print the run's id and do not wait")
	cmd.Flags().StringArrayVar(&set, "set", nil, "another `name=value` for one of the task's params, JSON or text; may be repeated")
	addTimeout(cmd, &timeout)
	return cmd
}

// start begins a run of the task whose id is, or begins with, id.
func (d *desk) start(ctx context.Context, id string, dry bool, set flow.Values) (string, json.RawMessage, error) {
	id, err := d.taskID(ctx, id)
	if err != nil {
		return "", nil, err
	}
	started, raw, err := fetchNew[struct {
		Run string `json:"run"`
	}](ctx, d.client, tasksPath+id+"/run", struct {
		DryRun bool        `json:"dry_run"`
		Params flow.Values `json:"params,omitempty"`
	}{dry, set})
	return started.Run, raw, err
}

func (d *desk) taskID(ctx context.Context, id string) (string, error) {
	tasks, _, err := d.tasks(ctx)
	if err != nil {
		return "", err
	}
	ids := make([]string, len(tasks))
	for i, t := range tasks {
		ids[i] = t.ID
	}
	whole, err := pick(ids, id)
	if fault.Is(err, fault.NotFound) {
		return "", fault.New(fault.NotFound, "no task %q", id).Try("hearth task list")
	}
	return url.PathEscape(whole), err
}

func newTaskHistory(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "history ID", Short: "When an automation was due, and what came of it", Args: takes(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := a.desk(cmd)
			if err != nil {
				return err
			}
			id, err := d.taskID(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return d.history(cmd.Context(), id)
		},
	}
}

func (d *desk) history(ctx context.Context, id string) error {
	list, raw, err := fetch[struct {
		Fires []struct {
			At      time.Time `json:"at"`
			Fired   bool      `json:"fired"`
			FiredAt time.Time `json:"fired_at"`
			Run     string    `json:"run"`
			Outcome string    `json:"outcome"`
			Why     string    `json:"why"`
		} `json:"fires"`
	}](ctx, d.client, "GET", tasksPath+id+"/history", nil)
	if err != nil {
		return err
	}
	return d.show(raw, func() {
		rows := make([][]string, len(list.Fires))
		for i, f := range list.Fires {
			outcome := f.Outcome
			if !f.Fired {
				outcome = "skipped"
			}
			rows[i] = []string{d.clock(f.At), d.clock(f.FiredAt), outcome, f.Run, f.Why}
		}
		d.table([]string{"DUE", "FIRED", "OUTCOME", "RUN", "WHY"}, rows)
		if len(rows) == 0 {
			d.note("none of its times has come yet; what was started otherwise: hearth runs list")
		}
	})
}

func newTaskDelete(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "delete ID", Short: "Delete an automation; its runs stay", Args: takes(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := a.desk(cmd)
			if err != nil {
				return err
			}
			id := url.PathEscape(args[0]) // the whole id: a deletion hits nothing by guess
			raw, err := d.client.call(cmd.Context(), "DELETE", tasksPath+id, nil)
			if err != nil {
				return err
			}
			return d.show(raw, func() { d.print("Deleted: %s", args[0]) })
		},
	}
}
