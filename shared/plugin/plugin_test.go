package plugin_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/plugin"
	"github.com/hearthfaas/hearth/shared/plugin/plugintest"
	"github.com/hearthfaas/hearth/shared/workspace"
)

type joinIn struct {
	Parts  []string `json:"parts" file:"read" jsonschema:"text files to join"`
	Output string   `json:"output" file:"write" jsonschema:"where the joined text goes"`
	Times  int      `json:"times,omitempty" jsonschema:"how often each part is repeated"`
	Styles []style  `json:"styles,omitempty" jsonschema:"what to put around the parts"`
}

type style struct {
	Before string `json:"before" jsonschema:"put before each part"`
	Logo   string `json:"logo,omitempty" file:"read" jsonschema:"a file whose content comes first"`
}

type joinOut struct {
	Path  string `json:"path"`
	Bytes int    `json:"bytes"`
}

func spec() plugin.Spec {
	return plugin.Spec{
		ID: "text_joiner", Title: manifest.Phrase{En: "Join texts", Zh: "合并文本"}, Summary: "Joins text files into one.",
		Effect: manifest.Compensable, Grants: manifest.Grants{Files: plugin.FilesParams, Secrets: []string{"joiner-glue", "JOINER_*_URL"}},
		Intent: manifest.Intent{
			Phrases: []string{"join texts", "合并文本"},
			Example: map[string]any{"parts": []string{"/a.txt"}, "output": "/out.txt"},
		},
	}
}

func join(c *plugin.Call, in joinIn) (joinOut, error) {
	var all []string
	for _, name := range in.Parts {
		local, err := c.Local(name)
		if err != nil {
			if c.DryRun {
				continue
			}
			return joinOut{}, err
		}
		raw, err := os.ReadFile(local)
		if err != nil {
			return joinOut{}, err
		}
		all = append(all, string(raw))
	}
	text := strings.Join(all, c.Setting("JOINER_GLUE", " "))
	local, err := c.Create(in.Output)
	if err != nil {
		return joinOut{}, err
	}
	c.Summary("joined the texts", "已合并")
	return joinOut{Path: in.Output, Bytes: len(text)}, os.WriteFile(local, []byte(text), 0o600)
}

func unjoin(c *plugin.Call, _ joinIn, _ *joinOut) error { return c.Revert() }

func TestSuite(t *testing.T) {
	plugintest.Run(t, plugin.Define(spec(), join, plugin.Undo(unjoin)),
		plugintest.Case{
			Name:   "joins",
			Params: `{"parts":["/a.txt","b.txt"],"output":"out/both.txt"}`,
			Files:  map[string]string{"/a.txt": "one", "/b.txt": "two"},
			Lang:   "zh",
			Check: func(t *testing.T, h *plugintest.Host, resp plugin.Response) {
				if h.Read("/out/both.txt") != "one two" || resp.Summary != "已合并" || len(resp.Files) != 1 || resp.Files[0].Path != "/out/both.txt" {
					t.Errorf("%q %+v", h.Read("/out/both.txt"), resp)
				}
			},
		},
		plugintest.Case{
			Name:   "overwrites",
			Params: `{"parts":["/templates/t.txt"],"output":"/a.txt"}`,
			Files:  map[string]string{"/a.txt": "before"},
			Setup: func(_ *testing.T, h *plugintest.Host) {
				h.PutAs(workspace.TemplatesOwner, "/templates/t.txt", "shared")
			},
		},
		plugintest.Case{Name: "a missing input", Params: `{"parts":["/nothing"],"output":"/o"}`, Fails: fault.NotFound},
		plugintest.Case{Name: "a bad path", Params: `{"parts":["/../x"],"output":"/o"}`, Fails: fault.Forbidden},
		plugintest.Case{Name: "an output in the templates", Params: `{"parts":[],"output":"/templates/o"}`, Fails: fault.Forbidden},
	)
}

func TestManifest(t *testing.T) {
	m := plugin.Define(spec(), join, plugin.Undo(unjoin)).Manifest()
	want := `{"type":"object","properties":{` +
		`"parts":{"type":"array","items":{"type":"string","x-file":"read"},"description":"text files to join"},` +
		`"output":{"type":"string","description":"where the joined text goes","x-file":"write"},` +
		`"times":{"type":"integer","description":"how often each part is repeated"},` +
		`"styles":{"type":"array","items":{"type":"object","properties":{` +
		`"before":{"type":"string","description":"put before each part"},` +
		`"logo":{"type":"string","description":"a file whose content comes first","x-file":"read"}},` +
		`"required":["before"],"additionalProperties":false},"description":"what to put around the parts"}},` +
		`"required":["parts","output"],"additionalProperties":false}`
	if string(m.Params) != want {
		t.Errorf("the schema is\n%s\nwant\n%s", m.Params, want)
	}
	if !m.Undo || m.Limits.Wall != plugin.DefaultWall || m.Limits.Undo != plugin.DefaultUndo || m.Limits.Recall != 0 {
		t.Errorf("%+v", m)
	}
}

func TestFiles(t *testing.T) {
	m := plugin.Define(spec(), join, plugin.Undo(unjoin)).Manifest()
	got, err := plugin.Files(m.Params, []byte(`{"parts":["/a","/b",""],"output":"/o","styles":[{"before":"/no"},{"before":"","logo":"/l"}],"other":"/x"}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []plugin.File{
		{Place: "params.output", Path: "/o", Mode: plugin.ModeWrite},
		{Place: "params.parts[0]", Path: "/a", Mode: plugin.ModeRead},
		{Place: "params.parts[1]", Path: "/b", Mode: plugin.ModeRead},
		{Place: "params.styles[1].logo", Path: "/l", Mode: plugin.ModeRead},
	}
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%d: %+v, want %+v", i, got[i], want[i])
		}
	}
}

func TestValidateNamesThePlace(t *testing.T) {
	m := plugin.Define(spec(), join, plugin.Undo(unjoin)).Manifest()
	for params, want := range map[string]string{
		`{"output":"/o"}`:                                     "params.parts: missing",
		`{"parts":"/a","output":"/o"}`:                        `params.parts: want array, not "/a"`,
		`{"parts":["/a",7],"output":"/o"}`:                    "params.parts[1]: want string, not the number 7",
		`{"parts":null,"output":"/o"}`:                        "params.parts: want array, not null",
		`{"parts":[],"output":"/o","times":1.5}`:              "params.times: want integer, not the number 1.5",
		`{"parts":[],"output":"/o","styles":[{"logo":"/l"}]}`: "params.styles[0].before: missing",
		`{"parts":[],"output":"/o","styles":[{"Before":""}]}`: "params.styles[0].before: missing",
		`{"parts":[],"output":"/o","ouput":"/p"}`:             "params.ouput: unknown parameter",
		`{"parts":[],"output":"/o","output":"/p"}`:            "output",
		`[]`:                                   "params: want object, not a list",
		`{"parts":[],"output":"/o"} x`:         "line 1",
		`{"parts":` + strings.Repeat("[", 100): "nested",
		`{"parts":[],"output":{"x":"` + rep("y", 100) + `"}}`:       "params.output: want string, not an object",
		`{"parts":[],"output":"/o","times":"` + rep("9", 99) + `"}`: "a longer text",
	} {
		err := plugin.Validate(m.Params, []byte(params))
		if err == nil || !strings.Contains(fault.Text(err), want) {
			t.Errorf("%.80s: %v, want %q", params, err, want)
		}
	}
	if err := plugin.Validate(m.Params, []byte(`{"parts":["/a"],"output":"/o","times":3,"styles":[{"before":""}]}`)); err != nil {
		t.Error(err)
	}
}

func TestDefinitionsThatContradictThemselves(t *testing.T) {
	type noStruct []string
	type badMark struct {
		N int `json:"n" file:"read"`
	}
	type noOp struct {
		Op string `json:"op,omitempty"`
	}
	ops := map[string]manifest.Op{"go": {Effect: manifest.Read}}
	change := func(edit func(s *plugin.Spec)) plugin.Spec {
		s := spec()
		edit(&s)
		return s
	}
	nothing := func(*plugin.Call, noOp) (joinOut, error) { return joinOut{}, nil }
	for name, f := range map[string]fn.Function{
		"compensable without undo":  plugin.Define(spec(), join),
		"unknown effect":            plugin.Define(change(func(s *plugin.Spec) { s.Effect = "mild" }), join),
		"no effect":                 plugin.Define(change(func(s *plugin.Spec) { s.Effect = "" }), join),
		"bad id":                    plugin.Define(change(func(s *plugin.Spec) { s.ID = "Text-Joiner" }), join, plugin.Undo(unjoin)),
		"undo of other types":       plugin.Define(spec(), join, plugin.Undo(func(*plugin.Call, joinIn, *string) error { return nil })),
		"a preview of no undo":      plugin.Define(change(func(s *plugin.Spec) { s.Effect = manifest.Read }), join, plugin.Preview()),
		"a question of other types": plugin.Define(spec(), join, plugin.Undo(unjoin), plugin.Reconcile(func(*plugin.Call, joinIn) (*string, error) { return nil, nil })),
		"parameters are a list":     plugin.Define(spec(), func(*plugin.Call, noStruct) (joinOut, error) { return joinOut{}, nil }),
		"a file that is a number":   plugin.Define(spec(), func(*plugin.Call, badMark) (joinOut, error) { return joinOut{}, nil }),
		"ops without op":            plugin.Define(change(func(s *plugin.Spec) { s.Ops = ops }), join, plugin.Undo(unjoin)),
		"ops with optional op":      plugin.Define(change(func(s *plugin.Spec) { s.Ops, s.Effect = ops, manifest.Read }), nothing),
		"an undo that is no undo": plugin.Define(change(func(s *plugin.Spec) {
			s.Ops = map[string]manifest.Op{"go": {Effect: manifest.Read, Undo: true}}
		}), join, plugin.Undo(unjoin)),
	} {
		if _, err := f.New(t.Context(), nil); !fault.Is(err, fault.Internal) || !strings.Contains(fault.Text(err), "the definition of") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// define makes a plugin of a function that a test writes.
func define(effect manifest.Effect, edit func(s *plugin.Spec), do func(c *plugin.Call, in joinIn) (joinOut, error)) fn.Function {
	s := spec()
	s.Effect = effect
	if edit != nil {
		edit(&s)
	}
	return plugin.Define(s, do, plugin.Undo(unjoin))
}

const params = `{"parts":[],"output":"/o"}`

func TestFaultsTravel(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want fault.Kind
	}{
		"a kind":        {fault.New(fault.Limited, "slow down").In(7 * time.Second), fault.Limited},
		"no kind":       {errors.New("secret detail"), fault.Internal},
		"deadline":      {context.DeadlineExceeded, fault.Timeout},
		"wrapped":       {fault.Wrap(fault.New(fault.Conflict, "changed"), "row 7"), fault.Conflict},
		"certain":       {fault.New(fault.Failed, "no such mailbox"), fault.Failed},
		"not answering": {fault.New(fault.Unavailable, "away"), fault.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			h := plugintest.Open(t, define(manifest.Idempotent, nil, func(*plugin.Call, joinIn) (joinOut, error) { return joinOut{}, tc.err }))
			_, err := h.Do(params)
			if !fault.Is(err, tc.want) || fault.After(err) != fault.After(tc.err) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestPanicIsAFault(t *testing.T) {
	h := plugintest.Open(t, define(manifest.Idempotent, nil, func(*plugin.Call, joinIn) (joinOut, error) { panic("with a secret") }))
	for range 2 { // the second call finds the step free again
		if _, err := h.Do(params); !fault.Is(err, fault.Internal) || strings.Contains(err.Error(), "secret") {
			t.Fatal(err)
		}
	}
}

func TestWallLimit(t *testing.T) {
	short := func(s *plugin.Spec) { s.Limits.Wall = 20 * time.Millisecond }
	h := plugintest.Open(t, define(manifest.Read, short, func(c *plugin.Call, _ joinIn) (joinOut, error) {
		<-c.Done()
		return joinOut{}, c.Err()
	}))
	if _, err := h.Do(params); !fault.Is(err, fault.Timeout) {
		t.Fatal(err)
	}
}

func TestOutputLimit(t *testing.T) {
	for effect, want := range map[manifest.Effect]fault.Kind{manifest.Read: fault.TooLarge, manifest.Irreversible: fault.Unknown} {
		small := func(s *plugin.Spec) { s.Limits.Output = 100 }
		h := plugintest.Open(t, define(effect, small, func(*plugin.Call, joinIn) (joinOut, error) { return joinOut{Path: rep("x", 100)}, nil }))
		if _, err := h.Do(params); !fault.Is(err, want) || !strings.Contains(fault.Text(err), "100") {
			t.Errorf("%s: %v", effect, err)
		}
	}
}

// TestFailureAfterTheEffect: what fails behind the operation is Unknown, unless nothing can have happened.
func TestFailureAfterTheEffect(t *testing.T) {
	announce := func(c *plugin.Call, in joinIn) (joinOut, error) {
		_, err := c.Create(in.Output) // and does not write it
		return joinOut{}, err
	}
	reaching := func(s *plugin.Spec) { s.Grants.Hosts = []string{"mail.example.com:25"} }
	for name, tc := range map[string]struct {
		f    fn.Function
		want fault.Kind
	}{
		"it reaches a host": {define(manifest.Compensable, reaching, announce), fault.Unknown},
		"it only reads":     {define(manifest.Read, reaching, announce), fault.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := plugintest.Open(t, tc.f).Do(params); !fault.Is(err, tc.want) {
				t.Error(err)
			}
		})
	}
}

func TestSecretsAreGranted(t *testing.T) {
	seen := make(chan string, 8)
	h := plugintest.Open(t, define(manifest.Read, nil, func(c *plugin.Call, _ joinIn) (joinOut, error) {
		secret, err := c.Secret("joiner-glue")
		if err != nil {
			return joinOut{}, err
		}
		_, other := c.Secret("encryption-key")
		seen <- strings.Join([]string{
			secret, c.Setting("JOINER_GLUE", "-"), c.Setting("JOINER_MAIN_URL", "-"), c.Setting("JOINER_NONE_URL", "none"),
			c.Setting("ENCRYPTION_KEY", "hidden"), string(fault.KindOf(other)),
		}, " ")
		return joinOut{}, nil
	}))
	h.Set("ENCRYPTION_KEY", "must not be seen")
	h.Set("JOINER_MAIN_URL", "here")
	if _, err := h.Do(params); !fault.Is(err, fault.Unauthorized) {
		t.Fatalf("without the secret: %v", err)
	}
	h.Set("JOINER_GLUE", "glue")
	if _, err := h.Do(params); err != nil {
		t.Fatal(err)
	}
	if got := <-seen; got != "glue glue here none hidden forbidden" {
		t.Fatal(got)
	}
}

// TestRepeatedCallWaits: a second call of the same step waits for the first one's answer.
func TestRepeatedCallWaits(t *testing.T) {
	started, finish := make(chan struct{}, 8), make(chan struct{})
	h := plugintest.Open(t, define(manifest.Idempotent, nil, func(c *plugin.Call, _ joinIn) (joinOut, error) {
		started <- struct{}{}
		<-finish
		return joinOut{Path: c.Key}, nil
	}))
	answers := make(chan string, 8)
	call := func(req plugin.Request) {
		resp, err := h.Send(req)
		if err != nil {
			answers <- string(fault.KindOf(err))
			return
		}
		answers <- string(resp.Result)
	}
	req := h.Request(plugin.OpDo, params)
	go call(req)
	<-started
	go call(req)
	other := h.Request(plugin.OpDo, `{"parts":[],"output":"/other"}`)
	call(other)
	if got := <-answers; got != string(fault.Conflict) {
		t.Fatalf("other parameters under the same key: %s", got)
	}
	other.Key = "key-2"
	go call(other)
	<-started // another step does not wait
	close(finish)
	results := map[string]int{}
	for range 3 {
		results[<-answers]++
	}
	if results[`{"path":"key-1","bytes":0}`] != 2 || len(started) != 0 {
		t.Fatalf("%v, %d more starts", results, len(started))
	}
}

// TestStopCutsOffOneKey stops one of two calls, and a key that nobody works on.
func TestStopCutsOffOneKey(t *testing.T) {
	started, finish := make(chan string, 2), make(chan struct{})
	h := plugintest.Open(t, define(manifest.Idempotent, nil, func(c *plugin.Call, _ joinIn) (joinOut, error) {
		started <- c.Key
		select {
		case <-finish:
			return joinOut{Path: "whole"}, nil
		case <-c.Done():
			return joinOut{}, fault.As(fault.Unknown, c.Err(), "cut off")
		}
	}))
	send := func(op, key string) (plugin.Response, error) {
		req := h.Request(op, params)
		req.Key = key
		return h.Send(req)
	}
	answers := map[string]chan error{"key-1": make(chan error, 1), "key-2": make(chan error, 1)}
	for key, answer := range answers {
		go func() {
			_, err := send(plugin.OpDo, key)
			answer <- err
		}()
	}
	<-started
	<-started
	for _, key := range []string{"key-3", "key-1", "key-1"} {
		if _, err := send(plugin.OpStop, key); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-answers["key-1"]; !fault.Is(err, fault.Unknown) {
		t.Errorf("the one that was stopped: %v", err)
	}
	close(finish)
	if err := <-answers["key-2"]; err != nil {
		t.Errorf("the other one: %v", err)
	}
}

// TestReconcileWaits: while the step is still under way in this process, nobody says that it did not happen.
func TestReconcileWaits(t *testing.T) {
	started, finish, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	s := spec()
	s.Effect, s.Limits.Wall = manifest.Irreversible, 50*time.Millisecond
	acted := false // written before finish is answered, read after
	h := plugintest.Open(t, plugin.Define(s, func(c *plugin.Call, _ joinIn) (joinOut, error) {
		close(started)
		<-finish
		acted = true
		return joinOut{Path: c.Key}, nil
	}, plugin.Reconcile(func(c *plugin.Call, _ joinIn) (*joinOut, error) {
		if !acted || c.Began.IsZero() {
			return nil, nil
		}
		return &joinOut{Path: c.Key}, nil
	})))
	ask := h.Request(plugin.OpReconcile, params)
	ask.Began = ask.Now
	if resp, err := h.Send(ask); err != nil || resp.Outcome != plugin.NotApplied {
		t.Fatalf("before: %+v %v", resp, err)
	}
	act := h.Request(plugin.OpDo, params)
	go func() {
		defer close(done)
		if _, err := h.Send(act); err != nil {
			t.Error(err)
		}
	}()
	<-started
	if resp, err := h.Send(ask); !fault.Is(err, fault.Unavailable) {
		t.Errorf("while it runs: %+v %v", resp, err)
	}
	close(finish)
	<-done
	if resp, err := h.Send(ask); err != nil || resp.Outcome != plugin.Applied || string(resp.Result) != `{"path":"key-1","bytes":0}` {
		t.Errorf("after: %+v %v", resp, err)
	}
}

func TestEnvelope(t *testing.T) {
	h := plugintest.Open(t, define(manifest.Idempotent, nil, func(*plugin.Call, joinIn) (joinOut, error) { return joinOut{}, nil }))
	for name, edit := range map[string]func(r *plugin.Request){
		"no run":       func(r *plugin.Request) { r.Run = "" },
		"no step":      func(r *plugin.Request) { r.Step = "" },
		"no key":       func(r *plugin.Request) { r.Key = "" },
		"unknown op":   func(r *plugin.Request) { r.Op = "redo" },
		"unknown zone": func(r *plugin.Request) { r.Zone = "Mars/Olympus" },
		"no params":    func(r *plugin.Request) { r.Params = nil },
	} {
		req := h.Request(plugin.OpDo, params)
		edit(&req)
		if _, err := h.Send(req); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	noUndo := plugintest.Open(t, plugin.Define(func() plugin.Spec { s := spec(); s.Effect = manifest.Read; return s }(), join))
	if err := noUndo.Undo(params, nil); !fault.Is(err, fault.Invalid) {
		t.Errorf("undo of a plugin without one: %v", err)
	}
	if _, err := noUndo.Reconcile(params); !fault.Is(err, fault.Invalid) {
		t.Errorf("a question to a plugin without an answer: %v", err)
	}
	acts := plugintest.Open(t, plugin.Define(spec(), join, plugin.Undo(func(*plugin.Call, joinIn, *joinOut) error { t.Error("it is undone"); return nil })))
	if _, err := acts.Preview(params, nil); !fault.Is(err, fault.Invalid) {
		t.Errorf("preview of an undo that only acts: %v", err)
	}
}

func rep(s string, n int) string { return strings.Repeat(s, n) }
