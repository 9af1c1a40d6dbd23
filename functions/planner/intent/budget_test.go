package intent_test

import (
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/shared/model/modeltest"
)

// TestASpentBudgetIsAnAnswer refuses the second message at once, and says when the budget begins anew.
func TestASpentBudgetIsAnAnswer(t *testing.T) {
	b := openWith(t, &modeltest.Server{}, map[string]string{"HEARTH_BUDGET": "user tokens 2500/day"})
	b.model.Answer(func(modeltest.Request) modeltest.Reply { return modeltest.Say(strings.Repeat("word ", 900)) })
	if out := b.say("how are you?"); out == nil || strings.Contains(out.Markdown, "budget") {
		t.Fatalf("%+v", out)
	}
	asked := len(b.model.Requests())
	out := b.say("and now?")
	if out == nil || !strings.Contains(out.Markdown, "begins anew at 2026-01-06 00:00") || len(b.model.Requests()) != asked {
		t.Fatalf("%+v", out)
	}
}
