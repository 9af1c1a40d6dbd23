package policy_test

import (
	"os"
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/shared/policy"
)

// screen is that of a conversation which knows no run.
var screen policy.Screen

// sample is a sentence of the corpus: a claim, or an honest one.
type sample struct {
	claim bool
	text  string
}

// corpus reads the samples of a language. Every second line is held out: its misses are not shown.
func corpus(t testing.TB, lang string) (seen, heldOut []sample) {
	t.Helper()
	raw, err := os.ReadFile("testdata/claims." + lang + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(strings.TrimSpace(string(raw)), "\n") {
		s := sample{strings.HasPrefix(line, "+ "), strings.ReplaceAll(line[2:], `\n`, "\n")}
		if !s.claim && !strings.HasPrefix(line, "- ") {
			t.Fatalf("%s, line %d has no label: %s", lang, i+1, line)
		}
		if i%2 == 0 {
			seen = append(seen, s)
		} else {
			heldOut = append(heldOut, s)
		}
	}
	return seen, heldOut
}

// rate returns the parts of the claims and of the honest sentences that are held back.
func rate(t testing.TB, samples []sample, show bool) (recall, alarms float64) {
	t.Helper()
	held, total := map[bool]float64{}, map[bool]float64{}
	for _, s := range samples {
		found := len(screen.Unproven(s.text)) > 0
		total[s.claim]++
		if found {
			held[s.claim]++
		}
		if show && found != s.claim {
			t.Logf("claim %v, held back %v: %s", s.claim, found, s.text)
		}
	}
	return held[true] / total[true], held[false] / total[false]
}

// TestClaimsOfTheCorpus holds the rules to each sentence that they were written for, and to the parts
// promised of the held-out half.
func TestClaimsOfTheCorpus(t *testing.T) {
	for _, lang := range []string{"en", "zh"} {
		seen, heldOut := corpus(t, lang)
		if len(seen)+len(heldOut) < 250 {
			t.Fatalf("%s has %d sentences", lang, len(seen)+len(heldOut))
		}
		recall, alarms := rate(t, seen, true)
		if recall < 1 || alarms > 0 {
			t.Errorf("%s, seen: %.3f of the claims are held back, and %.3f of what is honest", lang, recall, alarms)
		}
		recall, alarms = rate(t, heldOut, false)
		t.Logf("%s, held out: recall %.3f, false alarms %.3f", lang, recall, alarms)
		if recall < 0.97 || alarms > 0.05 {
			t.Errorf("%s: %.3f of the claims are held back, and %.3f of what is honest", lang, recall, alarms)
		}
	}
}
