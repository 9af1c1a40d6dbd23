package channel

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
)

const (
	maxAPIAnswer = 4 << 20          // bytes
	callTimeout  = 20 * time.Second // of one call that does not poll
)

// api makes the calls to platforms. It follows no redirects: a path can hold a token.
type api struct{ client *http.Client }

func openAPI(env *fn.Env) (api, error) {
	client, err := fn.Share(env, "channel/http", func() (*http.Client, error) {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = 64 // a platform is one host, and net/http keeps 2 of each
		return &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}, nil
	})
	return api{client}, err
}

// do makes one call. Without an answer the error is Unavailable if nothing was sent, and Unknown or
// Timeout if the platform may have seen the call.
func (p api) do(ctx context.Context, base string, c Call, limit time.Duration) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	method := c.Method
	if method == "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, base+c.Path, bytes.NewReader(c.Body))
	if err != nil {
		return Answer{}, fault.As(fault.Invalid, withoutURL(err), "the platform's API URL is not one")
	}
	for name, values := range c.Header {
		req.Header[name] = values
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return Answer{}, unanswered(ctx, withoutURL(err), sent.Load())
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAPIAnswer))
	if err != nil {
		return Answer{}, unanswered(ctx, err, true)
	}
	return Answer{resp.StatusCode, resp.Header, body}, nil
}

func unanswered(ctx context.Context, err error, sent bool) error {
	switch {
	case !sent:
		return fault.As(fault.Unavailable, err, "the platform cannot be reached")
	case ctx.Err() != nil:
		return fault.As(fault.Timeout, err, "no answer from the platform in time")
	default:
		return fault.As(fault.Unknown, err, "the connection broke before the platform's answer")
	}
}

// withoutURL returns the cause of an error of net/http, whose text would show the URL and the token in it.
func withoutURL(err error) error {
	if inside, ok := errors.AsType[*url.Error](err); ok {
		return inside.Err
	}
	return err
}
