package flow

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/expr-lang/expr"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Bounds of the texts and times in a plan.
const (
	maxTitle   = 200 // letters
	maxTimeout = 24 * time.Hour
)

// The values of Step.Approval.
const (
	ApprovalRequired = "required" // wait for a person before the run begins
	ApprovalNever    = "never"    // the owner of a task takes it on themselves
	ApprovalOperator = "operator" // wait for somebody with at least this role
	ApprovalAdmin    = "admin"
	ApprovalOwner    = "owner"
)

// approvals are the values of Step.Approval.
var approvals = []string{ApprovalRequired, ApprovalNever, ApprovalOperator, ApprovalAdmin, ApprovalOwner}

var (
	idForm     = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)
	pluginForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,54}$`) // "plugin-" and this make the name of a function, of 63 letters at most
)

// Check returns nil for a plan that can run, as far as the plan itself tells: its parameters are checked
// against the schemas of the plugins by whoever knows those. What is wrong is Invalid, with its place.
func Check(p Plan) error {
	switch {
	case p.TaskID != "" && !idForm.MatchString(p.TaskID):
		return badID(p.TaskID).At("task_id")
	case utf8.RuneCountInString(p.Title) > maxTitle:
		return fault.New(fault.Invalid, "longer than %d letters", maxTitle).At("title")
	case len(p.Steps) == 0:
		return fault.New(fault.Invalid, "a plan needs at least one step").At("steps")
	case len(p.Steps) > MaxSteps:
		return fault.New(fault.Invalid, "%d steps; at most %d", len(p.Steps), MaxSteps).At("steps")
	}
	if p.Trigger != nil {
		if err := checkTrigger(*p.Trigger); err != nil {
			return err
		}
	}
	if err := checkSteps(p); err != nil {
		return err
	}
	return checkValues(p)
}

// CheckID refuses what cannot be the name of a task, a step or a calendar.
func CheckID(id string) error {
	if !idForm.MatchString(id) {
		return badID(id)
	}
	return nil
}

func badID(id string) *fault.Error {
	return fault.New(fault.Invalid, "%q is no id: lower-case letters, digits, _ and -, 63 at most", id)
}

func checkTrigger(t Trigger) error {
	types := []string{Cron, Every, At, Webhook, Message, Manual}
	switch {
	case !slices.Contains(types, t.Type):
		return unknownWord(t.Type, "trigger.type", types...)
	case t.Phrase != "" && t.Type != Message:
		return fault.New(fault.Invalid, "a phrase goes with message only").At("trigger.phrase")
	case t.Type == Message && strings.TrimSpace(t.Phrase) == "":
		return fault.New(fault.Invalid, "say which phrase starts the task").At("trigger.phrase")
	case utf8.RuneCountInString(t.Phrase) > maxTitle:
		return fault.New(fault.Invalid, "longer than %d letters", maxTitle).At("trigger.phrase")
	case !t.Timed():
		return checkUntimed(t)
	case !slices.Contains([]string{"", MisfireSkip, MisfireOnce, MisfireAll}, t.Misfire):
		return unknownWord(t.Misfire, "trigger.misfire", MisfireSkip, MisfireOnce, MisfireAll)
	case !slices.Contains([]string{"", OverlapSkip, OverlapQueue, OverlapAllow}, t.Overlap):
		return unknownWord(t.Overlap, "trigger.overlap", OverlapSkip, OverlapQueue, OverlapAllow)
	case t.Calendar != "" && !idForm.MatchString(t.Calendar):
		return badID(t.Calendar).At("trigger.calendar")
	}
	// Which calendars there are is not for the plan to say; any will do to check the rest.
	_, err := NewSchedule(t, time.UTC, &Calendar{})
	return err
}

// field is a text in a plan, by its name.
type field struct{ name, value string }

// checkUntimed refuses what only means something by the clock. A zone is fine: {{date}} is a day in it.
func checkUntimed(t Trigger) error {
	timed := []field{
		{"schedule", t.Schedule},
		{"misfire", t.Misfire},
		{"grace", t.Grace},
		{"overlap", t.Overlap},
		{"calendar", t.Calendar},
		{"jitter", t.Jitter},
		{"expect", t.Expect},
	}
	for _, f := range timed {
		if f.value != "" {
			return fault.New(fault.Invalid, "a %s trigger has none", t.Type).At("trigger." + f.name)
		}
	}
	if t.Timezone == "" {
		return nil
	}
	_, err := loadZone(t.Timezone)
	return err
}

func unknownWord(word, place string, known ...string) error {
	return fault.New(fault.Invalid, "%q is none of %s", word, strings.Join(known, ", ")).At(place)
}

func checkSteps(p Plan) error {
	ids := map[string]bool{}
	steps := wired(p).Steps
	for i, s := range steps {
		place := fmt.Sprintf("steps[%d]", i)
		if !idForm.MatchString(s.ID) {
			return badID(s.ID).At(place + ".id")
		}
		if ids[s.ID] {
			return fault.New(fault.Invalid, "two steps are called %q", s.ID).At(place + ".id")
		}
		ids[s.ID] = true
	}
	for i, s := range steps {
		if err := checkStep(s, ids, fmt.Sprintf("steps[%d]", i)); err != nil {
			return err
		}
	}
	return checkAcyclic(steps)
}

func checkStep(s Step, ids map[string]bool, place string) error {
	switch {
	case s.Plugin == "":
		return fault.New(fault.Invalid, "say which plugin").At(place + ".plugin")
	case !pluginForm.MatchString(s.Plugin):
		return fault.New(fault.Invalid, "%q is no plugin's name: lower-case letters, digits and _, as in database_query", s.Plugin).At(place + ".plugin")
	case !slices.Contains([]string{Rollback, Continue, Halt}, s.OnError):
		return unknownWord(s.OnError, place+".on_error", Rollback, Continue, Halt)
	case s.Approval != "" && !slices.Contains(approvals, s.Approval):
		return unknownWord(s.Approval, place+".approval", approvals...)
	}
	if err := checkTimes(s, place); err != nil {
		return err
	}
	if err := checkConditions(s, place); err != nil {
		return err
	}
	if err := checkParams(s, place+".params"); err != nil {
		return err
	}
	for _, id := range s.Needs {
		if !ids[id] {
			return fault.New(fault.Invalid, "there is no step %q", id).At(place + needOf(s, id))
		}
		if id == s.ID {
			return fault.New(fault.Invalid, "%q needs itself", id).At(place + needOf(s, id))
		}
	}
	return nil
}

// needOf says where a step says that it needs another: in needs, or in what it reads.
func needOf(s Step, id string) string {
	if slices.Contains(References(s.Params), id) {
		return ".params"
	}
	for _, f := range s.conditions() {
		if read, err := sourcesOf(f.value); err == nil && slices.Contains(read.Steps, id) {
			return "." + f.name
		}
	}
	return ".needs"
}

func checkTimes(s Step, place string) error {
	times := []field{{"timeout", s.Timeout}}
	if s.Retry != nil {
		if s.Retry.Max < 0 || s.Retry.Max > MaxRetries {
			return fault.New(fault.Invalid, "%d is not between 0 and %d", s.Retry.Max, MaxRetries).At(place + ".retry.max")
		}
		times = append(times, field{"retry.wait", s.Retry.Wait}, field{"retry.max_wait", s.Retry.MaxWait})
	}
	for _, f := range times {
		if f.value == "" {
			continue
		}
		if d, err := time.ParseDuration(f.value); err != nil || d <= 0 || d > maxTimeout {
			return fault.New(fault.Invalid, "%q is no duration up to %s; write 30s, 15m or 2h", f.value, maxTimeout).At(place + "." + f.name)
		}
	}
	return nil
}

// conditions returns the conditions that a step has.
func (s Step) conditions() []field {
	return slices.DeleteFunc([]field{{"if", s.If}, {"foreach", s.Foreach}}, func(f field) bool { return f.value == "" })
}

func checkConditions(s Step, place string) error {
	for _, f := range s.conditions() {
		var options []expr.Option
		if f.name == "if" {
			options = append(options, expr.AsBool())
		}
		c, err := compile(f.value, options...)
		if err != nil {
			return placedAt(err, place+"."+f.name)
		}
		if c.guard.sources.Item {
			return fault.New(fault.Invalid, "item and index are there only once foreach has its list").At(place + "." + f.name)
		}
	}
	return nil
}

// checkParams finds what would fail at nine in the morning: bad templates, and names that no run can have.
func checkParams(s Step, place string) error {
	tree, err := decode(s.Params)
	if _, object := tree.(map[string]any); err != nil || !object {
		return fault.New(fault.Invalid, "parameters are an object").At(place)
	}
	for text, place := range eachString(tree, place) {
		parts, err := parseTemplate(text)
		if err != nil {
			return placedAt(err, place)
		}
		for _, part := range parts {
			if part.expr == nil {
				continue
			}
			if err := checkPath(part.expr.path, s); err != nil {
				return placedAt(err, place)
			}
		}
	}
	return nil
}

func checkPath(p path, s Step) error {
	second := ""
	if len(p) > 1 {
		second = p[1].name
	}
	switch root := p[0].name; {
	case !slices.Contains(roots, root):
		return unknownRoot(root)
	case root == "steps" && second == "":
		return fault.New(fault.Invalid, "name the step, as in steps.query.rows")
	case (root == "item" || root == "index") && s.Foreach == "":
		return fault.New(fault.Invalid, "%s exists only in a step with foreach", root)
	case root == "trigger" && second != "body":
		return fault.New(fault.Invalid, "of the trigger there is only trigger.body")
	case root == "run" && second != "id":
		return fault.New(fault.Invalid, "of the run there is only run.id")
	default:
		return nil
	}
}

// checkAcyclic names the steps of a circle.
func checkAcyclic(steps []Step) error {
	needs, state := map[string][]string{}, map[string]int{}
	for _, s := range steps {
		needs[s.ID] = s.Needs
	}
	const visiting, done = 1, 2
	var visit func(id string, trail []string) error
	visit = func(id string, trail []string) error {
		trail = append(trail, id)
		switch state[id] {
		case done:
			return nil
		case visiting:
			circle := trail[slices.Index(trail, id):]
			return fault.New(fault.Invalid, "steps need each other: %s", strings.Join(circle, " needs ")).At("steps")
		}
		state[id] = visiting
		for _, need := range needs[id] {
			if err := visit(need, trail); err != nil {
				return err
			}
		}
		state[id] = done
		return nil
	}
	for _, s := range steps {
		if err := visit(s.ID, nil); err != nil {
			return err
		}
	}
	return nil
}
