package model_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/model"
)

// TestRealLlamaServer holds the client against the real thing: LLAMA_SERVER is a program that takes
// llama-server's arguments, LLAMA_GGUF an instruction-tuned model, however small.
func TestRealLlamaServer(t *testing.T) {
	program, weights := os.Getenv("LLAMA_SERVER"), os.Getenv("LLAMA_GGUF")
	if program == "" || weights == "" {
		t.Skip("LLAMA_SERVER and LLAMA_GGUF name no llama-server and no model")
	}
	dir := t.TempDir()
	if err := os.Symlink(program, filepath.Join(dir, "llama-server")); err != nil {
		t.Fatal(err)
	}
	path := dir + string(os.PathListSeparator) + os.Getenv("PATH")
	t.Setenv("PATH", path)
	l, err := model.Serve(t.Context(), fntest.Env(t, map[string]string{"PATH": path, "CONTEXT_TOKENS": "4096"}), weights)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Stop)
	c, err := model.Connect(model.Config{BaseURL: l.BaseURL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := c.Limit(t.Context()); got != 4096 {
		t.Errorf("a limit of %d tokens", got)
	}

	t.Run("chat", func(t *testing.T) {
		p := hello()
		p.MaxTokens = 40
		var h heard
		got, err := c.Chat(t.Context(), p, h.emit)
		if err != nil || got.Text == "" || h.text() != got.Text || got.Usage.Prompt == 0 {
			t.Fatalf("%+v, %v", got, err)
		}
		again, err := c.Chat(t.Context(), p, nil)
		if err != nil || again.Text != got.Text {
			t.Errorf("not the same answer at temperature 0: %q, then %q, %v", got.Text, again.Text, err)
		}
		t.Logf("%q, %+v", got.Text, got.Usage)
	})
	t.Run("length", func(t *testing.T) {
		p := hello()
		p.MaxTokens = 2
		if got, err := c.Chat(t.Context(), p, nil); err != nil || got.Finish != "length" {
			t.Errorf("%+v, %v", got, err)
		}
	})
	t.Run("choose", func(t *testing.T) {
		p := hello()
		p.MaxTokens = 30
		got, err := c.Choose(t.Context(), p, color)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s", got)
	})
	t.Run("plan", func(t *testing.T) {
		for _, text := range []string{"make a report from /templates/report.xlsx and email it to team@example.com", "生成报表并发邮件给 team@example.com"} {
			got, err := c.Plan(t.Context(), request(text))
			if err != nil {
				t.Fatal(err) // whatever a small model plans, it has the form of a plan
			}
			t.Logf("%s: %q, ask %q", text, got.Reasoning, got.Ask)
			for _, s := range got.Steps {
				t.Logf("  %s: %s%s", s.ID, s.Plugin, s.Params)
			}
		}
	})
	t.Run("too long", func(t *testing.T) {
		p := hello()
		p.System = strings.Repeat("one two three four ", 2000)
		if _, err := c.Chat(t.Context(), p, nil); !fault.Is(err, fault.TooLarge) {
			t.Errorf("%s: %v", fault.KindOf(err), err)
		}
	})
}
