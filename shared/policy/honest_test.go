package policy_test

import (
	"strings"
	"testing"
	"testing/quick"

	"github.com/hearthfaas/hearth/shared/policy"
)

// stream shows an answer as a model writes it, in pieces of so many bytes.
func stream(text string, size int) string {
	var s policy.Screen
	var out strings.Builder
	for len(text) > 0 {
		n := min(size, len(text))
		out.WriteString(s.Add(text[:n]))
		text = text[n:]
	}
	out.WriteString(s.End())
	return out.String()
}

// answer puts samples of the corpus together as a model does.
func answer(t testing.TB, picks []byte) string {
	t.Helper()
	all := append(corpus(t, "claims.en"), corpus(t, "claims.zh")...)
	var b strings.Builder
	for i, p := range picks[:min(len(picks), 12)] {
		b.WriteString(all[(int(p)*7+i)%len(all)].text)
		b.WriteString([]string{" ", "\n", "\n\n"}[int(p)%3])
	}
	return b.String()
}

func TestHonestIsIdempotent(t *testing.T) {
	if err := quick.Check(func(picks []byte) bool {
		once, _ := screen.Honest(answer(t, picks), "en")
		twice, changed := screen.Honest(once, "zh")
		if twice != once || changed {
			t.Logf("%q\n%q\n%q", answer(t, picks), once, twice)
		}
		return twice == once && !changed
	}, nil); err != nil {
		t.Error(err)
	}
}

// TestPiecesChangeNothing cuts answers at every size: a claim over two pieces, or over two lines, is held back.
func TestPiecesChangeNothing(t *testing.T) {
	if err := quick.Check(func(picks []byte, size uint8) bool {
		text := answer(t, picks)
		return stream(text, int(size)%9+1) == stream(text, len(text)+1)
	}, nil); err != nil {
		t.Error(err)
	}
}

// TestHonestyHidesNoClaim puts honest sentences before and after a claim.
func TestHonestyHidesNoClaim(t *testing.T) {
	for _, lang := range []string{"en", "zh"} {
		seen := corpus(t, "claims."+lang)
		for i, s := range seen {
			if !s.claim {
				continue
			}
			for j := i + 1; j < len(seen); j += 11 {
				if seen[j].claim {
					continue
				}
				want := screen.Unproven(s.text)
				got := screen.Unproven(seen[j].text + "\n\n" + s.text + "\n\n" + seen[j].text)
				if strings.Join(got, "|") != strings.Join(want, "|") {
					t.Errorf("%q beside %q: %q", s.text, seen[j].text, got)
				}
			}
		}
	}
}

func TestWhatIsShown(t *testing.T) {
	for text, want := range map[string]string{
		"I have\nsent the mail. Bye.":                             "Bye.",
		"I did\nsend the mail. Bye.":                              "Bye.",
		"Hello.\n- Email sent to Bo\n- Paris is nice":             "Hello.\n- Paris is nice",
		"| step | state |\n|---|---|\n| mail | sent |\n| a | b |": "| step | state |\n|---|---|\n| a | b |",
		"First.\n\nI sent it.\n\nLast.":                           "First.\n\nLast.",
		"```\nDone.\n```\nOk then":                                "```\nDone.\n```\nOk then",
		"```\nrun r3f-abcdefgh23\n```":                            "```\n```",
		"He told Mr. Li that it was sent.":                        "He told Mr. Li that it was sent.",
		"Version 1.2 is out. I sent it to bo@x.example now. Ok":   "Ok",
	} {
		if got := strings.TrimSpace(stream(text, 1)); got != want {
			t.Errorf("%q became %q", text, got)
		}
	}
}

// TestAForgedReceiptIsHeldBack lets only those runs be named that the conversation knows.
func TestAForgedReceiptIsHeldBack(t *testing.T) {
	const id = "r3f-abcdefgh23"
	knows := policy.Screen{Known: "what became of " + id + "?"}
	text := "Look at " + id + " in the console."
	if got := knows.Unproven(text); len(got) != 0 {
		t.Errorf("a known run: %q", got)
	}
	if got := screen.Unproven(text); len(got) != 1 {
		t.Errorf("a run that nobody named: %q", got)
	}
	for _, text := range []string{"Shall I order 40 chairs?", "Please say yes to this: booking 2 rooms."} {
		if got := screen.Unproven(text); len(got) != 0 {
			t.Errorf("a quantity: %q", got)
		}
	}
	if got := knows.Unproven("Run `" + id + "`: done"); len(got) != 1 {
		t.Errorf("a name proves nothing: %q", got)
	}
}

func TestNothingButClaimsIsOneSentence(t *testing.T) {
	for lang, text := range map[string]string{"en": "Done! I sent it.\n- Report saved", "zh": "好的，已完成。邮件已发送。"} {
		got, changed := screen.Honest(text, lang)
		if !changed || strings.ContainsAny(got, "\n") || len(got) > 150 {
			t.Errorf("%q", got)
		}
	}
}

func FuzzHonest(f *testing.F) {
	for _, lang := range []string{"en", "zh"} {
		for _, s := range corpus(f, "claims."+lang) {
			f.Add(s.text, 3)
		}
	}
	f.Add("\xff\xe4\xbd", 1)
	f.Fuzz(func(t *testing.T, text string, size int) {
		if len(text) > 1<<14 {
			return
		}
		once, _ := screen.Honest(text, "en")
		if twice, changed := screen.Honest(once, "en"); changed || twice != once {
			t.Errorf("%q, then %q", once, twice)
		}
		if a, b := stream(text, min(max(size, 1), 64)), stream(text, len(text)+1); a != b {
			t.Errorf("in pieces %q, whole %q", a, b)
		}
	})
}

// TestHostileAnswers reads what would be slow if a rule looked at all of an answer for each part of it.
func TestHostileAnswers(t *testing.T) {
	const size = 64 << 10
	for _, part := range []string{`"`, "“", "`", "\n", " ", "|", "a", "我", "if I sent ", "got ", "confirm is ", "我确认发", "说发了", "order "} {
		text := strings.Repeat(part, size/len(part))
		if got, _ := screen.Honest(text, "en"); len(got) > len(text)+200 {
			t.Errorf("%q: %d bytes of %d", part, len(got), len(text))
		}
	}
}

// BenchmarkAnswer reads an answer of 4 KB, half of it claims.
func BenchmarkAnswer(b *testing.B) {
	en, zh := corpus(b, "claims.en"), corpus(b, "claims.zh")
	var text strings.Builder
	for i := 0; text.Len() < 4<<10; i++ {
		text.WriteString(en[i*7%250].text + "\n" + zh[i*7%250].text + "\n\n")
	}
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		screen.Unproven(text.String())
	}
}
