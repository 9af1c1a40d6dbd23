package model

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/model/builtin"
)

// engine is the Model that needs no model.
type engine struct{}

// Builtin returns the engine that works without a language model, and says so.
func Builtin() Model { return engine{} }

func (engine) Name() string                { return "built-in engine (no language model)" }
func (engine) Builtin() bool               { return true }
func (engine) Ready(context.Context) error { return nil }
func (engine) Limit(context.Context) int   { return 0 }

func (engine) Chat(ctx context.Context, p Prompt, emit func(string) error) (Answer, error) {
	if err := ctx.Err(); err != nil {
		return Answer{}, interrupted(ctx)
	}
	a := Answer{Text: builtin.Reply(builtin.Request{Text: lastWords(p.Turns), Lang: p.Lang, Tools: p.Tools}), Finish: "stop"}
	if emit == nil {
		return a, nil
	}
	return a, emit(a.Text)
}

// lastWords returns what the person said last.
func lastWords(turns []json.RawMessage) string {
	for _, raw := range slices.Backward(turns) {
		if role, text := decoded(raw); role == "user" {
			return text
		}
	}
	return ""
}

func (engine) Plan(ctx context.Context, r PlanRequest) (Draft, error) {
	if ctx.Err() != nil {
		return Draft{}, interrupted(ctx)
	}
	if len(r.Problems) > 0 { // the same words would give the same plan again
		return Draft{Ask: stuck.In(language(r))}, nil
	}
	return Draft(builtin.Plan(builtin.Request{
		Text: r.Text, Lang: r.Lang, Date: r.Date, Zone: r.Zone, Turns: r.Turns, Tools: r.Tools,
	})), nil
}

// stuck is what the engine asks when its plan was refused.
var stuck = manifest.Phrase{
	En: "My plan for this does not hold, and without a language model I cannot find another. Could you say it differently, or name the steps?",
	Zh: "我为此拟的计划不成立；没有语言模型，我想不出别的办法。能换个说法，或者写明步骤吗？",
}

func (engine) Embed(_ context.Context, texts []string) ([][]float32, error) {
	out := make([][]float32, len(texts))
	for i, text := range texts {
		out[i] = builtin.Embed(text)
	}
	return out, nil
}
