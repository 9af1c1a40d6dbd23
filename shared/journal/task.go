package journal

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/policy"
)

// TaskSpace is where tasks are kept in the ledger, by their id.
const TaskSpace = "tasks"

// Task is an automation as it is stored.
type Task struct {
	Plan    json.RawMessage `json:"plan"` // as its owner wrote it
	Owner   string          `json:"owner"`
	Role    policy.Role     `json:"role"`
	Applied time.Time       `json:"applied"`
	LastRun string          `json:"last_run,omitempty"`
	Off     bool            `json:"off,omitempty"` // neither its schedule nor anything from outside starts it
}

// Spoken is a task that somebody starts by saying its phrase.
type Spoken struct {
	Plan  flow.Plan
	Owner string
}

// SpokenTasks returns the tasks with a message trigger.
func SpokenTasks(ctx context.Context, l *ledger.Ledger) ([]Spoken, error) {
	docs, err := l.List(ctx, TaskSpace)
	if err != nil {
		return nil, err
	}
	var spoken []Spoken
	for _, doc := range docs {
		var t Task
		if err := json.Unmarshal(doc.Body, &t); err != nil {
			return nil, fault.As(fault.Internal, err, "the task %s cannot be read", doc.ID)
		}
		plan, err := flow.Parse(t.Plan)
		if err != nil {
			return nil, fault.Wrap(err, "task %s", doc.ID)
		}
		if t.Off {
			continue
		}
		if plan.Trigger != nil && plan.Trigger.Type == "message" && strings.TrimSpace(plan.Trigger.Phrase) != "" {
			spoken = append(spoken, Spoken{flow.Normalize(plan), t.Owner})
		}
	}
	return spoken, nil
}

// Says reports whether text has the task's phrase in it, whatever the case.
func (s Spoken) Says(text string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(strings.TrimSpace(s.Plan.Trigger.Phrase)))
}
