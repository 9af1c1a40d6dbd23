package model

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
)

const (
	keepServed = time.Minute
	askServed  = 5 * time.Second
	maxServed  = 4 << 20 // bytes
)

// served is a model that a server has.
type served struct {
	ID    string `json:"id"`
	Owner string `json:"owned_by"`      // vllm, llamacpp, library (Ollama) …
	Max   int    `json:"max_model_len"` // vLLM
	Meta  struct {
		Context int `json:"n_ctx"` // llama-server
	} `json:"meta"`
}

// Ready asks the server for its models.
func (c *Client) Ready(ctx context.Context) error {
	list, err := c.list(ctx)
	if err != nil {
		return err
	}
	if name := c.conf.Model; name != "" && !slices.ContainsFunc(list, func(s served) bool { return s.named(name) }) {
		return fault.New(fault.Invalid, "the server at %s has no model %q", c.base, name).
			Try("set OPENAI_MODEL to one that it has: " + c.names())
	}
	return nil
}

// model returns the name to send: the configured one, or the server's first.
func (c *Client) model(ctx context.Context) (string, error) {
	if c.conf.Model != "" {
		return c.conf.Model, nil
	}
	list, err := c.list(ctx)
	if err != nil {
		return "", err
	}
	return first(list).ID, nil
}

// speechless are models that cannot talk, by their names.
var speechless = regexp.MustCompile(`(?i)embed|rerank|\bbge-|\be5-|minilm|whisper|\btts\b`)

// first returns the first model that looks as if it could talk.
func first(list []served) served {
	if i := slices.IndexFunc(list, func(s served) bool { return !speechless.MatchString(s.ID) }); i >= 0 {
		return list[i]
	}
	return list[0]
}

// names lists the models that the server said to have when it was last asked.
func (c *Client) names() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for _, s := range c.served[:min(len(c.served), 10)] {
		names = append(names, s.ID)
	}
	if len(names) == 0 {
		return "see " + c.base.String() + "/models"
	}
	return strings.Join(names, ", ")
}

// list returns the server's models, at least one, as of the last minute.
func (c *Client) list(ctx context.Context) ([]served, error) {
	c.mu.Lock()
	list, age := c.served, c.conf.Now().Sub(c.asked)
	c.mu.Unlock()
	if len(list) > 0 && age < keepServed {
		return list, nil
	}
	var body struct {
		Data []served `json:"data"`
	}
	if err := c.get(ctx, c.base.JoinPath("models"), &body); err != nil {
		return nil, err
	}
	body.Data = slices.DeleteFunc(body.Data, func(s served) bool { return s.ID == "" })
	if len(body.Data) == 0 {
		return nil, fault.New(fault.Unavailable, "the server at %s has no model", c.base).Try("load one into it, for example: ollama pull qwen2.5:7b")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.served, c.asked = body.Data, c.conf.Now()
	return body.Data, nil
}

// beside returns an address beside the OpenAI-compatible API: servers have more to tell there.
func (c *Client) beside(path string) *url.URL {
	root := *c.base
	root.Path = strings.TrimSuffix(root.Path, "/v1")
	return root.JoinPath(path)
}

// get asks the server for a JSON document.
func (c *Client) get(ctx context.Context, address *url.URL, into any) error {
	ctx, cancel := context.WithTimeoutCause(ctx, askServed, errStalled)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return fault.As(fault.Invalid, err, "not an address").At("OPENAI_BASE_URL")
	}
	resp, err := c.Do(req)
	if err != nil {
		return c.explain(ctx, err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxServed))
	if err != nil {
		return c.explain(ctx, err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fault.As(fault.Invalid, err, "%s is not an OpenAI-compatible API", c.base).Try("check OPENAI_BASE_URL: it mostly ends in /v1")
	}
	return nil
}

// ollamaContext is what Ollama gives a model that is not loaded yet unless told otherwise; it silently
// drops what does not fit (docs.ollama.com, "Context length").
const ollamaContext = 4096

// Limit returns the context length that the server gives the model: max_model_len of vLLM, n_ctx of
// llama-server, context_length of Ollama's running model. It is asked for once a minute.
func (c *Client) Limit(ctx context.Context) int {
	list, err := c.list(ctx)
	if err != nil {
		return 0 // unknown; the next call tells why
	}
	c.mu.Lock()
	limit, known := c.limit, c.limited == c.asked
	c.mu.Unlock()
	if known {
		return limit
	}
	limit = c.askLimit(ctx, list)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit, c.limited = limit, c.asked
	return limit
}

func (c *Client) askLimit(ctx context.Context, list []served) int {
	s := first(list)
	if i := slices.IndexFunc(list, func(s served) bool { return s.named(c.conf.Model) }); i >= 0 {
		s = list[i]
	}
	switch {
	case s.Max > 0:
		return s.Max
	case s.Meta.Context > 0:
		return s.Meta.Context
	case s.Owner == "llamacpp":
		return c.llamaLimit(ctx)
	case s.Owner == "vllm" || c.base.Scheme == "https":
		return 0
	default:
		return c.ollamaLimit(ctx, s.ID)
	}
}

// named reports whether s is the model of that name; Ollama leaves out ":latest" at will.
func (s served) named(name string) bool { return s.ID == name || s.ID == name+":latest" }

func (c *Client) llamaLimit(ctx context.Context) int {
	var props struct {
		Settings struct {
			Context int `json:"n_ctx"`
		} `json:"default_generation_settings"`
	}
	if err := c.get(ctx, c.beside("props"), &props); err != nil {
		return 0
	}
	return props.Settings.Context
}

func (c *Client) ollamaLimit(ctx context.Context, name string) int {
	var running struct {
		Models []struct {
			Name    string `json:"name"`
			Context int    `json:"context_length"`
		} `json:"models"`
	}
	if err := c.get(ctx, c.beside("api/ps"), &running); err != nil {
		return 0 // not Ollama
	}
	for _, m := range running.Models {
		if m.Name == name && m.Context > 0 {
			return m.Context
		}
	}
	return ollamaContext
}

// owner returns what kind of server it is, as far as its models tell.
func (c *Client) owner(ctx context.Context) string {
	list, err := c.list(ctx)
	if err != nil {
		return "" // unknown; the call itself tells why
	}
	return first(list).Owner
}

// reasoners are the names of OpenAI's models that think before they answer.
var reasoners = regexp.MustCompile(`^(?:o\d|gpt-[5-9])`)

func thinks(name string) bool { return reasoners.MatchString(name) }
