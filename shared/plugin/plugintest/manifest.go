package plugintest

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/plugin"
)

// describes checks that a manifest says what people, planners and the engine need.
func describes(t *testing.T, f fn.Function) {
	m := f.Manifest()
	if m == nil {
		t.Fatal("the function has no manifest")
	}
	if f.Name != plugin.Name(m.ID) {
		t.Errorf("the function %s is not named after its id %s", f.Name, m.ID)
	}
	if m.Title.En == "" || !han(m.Title.Zh) || m.Summary == "" {
		t.Errorf("want a title in both languages and a summary: %+v %q", m.Title, m.Summary)
	}
	effects(t, m)
	phrases(t, m.Intent)
	params := schema(t, m.Params)
	schema(t, m.Result)
	if params.AdditionalProperties == nil {
		t.Error("unknown parameters are not refused")
	}
	described(t, "params", params)
	for _, name := range slices.Concat(m.Control, slotParams(m.Intent), asked(m)) {
		if params.Properties[name] == nil {
			t.Errorf("there is no parameter %q", name)
		}
	}
	if marked(params) != (m.Grants.Files == plugin.FilesParams) && m.Grants.Files != plugin.FilesWorkspace {
		t.Errorf("Grants.Files is %q; want %q exactly when a parameter is a file", m.Grants.Files, plugin.FilesParams)
	}
	example(t, m)
}

func effects(t *testing.T, m *manifest.Manifest) {
	all := []manifest.Effect{m.Effect}
	for _, op := range m.Ops {
		all = append(all, op.Effect)
	}
	for _, c := range m.Cases {
		all = append(all, c.Effect)
	}
	if slices.Contains(all, manifest.Compensable) != m.Undo {
		t.Errorf("the effects are %v, and undo is %v", all, m.Undo)
	}
	if slices.Contains(all, manifest.Irreversible) && m.Limits.Recall <= 0 {
		t.Error("an irreversible effect has no recall window")
	}
	if m.Limits.Wall <= 0 || m.Limits.Memory <= 0 || m.Limits.Output <= 0 {
		t.Errorf("the limits are not set: %+v", m.Limits)
	}
}

// phrases wants trigger words in Chinese and in English, lower case, and questions in both.
func phrases(t *testing.T, intent manifest.Intent) {
	chinese, english := 0, 0
	for _, p := range intent.Phrases {
		if han(p) {
			chinese++
		} else {
			english++
		}
		if p != strings.ToLower(strings.TrimSpace(p)) || p == "" {
			t.Errorf("the phrase %q is not in lower case", p)
		}
	}
	if chinese == 0 || english == 0 {
		t.Errorf("want phrases in Chinese and in English: %q", intent.Phrases)
	}
	for _, s := range intent.Slots {
		if s.Required && (s.Ask.En == "" || !han(s.Ask.Zh)) {
			t.Errorf("the slot %s has no question in both languages", s.Param)
		}
	}
}

func slotParams(intent manifest.Intent) []string {
	var names []string
	for _, s := range intent.Slots {
		names = append(names, s.Param)
	}
	return names
}

// asked are the parameters without which the plugin cannot be asked whether a call happened.
func asked(m *manifest.Manifest) []string {
	if m.Reconcile == nil {
		return nil
	}
	return m.Reconcile.Needs
}

func schema(t *testing.T, raw json.RawMessage) *jsonschema.Schema {
	t.Helper()
	var s jsonschema.Schema
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatalf("a schema does not parse: %v", err)
	}
	return &s
}

func described(t *testing.T, place string, s *jsonschema.Schema) {
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		if s.Properties[name].Description == "" {
			t.Errorf("%s.%s has no description", place, name)
		}
		described(t, place+"."+name, s.Properties[name])
	}
}

// marked reports whether a parameter is a file.
func marked(s *jsonschema.Schema) bool {
	if s.Extra[manifest.File] != nil || (s.Items != nil && marked(s.Items)) {
		return true
	}
	for _, property := range s.Properties {
		if marked(property) {
			return true
		}
	}
	return false
}

// example wants parameters that work as they are.
func example(t *testing.T, m *manifest.Manifest) {
	raw, err := json.Marshal(m.Intent.Example)
	if err != nil || len(m.Intent.Example) == 0 {
		t.Fatalf("there is no example: %v", err)
	}
	if err := plugin.Validate(m.Params, raw); err != nil {
		t.Errorf("the example does not fit the schema: %v", err)
	}
}

func han(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return unicode.Is(unicode.Han, r) }) >= 0
}
