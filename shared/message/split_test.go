package message_test

import (
	"reflect"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"github.com/hearthfaas/hearth/shared/message"
)

func TestSplit(t *testing.T) {
	tests := []struct {
		name, markdown string
		limit          int
		want           []string
	}{
		{"fits", "a\n\nb", 10, []string{"a\n\nb"}},
		{"between blocks", "first\n\nsecond", 10, []string{"first", "second"}},
		{"code is code again", "```go\none\ntwo\nsix\n```", 18, []string{"```go\none\ntwo\n```", "```go\nsix\n```"}},
		{"a long line of code", "```\nabcdefghij\n```", 13, []string{"```\nabcde\n```", "```\nfghij\n```"}},
		{"after a sentence", "One two. Three four five.", 15, []string{"One two. ", "Three four ", "five."}},
		{"after a Chinese sentence", "今天下雨不出门。明天晴天，后天多云。", 12, []string{"今天下雨不出门。", "明天晴天，后天多云。"}},
		{"between characters", "abcdefgh", 3, []string{"abc", "def", "gh"}},
		{"styles go on", "**abcd**", 6, []string{"**ab**", "**cd**"}},
		{"emoji stay whole", "ab👩‍💻cd", 4, []string{"ab", "👩‍💻c", "d"}},
		{"numbers go on", "1. aa\n2. bb\n3. cc", 11, []string{"1. aa\n2. bb", "3. cc"}},
		{"heads come again", "a|b\n-|-\n1|2\n3|4", 40, []string{
			"| a | b |\n| --- | --- |\n| 1 | 2 |", "| a | b |\n| --- | --- |\n| 3 | 4 |",
		}},
		{"quotes are quotes again", "> aa\n>\n> bb", 8, []string{"> aa", "> bb"}},
		{"heading that finds no room", "aa\n\n# H\n\nbbbb", 8, []string{"aa\n\n# H", "bbbb"}},
		{"heading goes along", "aa\n\n# H\n\nbbbb", 10, []string{"aa", "# H\n\nbbbb"}},
		{"heading above a quote", "# H\n\n> aaaa\n>\n> bbbbcccc", 11, []string{"# H\n\n> aaaa", "> bbbbcccc"}},
		{"heading above what is cut", "aa\n\n# H\n\nbbbb cccc dddd", 11, []string{"aa", "# H\n\nbbbb ", "cccc dddd"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, part := range message.Split(message.Parse(tt.markdown), tt.limit, sizeOf(message.GFM, message.Runes)) {
				got = append(got, message.GFM.Write(part))
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func sizeOf(d message.Dialect, unit message.Unit) func(message.Document) int {
	return func(doc message.Document) int { return unit(d.Write(doc)) }
}

// Whatever is split, every part fits and the parts together say what the whole says.
func TestSplitLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := documents(false).Draw(t, "doc")
		limit := rapid.IntRange(80, 400).Draw(t, "limit")
		size := sizeOf(message.TelegramHTML, message.UTF16)
		var said strings.Builder
		for i, part := range message.Split(doc, limit, size) {
			if n := size(part); n > limit {
				t.Fatalf("part %d has %d of %d: %q", i, n, limit, message.TelegramHTML.Write(part))
			}
			said.WriteString(words(part))
		}
		if got, want := said.String(), words(doc); got != want {
			t.Fatalf("\n got %q\nwant %q", got, want)
		}
	})
}

// Markdown of any kind survives being parsed and split: each visible letter is in the parts as often as
// in the whole.
func TestSplitMarkdownLosesNothing(t *testing.T) {
	pieces := []string{"word ", "中文。", "**b**", "`c`", "\n\n", "\n", "- ", "> ", "```\n", "# ", "|", "1. ", "[a](http://e.org)", "  ", "😀", "é"}
	rapid.Check(t, func(t *rapid.T) {
		doc := message.Parse(strings.Join(rapid.SliceOf(rapid.SampledFrom(pieces)).Draw(t, "pieces"), ""))
		size := sizeOf(message.Plain, message.Bytes)
		got := ""
		for _, part := range message.Split(doc, 90, size) {
			if size(part) > 90 {
				t.Fatalf("%d bytes: %q", size(part), message.Plain.Write(part))
			}
			got += words(part)
		}
		if want := words(doc); got != want {
			t.Fatalf("\n got %q\nwant %q", got, want)
		}
	})
}

// Markdown written from a document is read as that document.
func TestGFMRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := documents(true).Draw(t, "doc")
		markdown := message.GFM.Write(doc)
		if got := message.Parse(markdown); !reflect.DeepEqual(got, doc) {
			t.Fatalf("%q\n got %+v\nwant %+v", markdown, got, doc)
		}
	})
}

// words is all that doc says, without space and without what comes from the layout.
func words(doc message.Document) string {
	var b strings.Builder
	for _, block := range doc {
		b.WriteString(block.Code)
		for _, s := range block.Spans {
			b.WriteString(s.Text)
		}
		for _, item := range block.Items {
			b.WriteString(words(item.Blocks))
		}
		b.WriteString(words(block.Blocks))
		for _, row := range block.Rows {
			for _, cell := range row {
				b.WriteString(words(message.Document{{Spans: cell}}))
			}
		}
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, b.String())
}

// documents makes documents without tables, whose heads are repeated on purpose. The round ones hold
// only what Markdown can say.
func documents(round bool) *rapid.Generator[message.Document] {
	return rapid.Custom(func(t *rapid.T) message.Document {
		var doc message.Document
		for range rapid.IntRange(1, 4).Draw(t, "blocks") {
			b := block(t, round, 0)
			if len(doc) > 0 && doc[len(doc)-1].Kind == b.Kind && (b.Kind == message.List || b.Kind == message.Quote) {
				continue // neighbours of one kind are one in Markdown
			}
			doc = append(doc, b)
		}
		return doc
	})
}

func block(t *rapid.T, round bool, depth int) message.Block {
	kinds := []message.BlockKind{message.Paragraph, message.Heading, message.Code, message.Rule}
	if depth < 2 {
		kinds = append(kinds, message.List, message.Quote)
	}
	b := message.Block{Kind: rapid.SampledFrom(kinds).Draw(t, "kind")}
	switch b.Kind {
	case message.Heading:
		b.Level = rapid.IntRange(1, 6).Draw(t, "level")
		b.Spans = spans(t, round, false)
	case message.Code:
		b.Lang = rapid.SampledFrom([]string{"", "go"}).Draw(t, "lang")
		b.Code = rapid.StringMatching("[a-z<`中]{1,200}(\n[ a-z#>*`]{0,100}x){0,3}").Draw(t, "code")
	case message.List:
		if b.Ordered = rapid.Bool().Draw(t, "ordered"); b.Ordered {
			b.Start = rapid.IntRange(1, 99).Draw(t, "start")
		}
		for range rapid.IntRange(1, 3).Draw(t, "items") {
			b.Items = append(b.Items, message.Item{Blocks: inner(t, round, depth)})
		}
	case message.Quote:
		b.Blocks = inner(t, round, depth)
	case message.Paragraph:
		b.Spans = spans(t, round, true)
	}
	return b
}

// inner is a paragraph, perhaps with something below.
func inner(t *rapid.T, round bool, depth int) message.Document {
	doc := message.Document{{Spans: spans(t, round, true)}}
	if rapid.Bool().Draw(t, "more") {
		doc = append(doc, block(t, round, depth+1))
	}
	return doc
}

func spans(t *rapid.T, round, lines bool) []message.Span {
	styles := []message.Style{message.Bold, message.Italic, message.Strike, message.Mono, message.Bold | message.Italic}
	var out []message.Span
	for i := range rapid.IntRange(1, 4).Draw(t, "spans") {
		var s message.Span // plain text keeps the marks of two styles apart
		if i%2 == 1 {
			s.Style = rapid.SampledFrom(styles).Draw(t, "style")
		}
		s.Text = rapid.StringMatching(`[a-z*_#<&\[\]|~!.。中-]{0,60}[a-z中]`).Draw(t, "text")
		if !round {
			s.Text += rapid.StringMatching(`( ?[A-Z.😀]){0,80}`).Draw(t, "more")
		} else if i%2 == 0 {
			s.Text = "x " + s.Text + " y "
			if lines {
				s.Text = strings.Replace(s.Text, "y ", "y\nz ", 1)
			}
		}
		if s.Style == message.Bold {
			s.Link = rapid.SampledFrom([]string{"", "https://e.org/?a=b"}).Draw(t, "link")
		}
		out = append(out, s)
	}
	out[len(out)-1].Text = strings.TrimRight(out[len(out)-1].Text, " ")
	return out
}
