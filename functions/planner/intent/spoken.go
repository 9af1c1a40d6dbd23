package intent

import (
	"context"
	"sync"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/policy"
)

// freshTasks is how long the list of spoken tasks is used before the ledger is asked again.
const freshTasks = 2 * time.Second

// spoken knows the tasks that start when somebody says their phrase.
type spoken struct {
	ledger *ledger.Ledger
	now    func() time.Time

	mu    sync.Mutex
	at    time.Time
	tasks []journal.Spoken
}

func (s *spoken) list(ctx context.Context) ([]journal.Spoken, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.at.IsZero() && s.now().Sub(s.at) < freshTasks {
		return s.tasks, nil
	}
	tasks, err := journal.SpokenTasks(ctx, s.ledger)
	if err == nil {
		s.tasks, s.at = tasks, s.now()
	}
	return tasks, err
}

// startSpoken starts the task whose phrase the message has in it, as a run of this conversation and with
// the authority of the one who speaks.
func (t *turn) startSpoken(ctx context.Context, tools []manifest.Manifest) (bool, error) {
	if len(tools) == 0 {
		return false, nil
	}
	tasks, err := t.spoken.list(ctx)
	if err != nil {
		return false, err
	}
	for _, task := range tasks {
		if !task.Says(t.in.Inbound.Text) || policy.May(t.in.Principal, policy.Act, task.Owner) != nil {
			continue
		}
		header, err := t.header(task.Plan, journal.FromMessage, tools)
		if err != nil {
			t.out.Markdown = t.words("The task cannot start: ", "任务无法启动：") + fault.Text(err)
			return true, nil
		}
		return true, t.begin(header)
	}
	return false, nil
}
