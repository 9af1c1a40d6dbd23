package channel

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/vault"
)

// taskID is the form of a task's id: it goes into a path.
var taskID = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

// task is what we read of an automation.
type task struct {
	ID      string `json:"task_id"`
	Title   string `json:"title"`
	Next    string `json:"next"`
	Enabled bool   `json:"enabled"`
}

// tasks lists the automations of the one who asks, or turns one on or off.
func (i *Intake) tasks(ctx context.Context, call vault.Call, rest, lang string) (string, error) {
	if call.User == "" {
		return nothing.In(lang), nil
	}
	word, id, _ := strings.Cut(rest, " ")
	verb, known := map[string]string{"off": "disable", "on": "enable"}[strings.ToLower(word)]
	if id = strings.Trim(id, " `<>"); rest != "" && (!known || !taskID.MatchString(id)) {
		return tasksUsage.In(lang), nil
	}
	if rest != "" {
		var t task
		err := i.gateway.Call(ctx, "system-tasks/"+id+"/"+verb, call, struct{}{}, &t)
		return taskLine(lang, t), err
	}
	var out struct {
		Tasks []task `json:"tasks"`
	}
	if err := i.gateway.Call(ctx, "system-tasks/tasks", call, struct{}{}, &out); err != nil {
		return "", err
	}
	if len(out.Tasks) == 0 {
		return noTasks.In(lang), nil
	}
	lines := make([]string, len(out.Tasks))
	for n, t := range out.Tasks {
		lines[n] = "- " + taskLine(lang, t)
	}
	return strings.Join(lines, "\n") + "\n\n" + tasksUsage.In(lang), nil
}

func taskLine(lang string, t task) string {
	line := "`" + t.ID + "`"
	if t.Title != "" {
		line = t.Title + " (" + line + ")"
	}
	switch {
	case !t.Enabled:
		return line + taskOff.In(lang)
	case t.Next != "":
		return line + taskNext.In(lang, t.Next)
	default:
		return line
	}
}

// freeze shows the task that a run becomes, or installs it.
func (i *Intake) freeze(ctx context.Context, call vault.Call, o order, lang string) (orderAnswer, error) {
	if err := isRun(o.run); err != nil {
		return orderAnswer{}, err
	}
	var plan json.RawMessage
	if err := i.gateway.Call(ctx, "system-tasks/runs/"+o.run+"/freeze", call, struct{}{}, &plan); err != nil {
		return orderAnswer{}, err
	}
	var file struct {
		ID string `json:"task_id"`
	}
	if err := json.Unmarshal(plan, &file); err != nil {
		return orderAnswer{}, fault.As(fault.Internal, err, "a frozen task")
	}
	if o.verb == keep {
		var t task
		err := i.gateway.Call(ctx, "system-tasks/"+file.ID+"/install", call, plan, &t)
		return orderAnswer{Text: kept.In(lang, t.ID, t.ID)}, err
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, plan, "", "  "); err != nil {
		return orderAnswer{}, fault.As(fault.Internal, err, "a frozen task")
	}
	install := message.Button{Label: installIt.In(lang), Value: "k:" + o.run, Style: "primary"}
	return orderAnswer{Text: fmt.Sprintf("```json\n%s\n```", pretty.String()), Run: o.run, Buttons: [][]message.Button{{install}}}, nil
}

// DigestLetters is how much of a digest names a plan: a button holds 64 bytes.
const DigestLetters = 12

// PlanButtons are the buttons by which people decide about the plan of a run: to approve, or install, the one
// that has this digest, and to deny it.
func PlanButtons(lang, run, digest string, install bool) [][]message.Button {
	plan := run + ":" + digest[:DigestLetters]
	yes := approveIt
	if install {
		yes = installIt
	}
	return [][]message.Button{{
		{Label: yes.In(lang), Value: "a:" + plan, Style: "primary"}, {Label: denyIt.In(lang), Value: "d:" + plan, Style: "danger"},
	}}
}

// showAgain adds the plan as it is now, with buttons for it, to the refusal of an approval of another one.
func (i *Intake) showAgain(ctx context.Context, call vault.Call, lang string, answer *orderAnswer) {
	list, err := i.list(ctx, call, listedRuns)
	if err != nil {
		return // the refusal says what to do
	}
	for _, v := range list {
		if v.ID != answer.Run || !v.Can.Approve || v.Card == nil || len(v.Digest) < DigestLetters {
			continue
		}
		answer.Text += "\n\n" + named(v)
		for n, line := range v.Card.Lines {
			answer.Text += fmt.Sprintf("\n%d. %s", n+1, line)
		}
		answer.Buttons = PlanButtons(lang, v.ID, v.Digest, v.Install)
	}
}

var (
	noTasks    = phrase{"You have no tasks. Say what is to happen and when, and I propose one.", "你还没有任务。告诉我要做什么、什么时候做，我来提议。"}
	tasksUsage = phrase{"To turn one off or on: /tasks off TASK, /tasks on TASK.", "停用或启用：/tasks off 任务编号，/tasks on 任务编号。"}
	taskOff    = phrase{": off", "：已停用"}
	taskNext   = phrase{": next %s", "：下次运行 %s"}
	kept       = phrase{"Installed as `%s`. Run it: `hearth task run %s`", "已安装为 `%s`。运行：`hearth task run %s`"}
	installIt  = phrase{"Install", "安装"}
	approveIt  = phrase{"Approve", "批准"}
	denyIt     = phrase{"Deny", "拒绝"}
)
