// Package gateway calls functions by name. Every call is signed for its receiver; an error keeps its kind
// on the way back. A doorbell is a hint without authority.
package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/vault"
)

// maxAnswer bounds the answer of a call in bytes; larger results travel as files.
const maxAnswer = 16 << 20

// LaneHeader names the lane of a doorbell, so that the gateway can merge rings for the same lane.
const LaneHeader = "X-Hearth-Lane"

// Client calls functions on behalf of one function. It is safe for concurrent use.
type Client struct {
	env   *fn.Env
	from  string
	base  string
	names map[string]string // of grouped functions: where each is
	http  *http.Client
	vault *vault.Vault
}

// Bell is the body of a doorbell.
type Bell struct {
	Lane string `json:"lane"`
}

// Open returns the client of the function from. It fails without ENCRYPTION_KEY. Where several functions
// are deployed as one, HEARTH_GROUPS says so (see Groups).
func Open(env *fn.Env, from string) (*Client, error) {
	v, err := env.Vault()
	if err != nil {
		return nil, err
	}
	names, err := readGroups(env.Setting(GroupsSetting, ""))
	if err != nil {
		return nil, err
	}
	client, err := fn.Share(env, "gateway/http", func() (*http.Client, error) {
		return &http.Client{Transport: transport(env)}, nil
	})
	if err != nil {
		return nil, err
	}
	return &Client{env: env, from: from, base: Base(env), names: names, http: client, vault: v}, nil
}

// Base returns the gateway's URL without a trailing slash.
func Base(env *fn.Env) string {
	return strings.TrimRight(env.Setting("HEARTH_GATEWAY", "http://127.0.0.1:8080"), "/")
}

// transport is the host's own way to the functions, else HTTP without proxies: the gateway is inside.
func transport(env *fn.Env) http.RoundTripper {
	if env.Transport != nil {
		return env.Transport
	}
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		MaxIdleConns:        256,
		MaxIdleConnsPerHost: 256,
		IdleConnTimeout:     90 * time.Second,
	}
}

// Call posts in as JSON to a function ("system-files") or a path of it ("system-files/revert"), signed, and
// decodes the answer into out unless it is nil. Errors have the kind that the function gave; when no
// answer came, the error is Unavailable if the function was not reached and Unknown otherwise.
func (c *Client) Call(ctx context.Context, to string, call vault.Call, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fault.As(fault.Internal, err, "encode the call of %s", to)
	}
	name, _, _ := strings.Cut(to, "/")
	call.From, call.To, call.Plugin = c.from, name, strings.HasPrefix(name, "plugin-")
	resp, err := c.post(ctx, "/function/"+c.place(to), body, c.vault.Sign(call, body, c.env.Now()), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := fault.Read(resp); err != nil {
		return err
	}
	return decode(resp.Body, to, out)
}

// Ring tells a function that there is work for lane. It is cheap, may be lost and may be merged with
// another ring: whoever answers it looks into the ledger.
func (c *Client) Ring(ctx context.Context, to, lane string) error {
	body, err := json.Marshal(Bell{Lane: lane})
	if err != nil {
		return fault.As(fault.Internal, err, "encode a doorbell")
	}
	call := vault.Call{From: c.from, To: to, Lane: lane}
	resp, err := c.post(ctx, "/async-function/"+c.place(to), body, c.vault.Sign(call, body, c.env.Now()), map[string]string{LaneHeader: lane})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return fault.Read(resp)
}

func (c *Client) post(ctx context.Context, path string, body []byte, signature string, extra map[string]string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, fault.As(fault.Internal, err, "request for %s", path)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(vault.CallHeader, signature)
	for name, value := range extra {
		req.Header.Set(name, value)
	}
	fn.Propagate(ctx, req.Header)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, unanswered(ctx, err, path)
	}
	return resp, nil
}

// unanswered gives an error without an answer its kind: a refused connection had no effect, anything else
// may have had one.
func unanswered(ctx context.Context, err error, path string) error {
	if ctx.Err() != nil {
		return fault.As(fault.Timeout, err, "no answer from %s in time", path)
	}
	if dialFailed(err) {
		return fault.As(fault.Unavailable, err, "the gateway cannot be reached").Try("hearth doctor")
	}
	return fault.As(fault.Unknown, err, "the connection to %s broke before an answer", path)
}

func decode(body io.Reader, from string, out any) error {
	raw, err := io.ReadAll(io.LimitReader(body, maxAnswer+1))
	if err != nil {
		return fault.As(fault.Unknown, err, "the answer of %s was cut short", from)
	}
	if len(raw) > maxAnswer {
		return fault.New(fault.TooLarge, "the answer of %s is over %d bytes", from, maxAnswer)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fault.As(fault.Unknown, err, "the answer of %s is not the JSON we expect", from)
	}
	return nil
}
