package plugin

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/vault"
)

// KeySecret is the secret with the public key that calls are verified with: 32 bytes, base64.
const KeySecret = "hearth-call-key"

// The values of Request.Op.
const (
	OpDo        = "do"
	OpUndo      = "undo"
	OpStop      = "stop"      // cuts off the do under the same key, if it goes on; that call answers for itself
	OpPreview   = "preview"   // what undo would do; a name of its own, so that no plugin takes it for an undo
	OpReconcile = "reconcile" // whether do happened
)

// The values of manifest.Grants.Files.
const (
	FilesParams    = "params"
	FilesWorkspace = "workspace"
)

// host serves one plugin.
type host struct {
	*definition
	env     *fn.Env
	client  *http.Client
	flights flights
}

func newHost(d *definition, env *fn.Env) *host {
	transport := env.Transport
	if transport == nil {
		transport = &http.Transport{
			DialContext:     (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			IdleConnTimeout: 90 * time.Second,
		}
	}
	h := &host{definition: d, env: env, client: &http.Client{
		Transport: transport,
		// A capability is for one address.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	h.sweep()
	return h
}

// ServeHTTP answers GET /manifest, and signed calls by POST.
func (h *host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && r.URL.Path == "/manifest" {
		fn.Reply(w, http.StatusOK, h.manifest)
		return
	}
	resp, err := h.receive(r)
	if err != nil {
		fn.Fail(w, r, err)
		return
	}
	fn.Reply(w, http.StatusOK, resp)
}

// receive verifies and checks a call before anything runs.
func (h *host) receive(r *http.Request) (Response, error) {
	if r.Method != http.MethodPost {
		return Response{}, fault.New(fault.Invalid, "want POST of a signed call, or GET /manifest")
	}
	body, err := fn.ReadBody(r)
	if err != nil {
		return Response{}, err
	}
	if err := h.verify(r.Header.Get(vault.CallHeader), body); err != nil {
		return Response{}, err
	}
	req, err := h.parse(body)
	if err != nil {
		return Response{}, err
	}
	if req.Op == OpStop {
		h.flights.stop(req.Key)
		return Response{Result: json.RawMessage("null")}, nil
	}
	wall := h.manifest.Limits.Wall
	if deadline, ok := r.Context().Deadline(); ok {
		wall = min(wall, time.Until(deadline))
	}
	return h.flights.do(r.Context(), req, func(ctx context.Context) (Response, error) { return h.run(ctx, wall, req) })
}

func (h *host) verify(header string, body []byte) error {
	text, err := h.env.Secret(KeySecret)
	if err != nil {
		return err
	}
	plain := strings.NewReplacer("-", "+", "_", "/", "=", "").Replace(text)
	key, err := base64.RawStdEncoding.DecodeString(plain)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return fault.New(fault.Unauthorized, "the secret %s is not the base64 of %d bytes", KeySecret, ed25519.PublicKeySize)
	}
	_, err = vault.VerifyPlugin(key, header, Name(h.manifest.ID), body, h.env.Now())
	return err
}

// parse reads the envelope, which may have fields that this version does not know, and checks the
// parameters, which may not.
func (h *host) parse(body []byte) (Request, error) {
	var req Request
	if err := json.Unmarshal(body, &req); err != nil {
		return req, fault.As(fault.Invalid, err, "the call is not the JSON we expect")
	}
	if req.Run == "" || req.Step == "" || req.Key == "" {
		return req, fault.New(fault.Invalid, "a call needs run, step and key")
	}
	if req.Op == OpStop {
		return req, nil
	}
	able, known := map[string]bool{
		OpDo: true, OpUndo: h.undo != nil, OpPreview: h.preview, OpReconcile: h.manifest.Reconciles(req.Params),
	}[req.Op]
	if !known {
		return req, fault.New(fault.Invalid, "want do, undo, stop, preview or reconcile, not %q", req.Op).At("op")
	}
	if !able {
		return req, fault.New(fault.Invalid, "%s has no %s for this call", h.manifest.ID, req.Op).At("op")
	}
	if len(req.Params) == 0 {
		req.Params = json.RawMessage("{}")
	}
	return req, h.validate(req.Params)
}

// run works on a call until its end or for as long as wall.
func (h *host) run(ctx context.Context, wall time.Duration, req Request) (Response, error) {
	ctx, cancel := context.WithTimeout(ctx, wall)
	defer cancel()
	c, err := newCall(ctx, h, req)
	if err != nil {
		return Response{}, err
	}
	if c.Dir, err = h.makeFolder(); err != nil {
		return Response{}, err
	}
	defer tidy(c)
	switch req.Op {
	case OpUndo, OpPreview:
		return h.takeBack(c)
	case OpReconcile:
		return h.reconcile(c)
	default:
		return h.act(c)
	}
}

// act runs the operation between staging its inputs and publishing its outputs.
func (h *host) act(c *Call) (Response, error) {
	if err := c.stage(h.files(c.request.Params)); err != nil {
		return Response{}, err
	}
	var out any
	err := h.guard(c, func() (err error) {
		out, err = h.do(c, c.request.Params)
		return err
	})
	if err != nil {
		return Response{}, err
	}
	result, err := h.encode(out)
	if err != nil {
		return Response{}, h.after(c, nil, err)
	}
	files, err := c.publish()
	if err != nil {
		return Response{}, h.after(c, files, err)
	}
	return Response{Result: result, Summary: c.summary, Files: files}, nil
}

// takeBack runs the undo with the recorded receipt, if there is one.
func (h *host) takeBack(c *Call) (Response, error) {
	var result json.RawMessage
	if len(c.request.Receipt) > 0 && string(c.request.Receipt) != "null" {
		var receipt Response
		if err := json.Unmarshal(c.request.Receipt, &receipt); err != nil {
			return Response{}, fault.As(fault.Invalid, err, "not a response of ours").At("receipt")
		}
		result, c.Files = receipt.Result, receipt.Files
	}
	err := h.guard(c, func() error { return h.undo(c, c.request.Params, result) })
	if err != nil {
		return Response{}, err
	}
	return Response{Result: json.RawMessage("null"), Summary: c.summary}, nil
}

// reconcile finds out whether the step happened. A call of it that is still under way here is waited for.
func (h *host) reconcile(c *Call) (Response, error) {
	if err := h.flights.quiet(c, OpDo+" "+c.Key); err != nil {
		return Response{}, err
	}
	var out any
	err := h.guard(c, func() (err error) {
		out, err = h.ask(c, c.request.Params)
		return err
	})
	if err != nil {
		return Response{}, err
	}
	if out == nil {
		return Response{Result: json.RawMessage("null"), Outcome: NotApplied}, nil
	}
	result, err := h.encode(out)
	return Response{Result: result, Summary: c.summary, Files: c.made, Outcome: Applied}, err
}

// guard runs the plugin's own code and turns a panic into a fault.
func (h *host) guard(c *Call, work func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			c.Log.Error("panic", "value", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fault.New(fault.Internal, "%s crashed on this call", h.manifest.ID)
		}
	}()
	return work()
}

func (h *host) encode(out any) (json.RawMessage, error) {
	result, err := json.Marshal(out)
	if err != nil {
		return nil, fault.As(fault.Internal, err, "the result is not JSON")
	}
	if limit := h.manifest.Limits.Output; int64(len(result)) > limit {
		return nil, fault.New(fault.TooLarge, "the result has %d bytes, over the limit of %d", len(result), limit)
	}
	return result, nil
}

// after gives an error behind the operation its kind: unless nothing can have happened, it is Unknown, so
// that the engine takes the step back instead of believing that it had no effect. A plugin that reaches no
// host and no workspace can have no effect but the files it publishes.
func (h *host) after(c *Call, published []Artifact, err error) error {
	effect, grants := h.manifest.EffectOf(c.request.Params).Effect, h.manifest.Grants
	confined := effect != manifest.Irreversible && len(grants.Hosts) == 0 && grants.Files != FilesWorkspace
	if c.DryRun || effect == manifest.Read || (confined && len(published) == 0 && !fault.InDoubt(err)) {
		return err
	}
	return fault.As(fault.Unknown, err, "%s, after the step took effect", fault.Text(err))
}

// files returns the workspace paths in parameters that have passed the schema.
func (h *host) files(params json.RawMessage) []File {
	var v any
	if json.Unmarshal(params, &v) != nil {
		return nil // the schema has refused it already
	}
	return files(nil, h.params, v, "params")
}

// unanswered gives an error without an answer its kind: an address that was not reached had no effect.
func unanswered(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fault.As(fault.Timeout, err, "no answer from system-files in time")
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return fault.As(fault.Unavailable, err, "system-files cannot be reached")
	}
	return fault.As(fault.Unknown, err, "the connection to system-files broke before an answer")
}
