package model

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/hearthfaas/hearth/shared/fault"
)

const (
	maxStream  = 16 << 20 // bytes of a streamed answer
	maxReply   = 64 << 20 // bytes of any other, such as vectors
	maxRefusal = 64 << 10 // bytes of an error's body that are read
)

// exchange travels in the context of a call to go-openai, which cannot say all that a request needs.
type exchange struct {
	messages []json.RawMessage          // in place of go-openai's own
	fields   map[string]json.RawMessage // that go-openai omits or does not know
	alive    func()                     // called on every sign of life
}

type exchangeKey struct{}

// Do is go-openai's way to the server: it puts the exchange into the request and the key on it, turns any
// refusal into a fault, and hands back a body that is bounded and cleaned.
func (c *Client) Do(req *http.Request) (*http.Response, error) {
	x, streamed := req.Context().Value(exchangeKey{}).(*exchange)
	if streamed {
		if err := x.rewrite(req); err != nil {
			return nil, err
		}
	}
	key, err := c.conf.Key()
	if err != nil {
		return nil, err
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, c.refusal(resp, key)
	}
	if !streamed {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxReply), resp.Body}
		return resp, nil
	}
	x.alive()
	if strings.HasSuffix(mediaType(resp), "html") {
		resp.Body.Close()
		return nil, fault.New(fault.Invalid, "%s answers with a web page", c.base).Try("check OPENAI_BASE_URL: it mostly ends in /v1")
	}
	resp.Body = newFeed(resp, x.alive)
	return resp, nil
}

// rewrite replaces the request's body: go-openai's fields, ours over them, and the messages spliced in as
// they are.
func (x *exchange) rewrite(req *http.Request) error {
	old, err := io.ReadAll(req.Body)
	if err != nil {
		return err
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(old, &fields); err != nil {
		return err
	}
	for name, value := range x.fields {
		fields[name] = value
	}
	delete(fields, "messages")
	rest, err := json.Marshal(fields)
	if err != nil {
		return fault.As(fault.Invalid, err, "a field of the request is not JSON")
	}
	var body bytes.Buffer
	body.WriteString(`{"messages":[`)
	for i, m := range x.messages {
		if i > 0 {
			body.WriteByte(',')
		}
		body.Write(m)
	}
	body.WriteString("],")
	body.Write(rest[1:])
	raw := body.Bytes()
	req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil }
	return nil
}

func with(ctx context.Context, x *exchange) context.Context {
	return context.WithValue(ctx, exchangeKey{}, x)
}

func mediaType(resp *http.Response) string {
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return kind
}
