package builtin

import (
	"cmp"
	"hash/fnv"
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/hearthfaas/hearth/shared/manifest"
)

// Retrieve returns at most `most` tools for a request, the likeliest first: those whose phrases and words
// it shares, those that these need their data from, and then the rest by Order. Small models plan badly
// over long lists.
func Retrieve(text string, tools []manifest.Manifest, most int) []manifest.Manifest {
	score := scores(bounded(text), tools)
	ranked := make([]int, len(tools))
	for i := range ranked {
		ranked[i] = i
	}
	slices.SortStableFunc(ranked, func(a, b int) int {
		return cmp.Or(cmp.Compare(score[b], score[a]), byOrder(tools[a], tools[b]))
	})
	var picked []int
	for _, i := range ranked {
		if score[i] > 0 {
			picked = append(picked, i)
		}
	}
	picked = withSources(picked[:min(len(picked), max(most, 0))], tools)
	for _, i := range ranked {
		if !slices.Contains(picked, i) {
			picked = append(picked, i)
		}
	}
	out := make([]manifest.Manifest, 0, max(most, 0))
	for _, i := range picked[:min(len(picked), max(most, 0))] {
		out = append(out, tools[i])
	}
	return out
}

// withSources puts after each picked tool those that give what it takes.
func withSources(picked []int, tools []manifest.Manifest) []int {
	var out []int
	for _, i := range picked {
		if slices.Contains(out, i) {
			continue
		}
		out = append(out, i)
		for depth := 0; depth < maxSteps && wants(tools[i]); depth++ {
			source, ok := sourceOf(tools[i], tools)
			if !ok || slices.Contains(out, source) {
				break
			}
			out = append(out, source)
			i = source
		}
	}
	return out
}

func byOrder(a, b manifest.Manifest) int {
	return cmp.Or(cmp.Compare(a.Intent.Order, b.Intent.Order), cmp.Compare(a.ID, b.ID))
}

// scores rates each tool: phrases that the text says count most, shared words by how rare they are among
// the tools.
func scores(text string, tools []manifest.Manifest) []float64 {
	asked := features(text)
	docs := make([]map[string]bool, len(tools))
	frequency := map[string]int{}
	for i, tool := range tools {
		docs[i] = features(strings.Join(append([]string{
			strings.ReplaceAll(tool.ID, "_", " "), tool.Title.En, tool.Title.Zh, tool.Summary,
		}, tool.Intent.Phrases...), "\n"))
		for f := range docs[i] {
			frequency[f]++
		}
	}
	out := make([]float64, len(tools))
	for i, spans := range matches(bare(text), tools) {
		for _, s := range spans {
			out[i] += 2 + float64(s.end-s.start)/4
		}
		for f := range asked {
			if docs[i][f] {
				out[i] += math.Log(1 + float64(len(tools))/float64(frequency[f]))
			}
		}
	}
	return out
}

// features returns the English word stems and Chinese character pairs of text.
func features(text string) map[string]bool {
	out := map[string]bool{}
	var word []rune
	var last rune
	flush := func() {
		if w := stem(string(word)); len(w) > 1 && !common[w] {
			out[w] = true
		}
		word = word[:0]
	}
	for _, r := range strings.ToLower(text) {
		switch {
		case isHan(r):
			flush()
			if isHan(last) {
				out[string([]rune{last, r})] = true
			}
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			word = append(word, r)
		default:
			flush()
		}
		last = r
	}
	flush()
	return out
}

// common are words that tell nothing about what is wanted.
var common = map[string]bool{
	"the": true, "an": true, "and": true, "or": true, "to": true, "of": true, "in": true, "on": true, "it": true, "is": true,
	"for": true, "with": true, "from": true, "at": true, "by": true, "as": true, "me": true, "my": true, "you": true, "that": true,
	"this": true, "please": true, "can": true, "one": true, "into": true, "be": true, "are": true, "wa": true,
}

func stem(word string) string {
	for _, suffix := range []string{"ing", "ed", "es", "s"} {
		if s, ok := strings.CutSuffix(word, suffix); ok && len(s) > 2 {
			return s
		}
	}
	return word
}

// Dimensions is the length of the vectors that Embed makes.
const Dimensions = 256

// Embed returns a vector for text: its words and character pairs hashed with a sign (feature hashing),
// length 1. Texts that share words are near each other; meaning beyond words is not seen.
func Embed(text string) []float32 {
	out := make([]float32, Dimensions)
	for f := range features(text) {
		h := fnv.New64a()
		h.Write([]byte(f))
		sum := h.Sum64()
		if sum>>63 == 0 {
			out[sum%Dimensions]++
		} else {
			out[sum%Dimensions]--
		}
	}
	var square float64
	for _, v := range out {
		square += float64(v) * float64(v)
	}
	if square > 0 {
		for i := range out {
			out[i] /= float32(math.Sqrt(square))
		}
	}
	return out
}
