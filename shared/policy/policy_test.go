package policy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/policy"
)

// TestRoles is the whole table: the weakest role that may take an action with what is its own or nobody's,
// and with what is somebody else's.
func TestRoles(t *testing.T) {
	roles := []policy.Role{policy.Guest, policy.Member, policy.Operator, policy.Admin, policy.Owner}
	for action, least := range map[policy.Action]struct{ own, others policy.Role }{
		policy.Talk:    {policy.Guest, policy.Operator},
		policy.Act:     {policy.Member, policy.Operator},
		policy.See:     {policy.Member, policy.Operator},
		policy.Decide:  {policy.Member, policy.Operator},
		policy.Stop:    {policy.Member, policy.Operator},
		policy.Undo:    {policy.Member, policy.Operator},
		policy.Command: {policy.Operator, policy.Operator},
		policy.StopAll: {policy.Operator, policy.Operator},
		policy.Manage:  {policy.Admin, policy.Admin},
	} {
		for i, role := range roles {
			ann := policy.Principal{User: "ann", Role: role}
			for owner, need := range map[string]policy.Role{"": least.own, "ann": least.own, "bo": least.others} {
				err := policy.May(ann, action, owner)
				if ok := i >= slices.Index(roles, need); (err == nil) != ok || err != nil && !fault.Is(err, fault.Forbidden) {
					t.Errorf("%s may %s of %q: %v", role, action, owner, err)
				}
			}
			for j, other := range roles {
				if role.Above(other) != (i > j) {
					t.Errorf("%s above %s: %v", role, other, role.Above(other))
				}
			}
		}
	}
	if policy.Role("king").Valid() || policy.Role("").Valid() || !policy.Guest.Valid() || policy.Role("king").Above(policy.Guest) {
		t.Error("an unknown role counts")
	}
}

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
		"Your meeting was successfully scheduled.", "I just deleted the file!", "It's sent.", "I’ve sent the mail.", "I **sent** the mail.",
		"I did send the mail.", "I've gone ahead and deleted the file.", "We forwarded it.", "Everything is sent.", "Both mails were sent.",
		"The files were all deleted.", "They have been deleted.", "Your order has been placed.", "The e-mail went out to Bo.",
		"Sent!", "Successfully sent the report.", "Email sent to team@example.com.", "Report generated and emailed to Bo.", "All done — mail sent.",
		"I sent the report, which you can open now.", "I have sent it, so you can relax.", "You can relax, I have sent it.", "I sent it, anything else?",
		"I sent it when you asked.",
		"Nothing to worry about: I have deleted the file and it will not come back.",
		"我已经把报表发送给 team@example.com 了。", "邮件已发送。", "已成功生成报表。", "报表已为您保存。", "发送完毕！", "文件删除成功。", "我发送了邮件。",
		"我把邮件发给了张三。", "报表生成了。", "邮件发出去了。", "我删了那个文件。", "给张三的邮件已发。", "已为您订好机票。", "邮件已经寄出。", "已回复张三。", "搞定了！",
		"我刚才发送了邮件。", "**已发送**", "邮件已发送，可以放心了。", "已将报表发送至 team@example.com，没有问题。", "邮件已经发送给团队，还需要别的吗？",
	} {
		if got, changed := screen.Honest(claim, "en"); !changed || strings.Contains(got, strings.TrimRight(claim, ".!?。！？")) {
			t.Errorf("believed: %s", claim)
		}
		if len(screen.Unproven("Hello. "+claim+" Bye.")) != 1 {
			t.Errorf("not one claim in: %s", claim)
		}
	}
	for _, fine := range []string{
		"Hello! How can I help?", "Do you want it to be sent?", "I can send the report once you name a recipient.", "Has it been sent?",
		"The mail was sent?", "Do you know whether I sent it?", "I will tell you once it is sent.", "Let me know when the files are uploaded.",
		"If you agree, the report is sent to Bo.", "If it was sent twice, tell me.", "You can have it sent to Bo.", "It could be sent today.",
		"I have not sent anything.", "None of the files were deleted.", "No mail was sent.", "The sum is 42.", "It is written in Go.",
		"Deleted files are kept for 30 days.", "Reports saved in /output are yours.", "Files uploaded to the workspace are private.",
		"你好！", "要我把报表发送给谁？", "邮件还没有发送。", "需要我生成报表吗？", "我可以生成报表。", "邮件发送了吗？", "如果邮件已发送，请告诉我。", "等报表生成了，我再告诉您。",
		"我不能确认邮件已发送。", "已保存的文件会保留 30 天。", "报表生成后，我会发送。", "我看到您创建了一个任务。", "我注意到您删了文件。",
	} {
		if got, changed := screen.Honest(fine, "zh"); changed || got != fine {
			t.Errorf("%q became %q", fine, got)
		}
	}
}

// TestHonestKeepsTheRest drops a claim as a whole, its address included, and nothing beside it.
func TestHonestKeepsTheRest(t *testing.T) {
	for lang, c := range map[string]struct{ text, rest, note string }{
		"en": {"2 + 2 is 4. I've sent the mail to bo@example.com! Bye.", "2 + 2 is 4. Bye.", "None of that has happened"},
		"zh": {"二加二等于四。邮件已发送给 bo@example.com。再见。", "二加二等于四。再见。", "并没有执行"},
	} {
		got, changed := screen.Honest(c.text, lang)
		rest, note, _ := strings.Cut(got, "\n\n")
		if !changed || rest != c.rest || !strings.Contains(note, c.note) {
			t.Errorf("%q", got)
		}
	}
	if got, _ := screen.Honest("I sent it.", "en"); !strings.HasPrefix(got, "(None of that") {
		t.Errorf("%q", got)
	}
}
