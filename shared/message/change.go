package message

import (
	"cmp"
	"strings"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Change tells in Markdown, in zh or English, how a thing is no longer as a step left it.
func Change(lang string, c fault.Change) string {
	none, then, now := "not there", "then", "now"
	if lang == "zh" {
		none, then, now = "不存在", "当时", "现在"
	}
	text := "\n`" + quoted(c.What) + "`\n"
	if c.Then != "" || c.Now != "" {
		text += "- " + then + ": `" + quoted(cmp.Or(c.Then, none)) + "`\n- " + now + ": `" + quoted(cmp.Or(c.Now, none)) + "`\n"
	}
	if len(c.Diff) > 0 {
		text += "\n```diff\n" + quoted(strings.Join(c.Diff, "\n")) + "\n```\n"
	}
	return text
}

// quoted keeps a text from ending the code that it stands in.
func quoted(text string) string { return strings.ReplaceAll(text, "`", "'") }
