package tests

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
)

// TestALanguageModel has a real model plan, and a whole bundle carry the plan out: LLAMA_SERVER is a program
// that takes llama-server's arguments, LLAMA_GGUF an instruction-tuned model, however small. On two cores it
// takes minutes: go test -timeout 60m -run TestALanguageModel ./tests
func TestALanguageModel(t *testing.T) {
	server, weights := os.Getenv("LLAMA_SERVER"), os.Getenv("LLAMA_GGUF")
	if server == "" || weights == "" {
		t.Skip("LLAMA_SERVER and LLAMA_GGUF name no llama-server and no model")
	}
	dir := t.TempDir()
	if err := os.Symlink(server, filepath.Join(dir, "llama-server")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	b := runIn(t, filepath.Join(t.TempDir(), "data"), map[string]string{"MODEL_PATH": weights, "HEARTH_RECALL": "100ms"})
	for _, text := range []string{"Generate today's sales report and email it to team@example.com", "生成今天的销售报表并发邮件给 team@example.com"} {
		t.Run(text, func(t *testing.T) {
			h := &tester{t, b.bundle}
			card := h.does(7, "do", "--plan", "--timeout", "20m", text)
			t.Log(card)
			// Whose plan it is, the card says; that it is one of these, no model can change.
			if !regexp.MustCompile(`The model made this plan|This plan follows from your words alone|此计划由模型|此计划仅由您的文字得出`).MatchString(card) {
				t.Error("the card does not say whose plan it is")
			}
			run := regexp.MustCompile("hearth approve (r[0-9a-z-]+)").FindStringSubmatch(card)
			if run == nil || !strings.Contains(card, "**team@example.com**") {
				t.Fatal("no plan for team@example.com")
			}
			h.does(0, "approve", run[1], "--follow", "--timeout", "2m")
			t.Log(h.does(0, "runs", "show", run[1]))
			h.sheetInTheNewestMail()
		})
	}
	t.Run("生成报表并发送邮件", func(t *testing.T) {
		h := &tester{t, b.bundle}
		answer := h.does(0, "do", "--plan", "--timeout", "20m", "生成报表并发送邮件")
		t.Log(answer)
		if strings.Contains(answer, "hearth approve") || !strings.ContainsAny(answer, "？?") {
			t.Error("nobody named a recipient, and nobody is asked for one")
		}
	})
}

// does runs the command line, which must end with an exit code, and returns what it printed.
func (b *tester) does(code int, args ...string) string {
	b.Helper()
	stdout, stderr, got := b.hearth(args...)
	if got != code {
		b.Fatalf("hearth %s: exit code %d, not %d\n%s%s", strings.Join(args, " "), got, code, stdout, stderr)
	}
	return stdout
}

// sheetInTheNewestMail holds the newest mail against what was asked for: today's sales, of which the demo
// data has four at least, in a workbook for team@example.com.
func (b *tester) sheetInTheNewestMail() {
	b.Helper()
	mail := regexp.MustCompile(`(?m)^(\d+-[0-9a-f]+) .*team@example\.com .*\.xlsx`).FindStringSubmatch(b.does(0, "mail", "list"))
	if mail == nil {
		b.Fatal("no mail to team@example.com carries a workbook")
	}
	var raw []byte
	b.must("GET", "/function/system-mail/"+mail[1]+"/attachments/0", nil, &raw)
	f, err := excelize.OpenReader(bytes.NewReader(raw))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	rows, err := f.GetRows(f.GetSheetName(f.GetActiveSheetIndex()))
	if err != nil || len(rows) < 5 {
		b.Errorf("%d rows, %v", len(rows), err)
	}
}
