package alert

import (
	"fmt"
	"slices"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/manifest"
)

// unwatched are the origins of runs that nobody sits in front of.
var unwatched = []string{"task", "webhook"}

// Ended returns the alert about a run that has ended, if there is a reason for one: it needs a person, or it failed
// and nobody watches it. Its key is that of the run's round, so that one end is one alert, whoever finds it.
func Ended(run *flow.Run) (Alert, bool) {
	a := Alert{Key: fmt.Sprintf("run/%s/%d", run.ID, run.Round), User: run.User, Run: run.ID, Task: run.Plan.TaskID, At: run.Ended}
	title := nameOf(run)
	switch {
	case run.DryRun:
		return Alert{}, false
	case run.State == flow.NeedsHuman:
		a.Kind = NeedsHuman
		a.Title = manifest.Phrase{En: "A person has to look at " + title, Zh: "需要人工处理：" + title}
	case slices.Contains(unwatched, run.Origin) && slices.Contains([]flow.State{flow.StateFailed, flow.RolledBack, flow.Expired}, run.State):
		a.Kind = Failed
		a.Title = manifest.Phrase{En: title + " failed", Zh: title + " 失败"}
	default:
		return Alert{}, false
	}
	a.Text = reason(run)
	next := "`hearth runs show " + run.ID + "`"
	if doubts := run.InDoubt(); len(doubts) > 0 {
		next = "`" + channel.SettleCommand(run.ID, doubts[0].ID) + "` · " + next
	}
	a.Text.En += "\n\n" + next
	a.Text.Zh += "\n\n" + next
	return a, true
}

func nameOf(run *flow.Run) string {
	if title := run.Title(); title != "" {
		return title
	}
	return "`" + run.ID + "`"
}

// reason says why a run ended so: what could not be taken back first, because that is left in the world.
func reason(run *flow.Run) manifest.Phrase {
	for _, s := range run.Steps {
		for _, u := range s.Units {
			if u.State == flow.UndoBroken && u.UndoErr != nil {
				return manifest.Phrase{
					En: fmt.Sprintf("`%s` could not be undone: %s", u.ID, u.UndoErr.Message),
					Zh: fmt.Sprintf("步骤 `%s` 无法撤销：%s", u.ID, u.UndoErr.Message),
				}
			}
		}
	}
	switch {
	case run.State == flow.Expired:
		return manifest.Phrase{En: "Nobody approved it in time; nothing was done.", Zh: "审批超时，什么都没有执行。"}
	case run.Problem == nil:
		return manifest.Phrase{En: "It is " + string(run.State) + ".", Zh: "状态：" + string(run.State) + "。"}
	case run.Culprit == "":
		return manifest.Phrase{En: run.Problem.Message, Zh: run.Problem.Message}
	}
	return manifest.Phrase{
		En: fmt.Sprintf("What went wrong in `%s`: %s", run.Culprit, run.Problem.Message),
		Zh: fmt.Sprintf("步骤 `%s` 出错：%s", run.Culprit, run.Problem.Message),
	}
}
