package message_test

import (
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/shared/message"
)

func TestMrkdwn(t *testing.T) {
	const gap = "\u200b"
	tests := []struct{ name, markdown, want string }{
		{"styles", "**bold** *it* ~~gone~~ `a<b` ***both***", "*bold* _it_ ~gone~ `a&lt;b` *_both_*"},
		{"text is escaped", "1 < 2 & 3 > 2", "1 &lt; 2 &amp; 3 &gt; 2"},
		{"nobody is called", "<!channel> <@U123> `<!here>`", "&lt;!channel&gt; &lt;@U123&gt; `&lt;!here&gt;`"},
		{"nobody is called in a link", "[<!channel>](<https://e.org/!here|x>)", "<https://e.org/%21here%7Cx|&lt;!channel&gt;>"},
		{"link", "[a|b](https://e.org/?a=1&c=2)", "<https://e.org/?a=1&amp;c=2|a¦b>"},
		{"bare link", "see https://e.org/x.", "see <https://e.org/x>."},
		{"link in bold", "**[docs](https://e.org)**", "*<https://e.org|docs>*"},
		{"dangerous link is its text", "[click](javascript:alert(1))", "click"},
		{"heading", "# Title\ntext", "*Title*\n\ntext"},
		{"Chinese needs gaps", "**注意：**请在**周五**前", "*注意：*" + gap + "请在" + gap + "*周五*" + gap + "前"},
		{"no gaps beside spaces and brackets", "a **b**, (*c*)", "a *b*, (_c_)"},
		{"styles side by side", "**a**`b`", "*a*" + gap + "`b`"},
		{"lines are marked one by one", "**a\nb**", "*a*\n*b*"},
		{"a mark inside", `**2\*3**`, "2*3"},
		{"code with a backtick", "``a`b``", "a`b"},
		{"code", "```go\nif a < b {\n```", "```\nif a &lt; b {\n```"},
		{"code cannot end itself", "````\n```\n<!channel>\n````", "```\n`" + gap + "`" + gap + "`\n&lt;!channel&gt;\n```"},
		{"list", "- a\n- b\n  - c\n\n3. x", "• a\n• b\n  • c\n\n3. x"},
		{"code in a list", "- a\n  ```\n  x\n    y\n  ```\n  z\n- b", "• a\n```\nx\n  y\n```\n\n  z\n• b"},
		{"code opens an item", "- ```\n  x\n  ```\n\n  z", "• ```\nx\n```\n\n  z"},
		{"quote", "> a\n> > b", "> a\n> \n> &gt; b"},
		{"table", "|n|m|\n|-|-|\n|1|2|", "```\nn  m\n-  -\n1  2\n```"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := message.Mrkdwn.Write(message.Parse(tt.markdown)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// FuzzMrkdwn wants that nothing the model writes is more than text and links: a < of its own is escaped, and
// what we write as a link leads where links may lead.
func FuzzMrkdwn(f *testing.F) {
	for _, seed := range []string{"<!channel>", "[<!x>](https://e.org/|<!here>)", "`<@U1>`", "```\n<!subteam^S>\n```", "> <a@e.org>"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, markdown string) {
		got := message.Mrkdwn.Write(message.Parse(markdown))
		for rest := got; ; {
			_, after, found := strings.Cut(rest, "<")
			if !found {
				return
			}
			inside, _, closed := strings.Cut(after, ">")
			scheme, _, _ := strings.Cut(inside, ":")
			if !closed || !strings.Contains(" http https mailto tel ", " "+strings.ToLower(scheme)+" ") {
				t.Fatalf("%q is written as %q", markdown, got)
			}
			rest = after
		}
	})
}
