package journal

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/policy"
)

// FourEyes reports whether HEARTH_APPROVAL wants somebody else to approve than the one whose plan it is.
func FourEyes(env *fn.Env) (bool, error) {
	switch value := env.Setting("HEARTH_APPROVAL", "own"); value {
	case "own":
		return false, nil
	case "four-eyes":
		return true, nil
	default:
		return false, fault.New(fault.Invalid, "want own or four-eyes, not %.40q", value).At("HEARTH_APPROVAL")
	}
}

// waits says whose approval a plan waits for, until when, and what happens then.
func waits(h flow.Header) string {
	var b strings.Builder
	switch who := Approvers(h); {
	case who == "":
		fmt.Fprintf(&b, "%s `hearth approve %s`", words(h.Lang, "waits for your approval:", "等待批准："), h.ID)
	default:
		fmt.Fprintf(&b, "%s **%s**: `hearth approve %s`", words(h.Lang, "waits for the approval of", "等待审批人："), who, h.ID)
	}
	at := h.Expires
	if zone, err := time.LoadLocation(h.Zone); err == nil {
		at = at.In(zone)
	}
	fmt.Fprintf(&b, words(h.Lang, "\n\nOpen until %s (%s). If nobody approves by then, it lapses and nothing is done.",
		"\n\n有效期至 %s（%s）。逾期无人批准即作废，不会执行任何操作。"), at.Format("2006-01-02 15:04"), h.Zone)
	return b.String()
}

// Approvers says in words who may approve a plan, "" for the one whose plan it is.
func Approvers(h flow.Header) string {
	who := map[string][2]string{
		"":                    {"", ""},
		flow.ApprovalOperator: {"an operator, an admin or an owner", "操作员、管理员或所有者"},
		flow.ApprovalAdmin:    {"an admin or an owner", "管理员或所有者"},
		flow.ApprovalOwner:    {"an owner", "所有者"},
	}[h.Approver]
	text := words(h.Lang, who[0], who[1])
	if !h.FourEyes {
		return text
	}
	if text == "" {
		text = words(h.Lang, "an operator, an admin or an owner", "操作员、管理员或所有者")
	}
	return text + words(h.Lang, " other than "+h.User, "（"+h.User+" 本人除外）")
}

// MayApprove returns nil where somebody may approve a plan, rights about the run apart: they have the role
// that it asks for, and with four eyes it is neither theirs nor was it edited by them.
func MayApprove(run *flow.Run, by policy.Principal, fourEyes bool) error {
	if need := policy.Role(run.Approver); run.Approver != "" && need.Above(by.Role) {
		return fault.New(fault.Forbidden, "this plan needs the approval of %s, and you have the role %s", Approvers(run.Header), by.Role).
			Try("ask one of them to say /approve " + run.ID)
	}
	if !fourEyes && !run.FourEyes {
		return nil
	}
	edited := slices.ContainsFunc(run.Past, func(v flow.Version) bool { return v.By == by.User })
	if run.User == by.User || edited {
		return fault.New(fault.Forbidden, "nobody approves a plan of their own here: an operator other than %s has to", by.User).
			Try("ask one of them to say /approve " + run.ID)
	}
	return nil
}
