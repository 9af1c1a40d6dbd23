package policy

import (
	"strings"
	"sync"
)

// group is a row of a table of words: words of one meaning, and what they do in a sentence. A word may stand
// in several.
type group struct {
	kind
	words string
}

// lexicon is made of the tables when the first answer is checked: every process of the bundle links this
// package.
var lexicon = sync.OnceValue(func() map[string]kind {
	all := map[string]kind{}
	for _, table := range [][]group{englishWords, chineseWords} {
		for _, g := range table {
			for w := range strings.FieldsSeq(g.words) {
				all[w] |= g.kind
			}
		}
	}
	return all
})
