package plugintest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/blob"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/ledger/ledgertest"
	"github.com/hearthfaas/hearth/shared/plugin"
	"github.com/hearthfaas/hearth/shared/plugin/capability"
	"github.com/hearthfaas/hearth/shared/vault"
	"github.com/hearthfaas/hearth/shared/workspace"
)

// Owner owns the workspace of every test.
const Owner = "tester"

// Host runs one plugin as the bundle does: a server that takes signed calls, with capabilities to a real
// workspace. It has a clock of its own for what plugins see: 2026-01-02, 09:00 in Shanghai.
type Host struct {
	Function fn.Function
	Files    *workspace.Store
	Lang     string // of the calls; default en
	Key      string // idempotency key of the calls; default key-1

	t        testing.TB
	vault    *vault.Vault
	grants   *capability.Service
	server   *httptest.Server
	mu       sync.Mutex
	settings map[string]string
}

// Open starts a plugin on an empty workspace.
func Open(t testing.TB, f fn.Function) *Host {
	t.Helper()
	h := &Host{Function: f, Lang: "en", Key: "key-1", t: t, vault: ledgertest.Vault(t)}
	work := t.TempDir()
	t.Cleanup(func() { // after the server has ended
		if left, err := os.ReadDir(work); err != nil || len(left) > 0 {
			t.Errorf("the calls left %v in their folder: %v", left, err)
		}
	})
	blobs, err := blob.Open(t.Context(), fntest.Env(t, map[string]string{"HEARTH_DATA": t.TempDir()}))
	if err != nil {
		t.Fatal(err)
	}
	h.Files = workspace.New(ledgertest.Open(t), blobs, time.Now, workspace.DefaultLimits)
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.grants.ServeHTTP(w, r) }))
	t.Cleanup(files.Close)
	h.grants = capability.New(h.Files, h.vault, files.URL, time.Now)
	h.settings = map[string]string{
		"HEARTH_WORK":     work,
		"HEARTH_CALL_KEY": base64.StdEncoding.EncodeToString(h.vault.CallKey()),
	}
	env := fntest.Env(t, nil)
	env.Lookup = h.lookup
	h.server = fntest.Start(t, f, env)
	return h
}

func (h *Host) lookup(name string) (string, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v, ok := h.settings[name]
	return v, ok
}

// Set gives the plugin a setting or, in the form of a variable, a secret.
func (h *Host) Set(name, value string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.settings[name] = value
}

// Put writes a file into the workspace.
func (h *Host) Put(path, content string) {
	h.t.Helper()
	h.PutAs(Owner, path, content)
}

// PutAs writes a file into somebody's workspace, such as workspace.TemplatesOwner's.
func (h *Host) PutAs(owner, path, content string) {
	h.t.Helper()
	o := workspace.Options{By: workspace.By{Run: "before"}, Base: workspace.Any}
	if _, err := h.Files.Write(h.t.Context(), owner, path, strings.NewReader(content), int64(len(content)), o); err != nil {
		h.t.Fatal(err)
	}
}

// Read returns the content of a file of the workspace.
func (h *Host) Read(path string) string {
	h.t.Helper()
	_, r, err := h.Files.Read(h.t.Context(), Owner, path, workspace.Latest)
	if err != nil {
		h.t.Fatal(err)
	}
	raw, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		h.t.Fatal(err)
	}
	return string(raw)
}

// Workspace returns the whole workspace as one text: path and hash of each file.
func (h *Host) Workspace() string {
	h.t.Helper()
	files, err := h.Files.List(h.t.Context(), Owner, "/")
	if err != nil {
		h.t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range files {
		fmt.Fprintf(&all, "%s %.12s\n", f.Path, f.Hash)
	}
	return all.String()
}

// Request makes a call of op with these parameters, with the capabilities that the executor would grant.
func (h *Host) Request(op, params string) plugin.Request {
	h.t.Helper()
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		h.t.Fatal(err)
	}
	req := plugin.Request{
		Op: op, Run: "run-1", Step: "step-1", Key: h.Key, Params: json.RawMessage(params),
		Now: time.Date(2026, 1, 2, 9, 0, 0, 0, zone), Zone: zone.String(), Date: "2026-01-02", Lang: h.Lang,
	}
	scope := capability.Scope{Owner: Owner, Run: req.Run, Step: req.Step, Key: req.Key}
	if h.Function.Manifest().Grants.Files == plugin.FilesWorkspace {
		req.Workspace = h.grants.Workspace(scope)
	}
	paths, err := plugin.Files(h.Function.Manifest().Params, req.Params)
	if err != nil {
		return req // the plugin is to refuse it
	}
	req.Files = map[string]plugin.Grant{}
	for _, f := range paths {
		if g, err := h.grants.Grant(scope, f.Path, f.Mode); err == nil {
			req.Files[f.Path] = g
		}
	}
	return req
}

// Do calls the operation.
func (h *Host) Do(params string) (plugin.Response, error) {
	h.t.Helper()
	return h.Send(h.Request(plugin.OpDo, params))
}

// Undo calls the undo with the receipt of Do, or without one when nobody knows the outcome (nil).
func (h *Host) Undo(params string, receipt *plugin.Response) error {
	h.t.Helper()
	req := h.Request(plugin.OpUndo, params)
	if receipt != nil {
		raw, err := json.Marshal(receipt)
		if err != nil {
			h.t.Fatal(err)
		}
		req.Receipt = raw
	}
	_, err := h.Send(req)
	return err
}

// Preview asks what Undo would do, and returns the plugin's words.
func (h *Host) Preview(params string, receipt *plugin.Response) (string, error) {
	h.t.Helper()
	req := h.Request(plugin.OpPreview, params)
	if receipt != nil {
		raw, err := json.Marshal(receipt)
		if err != nil {
			h.t.Fatal(err)
		}
		req.Receipt = raw
	}
	resp, err := h.Send(req)
	return resp.Summary, err
}

// Reconcile asks whether the operation happened.
func (h *Host) Reconcile(params string) (plugin.Response, error) {
	h.t.Helper()
	return h.Send(h.Request(plugin.OpReconcile, params))
}

// Send makes any call, signed as the executor signs it.
func (h *Host) Send(req plugin.Request) (plugin.Response, error) {
	h.t.Helper()
	body, err := json.Marshal(req)
	if err != nil {
		h.t.Fatal(err)
	}
	return h.post(body, h.sign(h.vault, h.Function.Name, body, time.Now()))
}

func (h *Host) sign(v *vault.Vault, to string, body []byte, at time.Time) string {
	return v.Sign(vault.Call{From: "planner-execute", To: to, Plugin: true}, body, at)
}

// post sends a body with a signature.
func (h *Host) post(body []byte, signature string) (plugin.Response, error) {
	h.t.Helper()
	var resp plugin.Response
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, h.server.URL, bytes.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set(vault.CallHeader, signature)
	got, err := h.server.Client().Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer got.Body.Close()
	if err := fault.Read(got); err != nil {
		return resp, err
	}
	raw, err := io.ReadAll(got.Body)
	if err := errors.Join(err, json.Unmarshal(raw, &resp)); err != nil {
		h.t.Fatalf("the answer is not a response: %v", err)
	}
	return resp, nil
}
