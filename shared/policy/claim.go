package policy

import (
	"regexp"
	"strings"
)

// Claims of an effect: that something was sent, saved, deleted … A model that says so without a receipt is
// not believed. The patterns look for the completed act of the speaker, in English and Chinese; questions,
// offers and conditions are left alone.
var (
	claimEn = regexp.MustCompile(`(?i)\b(?:i(?:'ve| have)?|we(?:'ve| have)?|it(?:'s| is| has been| was)|(?:the|your) [\w .'/-]{1,60}? (?:is|are|was|were|has been|have been))\s+` +
		`(?:just |now |already |successfully |also )*` +
		`(?:sent|e-?mailed|saved|created|generated|deleted|removed|moved|updated|scheduled|booked|posted|published|uploaded|written|executed|ordered|paid|transferred|cancelled|canceled|approved|undone|rolled back)\b`)
	claimZh = regexp.MustCompile(`(?:已经?|刚刚?|成功)(?:为您|为你|帮您|帮你|将|把|成功|[^，。！？,.!?]{0,16}?)*` +
		`(?:发送|发出|发给|保存|创建|生成|删除|移动|更新|安排|预订|发布|上传|写入|执行|下单|支付|转账|取消|撤销|回滚)` +
		`|(?:发送|保存|创建|生成|删除|更新|发布|上传|写入|执行|转账|取消|撤销)(?:完毕|完成|成功|好了|了。|了！|了$)`)
	notClaim = regexp.MustCompile(`(?i)[?？]\s*$|\b(?:if|when|once|would|could|should|can|cannot|can't|not|never|will|to be|haven't|hasn't|wasn't|have not|has not)\b|如果|是否|没有|尚未|还没|未能|不会|不能|可以|需要|将会|要不要|吗`)
)

// sentence splits text for the checker: at the ends of sentences and lines.
var sentence = regexp.MustCompile(`[^.!?。！？\n]*(?:[.!?。！？\n]+\s*|$)`)

// Unproven returns the sentences of a model's answer that claim an effect. No chat answer has a receipt:
// effects happen in runs, and the result of a run is written by code from its receipts.
func Unproven(text string) []string {
	var claims []string
	for _, s := range sentence.FindAllString(text, -1) {
		if claimsEffect(s) {
			claims = append(claims, strings.TrimSpace(s))
		}
	}
	return claims
}

// Honest returns text without the sentences that claim an effect, and a note in lang that nothing was done
// in their place. Text without such a claim comes back as it is.
func Honest(text, lang string) (string, bool) {
	changed := false
	honest := sentence.ReplaceAllStringFunc(text, func(s string) string {
		if !claimsEffect(s) {
			return s
		}
		changed = true
		return ""
	})
	if !changed {
		return text, false
	}
	note := "(I did nothing of the kind yet: only a run with receipts does. Ask me to do it, and I will show you a plan.)"
	if lang == "zh" {
		note = "（这件事我还没有执行：只有带回执的运行才算数。请直接让我去做，我会先给出计划。）"
	}
	return strings.TrimSpace(strings.TrimSpace(honest) + "\n\n" + note), true
}

func claimsEffect(s string) bool {
	return (claimEn.MatchString(s) || claimZh.MatchString(s)) && !notClaim.MatchString(s)
}
