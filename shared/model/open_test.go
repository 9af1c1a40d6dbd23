package model_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/model"
	"github.com/hearthfaas/hearth/shared/model/modeltest"
)

func TestOpen(t *testing.T) {
	s := &modeltest.Server{Model: modeltest.Model{ID: "first"}}
	url := modeltest.Start(t, s)
	env := fntest.Env(t, map[string]string{"OPENAI_BASE_URL": strings.TrimSuffix(url, "/v1") + "/"})
	m, err := model.Open(t.Context(), env)
	if err != nil || m.Builtin() {
		t.Fatalf("%v, %v", m, err)
	}
	for _, key := range []string{"", "one", "two"} { // rotated while it runs
		if key != "" {
			if err := os.WriteFile(filepath.Join(env.Secrets, "openai-api-key"), []byte(key+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := m.Chat(t.Context(), hello(), nil); err != nil {
			t.Fatal(err)
		}
		r := s.Requests()[len(s.Requests())-1]
		if got := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "); got != key || string(r.Fields["model"]) != `"first"` {
			t.Errorf("key %q, model %s", got, r.Fields["model"])
		}
	}
	if err := m.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestOpenRefusesAWrongAddress(t *testing.T) {
	for _, address := range []string{"localhost:11434", "ftp://x/v1", "http://", "http://user:pass@x/v1", "http://x/v1?key=s3cret", "://"} {
		_, err := model.Open(t.Context(), fntest.Env(t, map[string]string{"OPENAI_BASE_URL": address}))
		if !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Text(err), "OPENAI_BASE_URL") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestOpenWithoutSettingsIsBuiltIn(t *testing.T) {
	m, err := model.Open(t.Context(), fntest.Env(t, nil))
	if err != nil || !m.Builtin() || m.Ready(t.Context()) != nil || m.Limit(t.Context()) != 0 || !strings.Contains(m.Name(), "no language model") {
		t.Fatalf("%v, %v", m, err)
	}
	var h heard
	got, err := m.Chat(t.Context(), model.Prompt{Turns: []json.RawMessage{model.Message("user", "old"), model.Message("assistant", "x"), model.Message("user", "你好")}}, h.emit)
	if err != nil || !strings.Contains(got.Text, "不是语言模型") || h.text() != got.Text || got.Finish != "stop" {
		t.Errorf("%+v, %v", got, err)
	}
	full := errors.New("full")
	if _, err := m.Chat(t.Context(), hello(), func(string) error { return full }); err != full {
		t.Errorf("%v", err)
	}
	draft, err := m.Plan(t.Context(), model.PlanRequest{Text: "生成报表并发送邮件", Date: "2026-11-22", Tools: tools()})
	if err != nil || draft.Ask != "要发给谁？" {
		t.Errorf("%+v, %v", draft, err)
	}
	draft, err = m.Plan(t.Context(), model.PlanRequest{Text: "生成报表", Lang: "zh", Tools: tools(), Problems: []string{"no such table"}})
	if err != nil || draft.Ask == "" || len(draft.Steps) > 0 {
		t.Errorf("after problems: %+v, %v", draft, err)
	}
	if v, err := m.Embed(t.Context(), []string{"a", "b"}); err != nil || len(v) != 2 || len(v[0]) != len(v[1]) {
		t.Errorf("%v, %v", v, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Chat(ctx, hello(), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
