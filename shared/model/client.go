package model

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/sashabaranov/go-openai"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Config says which server and model a Client uses, and how long it waits.
type Config struct {
	BaseURL   string
	Model     string                 // "" for the first one that the server has
	Embedding string                 // "" for Model
	Key       func() (string, error) // the API key, asked for on each call; "" for none
	Transport http.RoundTripper      // nil for one of the client's own
	Now       func() time.Time       // nil for time.Now

	First time.Duration // longest wait for the first sign of an answer; default 2 min, as reading a long prompt takes
	Idle  time.Duration // longest wait between two signs of it; default 45 s, as llama-server pings every 30
	Total time.Duration // longest answer; default 10 min
}

const (
	attempts   = 3
	backoff    = 250 * time.Millisecond
	maxBackoff = 10 * time.Second // a server that wants a longer pause is left to the caller
)

// Client is the Model behind an OpenAI-compatible API: vLLM, llama-server, Ollama, LM Studio, OpenAI.
type Client struct {
	base    *url.URL
	conf    Config
	api     *openai.Client
	http    *http.Client
	breaker breaker

	mu      sync.Mutex
	served  []served // what the server has, kept for a minute
	asked   time.Time
	limit   int
	limited time.Time // the value of asked that limit belongs to
}

var (
	_ Model = (*Client)(nil)
	_ Model = engine{}
)

// Connect makes a client. It dials nothing; a BaseURL that is none is Invalid.
func Connect(conf Config) (*Client, error) {
	base, err := baseURL(conf.BaseURL)
	if err != nil {
		return nil, err
	}
	if conf.Now == nil {
		conf.Now = time.Now
	}
	if conf.Key == nil {
		conf.Key = func() (string, error) { return "", nil }
	}
	conf.First = orDefault(conf.First, 2*time.Minute)
	conf.Idle = orDefault(conf.Idle, 45*time.Second)
	conf.Total = orDefault(conf.Total, 10*time.Minute)
	if conf.Transport == nil {
		conf.Transport = newTransport(base)
	}
	c := &Client{base: base, conf: conf, http: &http.Client{
		Transport: conf.Transport,
		// A redirected POST becomes a GET, and a key must not follow to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	settings := openai.DefaultConfig("")
	settings.BaseURL, settings.HTTPClient = base.String(), c
	c.api = openai.NewClientWithConfig(settings)
	return c, nil
}

func orDefault(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return d
}

// newTransport keeps connections enough for many streams at once (net/http keeps 2 per host), and asks
// proxies for https only: a plain server is one of ours.
func newTransport(base *url.URL) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 64
	t.DisableCompression = true // a compressed stream arrives in lumps
	if base.Scheme == "http" {
		t.Proxy = nil
	}
	return t
}

// Close closes idle connections.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// Name returns "model at address".
func (c *Client) Name() string {
	if name := c.conf.Model; name != "" {
		return name + " at " + c.base.String()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.served) > 0 {
		return first(c.served).ID + " at " + c.base.String()
	}
	return "the first model at " + c.base.String()
}

// Builtin is false.
func (c *Client) Builtin() bool { return false }

// Chat answers by streaming, so that a stalled server is told from a slow one.
func (c *Client) Chat(ctx context.Context, p Prompt, emit func(string) error) (Answer, error) {
	if p.System == "" {
		p.System = persona(p)
	}
	return c.complete(ctx, p, nil, emit)
}

// complete runs a chat completion, again after a failure that may pass as long as emit got nothing.
func (c *Client) complete(ctx context.Context, p Prompt, fields map[string]json.RawMessage, emit func(string) error) (Answer, error) {
	if p.MaxTokens <= 0 {
		p.MaxTokens = DefaultMaxTokens
	}
	begun := false
	count := func(delta string) error {
		if emit == nil {
			return nil
		}
		begun = true
		return emit(delta)
	}
	answer, err := retry(ctx, c, &begun, func() (Answer, error) { return c.stream(ctx, p, fields, count) })
	if stopped, ok := errors.AsType[emitError](err); ok {
		return answer, stopped.err
	}
	return answer, c.suggest(ctx, err)
}

// retry makes a call up to three times while it fails in a way that may pass and has not begun to show.
// It does not call a server that has failed too often just now.
func retry[T any](ctx context.Context, c *Client, begun *bool, call func() (T, error)) (T, error) {
	for attempt := 1; ; attempt++ {
		if err := c.breaker.allow(c.conf.Now()); err != nil {
			var none T
			return none, err
		}
		out, err := call()
		failed := fault.Is(err, fault.Unavailable) || fault.Is(err, fault.Timeout)
		c.breaker.note(c.conf.Now(), failed && ctx.Err() == nil)
		if err == nil || *begun || attempt == attempts || !c.again(ctx, err, attempt) {
			return out, err
		}
	}
}

// again waits for the time that err or the attempt's number asks for, and reports whether to try again.
func (c *Client) again(ctx context.Context, err error, attempt int) bool {
	if !fault.Is(err, fault.Unavailable) && !fault.Is(err, fault.Limited) {
		return false
	}
	wait := backoff << attempt
	wait = wait/2 + rand.N(wait/2) // jitter keeps clients that failed together from coming back together
	if after := fault.After(err); after > 0 {
		wait = after
	}
	if wait > maxBackoff {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Embed returns the vectors of texts, in their order.
func (c *Client) Embed(ctx context.Context, texts []string) ([][]float32, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	begun := false
	vectors, err := retry(ctx, c, &begun, func() ([][]float32, error) { return c.embed(ctx, texts) })
	return vectors, c.suggest(ctx, err)
}

func (c *Client) embed(ctx context.Context, texts []string) ([][]float32, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.conf.First, errStalled)
	defer cancel()
	name := c.conf.Embedding
	if name == "" {
		var err error
		if name, err = c.model(ctx); err != nil {
			return nil, err
		}
	}
	resp, err := c.api.CreateEmbeddings(ctx, openai.EmbeddingRequestStrings{Input: texts, Model: openai.EmbeddingModel(name)})
	if err != nil {
		return nil, c.explain(ctx, err)
	}
	out := make([][]float32, len(texts))
	for _, e := range resp.Data {
		if e.Index < 0 || e.Index >= len(out) {
			return nil, c.nonsense("vectors for texts that nobody sent")
		}
		out[e.Index] = e.Embedding
	}
	for _, v := range out {
		if len(v) == 0 || len(v) != len(out[0]) {
			return nil, c.nonsense("not one vector for each text")
		}
	}
	return out, nil
}
