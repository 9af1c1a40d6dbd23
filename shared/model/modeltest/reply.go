package modeltest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
)

// Reply is an answer to a chat request. Its zero value is an empty answer that ends properly.
type Reply struct {
	Text      string
	Reasoning string
	Calls     []Call
	Finish    string // default stop

	Status int         // other than 200: Body is the whole answer
	Header http.Header // added to the answer's
	Body   string      // the whole answer, whatever it is
	Lines  []string    // lines of the stream in place of Text, such as "data: {…}"

	Hang  bool // no answer at all, not even headers, until the client leaves
	Cut   bool // the connection breaks where the end of the answer should be
	Stop  bool // the stream ends politely, but without finish_reason and [DONE]
	Stall bool // silence where the end of the answer should be, until the client leaves
	Ping  bool // comment lines for ever where the end of the answer should be
}

// Call is a tool call.
type Call struct{ ID, Name, Arguments string }

// Say answers with a text.
func Say(text string) Reply { return Reply{Text: text} }

// Choice answers with a value as JSON.
func Choice(v any) Reply {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // a test's own value
	}
	return Reply{Text: string(raw)}
}

// Refuse answers with an error.
func Refuse(status int, body string) Reply { return Reply{Status: status, Body: body} }

func (a Reply) serve(w http.ResponseWriter, r *http.Request, s *Server) {
	if a.Hang {
		<-r.Context().Done()
		s.gone()
		return
	}
	for name, values := range a.Header {
		w.Header()[name] = values
	}
	if a.Body != "" || a.Status != 0 {
		if a.Status == 0 {
			a.Status = http.StatusOK
		}
		w.WriteHeader(a.Status)
		fmt.Fprint(w, a.Body)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	for _, line := range a.lines(s.model()) {
		if s.Pace != nil && s.Pace(r.Context()) != nil {
			s.gone()
			panic(http.ErrAbortHandler)
		}
		if _, err := fmt.Fprint(w, line+"\n\n"); err != nil || out.Flush() != nil {
			s.gone()
			return
		}
	}
	a.end(w, r, s)
}

// end ends a stream in the way that was asked for.
func (a Reply) end(w http.ResponseWriter, r *http.Request, s *Server) {
	switch {
	case a.Cut:
		panic(http.ErrAbortHandler)
	case a.Stall:
		<-r.Context().Done()
		s.gone()
	case a.Ping: // as llama-server does every 30 s while it is busy
		out, pace := http.NewResponseController(w), Every(30*time.Second)
		for pace(r.Context()) == nil {
			if _, err := fmt.Fprint(w, ": ping\n\n"); err != nil || out.Flush() != nil {
				break
			}
		}
		s.gone()
	case !a.Stop && a.Lines == nil:
		fmt.Fprint(w, "data: [DONE]\n\n")
	}
}

// lines are the events of the stream.
func (a Reply) lines(m Model) []string {
	if a.Lines != nil {
		return a.Lines
	}
	var out []string
	add := func(delta map[string]any, finish any) {
		raw, err := json.Marshal(map[string]any{
			"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": m.ID,
			"choices": []any{map[string]any{"index": 0, "delta": delta, "finish_reason": finish}},
		})
		if err != nil {
			panic(err) // a test's own value
		}
		out = append(out, "data: "+string(raw))
	}
	add(map[string]any{"role": "assistant", "content": ""}, nil)
	for _, token := range tokens(a.Reasoning) {
		field := "reasoning"
		if m.Runtime == LlamaServer {
			field = "reasoning_content"
		}
		add(map[string]any{field: token}, nil)
	}
	for _, token := range tokens(a.Text) {
		add(map[string]any{"content": token}, nil)
	}
	for i, call := range a.Calls {
		for _, delta := range call.deltas(i, m.Runtime) {
			add(map[string]any{"tool_calls": []any{delta}}, nil)
		}
	}
	if a.Cut || a.Stop || a.Stall || a.Ping {
		return out
	}
	finish := a.Finish
	if finish == "" && len(a.Calls) > 0 && m.Runtime != Ollama {
		finish = "tool_calls"
	}
	if finish == "" {
		finish = "stop"
	}
	add(map[string]any{}, finish)
	usage := fmt.Sprintf(`{"prompt_tokens":7,"completion_tokens":%d,"total_tokens":0}`, len(tokens(a.Text)))
	return append(out, `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"`+m.ID+`","choices":[],"usage":`+usage+`}`)
}

// deltas are a call in pieces: vLLM and llama-server send the name and then the arguments by the index,
// Ollama sends it whole.
func (c Call) deltas(index int, r Runtime) []any {
	whole := map[string]any{"id": c.ID, "type": "function", "function": map[string]any{"name": c.Name, "arguments": c.Arguments}}
	if r == Ollama {
		return []any{whole}
	}
	whole["index"], whole["function"] = index, map[string]any{"name": c.Name, "arguments": ""}
	out := []any{whole}
	for _, piece := range tokens(c.Arguments) {
		out = append(out, map[string]any{"index": index, "function": map[string]any{"arguments": piece}})
	}
	return out
}

// tokens cuts text about as a tokenizer does: Chinese characters one by one, other text in fours.
func tokens(text string) []string {
	var out []string
	var held strings.Builder
	for _, r := range text {
		held.WriteRune(r)
		if held.Len() >= 4 || unicode.Is(unicode.Han, r) {
			out = append(out, held.String())
			held.Reset()
		}
	}
	if held.Len() > 0 {
		out = append(out, held.String())
	}
	return out
}
