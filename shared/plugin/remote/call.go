package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/hearthfaas/hearth/shared/blob"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/plugin"
	"github.com/hearthfaas/hearth/shared/vault"
)

// maxInline is the size up to which a result stands in the journal itself, in bytes.
const maxInline = 32 << 10

// maxResult bounds a result that is read back, in bytes.
const maxResult = 16 << 20

// Caller calls plugins for steps of runs.
type Caller struct {
	gateway *gateway.Client
	blobs   *blob.Store
	now     func() time.Time
}

// NewCaller returns a caller on the gateway and the blobs of env.
func NewCaller(ctx context.Context, env *fn.Env, gw *gateway.Client) (*Caller, error) {
	blobs, err := blob.Open(ctx, env)
	if err != nil {
		return nil, err
	}
	return &Caller{gateway: gw, blobs: blobs, now: env.Now}, nil
}

// Job is one call of a plugin for a unit of a run.
type Job struct {
	Run      *flow.Run
	Unit     *flow.Unit
	Manifest manifest.Manifest
	Params   json.RawMessage
	Input    json.RawMessage // the table of an earlier step, if any
}

// GrantRequest asks system-files for capabilities.
type GrantRequest struct {
	Owner     string            `json:"owner"`
	Run       string            `json:"run"`
	Step      string            `json:"step"`
	Key       string            `json:"key"`
	Files     map[string]string `json:"files,omitempty"` // path → mode
	Workspace bool              `json:"workspace,omitempty"`
}

// Grants are the capabilities that system-files gives.
type Grants struct {
	Files     map[string]plugin.Grant `json:"files,omitempty"`
	Workspace string                  `json:"workspace,omitempty"`
}

// Do calls the plugin and returns what the ledger keeps of its answer. A large result goes to the blobs.
func (c *Caller) Do(ctx context.Context, job Job) (flow.Receipt, error) {
	resp, err := c.call(ctx, job, plugin.OpDo, nil)
	if err != nil {
		return flow.Receipt{}, err
	}
	return c.keep(ctx, job, resp)
}

// keep makes a receipt of an answer.
func (c *Caller) keep(ctx context.Context, job Job, resp plugin.Response) (flow.Receipt, error) {
	var err error
	receipt := flow.Receipt{Result: resp.Result, Summary: resp.Summary}
	if len(resp.Files) > 0 {
		if receipt.Files, err = json.Marshal(resp.Files); err != nil {
			return flow.Receipt{}, fault.As(fault.Unknown, err, "the files of %s", job.Manifest.ID)
		}
	}
	if len(receipt.Result) <= maxInline {
		return receipt, nil
	}
	receipt.Ref, err = c.blobs.Add(ctx, "results", receipt.Result)
	receipt.Result = nil
	return receipt, fault.Wrap(err, "keep the result of %s", job.Manifest.ID)
}

// Undo calls the plugin's undo with the unit's receipt. It tolerates that the step was never applied.
func (c *Caller) Undo(ctx context.Context, job Job) error {
	receipt, err := c.recorded(ctx, job.Unit)
	if err != nil {
		return err
	}
	_, err = c.call(ctx, job, plugin.OpUndo, receipt)
	return err
}

// Stop asks the plugin to cut off what Do began. How it ended, Do returns.
func (c *Caller) Stop(ctx context.Context, job Job) error {
	run, key := job.Run, job.Run.Key(job.Unit)
	req := plugin.Request{Op: plugin.OpStop, Run: run.ID, Step: job.Unit.ID, Key: key}
	call := vault.Call{User: run.User, Role: run.Role, Lane: run.ID, Step: job.Unit.ID, Key: key}
	return c.gateway.Call(ctx, plugin.Name(job.Manifest.ID), call, req, nil)
}

// Preview asks the plugin what its undo would do, and returns its words. It changes nothing; the error is
// that of the undo.
func (c *Caller) Preview(ctx context.Context, job Job) (string, error) {
	receipt, err := c.recorded(ctx, job.Unit)
	if err != nil {
		return "", err
	}
	resp, err := c.call(ctx, job, plugin.OpPreview, receipt)
	return resp.Summary, err
}

// Reconcile asks the plugin whether the unit happened, under the key of its attempts. With applied, the
// receipt is what Do would have returned. An error means that this cannot be told.
func (c *Caller) Reconcile(ctx context.Context, job Job) (receipt flow.Receipt, applied bool, err error) {
	resp, err := c.call(ctx, job, plugin.OpReconcile, nil)
	if err != nil {
		return flow.Receipt{}, false, err
	}
	switch resp.Outcome {
	case plugin.NotApplied:
		return flow.Receipt{}, false, nil
	case plugin.Applied:
		receipt, err = c.keep(ctx, job, resp)
		return receipt, err == nil, err
	default:
		return flow.Receipt{}, false, fault.New(fault.Failed, "%s does not say whether it happened", job.Manifest.ID)
	}
}

// recorded rebuilds the plugin's answer from a unit's receipt; nil when there is none.
func (c *Caller) recorded(ctx context.Context, u *flow.Unit) (json.RawMessage, error) {
	if len(u.Receipt) == 0 {
		return nil, nil
	}
	result, err := c.Result(ctx, u)
	if err != nil {
		return nil, err
	}
	receipt := u.Answer()
	receipt.Result, receipt.Ref = result, ""
	raw, err := json.Marshal(receipt)
	if err != nil {
		return nil, fault.As(fault.Internal, err, "the receipt of %s", u.ID)
	}
	return raw, nil
}

// Result returns a unit's whole result, wherever it is kept; nil when there is none.
func (c *Caller) Result(ctx context.Context, u *flow.Unit) (json.RawMessage, error) {
	receipt := u.Answer()
	if receipt.Ref == "" {
		return receipt.Result, nil
	}
	r, err := c.blobs.Get(ctx, receipt.Ref)
	if err != nil {
		return nil, fault.Wrap(err, "the result of %s", u.ID)
	}
	defer r.Close()
	var b bytes.Buffer
	if _, err := io.Copy(&b, io.LimitReader(r, maxResult)); err != nil {
		return nil, fault.Wrap(err, "the result of %s", u.ID)
	}
	return b.Bytes(), nil
}

func (c *Caller) call(ctx context.Context, job Job, op string, receipt json.RawMessage) (plugin.Response, error) {
	run, key := job.Run, job.Run.Key(job.Unit)
	grants, err := c.grants(ctx, job, key)
	if err != nil {
		return plugin.Response{}, err
	}
	req := plugin.Request{
		Op: op, Run: run.ID, Step: job.Unit.ID, Key: key, Params: job.Params, Input: job.Input, Receipt: receipt,
		Files: grants.Files, Workspace: grants.Workspace, Now: c.now(), Zone: run.Zone, Date: run.Date, Lang: run.Lang, DryRun: run.DryRun,
	}
	if n := len(job.Unit.Attempts); op == plugin.OpReconcile && n > 0 {
		req.Began = job.Unit.Attempts[n-1].Started
	}
	call := vault.Call{User: run.User, Role: run.Role, Lane: run.ID, Step: job.Unit.ID, Key: key}
	var resp plugin.Response
	return resp, c.gateway.Call(ctx, plugin.Name(job.Manifest.ID), call, req, &resp)
}

// grants gets capabilities for exactly the files that the parameters name.
func (c *Caller) grants(ctx context.Context, job Job, key string) (Grants, error) {
	req := GrantRequest{
		Owner: job.Run.User, Run: job.Run.ID, Step: job.Unit.ID, Key: key, Workspace: job.Manifest.Grants.Files == "workspace",
		Files: map[string]string{},
	}
	files, err := plugin.Files(job.Manifest.Params, job.Params)
	if err != nil {
		return Grants{}, err
	}
	for _, f := range files {
		if req.Files[f.Path] != plugin.ModeWrite {
			req.Files[f.Path] = f.Mode
		}
	}
	if len(req.Files) == 0 && !req.Workspace {
		return Grants{}, nil
	}
	var grants Grants
	call := vault.Call{User: job.Run.User, Role: job.Run.Role, Lane: job.Run.ID, Step: job.Unit.ID, Key: key}
	err = c.gateway.Call(ctx, "system-files/grant", call, req, &grants)
	return grants, certain(err)
}

// certain marks a failure before the plugin was called as one without effect.
func certain(err error) error {
	if err != nil && fault.InDoubt(err) {
		return fault.As(fault.Unavailable, err, "files could not be handed to the plugin")
	}
	return err
}
