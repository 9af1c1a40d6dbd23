package model

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/hearthfaas/hearth/shared/fault"
)

// maxChoice bounds a chosen value, in bytes.
const maxChoice = 64 << 10

// unconstrained are the words of servers that cannot hold an answer to a schema, or not to this one.
var unconstrained = regexp.MustCompile(`(?i)response_format|json_schema|schema|grammar|guided|structured|` + misfit.String())

// Choose returns a JSON value that fits schema. The server is asked to hold the model to it, and the value
// is validated here all the same, because servers ignore what they do not know. A value that does not fit
// is sent back once with the validator's message; a second one is Invalid.
func (c *Client) Choose(ctx context.Context, p Prompt, schema json.RawMessage) (json.RawMessage, error) {
	check, err := resolve(schema)
	if err != nil {
		return nil, fault.As(fault.Internal, err, "the schema of the answer does not hold")
	}
	for repair := false; ; repair = true {
		answer, err := c.constrained(ctx, p, schema)
		if err != nil {
			return nil, err
		}
		value, err := pick(answer, check)
		if err == nil {
			return value, nil
		}
		if repair {
			return nil, fault.As(fault.Invalid, err, "the model's answer does not have the form that was asked for").
				Try("use a model that follows instructions better, or a server that supports response_format")
		}
		p.Turns = append(p.Turns[:len(p.Turns):len(p.Turns)], Message("assistant", clip(answer.Text)),
			Message("user", "That does not fit the schema: "+err.Error()+". Answer again with the corrected JSON only."))
	}
}

// constrained asks for an answer under schema: by response_format, else by words.
func (c *Client) constrained(ctx context.Context, p Prompt, schema json.RawMessage) (Answer, error) {
	fields := map[string]json.RawMessage{"response_format": encode(map[string]any{
		"type":        "json_schema",
		"json_schema": map[string]any{"name": "answer", "schema": schema},
	})}
	if owner := c.owner(ctx); owner == "vllm" || owner == "llamacpp" { // thinking has its place in the schema
		fields["chat_template_kwargs"] = json.RawMessage(`{"enable_thinking":false}`)
	}
	answer, err := c.complete(ctx, p, fields, nil)
	if !fault.Is(err, fault.Invalid) || !unconstrained.MatchString(fault.Text(err)) {
		return answer, err
	}
	p.System += "\nAnswer with one JSON value and nothing else. It must fit this JSON Schema:\n" + string(schema)
	return c.complete(ctx, p, nil, nil)
}

func resolve(schema json.RawMessage) (*jsonschema.Resolved, error) {
	var s jsonschema.Schema
	if err := json.Unmarshal(schema, &s); err != nil {
		return nil, err
	}
	return s.Resolve(nil)
}

// pick finds the JSON value in an answer and validates it.
func pick(answer Answer, check *jsonschema.Resolved) (json.RawMessage, error) {
	text := answer.Text
	if len(text) > maxChoice {
		return nil, fmt.Errorf("the answer is over %d bytes", maxChoice)
	}
	at := strings.IndexAny(text, "{[")
	if at < 0 {
		return nil, fmt.Errorf("there is no JSON in the answer")
	}
	var raw json.RawMessage // the first value: models like to put it in a fence, or to talk on
	if err := json.NewDecoder(strings.NewReader(text[at:])).Decode(&raw); err != nil {
		if answer.Finish == "length" {
			return nil, fmt.Errorf("the answer was cut off at max_tokens")
		}
		return nil, fmt.Errorf("the answer is not JSON: %w", err)
	}
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return nil, err
	}
	if err := check.Validate(value); err != nil {
		return nil, err
	}
	var compact bytes.Buffer // models like to indent
	if err := json.Compact(&compact, raw); err != nil {
		return nil, err
	}
	return compact.Bytes(), nil
}

// clip shortens what a model said before it is shown to the model again.
func clip(text string) string {
	const most = 4000
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
