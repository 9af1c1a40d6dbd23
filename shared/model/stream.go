package model

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/sashabaranov/go-openai"
)

var (
	errStalled = errors.New("the model gave no sign of life in time")
	errEndless = errors.New("the model's answer took too long")
)

// lastWait is how long the usage that follows a finished answer is waited for.
const lastWait = 5 * time.Second

// lastByte is how long the end of a stream is waited for after its last event.
const lastByte = 100 * time.Millisecond

// emitError is an error of the caller's emit, as opposed to one of the server.
type emitError struct{ err error }

func (e emitError) Error() string { return e.err.Error() }

// stream runs one chat completion. The model's name goes to the server unseen by go-openai, which refuses
// some names; so do max_tokens and a temperature of 0, which it leaves out.
func (c *Client) stream(ctx context.Context, p Prompt, fields map[string]json.RawMessage, emit func(string) error) (Answer, error) {
	collect := &collector{emit: emit, maxTokens: p.MaxTokens}
	settle, err := reserve(ctx, p)
	if err != nil {
		return Answer{}, err
	}
	defer settle(collect)
	ctx, end := context.WithTimeoutCause(ctx, c.conf.Total, errEndless)
	defer end()
	ctx, cancel := context.WithCancelCause(ctx) // ends the request, on which servers stop computing
	defer cancel(nil)
	watch := time.AfterFunc(c.conf.First, func() { cancel(errStalled) })
	defer watch.Stop()
	alive := func() {
		if collect.answer.Finish == "" {
			watch.Reset(c.conf.Idle)
		}
	}

	name, err := c.model(ctx)
	if err != nil {
		return Answer{}, err
	}
	x := &exchange{messages: messages(p), fields: c.fields(name, p, fields), alive: alive}
	s, err := c.api.CreateChatCompletionStream(with(ctx, x), openai.ChatCompletionRequest{
		StreamOptions: &openai.StreamOptions{IncludeUsage: true},
	})
	if err != nil {
		return Answer{}, c.explain(ctx, err)
	}
	defer s.Close()
	for {
		raw, err := s.RecvRaw()
		if err == nil {
			err = collect.take(raw)
		}
		switch {
		case err != nil && collect.answer.Finish != "":
			watch.Reset(lastByte)
			return collect.done(), nil // complete; what is lost is at most the usage
		case errors.Is(err, io.EOF):
			return Answer{}, c.cutOff()
		case err != nil:
			return Answer{}, c.explain(ctx, err)
		}
		if collect.answer.Finish != "" {
			watch.Reset(lastWait)
		}
	}
}

// messages are the prompt's system text and its turns. A summary in front of the turns joins the system
// text: many chat templates refuse a second system message.
func messages(p Prompt) []json.RawMessage {
	turns := p.Turns
	for len(turns) > 0 && bytes.HasPrefix(turns[0], []byte(`{"role":"system"`)) {
		_, text := decoded(turns[0])
		p.System, turns = strings.TrimSpace(p.System+"\n"+text), turns[1:]
	}
	if p.System == "" {
		return turns
	}
	return append([]json.RawMessage{Message("system", p.System)}, turns...)
}

// fields are the parts of a request that go-openai cannot express.
func (c *Client) fields(name string, p Prompt, more map[string]json.RawMessage) map[string]json.RawMessage {
	out := map[string]json.RawMessage{"model": encode(name)}
	switch {
	case c.base.Hostname() != "api.openai.com":
		out["temperature"] = json.RawMessage("0")
		out["max_tokens"] = encode(p.MaxTokens)
	case thinks(name): // OpenAI's own: these take no temperature
		out["max_completion_tokens"] = encode(p.MaxTokens)
	default:
		out["temperature"] = json.RawMessage("0")
		out["max_completion_tokens"] = encode(p.MaxTokens)
	}
	for _, set := range []map[string]json.RawMessage{p.Extra, more} {
		for field, value := range set {
			out[field] = value
		}
	}
	return out
}

// chunk is one event of a stream, in all the shapes that servers give it. A server that does not stream
// puts the whole message where others put a delta.
type chunk struct {
	Choices []struct {
		Index        int    `json:"index"`
		Delta        delta  `json:"delta"`
		Message      delta  `json:"message"`
		FinishReason string `json:"finish_reason"`
	} `json:"choices"`
	Usage  *Usage          `json:"usage"`
	Error  json.RawMessage `json:"error"`
	Object string          `json:"object"` // "error" in the flat form
}

type delta struct {
	Content          string     `json:"content"`
	Reasoning        string     `json:"reasoning"`         // vLLM, Ollama
	ReasoningContent string     `json:"reasoning_content"` // llama-server, older vLLM
	Refusal          string     `json:"refusal"`
	ToolCalls        []callPart `json:"tool_calls"`
}

// callPart is a fragment of a tool call: id and name come once, arguments in pieces. Index is missing
// where servers send whole calls.
type callPart struct {
	Index    *int   `json:"index"`
	ID       string `json:"id"`
	Function struct {
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"` // a string; an object where a server means well
	} `json:"function"`
}

// finishes of an answer that is not complete.
var broken = []string{"abort", "error"}

var (
	errFull    = errors.New("max_tokens was not kept")
	errAborted = errors.New("the server aborted the answer")
)

// collector puts an answer together.
type collector struct {
	answer    Answer
	thoughts  thoughts
	emit      func(string) error
	maxTokens int
	tokens    int
	bytes     int
}

// take adds an event.
func (c *collector) take(raw []byte) error {
	var e chunk
	if err := json.Unmarshal(raw, &e); err != nil {
		return nonsense{raw}
	}
	if len(e.Error) > 0 && string(e.Error) != "null" || e.Object == "error" {
		return spoken{raw}
	}
	if e.Usage != nil {
		c.answer.Usage = *e.Usage
	}
	for _, choice := range e.Choices {
		if choice.Index != 0 {
			continue
		}
		for _, d := range []delta{choice.Delta, choice.Message} {
			if err := c.add(d); err != nil {
				return err
			}
		}
		if slices.Contains(broken, choice.FinishReason) {
			return errAborted
		}
		if choice.FinishReason != "" {
			if err := c.say(c.thoughts.rest()); err != nil {
				return err
			}
			c.answer.Finish = choice.FinishReason
		}
	}
	return nil
}

func (c *collector) add(d delta) error {
	for _, part := range d.ToolCalls {
		c.call(part)
	}
	c.answer.Reasoning += d.Reasoning + d.ReasoningContent
	size := len(d.Content) + len(d.Refusal) + len(d.Reasoning) + len(d.ReasoningContent) + 32*len(d.ToolCalls)
	if size == 0 {
		return nil
	}
	c.tokens++
	c.bytes += size
	if err := c.say(c.thoughts.text(d.Content) + d.Refusal); err != nil {
		return err
	}
	if c.tokens > 2*c.maxTokens+64 || c.bytes > 32*c.maxTokens+4096 { // far beyond what max_tokens allows
		c.answer.Finish = "length"
		return errFull
	}
	return nil
}

func (c *collector) say(text string) error {
	if text == "" {
		return nil
	}
	c.answer.Text += text
	if err := c.emit(text); err != nil {
		return emitError{err}
	}
	return nil
}

// call merges a fragment into the call that it belongs to.
func (c *collector) call(part callPart) {
	at := len(c.answer.Calls)
	switch {
	case part.Index != nil && *part.Index >= 0 && *part.Index <= at:
		at = *part.Index
	case part.ID == "" && part.Function.Name == "" && at > 0:
		at-- // no index: goes on with the last call
	}
	if at == len(c.answer.Calls) {
		c.answer.Calls = append(c.answer.Calls, Call{})
	}
	call := &c.answer.Calls[at]
	if part.ID != "" {
		call.ID = part.ID
	}
	if part.Function.Name != "" {
		call.Name = part.Function.Name
	}
	var piece string
	if json.Unmarshal(part.Function.Arguments, &piece) != nil {
		piece = string(part.Function.Arguments)
	}
	call.Arguments += piece
}

// done returns the complete answer.
func (c *collector) done() Answer {
	if len(c.answer.Calls) > 0 { // Ollama says "stop"
		c.answer.Finish = "tool_calls"
	}
	c.answer.Reasoning += c.thoughts.hidden
	return c.answer
}
