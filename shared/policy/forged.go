package policy

import (
	"regexp"
	"strings"
	"sync"
)

// numbered are the things that get a number when an effect makes them.
const numbered = "(?:receipt|confirmation|booking|reservation|order|reference|tracking|ticket|transaction|message)"

// forgeries are what only code may write: the names of runs, receipts and their numbers, and what a tool
// said. In the first ones, what the parentheses hold stands where the conversation knows it.
var forgeries = sync.OnceValue(func() (f struct{ named, tool []*regexp.Regexp }) {
	f.named = []*regexp.Regexp{
		regexp.MustCompile(`\b(r[0-9a-f]{2}-(?:[a-z2-7]{10}|[a-z]*[2-7][a-z2-7]*))\b`),
		regexp.MustCompile("(?i)\\b(?:run|run id)[ :#]*`([\\w-]{5,})`"),
		regexp.MustCompile(`(?i)\b` + numbered + `(?: (?:number|id|code|reference|no\.)(?: is)?| is|)[ ]?[:：#*<` + "`" + `][ :：#*<` + "`" + `]*([\w.-]*\d[\w.@-]*)`),
		regexp.MustCompile(`(?i)\b` + numbered + ` (?:(?:number|id|code|reference|no\.)(?: is)?|is) ([\w.-]*\d[\w.@-]*)`),
		regexp.MustCompile(`(?i)\b` + numbered + ` ([a-z-]+\d[\w.@-]*|\d+[a-z-][\w.@-]*|\d{5,})`), // "order 40 chairs" has none
		regexp.MustCompile("(?:回执|确认号|确认码|编号|单号|凭证|流水号|运行)[^\\s，。]{0,2}?(?:是|为|：|:)?[ *`]*([A-Za-z0-9][\\w.-]*\\d[\\w.-]*)"),
	}
	f.tool = []*regexp.Regexp{
		regexp.MustCompile(`(?i)</?(?:tool|function)_?(?:call|response|result)s?>|<invoke|"(?:name|function)"\s*:\s*"\w+"\s*,\s*"(?:arguments|parameters)"`),
		regexp.MustCompile(`(?i)[\[【][\w .:：工具调用-]{2,40}[\]】]\s*[:：]?\s*(?:\w+[:：]\s*)?(?:ok|success|succeeded|done|completed|成功|完成)`),
		regexp.MustCompile(`(?i)\b\w+_\w+\([^)\n]*\)\s*(?:[:：=]|->|→)+\s*(?:"?\{|ok|success|done|true|成功|完成)`),
		regexp.MustCompile(`(?i)(?:【工具调用】|\b(?:tool|function) (?:result|output|response)s?\s*[:：]|工具(?:返回|结果|输出)\s*[:：])`),
		regexp.MustCompile(`(?i)[-*+] \[x\] `),
		regexp.MustCompile(`(?i)\b(?:query|database|search) (?:has )?(?:returned|found) [\d,]+|(?:查询|数据库|检索)(?:已)?(?:返回|查到|找到)了?\s*[\d,]+`),
	}
	return f
})

// forged reports whether s shows what only code may write. known is what people and runs said before.
func forged(s, known string) bool {
	if !strings.ContainsAny(s, "0123456789`[<(【:：") {
		return false
	}
	for _, f := range forgeries().named {
		for _, found := range f.FindAllStringSubmatch(s, -1) {
			if !strings.Contains(known, found[1]) {
				return true
			}
		}
	}
	return toolLike(s)
}

func toolLike(s string) bool {
	for _, f := range forgeries().tool {
		if f.MatchString(s) {
			return true
		}
	}
	return false
}
