package message_test

import (
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/shared/message"
)

// FuzzParse wants that no Markdown crashes or hangs us, and that no part of it is empty: platforms refuse
// empty messages.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"**注意：**请", "- a\n  > b\n\n|a|\n|-|", "[a](b \"c\") ![](d)", "```x\n\\&amp;", "1) *a _b* c_\n---", ">>>>>>>>\n    \n\tx"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, markdown string) {
		doc := message.Parse(markdown)
		for _, d := range []message.Dialect{message.Plain, message.GFM, message.TelegramHTML, message.Mrkdwn} {
			for _, part := range message.Split(doc, 100, sizeOf(d, message.Bytes)) {
				if strings.TrimSpace(d.Write(part)) == "" {
					t.Error("an empty part")
				}
			}
		}
	})
}
