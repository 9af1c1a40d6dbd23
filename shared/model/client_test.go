package model_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/model"
	"github.com/hearthfaas/hearth/shared/model/modeltest"
)

// connect returns a client of s over memory. Outside of a synctest bubble it waits for real.
func connect(t *testing.T, s http.Handler, conf model.Config) *model.Client {
	t.Helper()
	conf.BaseURL, conf.Transport = "http://model/v1", modeltest.Pipe(t, s)
	c, err := model.Connect(conf)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// hello is a prompt like any other.
func hello() model.Prompt {
	return model.Prompt{System: "Be kind.", Turns: []json.RawMessage{model.Message("user", "hello")}}
}

// heard collects what a Chat emits.
type heard struct{ parts []string }

func (h *heard) emit(delta string) error {
	h.parts = append(h.parts, delta)
	return nil
}

func (h *heard) text() string { return strings.Join(h.parts, "") }

func TestChat(t *testing.T) {
	for _, runtime := range []modeltest.Runtime{modeltest.VLLM, modeltest.LlamaServer, modeltest.Ollama} {
		t.Run(string(runtime), func(t *testing.T) {
			s := &modeltest.Server{Model: modeltest.Model{Runtime: runtime}}
			s.Script(modeltest.Reply{Text: "你好, world!", Reasoning: "a greeting"})
			var h heard
			got, err := connect(t, s, model.Config{}).Chat(t.Context(), hello(), h.emit)
			if err != nil {
				t.Fatal(err)
			}
			if got.Text != "你好, world!" || h.text() != got.Text || len(h.parts) < 3 {
				t.Errorf("text %q, heard %q", got.Text, h.parts)
			}
			if got.Finish != "stop" || got.Reasoning != "a greeting" || got.Usage.Prompt != 7 || got.Usage.Answer == 0 {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestAnswerIsHeardWhileItIsMade(t *testing.T) {
	tokens := make(chan struct{})
	s := &modeltest.Server{Pace: modeltest.Gate(tokens)}
	s.Script(modeltest.Say("一二"))
	c := connect(t, s, model.Config{})
	deltas, done := make(chan string), make(chan error)
	go func() {
		_, err := c.Chat(t.Context(), hello(), func(delta string) error { deltas <- delta; return nil })
		done <- err
	}()
	if err := s.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	tokens <- struct{}{} // the role, which says nothing
	for _, want := range []string{"一", "二"} {
		tokens <- struct{}{}
		if got := <-deltas; got != want {
			t.Errorf("heard %q, want %q", got, want)
		}
	}
	close(tokens)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestRequestSaysWhatGoOpenAIOmits(t *testing.T) {
	s := &modeltest.Server{}
	turn := json.RawMessage(`{"role":"user","content":"<b>&\u4f60</b>",  "name":"x"}`)
	p := model.Prompt{
		System: "Be kind.", Turns: []json.RawMessage{turn, model.ToolResult("c1", "")}, MaxTokens: 99,
		Extra: map[string]json.RawMessage{"cache_salt": json.RawMessage(`"tenant"`), "top_k": json.RawMessage("1")},
	}
	if _, err := connect(t, s, model.Config{Model: "o3-like", Key: func() (string, error) { return "k1", nil }}).Chat(t.Context(), p, nil); err != nil {
		t.Fatal(err)
	}
	r := s.Requests()[0]
	want := map[string]string{
		"model": `"o3-like"`, "temperature": "0", "max_tokens": "99", "stream": "true", "stream_options": `{"include_usage":true}`,
		"cache_salt": `"tenant"`, "top_k": "1",
		"messages": `[{"role":"system","content":"Be kind."},` + string(turn) + `,{"role":"tool","tool_call_id":"c1","content":""}]`,
	}
	for name, value := range want {
		if string(r.Fields[name]) != value {
			t.Errorf("%s is %s, want %s", name, r.Fields[name], value)
		}
	}
	if got := r.Header.Get("Authorization"); got != "Bearer k1" {
		t.Errorf("authorization %q", got)
	}
}

func TestSummaryInFrontJoinsTheSystemText(t *testing.T) {
	s := &modeltest.Server{}
	p := hello()
	p.Turns = append([]json.RawMessage{model.Message("system", "So far: hi.")}, p.Turns...)
	if _, err := connect(t, s, model.Config{}).Chat(t.Context(), p, nil); err != nil {
		t.Fatal(err)
	}
	if got := s.Requests()[0].Messages(); len(got) != 2 || got[0].Content != "Be kind.\nSo far: hi." {
		t.Fatalf("%+v", got)
	}
}

func TestThoughtsInTheContentAreKeptApart(t *testing.T) {
	for _, c := range []struct{ said, text, reasoning string }{
		{"<think>\nhm, 1 < 2 </thin king</think>\n\nanswer", "answer", "\nhm, 1 < 2 </thin king"},
		{"<think></think>answer", "answer", ""},
		{"<thing> is a tag", "<thing> is a tag", ""},
		{"<th", "<th", ""},
		{"<think>never ends", "", "never ends"},
		{"a <think>b</think>", "a <think>b</think>", ""},
		{"  plain", "  plain", ""},
	} {
		s := &modeltest.Server{}
		s.Script(modeltest.Say(c.said))
		var h heard
		got, err := connect(t, s, model.Config{}).Chat(t.Context(), hello(), h.emit)
		if err != nil || got.Text != c.text || h.text() != c.text || got.Reasoning != c.reasoning {
			t.Errorf("%q: text %q, heard %q, reasoning %q, %v", c.said, got.Text, h.text(), got.Reasoning, err)
		}
	}
}

func TestToolCallsOfEveryRuntime(t *testing.T) {
	calls := []modeltest.Call{{ID: "a", Name: "query", Arguments: `{"sql":"select 1"}`}, {ID: "b", Name: "mail", Arguments: `{}`}}
	want := []model.Call{{ID: "a", Name: "query", Arguments: `{"sql":"select 1"}`}, {ID: "b", Name: "mail", Arguments: `{}`}}
	for _, runtime := range []modeltest.Runtime{modeltest.VLLM, modeltest.LlamaServer, modeltest.Ollama} {
		s := &modeltest.Server{Model: modeltest.Model{Runtime: runtime}}
		s.Script(modeltest.Reply{Calls: calls})
		got, err := connect(t, s, model.Config{}).Chat(t.Context(), hello(), nil)
		if err != nil || !slices.Equal(got.Calls, want) || got.Finish != "tool_calls" {
			t.Errorf("%s: %+v, %v", runtime, got, err)
		}
	}
	fragments := &modeltest.Server{}
	fragments.Script(modeltest.Reply{Lines: []string{
		`data: {"choices":[{"delta":{"tool_calls":[{"id":"a","function":{"name":"query","arguments":{"sql":"select 1"}}}]}}]}`,
		`data: {"choices":[{"delta":{"tool_calls":[{"id":"b","function":{"name":"mail","arguments":"{"}}]}}]}`,
		`data: {"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"}"}}]}}]}`,
		`data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":null}`,
	}})
	if got, err := connect(t, fragments, model.Config{}).Chat(t.Context(), hello(), nil); err != nil || !slices.Equal(got.Calls, want) {
		t.Errorf("without an index: %+v, %v", got.Calls, err)
	}
}

func TestAnswerThatWasNotStreamed(t *testing.T) {
	s := &modeltest.Server{}
	s.Script(modeltest.Reply{
		Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}},
		Body:   "{\n \"choices\": [{\"index\": 0, \"message\": {\"role\": \"assistant\", \"content\": \"whole\"},\n \"finish_reason\": \"stop\"}],\n \"usage\": {\"prompt_tokens\": 3}}",
	})
	got, err := connect(t, s, model.Config{}).Chat(t.Context(), hello(), nil)
	if err != nil || got.Text != "whole" || got.Usage.Prompt != 3 {
		t.Fatalf("%+v, %v", got, err)
	}
}

func TestLimit(t *testing.T) {
	for _, runtime := range []modeltest.Runtime{modeltest.VLLM, modeltest.LlamaServer, modeltest.Ollama} {
		s := &modeltest.Server{Model: modeltest.Model{ID: "m", Runtime: runtime, Context: 12345}}
		c := connect(t, s, model.Config{})
		if got := c.Limit(t.Context()); got != 12345 {
			t.Errorf("%s: %d", runtime, got)
		}
		if got := c.Name(); got != "m at http://model/v1" {
			t.Errorf("name %q", got)
		}
	}
	if got := connect(t, http.NotFoundHandler(), model.Config{}).Limit(t.Context()); got != 0 {
		t.Errorf("unknown: %d", got)
	}
}

func TestEmbed(t *testing.T) {
	s := &modeltest.Server{}
	c := connect(t, s, model.Config{Model: "chat", Embedding: "embedder"})
	got, err := c.Embed(t.Context(), []string{"你好", "a"})
	if err != nil || len(got) != 2 || !slices.Equal(got[0], []float32{6, 2}) || !slices.Equal(got[1], []float32{1, 1}) {
		t.Fatalf("%v, %v", got, err)
	}
	if r := s.Requests()[0]; string(r.Fields["model"]) != `"embedder"` {
		t.Errorf("model %s", r.Fields["model"])
	}
	if got, err := c.Embed(t.Context(), nil); err != nil || got != nil || len(s.Requests()) != 1 {
		t.Errorf("nothing to embed: %v, %v", got, err)
	}
}

func TestEmbedRefusesAWrongCount(t *testing.T) {
	for _, body := range []string{
		`{"data":[{"index":0,"embedding":[1]}]}`, `{"data":[{"index":0,"embedding":[1]},{"index":1,"embedding":[]}]}`,
		`{"data":[{"index":0,"embedding":[1]},{"index":7,"embedding":[1]}]}`, `{"data":[{"index":0,"embedding":[1]},{"index":1,"embedding":[1,2]}]}`, `[]`, `{`,
	} {
		synctest.Test(t, func(t *testing.T) {
			odd := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(body)) })
			if got, err := connect(t, odd, model.Config{Model: "m"}).Embed(t.Context(), []string{"a", "b"}); !fault.Is(err, fault.Unavailable) {
				t.Errorf("%s: %v, %v", body, got, err)
			}
		})
	}
}
