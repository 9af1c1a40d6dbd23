package telegram

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/hearthfaas/hearth/shared/message"
)

// entity is a range of a text with a meaning. Offset and length count UTF-16 code units.
type entity struct {
	Type   string `json:"type"`
	Offset int    `json:"offset"`
	Length int    `json:"length"`
	URL    string `json:"url"`
	User   *user  `json:"user"`
	Lang   string `json:"language"`
}

// marks are the Markdown marks of entities that open and close alike.
var marks = map[string]string{"bold": "**", "italic": "*", "strikethrough": "~~", "code": "`"}

// read returns a text as Markdown without our own name, and whether it names us.
func read(text string, entities []entity, self message.Sender) (markdown string, mentioned bool) {
	units := utf16.Encode([]rune(text))
	var edits []edit
	for _, e := range entities {
		end := e.Offset + e.Length
		if e.Offset < 0 || e.Length <= 0 || end < 0 || end > len(units) {
			continue
		}
		word := string(utf16.Decode(units[e.Offset:end]))
		if at, ours := naming(e, word, self); ours {
			mentioned = true
			edits = append(edits, edit{at: e.Offset + at, cut: e.Length - at})
			continue
		}
		edits = append(edits, wrap(e)...)
	}
	return strings.TrimSpace(apply(units, edits)), mentioned
}

// naming reports whether an entity names us, and where in it our name starts: @name, a link to our
// account, or the end of /command@name.
func naming(e entity, word string, self message.Sender) (at int, ours bool) {
	name := "@" + self.Name
	switch {
	case self.ID == "":
		return 0, false
	case e.Type == "mention":
		return 0, strings.EqualFold(word, name)
	case e.Type == "text_mention":
		return 0, e.User != nil && e.User.ID.String() == self.ID
	case e.Type == "bot_command":
		at := strings.IndexByte(word, '@') // commands are ASCII: bytes are code units
		return at, at > 0 && strings.EqualFold(word[at:], name)
	}
	return 0, false
}

// edit is one change of a text: cut some units and put others in their place.
type edit struct {
	at, cut int
	put     string
	order   int // of edits at one place: what closes comes before what opens, the innermost first
}

// wrap returns the edits that turn an entity into Markdown.
func wrap(e entity) []edit {
	end := e.Offset + e.Length
	pair := func(open, closing string) []edit {
		return []edit{{at: e.Offset, put: open, order: 1<<20 - e.Length}, {at: end, put: closing, order: e.Length - 1<<20}}
	}
	switch e.Type {
	case "text_link":
		return pair("[", "]("+e.URL+")")
	case "pre":
		return pair("\n```"+e.Lang+"\n", "\n```\n")
	}
	if mark, ok := marks[e.Type]; ok {
		return pair(mark, mark)
	}
	return nil
}

// apply makes the edits, from the first to the last.
func apply(units []uint16, edits []edit) string {
	slices.SortStableFunc(edits, func(a, b edit) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.order, b.order))
	})
	var out strings.Builder
	from := 0
	for _, e := range edits {
		if e.at > from {
			out.WriteString(string(utf16.Decode(units[from:e.at])))
		}
		out.WriteString(e.put)
		from = max(from, e.at+e.cut)
	}
	out.WriteString(string(utf16.Decode(units[from:])))
	return out.String()
}
