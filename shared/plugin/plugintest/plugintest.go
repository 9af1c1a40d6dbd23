// Package plugintest is the suite that every plugin passes, and a host to test one in: with signed calls
// and a real workspace.
package plugintest

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/plugin"
	"github.com/hearthfaas/hearth/shared/vault"
)

// Case is one call with what must come of it. The suite also repeats it, takes it back, takes it back
// twice and without a receipt, and tries it dry.
type Case struct {
	Name   string
	Params string            // JSON
	Input  string            // JSON: the result of the step before
	Files  map[string]string // the workspace before
	Lang   string
	Setup  func(t *testing.T, h *Host)        // more of the world before; servers and settings
	World  func(t *testing.T, h *Host) string // what the plugin may change, as text; default: the workspace
	Check  func(t *testing.T, h *Host, resp plugin.Response)
	Fails  fault.Kind // the call is refused with this kind, and changes nothing
}

// Run runs the suite on a plugin.
func Run(t *testing.T, f fn.Function, cases ...Case) {
	t.Run("manifest", func(t *testing.T) { describes(t, f) })
	t.Run("manifest over HTTP", func(t *testing.T) { served(t, f) })
	t.Run("unsigned calls", func(t *testing.T) { unsigned(t, f) })
	t.Run("wrong parameters", func(t *testing.T) { wrongParams(t, f) })
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) { c.run(t, f) })
	}
}

// open returns a host in the state before the case.
func (c Case) open(t *testing.T, f fn.Function) *Host {
	t.Helper()
	h := Open(t, f)
	if c.Lang != "" {
		h.Lang = c.Lang
	}
	for path, content := range c.Files {
		h.Put(path, content)
	}
	if c.Setup != nil {
		c.Setup(t, h)
	}
	return h
}

func (c Case) world(t *testing.T, h *Host) string {
	t.Helper()
	if c.World != nil {
		return c.World(t, h)
	}
	return h.Workspace()
}

func (c Case) request(h *Host) plugin.Request {
	req := h.Request(plugin.OpDo, c.Params)
	if c.Input != "" {
		req.Input = json.RawMessage(c.Input)
	}
	return req
}

// do makes the call, which must succeed.
func (c Case) do(t *testing.T, h *Host) plugin.Response {
	t.Helper()
	resp, err := h.Send(c.request(h))
	if err != nil {
		t.Fatalf("%v", err)
	}
	return resp
}

func (c Case) run(t *testing.T, f fn.Function) {
	if c.Fails != "" {
		c.refused(t, f)
		return
	}
	t.Run("do", func(t *testing.T) { c.done(t, f) })
	t.Run("dry run", func(t *testing.T) { c.dry(t, f) })
	op := c.effect(f)
	if op.Effect != manifest.Irreversible {
		t.Run("repeated", func(t *testing.T) { c.repeated(t, f) })
	}
	if op.Undo {
		t.Run("undo", func(t *testing.T) { c.undone(t, f, true) })
		t.Run("undo of an unknown outcome", func(t *testing.T) { c.undone(t, f, false) })
		t.Run("undo of nothing", func(t *testing.T) { c.neverApplied(t, f) })
	}
	if op.Undo && f.Manifest().Preview {
		t.Run("preview", func(t *testing.T) { c.previewed(t, f) })
	}
	if f.Manifest().Reconciles(json.RawMessage(c.Params)) {
		t.Run("reconcile", func(t *testing.T) { c.reconciled(t, f) })
	}
}

// effect returns the effect of the case's operation.
func (c Case) effect(f fn.Function) manifest.Op {
	return f.Manifest().EffectOf(json.RawMessage(c.Params))
}

func (c Case) refused(t *testing.T, f fn.Function) {
	h := c.open(t, f)
	before := c.world(t, h)
	_, err := h.Send(c.request(h))
	if !fault.Is(err, c.Fails) {
		t.Errorf("%v, want %s", err, c.Fails)
	}
	if after := c.world(t, h); after != before {
		t.Errorf("it was refused, and changed\n%s\ninto\n%s", before, after)
	}
}

func (c Case) done(t *testing.T, f fn.Function) {
	h := c.open(t, f)
	before := c.world(t, h)
	resp := c.do(t, h)
	if after := c.world(t, h); c.effect(f).Effect == manifest.Read && after != before {
		t.Errorf("it only reads, and changed\n%s\ninto\n%s", before, after)
	}
	fitsResult(t, f, resp)
	for _, file := range resp.Files {
		if file.Path == "" || file.Version == 0 || file.Hash == "" {
			t.Errorf("the receipt has a file without path, version or hash: %+v", file)
		}
	}
	if resp.Summary == "" {
		t.Error("it gives no summary for people")
	}
	if c.Check != nil {
		c.Check(t, h, resp)
	}
}

func fitsResult(t *testing.T, f fn.Function, resp plugin.Response) {
	t.Helper()
	resolved, err := schema(t, f.Manifest().Result).Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(resp.Result, &v); err != nil {
		t.Fatal(err)
	}
	if err := resolved.Validate(v); err != nil {
		t.Errorf("the result does not fit its schema: %v\n%s", err, resp.Result)
	}
}

func (c Case) dry(t *testing.T, f fn.Function) {
	h := c.open(t, f)
	before := c.world(t, h)
	req := c.request(h)
	req.DryRun = true
	if _, err := h.Send(req); err != nil {
		t.Errorf("%v", err)
	}
	if after := c.world(t, h); after != before {
		t.Errorf("a dry run changed\n%s\ninto\n%s", before, after)
	}
}

// repeated makes the call again with the same key, as the engine does when it lost the answer.
func (c Case) repeated(t *testing.T, f fn.Function) {
	h := c.open(t, f)
	c.do(t, h)
	once := c.world(t, h)
	if _, err := h.Send(c.request(h)); err != nil {
		t.Errorf("the second attempt: %v", err)
	}
	if twice := c.world(t, h); twice != once {
		t.Errorf("the second attempt changed\n%s\ninto\n%s", once, twice)
	}
}

// undone takes the call back twice, does it anew and takes that back.
func (c Case) undone(t *testing.T, f fn.Function, known bool) {
	h := c.open(t, f)
	before := c.world(t, h)
	for range 2 {
		resp := c.do(t, h)
		receipt := &resp
		if !known {
			receipt = nil
		}
		for _, time := range []string{"first", "second"} {
			if err := h.Undo(c.Params, receipt); err != nil {
				t.Fatalf("the %s undo: %v", time, err)
			}
			if after := c.world(t, h); after != before {
				t.Fatalf("after the %s undo the world is\n%s\nnot\n%s", time, after, before)
			}
		}
	}
}

func (c Case) neverApplied(t *testing.T, f fn.Function) {
	h := c.open(t, f)
	before := c.world(t, h)
	if err := h.Undo(c.Params, nil); err != nil {
		t.Fatal(err)
	}
	if after := c.world(t, h); after != before {
		t.Errorf("the undo of nothing changed\n%s\ninto\n%s", before, after)
	}
}

// previewed asks what the undo would do: of nothing, of the step, and of what is taken back already. It
// changes nothing.
func (c Case) previewed(t *testing.T, f fn.Function) {
	h := c.open(t, f)
	look := func(when string, receipt *plugin.Response) string {
		t.Helper()
		before := c.world(t, h)
		says, err := h.Preview(c.Params, receipt)
		if err != nil {
			t.Errorf("%s: %v", when, err)
		}
		if after := c.world(t, h); after != before {
			t.Errorf("%s, a look at the undo changed\n%s\ninto\n%s", when, before, after)
		}
		return says
	}
	look("before the step", nil)
	resp := c.do(t, h)
	if look("after the step", &resp) == "" {
		t.Error("it does not say what the undo would do")
	}
	look("without a receipt", nil)
	if err := h.Undo(c.Params, &resp); err != nil {
		t.Fatal(err)
	}
	look("after the undo", &resp)
}

// reconciled asks whether the step happened, before it and after it. Asking changes nothing, and the answer
// stands in for the receipt that was lost.
func (c Case) reconciled(t *testing.T, f fn.Function) {
	h := c.open(t, f)
	ask := func(want plugin.Outcome) plugin.Response {
		t.Helper()
		before := c.world(t, h)
		req := c.request(h)
		req.Op, req.Began = plugin.OpReconcile, req.Now
		resp, err := h.Send(req)
		if err != nil || resp.Outcome != want {
			t.Fatalf("%q %v, want %q", resp.Outcome, err, want)
		}
		if after := c.world(t, h); after != before {
			t.Errorf("asking changed\n%s\ninto\n%s", before, after)
		}
		return resp
	}
	ask(plugin.NotApplied)
	done := c.do(t, h)
	resp := ask(plugin.Applied)
	fitsResult(t, f, resp)
	if len(resp.Files) != len(done.Files) {
		t.Errorf("the receipt has the files %v, and the answer %v", done.Files, resp.Files)
	}
	if c.effect(f).Undo {
		if err := h.Undo(c.Params, &resp); err != nil {
			t.Errorf("undo with the answer for a receipt: %v", err)
		}
	}
}

// served wants the manifest at /manifest, for hosts that ask the process.
func served(t *testing.T, f fn.Function) {
	h := Open(t, f)
	resp, err := h.server.Client().Get(h.server.URL + "/manifest")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var m manifest.Manifest
	if err := json.NewDecoder(resp.Body).Decode(&m); err != nil || resp.StatusCode != http.StatusOK || m.ID != f.Manifest().ID {
		t.Errorf("%d %+v %v", resp.StatusCode, m, err)
	}
}

// unsigned wants every call refused that the executor did not make for this plugin just now.
func unsigned(t *testing.T, f fn.Function) {
	h := Open(t, f)
	params, err := json.Marshal(f.Manifest().Intent.Example)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(h.Request(plugin.OpDo, string(params)))
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := vault.Parse(vault.Generate())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for name, signature := range map[string]string{
		"unsigned":              "",
		"nonsense":              "abc.def",
		"another deployment":    h.sign(stranger, f.Name, body, now),
		"another plugin":        h.sign(h.vault, f.Name+"-x", body, now),
		"another body":          h.sign(h.vault, f.Name, append(body, ' '), now),
		"expired":               h.sign(h.vault, f.Name, body, now.Add(-time.Hour)),
		"from the future":       h.sign(h.vault, f.Name, body, now.Add(time.Hour)),
		"signed for a function": h.vault.Sign(vault.Call{From: "planner-execute", To: f.Name}, body, now),
	} {
		if _, err := h.post(body, signature); !fault.Is(err, fault.Unauthorized) {
			t.Errorf("%s: %v", name, err)
		}
	}
	h.Set("HEARTH_CALL_KEY", " ")
	if _, err := h.post(body, h.sign(h.vault, f.Name, body, now)); !fault.Is(err, fault.Unauthorized) {
		t.Errorf("without the public key: %v", err)
	}
}

// wrongParams varies the example: each mistake is refused with its place, before anything runs.
func wrongParams(t *testing.T, f fn.Function) {
	h := Open(t, f)
	refuse := func(place string, params any) {
		t.Helper()
		raw, err := json.Marshal(params)
		if err != nil {
			t.Fatal(err)
		}
		_, err = h.Do(string(raw))
		if !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Text(err), place) {
			t.Errorf("%.200s: %v, want invalid with %q", raw, err, place)
		}
	}
	with := func(name string, value any) map[string]any {
		params := map[string]any{}
		for k, v := range f.Manifest().Intent.Example {
			params[k] = v
		}
		if params[name] = value; value == nil {
			delete(params, name)
		}
		return params
	}
	refuse("", []any{})
	refuse("", "text")
	refuse("params.surprise", with("surprise", 1))
	s := schema(t, f.Manifest().Params)
	for _, name := range s.Required {
		refuse("params."+name, with(name, nil))
	}
	for name, property := range s.Properties {
		if property.Type != "" {
			refuse("params."+name, with(name, wrongFor(property.Type)))
		}
	}
}

// wrongFor returns a value that no schema of the type accepts.
func wrongFor(kind string) any {
	if kind == "object" {
		return "text"
	}
	return map[string]any{"wrong": true}
}
