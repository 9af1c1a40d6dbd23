package policy_test

import (
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/policy"
)

func TestMay(t *testing.T) {
	for _, c := range []struct {
		role   policy.Role
		user   string
		action policy.Action
		owner  string
		ok     bool
	}{
		{policy.Guest, "", policy.Talk, "", true},
		{policy.Guest, "", policy.Act, "", false},
		{policy.Guest, "", policy.See, "ada", false},
		{policy.Member, "ada", policy.Act, "", true},
		{policy.Member, "ada", policy.Undo, "ada", true},
		{policy.Member, "eve", policy.Undo, "ada", false},
		{policy.Member, "eve", policy.See, "ada", false},
		{policy.Operator, "eve", policy.Undo, "ada", true},
		{policy.Member, "ada", policy.StopAll, "", false},
		{policy.Operator, "ada", policy.StopAll, "", true},
		{policy.Operator, "ada", policy.Manage, "", false},
		{policy.Admin, "ada", policy.Manage, "", true},
		{policy.Owner, "ada", policy.Manage, "", true},
		{policy.Owner, "ada", "fly", "", false},
		{"king", "ada", policy.Talk, "", false},
		{"", "", policy.Talk, "", false},
	} {
		err := policy.May(policy.Principal{User: c.user, Role: c.role}, c.action, c.owner)
		if (err == nil) != c.ok || err != nil && !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s %s may %s of %q: %v", c.role, c.user, c.action, c.owner, err)
		}
	}
}

func TestClaimsWithoutReceiptAreNotBelieved(t *testing.T) {
	for _, claim := range []string{
		"I've sent the report to team@example.com.", "I have emailed it.", "I sent the e-mail.", "The report has been saved to /output.",
		"Your meeting was successfully scheduled.", "I just deleted the file!", "It's sent.",
		"我已经把报表发送给 team@example.com 了。", "邮件已发送。", "已成功生成报表。", "报表已为您保存。", "发送完毕！", "文件删除成功。",
	} {
		if got, changed := policy.Honest(claim, "en"); !changed || strings.Contains(got, strings.TrimRight(claim, ".!。！")) {
			t.Errorf("believed: %s", claim)
		}
		if len(policy.Unproven("Hello. "+claim+" Bye.")) != 1 {
			t.Errorf("not one claim in: %s", claim)
		}
	}
	for _, fine := range []string{
		"Hello! How can I help?", "Do you want it to be sent?", "I can send the report once you name a recipient.", "Has it been sent?",
		"I have not sent anything.", "The sum is 42.", "If it was sent twice, tell me.", "你好！", "要我把报表发送给谁？", "邮件还没有发送。", "需要我生成报表吗？", "我可以生成报表。",
	} {
		if got, changed := policy.Honest(fine, "zh"); changed || got != fine {
			t.Errorf("%q became %q", fine, got)
		}
	}
	if got, _ := policy.Honest("2 + 2 is 4. I've sent the mail. Bye.", "en"); !strings.HasPrefix(got, "2 + 2 is 4. Bye.") {
		t.Error(got)
	}
}
