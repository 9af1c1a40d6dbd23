package intent_test

import (
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/ledger"
)

// TestATimedRequestIsAPlanToInstall: nothing is installed before the asker has said so, and what they say yes
// to is what was shown.
func TestATimedRequestIsAPlanToInstall(t *testing.T) {
	for lang, c := range map[string]struct {
		text  string
		parts []string
	}{
		"en": {"send a mail to bo@other.example every day at 9", []string{
			"As a task of ann, **every day at 09:00** (Asia/Shanghai), next: 2026-01-06 09:00 · 2026-01-07 09:00 · 2026-01-08 09:00",
			"**bo@other.example** (outside)", "0 of 1 steps", "Open until 2026-01-05 10:00",
		}},
		"zh": {"每天早上9点发邮件到 bo@other.example", []string{"每天 09:00", "接下来：2026-01-06 09:00", "外部", "逾期无人批准即作废"}},
	} {
		b := open(t, nil)
		out := b.say(c.text)
		if out == nil || out.Run == "" || b.runs() != 1 {
			t.Fatalf("%s: %+v", lang, out)
		}
		for _, part := range c.parts {
			if !strings.Contains(out.Markdown, part) {
				t.Errorf("%s: the card misses %q:\n%s", lang, part, out.Markdown)
			}
		}
		run, err := journal.Load(t.Context(), b.ledger, ledger.Lane(out.Run))
		if err != nil || !run.Install || !run.Approve || run.Plan.Trigger == nil || !strings.HasPrefix(run.Plan.TaskID, "task_") || run.Author != flow.ByWords {
			t.Fatalf("%s: %+v %v", lang, run, err)
		}
		if run.Digest != flow.Digest(run.Plan) {
			t.Errorf("%s: the digest is not that of the task", lang)
		}
		wantButtons(t, out, "a:"+out.Run+":"+run.Digest[:12], "d:"+out.Run+":"+run.Digest[:12])
	}
}
