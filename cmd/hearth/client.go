package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
)

const (
	callTime  = 90 * time.Second // of one call, more than the longest poll
	maxAnswer = 16 << 20         // bytes; larger results travel as files
	maxToken  = 16 << 10         // bytes of the token's file
	waitFor   = 30               // seconds that a long poll asks for
)

// The functions that the commands talk to.
const (
	tasksPath   = "/function/system-tasks/"
	runsPath    = "/function/system-tasks/runs"
	authPath    = "/function/system-auth/"
	mailPath    = "/function/system-mail/"
	webPath     = "/function/adapter-web/"
	consolePath = "/function/system-console/"
)

// client calls functions through the gateway as the person at this machine.
type client struct {
	base  string // of the gateway, without a trailing slash
	token string
	lang  string // of the answers; empty for that of the question
	env   *fn.Env
	http  *http.Client
}

// client returns the client of HEARTH_GATEWAY, signed in with HEARTH_TOKEN or with the token that
// "hearth up" leaves in the data folder.
func (a *app) client() (*client, error) {
	env, conf, err := a.env()
	if err != nil {
		return nil, err
	}
	c := stranger(env, conf)
	if a.chinese() {
		c.lang = "zh"
	}
	c.token, err = token(env, conf)
	return c, err
}

// env returns the settings as "hearth up" reads them.
func (a *app) env() (*fn.Env, config, error) {
	conf, err := readConfig(a, nil)
	if err != nil {
		return nil, config{}, err
	}
	env := &fn.Env{Log: slog.New(slog.DiscardHandler), Now: time.Now, Lookup: conf.lookup}
	env.Secrets = env.Setting("HEARTH_SECRETS", filepath.Join(conf.data, "secrets"))
	return env, conf, nil
}

// stranger returns a client that is not signed in.
func stranger(env *fn.Env, conf config) *client {
	transport := &http.Transport{
		Proxy:       http.ProxyFromEnvironment,
		DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // the token goes nowhere else
	return &client{
		base: strings.TrimRight(env.Setting("HEARTH_GATEWAY", "http://"+conf.addr), "/"),
		env:  env, http: &http.Client{Transport: transport, CheckRedirect: stay},
	}
}

// token returns HEARTH_TOKEN, or the owner's token that "hearth up" leaves in the data folder.
func token(env *fn.Env, conf config) (string, error) {
	if token := env.Setting("HEARTH_TOKEN", ""); token != "" {
		return token, nil
	}
	path := filepath.Join(conf.data, "owner.token")
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fault.New(fault.Unauthorized, "nobody is signed in here: HEARTH_TOKEN is not set and there is no %s", path).
			Try("run this where hearth up runs, or set HEARTH_TOKEN to what hearth user token NAME prints there")
	}
	if err != nil {
		return "", fault.As(fault.Unauthorized, err, "cannot read %s", path).Try("sign in as the user who started hearth up")
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxToken))
	if err != nil {
		return "", fault.As(fault.Unauthorized, err, "cannot read %s", path)
	}
	text := strings.TrimSpace(string(raw))
	if text == "" {
		return "", fault.New(fault.Unauthorized, "%s is empty: hearth up fills it while it starts", path).Try("try again when hearth up is ready")
	}
	return text, nil
}

// call sends in as JSON, unless it is nil, and returns the JSON answer. Errors keep the kind that the
// function gave them; without any answer they are Unavailable where the gateway was not reached, and
// Unknown otherwise.
func (c *client) call(ctx context.Context, method, path string, in any) (json.RawMessage, error) {
	return c.callWith(ctx, method, path, in, nil)
}

func (c *client) callWith(ctx context.Context, method, path string, in any, header http.Header) (json.RawMessage, error) {
	body, err := bodyOf(in)
	if err != nil {
		return nil, fault.As(fault.Internal, err, "encode the request for %s", path)
	}
	short, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	resp, err := c.send(short, method, path, body, header)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, c.unanswered(short, err)
	case len(raw) > maxAnswer:
		return nil, fault.New(fault.TooLarge, "the answer of %s is over %d bytes", path, maxAnswer)
	case !json.Valid(raw):
		return nil, fault.New(fault.Unknown, "the answer of %s is not JSON", path).Try("check HEARTH_GATEWAY: " + c.base)
	}
	return raw, nil
}

// bodyOf encodes a request's body. JSON text goes as it is: what a person wrote stays as it was written.
func bodyOf(in any) (io.Reader, error) {
	switch in := in.(type) {
	case nil:
		return nil, nil
	case json.RawMessage:
		return bytes.NewReader(in), nil
	default:
		raw, err := json.Marshal(in)
		return bytes.NewReader(raw), err
	}
}

// send makes one request and returns its answer, which is a success. The caller closes its body.
func (c *client) send(ctx context.Context, method, path string, body io.Reader, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, fault.As(fault.Internal, err, "request for %s", path)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.lang != "" {
		req.Header.Set("Accept-Language", c.lang)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unanswered(ctx, err)
	}
	if err := fault.Read(resp); err != nil {
		resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

// unanswered gives an error without an answer its kind.
func (c *client) unanswered(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return interrupted
	}
	if ctx.Err() != nil {
		return fault.As(fault.Timeout, err, "no answer from %s in time", c.base)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return fault.As(fault.Unavailable, err, "no gateway answers at %s", c.base).Try("hearth up, or set HEARTH_GATEWAY; hearth doctor tells more")
	}
	return fault.As(fault.Unknown, err, "the connection to %s broke before an answer", c.base)
}

// fetch calls and decodes the answer into a T. The answer as it came is for -o json.
func fetch[T any](ctx context.Context, c *client, method, path string, in any) (T, json.RawMessage, error) {
	raw, err := c.call(ctx, method, path, in)
	if err != nil {
		return *new(T), nil, err
	}
	return decoded[T](path, raw)
}

// fetchNew posts what makes something new. The request has a key, so that it is asked once more when the connection
// broke before the answer, and makes nothing twice.
func fetchNew[T any](ctx context.Context, c *client, path string, in any) (T, json.RawMessage, error) {
	key := http.Header{"Idempotency-Key": {`"` + fn.NewID() + `"`}}
	raw, err := c.callWith(ctx, "POST", path, in, key)
	if fault.Is(err, fault.Unknown) {
		raw, err = c.callWith(ctx, "POST", path, in, key)
	}
	if err != nil {
		return *new(T), nil, err
	}
	return decoded[T](path, raw)
}

func decoded[T any](path string, raw json.RawMessage) (T, json.RawMessage, error) {
	var out T
	if err := json.Unmarshal(raw, &out); err != nil {
		return out, nil, fault.As(fault.Unknown, err, "the answer of %s is not what this version expects", path).
			Try("use the same version of hearth here and there")
	}
	return out, raw, nil
}

// pick returns the one of ids that begins with prefix. Somebody who types an id types as little of it as
// names it.
func pick(ids []string, prefix string) (string, error) {
	var fit []string
	for _, id := range ids {
		if id == prefix {
			return id, nil
		}
		if strings.HasPrefix(id, prefix) {
			fit = append(fit, id)
		}
	}
	switch len(fit) {
	case 0:
		return "", fault.New(fault.NotFound, "nothing has an id that begins with %q", prefix)
	case 1:
		return fit[0], nil
	default:
		return "", fault.New(fault.Invalid, "%q can be %s", prefix, strings.Join(fit[:min(len(fit), 5)], ", ")).Try("type more of the id")
	}
}
