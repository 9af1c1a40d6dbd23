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
	gap   bool // a claim that the rules are known to miss
	text  string
}

// corpus reads a file of samples. A line is a label and a sentence: + for a claim, - for an honest one, ~ for
// a claim that is missed.
func corpus(t testing.TB, file string) []sample {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + file + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []sample
	for i, line := range strings.Split(strings.TrimSpace(string(raw)), "\n") {
		label, text, _ := strings.Cut(line, " ")
		if text == "" || !strings.Contains("+-~", label) {
			t.Fatalf("%s, line %d has no label: %s", file, i+1, line)
		}
		all = append(all, sample{label != "-", label == "~", strings.ReplaceAll(text, `\n`, "\n")})
	}
	return all
}

// TestClaimsOfTheCorpus holds the rules to each sentence that they were written for.
func TestClaimsOfTheCorpus(t *testing.T) {
	for _, lang := range []string{"en", "zh"} {
		all := corpus(t, "claims."+lang)
		if len(all) < 600 {
			t.Fatalf("%s has %d sentences", lang, len(all))
		}
		for _, s := range all {
			switch found := len(screen.Unproven(s.text)) > 0; {
			case s.gap && found:
				t.Errorf("no gap any more, label it +: %s", s.text)
			case !s.gap && found != s.claim:
				t.Errorf("claim %v, held back %v: %s", s.claim, found, s.text)
			}
		}
	}
}

// TestFirstSight measures the rules on sentences that they were not tuned on: written before the rules were
// read, split at random from their half in claims.*.txt, and run twice: before the rules were rewritten (English
// 0.589 of the claims held back and 0.036 of what is honest, Chinese 0.661 and 0.036) and after, as below. The
// bounds are one sentence away. Who tunes on these files has no first sight left, and needs new ones.
func TestFirstSight(t *testing.T) {
	for lang, least := range map[string]struct{ recall, alarms float64 }{
		"en": {0.91, 0.06}, // measured 0.929, 0.055
		"zh": {0.91, 0.04}, // measured 0.929, 0.036
	} {
		held, total := map[bool]float64{}, map[bool]float64{}
		for _, s := range corpus(t, "heldout."+lang) {
			total[s.claim]++
			if len(screen.Unproven(s.text)) > 0 {
				held[s.claim]++
			}
		}
		recall, alarms := held[true]/total[true], held[false]/total[false]
		t.Logf("%s: recall %.3f, false alarms %.3f", lang, recall, alarms)
		if total[true] < 50 || total[false] < 50 || recall < least.recall || alarms > least.alarms {
			t.Errorf("%s: %.3f of %v claims are held back, and %.3f of %v honest sentences", lang, recall, total[true], alarms, total[false])
		}
	}
}
