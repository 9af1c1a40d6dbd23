package message_test

import (
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/shared/message"
)

func TestDialects(t *testing.T) {
	tests := []struct{ name, markdown, plain, telegram string }{
		{
			"styles", "**bold** *it* ~~gone~~ `a<b` ***both***", "bold it gone a<b both",
			"<b>bold</b> <i>it</i> <s>gone</s> <code>a&lt;b</code> <b><i>both</i></b>",
		},
		{"text is escaped", "1 < 2 & 3 > 2", "1 < 2 & 3 > 2", "1 &lt; 2 &amp; 3 &gt; 2"},
		{
			"raw HTML is text", "a <script>alert(1)</script> b", "a <script>alert(1)</script> b",
			"a &lt;script&gt;alert(1)&lt;/script&gt; b",
		},
		{"HTML block is text", "<div onclick=x>\nhi\n</div>", "<div onclick=x>\nhi\n</div>", "&lt;div onclick=x&gt;\nhi\n&lt;/div&gt;"},
		{
			"escapes and references", `\*no\* &amp; &copy; &#65; \&amp; ?a=1&copy=2`, "*no* & © A &amp; ?a=1&copy=2",
			"*no* &amp; © A &amp;amp; ?a=1&amp;copy=2",
		},
		{"heading", "# Title *x*\ntext", "Title x\n\ntext", "<b>Title </b><b><i>x</i></b>\n\ntext"},
		{
			"link", `[docs](https://e.org/a?b=1&c="2")`, `docs (https://e.org/a?b=1&c="2")`,
			`<a href="https://e.org/a?b=1&amp;c=&#34;2&#34;">docs</a>`,
		},
		{"bare link", "see https://e.org/x.", "see https://e.org/x.", `see <a href="https://e.org/x">https://e.org/x</a>.`},
		{"mail", "<a@e.org>", "a@e.org", `<a href="mailto:a@e.org">a@e.org</a>`},
		{"javascript link is its text", "[click](javascript:alert(1))", "click", "click"},
		{"disguised scheme", "[click](JAVA&#115;CRIPT:alert(1)) [d](data:text/html,x) [f](file:///etc/passwd)", "click d f", "click d f"},
		{"relative link is its text", "[here](/etc)", "here", "here"},
		{"picture is a link", "![a chart](https://e.org/c.png)", "a chart (https://e.org/c.png)", `<a href="https://e.org/c.png">a chart</a>`},
		{"lines stay lines", "one\ntwo  \nthree\r\nfour", "one\ntwo\nthree\nfour", "one\ntwo\nthree\nfour"},
		{"control characters go", "a\x00b\x1b[31mc&#27;d", "ab[31mcd", "ab[31mcd"},
		{"code", "```go\nif a < b {\n```", "if a < b {", "<pre><code class=\"language-go\">if a &lt; b {</code></pre>"},
		{"code without language", "    x\n    y", "x\ny", "<pre>x\ny</pre>"},
		{"unclosed code", "```\nx", "x", "<pre>x</pre>"},
		{"list", "- a\n- b\n  - c\n\n3. x\n4. y", "- a\n- b\n  - c\n\n3. x\n4. y", "• a\n• b\n  • c\n\n3. x\n4. y"},
		{"tasks", "- [ ] a\n- [x] b", "- [ ] a\n- [x] b", "• [ ] a\n• [x] b"},
		{"code in a list", "- a\n  ```\n  x\n    y\n  ```\n- b", "- a\n  x\n    y\n- b", "• a\n<pre>x\n  y</pre>\n• b"},
		{"quote", "> a\n> > b\n\nc", "> a\n> \n> > b\n\nc", "<blockquote>a\n\n&gt; b</blockquote>\n\nc"},
		{"rule", "a\n\n---\n\nb", "a\n\n---\n\nb", "a\n\n——————\n\nb"},
		{"Chinese bold without spaces", "**注意：**请在**“周五”**前", "注意：请在“周五”前", "<b>注意：</b>请在<b>“周五”</b>前"},
		{"powers are not Chinese", "2 ** 3 ** 4", "2 ** 3 ** 4", "2 ** 3 ** 4"},
		{
			"table", "|名称|n|\n|-|-|\n|苹果|1|\n|b|22|", "名称  n\n----  --\n苹果  1\nb     22",
			"<pre>名称  n\n----  --\n苹果  1\nb     22</pre>",
		},
		{
			"wide table", "|Name|Comment|\n|-|-|\n|a|" + strings.Repeat("long ", 12) + "|",
			"- Name: a\n  Comment: " + strings.TrimSpace(strings.Repeat("long ", 12)),
			"• <b>Name: </b>a\n  <b>Comment: </b>" + strings.TrimSpace(strings.Repeat("long ", 12)),
		},
		{"break in a cell", "|a|\n|-|\n|x<br>y|", "a\n---\nx y", "<pre>a\n---\nx y</pre>"},
		{"nothing", " \n\n", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc := message.Parse(tt.markdown)
			if got := message.Plain.Write(doc); got != tt.plain {
				t.Errorf("plain\n got %q\nwant %q", got, tt.plain)
			}
			if got := message.TelegramHTML.Write(doc); got != tt.telegram {
				t.Errorf("telegram\n got %q\nwant %q", got, tt.telegram)
			}
		})
	}
}

func TestGFM(t *testing.T) {
	tests := []struct{ name, markdown, want string }{
		{"safe again", "[a](javascript:x) <b>&lt;i&gt;", `a \<b\>\<i\>`},
		{"table", "a|b\n-|-\n`x\\|y`|**z**", "| a | b |\n| --- | --- |\n| `x\\|y` | **z** |"},
		{"code with fences", "````\n```\n````", "````\n```\n````"},
		{"line starts", "1\\. a\n\\# b\n\\- c", "1\\. a\n\\# b\n\\- c"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := message.GFM.Write(message.Parse(tt.markdown)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// What is over a limit is shown as it was written: never an error, never a hang, never a loss.
func TestHostileMarkdown(t *testing.T) {
	const n = 60 << 10
	for name, unit := range map[string]string{
		"quotes": "> ", "lists": "- ", "numbers": "1. ", "brackets": "[", "closed brackets": "a]", "pictures": "![",
		"stars": "*a **b", "backticks": "`a", "angles": "<a ", "comments": "<!--", "bars": "|", "entities": "&amp", "links": "[a](", "backslash": `\`,
	} {
		t.Run(name, func(t *testing.T) {
			markdown := strings.Repeat(unit, n/len(unit)) + "end"
			if got := message.Plain.Write(message.Parse(markdown)); !strings.HasSuffix(got, "end") {
				t.Errorf("the text's end is lost: %d bytes, …%q", len(got), got[max(0, len(got)-20):])
			}
		})
	}
}

func TestOversizedMarkdownIsLiteral(t *testing.T) {
	markdown := "**a**\n\n" + strings.Repeat("x", message.MaxMarkdown)
	if got := message.Plain.Write(message.Parse(markdown)); got != markdown {
		t.Errorf("%d bytes of %d", len(got), len(markdown))
	}
}

func TestDeepNestingIsFlattened(t *testing.T) {
	got := message.TelegramHTML.Write(message.Parse(strings.Repeat("> ", 50) + "deep"))
	if !strings.HasSuffix(got, "deep</blockquote>") || strings.Count(got, "&gt;") > 8 {
		t.Errorf("%q", got)
	}
}

func TestUnits(t *testing.T) {
	const text = "a中😀"
	for name, got := range map[string][2]int{
		"bytes": {message.Bytes(text), 8}, "runes": {message.Runes(text), 3}, "utf16": {message.UTF16(text), 4},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %d, want %d", name, got[0], got[1])
		}
	}
}
