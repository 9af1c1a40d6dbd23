package tests

import (
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/functions/adapters/slack/slacktest"
)

// TestSlack is a stranger who writes to the app over Socket Mode, and is answered in the thread.
func TestSlack(t *testing.T) {
	slack := slacktest.New(t)
	slack.Open(slacktest.Channel{ID: "C0OPS"})
	run(t, map[string]string{
		"SLACK_API_URL": slack.URL, "SLACK_BOT_TOKEN": slacktest.Token, "SLACK_APP_TOKEN": slacktest.AppToken,
	})
	root := slack.Say("C0OPS", "UANN", "lunch?", "")
	slack.Say("C0OPS", "UANN", "<@"+slacktest.Bot+"> hello", root.TS)
	slack.Wait(t, "an answer", func() bool { return len(slack.FromBot("C0OPS")) > 0 })
	said := slack.FromBot("C0OPS")
	if said[0].Thread != root.TS || !strings.Contains(said[0].Text, "I am Hearth") {
		t.Errorf("said %+v", said)
	}
}
