package model

import "context"

// Meter is asked before each call of a model with the most that it can use, and may refuse it. The function
// that it returns is told what was used.
type Meter func(ctx context.Context, most Usage) (settle func(used Usage), err error)

type meterKey struct{}

// Metered returns a context whose calls of a Client go through a meter.
func Metered(ctx context.Context, m Meter) context.Context {
	return context.WithValue(ctx, meterKey{}, m)
}

// reserve asks the meter of ctx, if there is one, about a prompt. The caller settles with what was collected of
// the answer.
func reserve(ctx context.Context, p Prompt) (settle func(*collector), err error) {
	meter, ok := ctx.Value(meterKey{}).(Meter)
	if !ok {
		return func(*collector) {}, nil
	}
	most := Usage{Answer: p.MaxTokens}
	for _, raw := range messages(p) {
		most.Prompt += Estimate(raw)
	}
	told, err := meter(ctx, most)
	if err != nil {
		return nil, err
	}
	return func(c *collector) { told(c.usage(most)) }, nil
}

// usage is what the server says that a call used, or else as good as we can tell; nothing when it said nothing
// at all.
func (c *collector) usage(most Usage) Usage {
	if c.answer.Usage != (Usage{}) || c.tokens == 0 {
		return c.answer.Usage
	}
	return Usage{Prompt: most.Prompt, Answer: c.tokens}
}
