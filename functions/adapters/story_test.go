// Package adapters_test tells the stories that all adapters share. What is special about a platform is told in its
// own folder.
package adapters_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/hearthfaas/hearth/functions/adapters/slack"
	"github.com/hearthfaas/hearth/functions/adapters/slack/slacktest"
	"github.com/hearthfaas/hearth/functions/adapters/telegram"
	"github.com/hearthfaas/hearth/functions/adapters/telegram/telegramtest"
	"github.com/hearthfaas/hearth/functions/adapters/webhook"
	"github.com/hearthfaas/hearth/functions/adapters/webhook/webhooktest"
	"github.com/hearthfaas/hearth/functions/planner/execute"
	"github.com/hearthfaas/hearth/functions/planner/intent"
	"github.com/hearthfaas/hearth/functions/planner/reply"
	"github.com/hearthfaas/hearth/functions/planner/rollback"
	"github.com/hearthfaas/hearth/functions/system/auth"
	"github.com/hearthfaas/hearth/functions/system/pump"
	"github.com/hearthfaas/hearth/functions/system/tasks"
	"github.com/hearthfaas/hearth/shared/channel/channeltest"
	"github.com/hearthfaas/hearth/shared/fn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestStories is every story with every chat platform, and with the functions that stand behind adapters.
func TestStories(t *testing.T) {
	for _, a := range []struct {
		adapter fn.Function
		stage   channeltest.OpenStage
	}{
		{slack.Function, slacktest.Stage},
		{telegram.Function, telegramtest.Stage},
		{webhook.Function, webhooktest.Stage},
	} {
		t.Run(a.adapter.Name, func(t *testing.T) {
			t.Parallel()
			channeltest.Stories(t, a.adapter, a.stage,
				intent.Function, execute.Function, rollback.Function, reply.Function, tasks.Function, auth.Function, pump.Function)
		})
	}
}
