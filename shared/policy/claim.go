package policy

import (
	"regexp"
	"strings"
	"sync"
)

// Claims of an effect: that something was sent, saved, deleted … A model that says so without a receipt is
// not believed. The patterns look for the completed act, in English and Chinese.
const (
	actsEn = `(?:sent|e-?mailed|forwarded|replied|shared|submitted|saved|created|generated|deleted|removed|moved|renamed|copied|restored|updated|` +
		`scheduled|booked|posted|published|uploaded|written to|executed|ordered|placed|paid|purchased|refunded|transferred|cancelled|canceled|approved|` +
		`notified|invited|undone|rolled back)\b`
	thingsEn = `(?:e-?mail|mail|message|reply|report|file|folder|document|(?:spread)?sheet|task|reminder|meeting|event|invitation|order|booking|` +
		`payment|post|record|row)`
	quicklyEn = `(?:just |now |already |also |then |all |both |successfully |safely |gone ahead and |went ahead and )*`

	actsZh = `(?:发送|发出|发给|发布|转发|寄出|回复|通知|提交|保存|创建|生成|删除|删掉|移动|更新|安排|预订|预约|订好|上传|写入|执行|下单|支付|转账|` +
		`取消|撤销|恢复|回滚)`
	forZh = `[^，。！？；,.!?;]{0,32}?`
	byZh  = `(?:已经?|刚才?|刚刚|也|都|就|成功|(?:为|帮|替)[您你]|(?:把|将|给)[^，。！？；,.!?;]{1,16}?)*`
)

// claims are compiled when a model's first answer is checked: every process of the bundle links this package.
var claims = sync.OnceValue(func() []*regexp.Regexp {
	return []*regexp.Regexp{
		regexp.MustCompile(`(?i)\b(?:i|we)(?:'ve| have)?\s+` + quicklyEn + actsEn),
		regexp.MustCompile(`(?i)\b(?:i|we) did\s+` + quicklyEn + `(?:send|e-?mail|forward|save|create|delete|remove|update|schedule|book|post|upload|order|pay)\b`),
		regexp.MustCompile(`(?i)\b(?:(?:it|this|that|they|these|those|both|everything|all)|(?:the|your|both|all) [\w .'/-]{1,60}?)` +
			`(?:'s| is| are| was| were| has been| have been|'ve been)\s+` + quicklyEn + actsEn),
		regexp.MustCompile(`(?i)\b(?:e-?mails?|mails?|messages?) (?:has |have )?(?:gone|went) out\b`),
		// Without a verb to be: "Sent!", "Email sent to Bo". "Deleted files are kept" is none.
		regexp.MustCompile(`(?i)(?:^|[,;:—–] ?)` + quicklyEn + actsEn + `(?:\s*[.!,;]*\s*$| (?:it|them|the|your|to|for|and)\b)`),
		regexp.MustCompile(`(?i)(?:^|[,;:—–] ?)(?:(?:the|your|all|both) )?(?:\w+ )?` + thingsEn + ` ` + quicklyEn + actsEn + `(?:\s*[.!,;]*\s*$| (?:to|for|and|successfully)\b)`),
		regexp.MustCompile(`(?:已经?|刚刚?|刚才|成功)` + forZh + actsZh + `(?:[^的]|$)`),
		regexp.MustCompile(`已经?(?:发|寄|删|订)(?:[了给至到往]|[。！!]?\s*$)`),
		regexp.MustCompile(actsZh + `(?:完毕|完成|成功|好了|了(?:[。！，；!,;]|\s*$))`),
		regexp.MustCompile(`我们?` + byZh + `(?:` + actsZh + `|发|寄|删|订)(?:出去|好|完|掉)?了`),
		regexp.MustCompile(`(?:发|寄)出去了|搞定了|办好了|办妥了`),
	}
})

// What takes a claim back: a condition anywhere before its end, and a negation or a possibility in its own
// clause before its end. What comes after it does not: "I sent it, so you can relax".
var (
	conditional = regexp.MustCompile(`(?i)\b(?:if|when|once|unless|until|whether|after|before)\b|如果|若|假如|一旦|是否|等到?|当|只要`)
	notDone     = regexp.MustCompile(`(?i)\b(?:would|could|should|might|can|cannot|not|never|no|none|nothing|will|to be|without)\b|n't\b|'ll\b|` +
		`没有|尚未|还没|未能|不会|不能|可以|需要|将会|要不要`)
	question = regexp.MustCompile(`^[^,;，；]*(?:[?？]|吗)\s*$`)
)

// clause ends a clause; sentence splits text for the checker, at the ends of sentences and lines. A dot
// within an address or a number ends nothing.
var (
	clause   = regexp.MustCompile(`[,;:—–，；：]`)
	sentence = regexp.MustCompile(`(?s).+?(?:[.!?]+["'”’)*_]*(?:\s+|$)|[。！？\n]+\s*|$)`)
)

// plain takes markup off a sentence and makes typographic apostrophes plain ones.
var plain = strings.NewReplacer("*", "", "_", "", "~", "", "`", "", "’", "'")

// Unproven returns the sentences of a model's answer that claim an effect. No chat answer has a receipt:
// effects happen in runs, and the result of a run is written by code from its receipts.
func Unproven(text string) []string {
	var found []string
	for _, s := range sentence.FindAllString(text, -1) {
		if claimsEffect(s) {
			found = append(found, strings.TrimSpace(s))
		}
	}
	return found
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
	s = strings.TrimSpace(plain.Replace(s))
	for _, claim := range claims() {
		for _, at := range claim.FindAllStringIndex(s, -1) {
			if !takenBack(s, at[0], at[1]) {
				return true
			}
		}
	}
	return false
}

// takenBack reports whether what a sentence says before the end of a claim, or that it asks, makes it none.
func takenBack(s string, start, end int) bool {
	own := 0
	if before := clause.FindAllStringIndex(s[:start], -1); before != nil {
		own = before[len(before)-1][1]
	}
	return conditional.MatchString(s[:end]) || notDone.MatchString(s[own:end]) || question.MatchString(s[end:])
}
