package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/flow"
)

// stateWords are the states of a run for people, in English and Chinese.
var stateWords = map[flow.State][2]string{
	flow.WaitingApproval: {"Waits for approval", "等待批准"},
	flow.Running:         {"Running", "运行中"},
	flow.Waiting:         {"Waiting", "等待中"},
	flow.RollingBack:     {"Rolling back", "正在回滚"},
	flow.Undoing:         {"Undoing", "正在撤销"},
	flow.StateDone:       {"Done", "已完成"},
	flow.StateFailed:     {"Failed; nothing had to be taken back", "失败，没有需要撤销的内容"},
	flow.RolledBack:      {"Failed and rolled back", "失败，已回滚"},
	flow.NeedsHuman:      {"A person has to look at this", "需要人工处理"},
	flow.Stopped:         {"Stopped", "已停止"},
	flow.StateUndone:     {"Undone", "已撤销"},
	flow.StateDenied:     {"Denied; nothing was done", "已拒绝，什么都没有执行"},
	flow.Expired:         {"Nobody approved in time; nothing was done", "审批超时，什么都没有执行"},
}

// headline is a run in one line.
func (p *printer) headline(v flow.View) string {
	words, ok := stateWords[v.State]
	if !ok {
		words = [2]string{string(v.State), string(v.State)}
	}
	line := words[0]
	if p.zh {
		line = words[1]
	}
	if v.DryRun {
		line += " (dry run)"
	}
	return line + ": " + fit(v.Title, maxCell)
}

// file is a file that a step wrote.
type file struct {
	Path    string `json:"path"`
	Version int    `json:"version"`
}

// run writes a run: what went wrong first, then the plan that waits, then the chain of its steps and what
// can be done about it.
func (p *printer) run(v flow.View) {
	p.print("%s", p.headline(v))
	p.print("%s", strings.Join(p.facts(v), " · "))
	if v.Error != nil {
		p.failure(v)
	}
	if v.State == flow.WaitingApproval {
		p.card(v)
	}
	if v.Install && v.State == flow.StateDone {
		p.print("\ninstalled as %s: hearth task list · hearth task run %s · hearth task delete %s", v.Task, v.Task, v.Task)
		return
	}
	if len(v.Steps) > 0 {
		p.print("")
		p.steps(v.Steps)
	}
	for _, s := range v.Steps {
		if s.State == flow.UndoBroken && s.Undo != nil && s.Undo.Error != nil {
			p.changes(s.ID, s.Undo.Error.Changes)
		}
	}
	if files := filesOf(v.Steps); len(files) > 0 {
		p.print("\nfiles: %s", strings.Join(files, ", "))
	}
	if left := remains(v); len(left) > 0 {
		p.print("\nnot taken back: %s", strings.Join(left, ", "))
	}
	if next := nextOf(v); len(next) > 0 {
		p.print("\nnext: %s", strings.Join(next, " · "))
	}
}

// facts are the small print of a run.
func (p *printer) facts(v flow.View) []string {
	list := []string{v.ID}
	if v.Task != "" {
		list = append(list, "task "+v.Task)
	}
	if v.Fork != nil {
		list = append(list, "forked from "+v.Fork.Run)
	}
	list = append(list, "by "+v.User, p.clock(v.Created))
	if !v.Ended.IsZero() {
		list = append(list, span(v.Ended.Sub(v.Created)))
	}
	return list
}

// failure writes why a run failed, with what the failing step was called with.
func (p *printer) failure(v flow.View) {
	p.print("\n✗ %s: %s (%s)", v.Error.Step, v.Error.Message, v.Error.Kind)
	for _, s := range v.Steps {
		if s.ID != v.Error.Step {
			continue
		}
		p.print("  %s: %s, %s", s.Plugin, s.Title, attempts(s))
		if len(s.Params) > 0 {
			p.print("  %s", indented(s.Params))
		}
	}
}

func attempts(s flow.ViewStep) string {
	if n := len(s.Attempts); n != 1 {
		return fmt.Sprintf("%d attempts", n)
	}
	return "1 attempt"
}

func indented(raw json.RawMessage) string {
	var b bytes.Buffer
	if json.Indent(&b, raw, "  ", "  ") != nil {
		return string(raw)
	}
	return b.String()
}

// card writes what a plan is going to do.
func (p *printer) card(v flow.View) {
	if v.Card == nil {
		return
	}
	p.print("")
	for i, line := range v.Card.Lines {
		p.print("%d. %s", i+1, line)
	}
	for _, r := range v.Card.Recipients {
		outside := ""
		if r.External {
			outside = " (outside)"
		}
		p.print("goes to %s%s", r.To, outside)
	}
	p.print("%d of %d steps can be taken back", v.Card.Undoable, v.Card.Total)
	if author := authors[v.Author]; author != "" {
		p.print("%s", author)
	}
	if v.Install {
		p.print("approved, it becomes a task that runs by itself")
	}
	if v.Approval == nil {
		return
	}
	if v.Approval.Editor != "" {
		p.print("edited by %s", v.Approval.Editor)
	}
	if v.Approval.Role != "" {
		p.print("needs the approval of somebody with the role %s", v.Approval.Role)
	}
	if v.Approval.FourEyes {
		p.print("%s may not approve it", v.User)
	}
	if !v.Approval.Expires.IsZero() {
		p.print("open until %s; then it lapses and nothing is done", p.clock(v.Approval.Expires))
	}
}

// authors say who made a plan.
var authors = map[flow.Author]string{
	flow.ByModel: "made by the model", flow.ByBoth: "made by the model, which was shown what the words alone make",
	flow.ByWords: "made from the words of the request alone", flow.ByPerson: "written by a person",
}

func (p *printer) steps(steps []flow.ViewStep) {
	rows := make([][]string, len(steps))
	for i, s := range steps {
		rows[i] = []string{s.ID, s.Plugin, string(s.State), took(s), p.said(s)}
	}
	p.table([]string{"STEP", "PLUGIN", "STATE", "TOOK", "SUMMARY"}, rows)
}

// took is how long the last attempt of a step took, "" when it has not ended.
func took(s flow.ViewStep) string {
	if len(s.Attempts) == 0 {
		return ""
	}
	last := s.Attempts[len(s.Attempts)-1]
	if last.Ended.IsZero() {
		return ""
	}
	return span(last.Ended.Sub(last.Started))
}

// said is what there is to say of a step: what went wrong, or its plugin's own words.
func (p *printer) said(s flow.ViewStep) string {
	switch {
	case s.Taken != "":
		return "taken over from " + s.Taken
	case s.State == flow.UndoBroken && s.Undo != nil && s.Undo.Error != nil:
		return s.Undo.Error.Message
	case s.State == flow.UnitUnknown:
		return "nobody knows whether it happened"
	case s.State == flow.UnitFailed && len(s.Attempts) > 0 && s.Attempts[len(s.Attempts)-1].Error != nil:
		return s.Attempts[len(s.Attempts)-1].Error.Message
	case s.State == flow.UnitHeld || s.State == flow.UnitFailed || s.State == flow.Planned:
		if !s.Until.IsZero() {
			return "not before " + s.Until.In(p.zone).Format(time.TimeOnly)
		}
	}
	return strings.Join(slices.DeleteFunc([]string{s.Summary, p.known(s), p.expired(s)}, func(text string) bool { return text == "" }), "; ")
}

func filesOf(steps []flow.ViewStep) []string {
	var paths []string
	for _, s := range steps {
		var files []file
		if s.State != flow.UnitDone || len(s.Files) == 0 || json.Unmarshal(s.Files, &files) != nil {
			continue
		}
		for _, f := range files {
			paths = append(paths, f.Path)
		}
	}
	return paths
}

// remains are the effects that still stand after a run was to be taken back.
func remains(v flow.View) []string {
	if v.State != flow.NeedsHuman {
		return nil
	}
	var left []string
	for _, s := range v.Steps {
		acted := s.State == flow.UnitDone || s.State == flow.UnitUnknown || s.State == flow.UndoBroken
		if acted && s.Effect != "read" && s.Effect != "idempotent" {
			left = append(left, fmt.Sprintf("%s (%s)", s.Title, s.ID))
		}
	}
	return left
}

// nextOf are the commands for what can be done about a run now.
func nextOf(v flow.View) []string {
	var next []string
	for _, s := range v.Steps {
		if s.Settle {
			next = append(next, "hearth runs settle "+v.ID+" "+s.ID+" --happened|--did-not")
		}
	}
	for _, c := range []struct {
		can  bool
		verb string
	}{
		{v.Can.Approve, "hearth approve "},
		{v.Can.Deny, "hearth deny "},
		{v.Can.Cancel && !v.Can.Approve, "hearth runs cancel "},
		{v.Can.Retry, "hearth runs retry "},
		{v.Can.Undo && !v.DryRun, "hearth undo "},
	} {
		if c.can {
			next = append(next, c.verb+v.ID)
		}
	}
	return next
}
