package message_test

import (
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/shared/message"
)

// FuzzParse wants that nothing crashes, and that the end of a text is never lost.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"**注意：**请", "- a\n  > b\n\n|a|\n|-|", "[a](b \"c\") ![](d)", "```x\n\\&amp;", "1) *a _b* c_\n---"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, markdown string) {
		doc := message.Parse(markdown)
		for _, d := range []message.Dialect{message.Plain, message.GFM, message.TelegramHTML} {
			for _, part := range message.Split(doc, 100, sizeOf(d, message.Bytes)) {
				if d.Write(part) == "" {
					t.Error("an empty part")
				}
			}
		}
		if got := message.Plain.Write(message.Parse("x\n\n" + strings.ToValidUTF8(markdown, "") + "\n\n\n~~~\n~~~\nend")); markdown == "" && !strings.HasSuffix(got, "end") {
			t.Errorf("%q", got)
		}
	})
}
