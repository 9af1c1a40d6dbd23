package journal

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/flow"
)

// shownSlots is how many of a schedule's next times people see before they say yes to it.
const shownSlots = 3

// timetable says on the card when a task is going to run.
func timetable(h flow.Header) string {
	t := h.Plan.Trigger
	if t == nil {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, words(h.Lang, "As a task of %s, **%s** (%s)", "作为 %s 的任务，**%s**（%s）"), h.User, t.Words(h.Lang), zoneOf(h))
	zone, err := time.LoadLocation(zoneOf(h))
	if err != nil {
		zone = time.UTC
	}
	slots, err := t.Slots(h.Created, zone, shownSlots)
	if err == nil && len(slots) > 0 {
		list := make([]string, len(slots))
		for i, at := range slots {
			list[i] = at.In(zone).Format("2006-01-02 15:04")
		}
		fmt.Fprintf(&b, words(h.Lang, ", next: %s", "，接下来：%s"), strings.Join(list, " · "))
	}
	return b.String() + words(h.Lang, ". It will not ask again each time.", "。之后每次运行不再询问。") + "\n\n"
}

// zoneOf is the zone that a task's schedule is meant in.
func zoneOf(h flow.Header) string {
	if t := h.Plan.Trigger; t != nil && t.Timezone != "" {
		return t.Timezone
	}
	return h.Zone
}

// installed tells in Markdown what became of a request for a task: its id, when it runs next, and how to
// stop it.
func installed(run *flow.Run) string {
	var task struct {
		ID   string `json:"task_id"`
		Next string `json:"next"`
	}
	// It was valid JSON when it was written; what cannot be read shows as nothing.
	_ = json.Unmarshal(run.Installed, &task)
	var b strings.Builder
	fmt.Fprintf(&b, "**%s**\n", words(run.Lang, "Installed: ", "已安装：")+run.Title())
	fmt.Fprintf(&b, "- %s `%s`", words(run.Lang, "task", "任务"), task.ID)
	if t := run.Plan.Trigger; t != nil {
		fmt.Fprintf(&b, ", %s", t.Words(run.Lang))
	}
	if next, err := time.Parse(time.RFC3339, task.Next); err == nil {
		fmt.Fprintf(&b, "\n- %s %s", words(run.Lang, "next:", "下次运行："), next.Format("2006-01-02 15:04 -0700"))
	}
	fmt.Fprintf(&b, "\n\n%s `/tasks off %s` · `hearth task delete %s` · %s `/tasks`",
		words(run.Lang, "To stop it:", "停用："), task.ID, task.ID, words(run.Lang, "all of yours:", "查看全部："))
	return b.String()
}
