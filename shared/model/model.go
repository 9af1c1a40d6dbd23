// Package model is what planners ask of a model: to talk, to plan, to compare texts. There are two: the
// client of any OpenAI-compatible server, and the built-in engine that needs no model at all.
package model

import (
	"context"
	"encoding/json"

	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/manifest"
)

// Model answers, plans and embeds. It is safe for concurrent use. Nothing that it does has an effect on
// the world, so every call may be repeated. Its errors are faults: Unavailable and Timeout when there is
// no answer, Limited with the time to wait, TooLarge when the prompt is over Limit, and Invalid when
// repeating cannot help.
type Model interface {
	// Name says for people which model this is and where.
	Name() string
	// Builtin reports whether there is no language model behind it.
	Builtin() bool
	// Ready reports whether a call can succeed now.
	Ready(ctx context.Context) error
	// Limit is the length of prompt and answer together that the server takes, in tokens; 0 when unknown.
	Limit(ctx context.Context) int
	// Chat answers. Each piece of the answer goes to emit, when there is one, in order; an error of emit
	// ends the call and is returned as it is. An answer that was cut off is an error, never half an
	// answer; after an error, what emit got must be discarded.
	Chat(ctx context.Context, p Prompt, emit func(delta string) error) (Answer, error)
	// Plan drafts a plan for a request. A draft with neither steps nor a question means that there is
	// nothing to do but talk.
	Plan(ctx context.Context, r PlanRequest) (Draft, error)
	// Embed returns a vector for each text, all of one length.
	Embed(ctx context.Context, texts []string) ([][]float32, error)
}

// DefaultMaxTokens bounds an answer when a prompt does not.
const DefaultMaxTokens = 1024

// Prompt is what a model answers to.
type Prompt struct {
	System    string                     // instructions; by default those of an assistant that can do what Tools can
	Turns     []json.RawMessage          // encoded OpenAI messages, oldest first; they are sent as they are
	Tools     []manifest.Manifest        // what the person may use
	Lang      string                     // zh or en; "" to follow the person
	Date      string                     // today for the person, YYYY-MM-DD
	MaxTokens int                        // of the answer
	Extra     map[string]json.RawMessage // fields of the request beyond OpenAI's, such as cache_salt or priority of vLLM
}

// Answer is a complete answer.
type Answer struct {
	Text      string
	Reasoning string // what the model thought aloud, where the server keeps it apart
	Calls     []Call // tools that the model wants called, where Extra offered any
	Finish    string // stop, length when MaxTokens cut it, tool_calls, content_filter
	Usage     Usage
}

// Call is a tool call that a model asks for. Arguments are as the model wrote them: validate them.
type Call struct {
	ID        string
	Name      string
	Arguments string
}

// Usage counts tokens, as far as the server tells.
type Usage struct {
	Prompt int `json:"prompt_tokens"`
	Answer int `json:"completion_tokens"`
}

// PlanRequest is a request to plan for.
type PlanRequest struct {
	Text     string              // what the person wants
	Lang     string              // zh or en; "" to go by the text
	Date     string              // today in Zone, YYYY-MM-DD
	Zone     string              // IANA name
	Turns    []json.RawMessage   // the conversation before Text
	Tools    []manifest.Manifest // the plugins to choose from: a few, as builtin.Retrieve picks them
	Previous Draft               // the draft that Problems are about
	Problems []string            // what a validator found wrong with it
}

// Draft is a plan that nobody has validated against the world yet.
type Draft struct {
	Reasoning string        // how the request was understood
	Ask       string        // the question to ask instead of guessing; then there are no steps
	Title     string        // for the run
	Steps     []flow.Step   // in order; strings in params may hold {{expressions}}
	Schedule  *flow.Trigger // when the request names a time: offer a task instead of a run
}

// Message encodes a turn of a conversation; role is user or assistant. Unlike go-openai it never leaves
// out an empty content, which servers refuse.
func Message(role, text string) json.RawMessage {
	return encode(struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}{role, text})
}

// ToolResult encodes the result of the tool call with this id.
func ToolResult(id, text string) json.RawMessage {
	return encode(struct {
		Role    string `json:"role"`
		CallID  string `json:"tool_call_id"`
		Content string `json:"content"`
	}{"tool", id, text})
}

// encode encodes what cannot fail to encode.
func encode(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // a value of our own types
	}
	return raw
}
