package plugin_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/plugin"
)

type typed struct {
	One    json.RawMessage            `json:"one" types:"string|number"`
	Each   []json.RawMessage          `json:"each,omitempty" types:"string|null"`
	By     map[string]json.RawMessage `json:"by,omitempty" types:"number|list"`
	Inside struct {
		Some json.RawMessage `json:"some,omitempty" types:"list|string" most:"2"`
	} `json:"inside,omitempty"`
	Open json.RawMessage `json:"open,omitempty"`
}

func TestTypesOfRawParameters(t *testing.T) {
	f := plugin.Define(spec(), func(*plugin.Call, typed) (string, error) { return "", nil })
	for params, want := range map[string]string{
		`{"one":"x","each":["y",null],"by":{"a":1,"b":[2,3]},"inside":{"some":["z"]},"open":[{}]}`: "",
		`{"one":true}`:                              "params.one: want string or number",
		`{"one":1,"each":["y",1]}`:                  "params.each[1]: want string or null, not the number 1",
		`{"one":1,"by":{"a":"x"}}`:                  "params.by.a: want number or array",
		`{"one":1,"by":{"a":[1,"x"]}}`:              "params.by.a[1]: want number",
		`{"one":1,"inside":{"some":7}}`:             "params.inside.some: want array or string",
		`{"one":1,"inside":{"some":["a","b","c"]}}`: "params.inside.some: has 3 elements",
	} {
		err := plugin.Validate(f.Manifest().Params, json.RawMessage(params))
		if want == "" && err != nil || !strings.HasPrefix(fault.Text(err), want) {
			t.Errorf("%s: %s, want %q", params, fault.Text(err), want)
		}
	}
}

func TestTypesThatAreNone(t *testing.T) {
	type unknown struct {
		A json.RawMessage `json:"a" types:"text"`
	}
	type unbounded struct {
		A json.RawMessage `json:"a" types:"string" letters:"many"`
	}
	s := spec()
	s.Effect = manifest.Read
	if _, err := plugin.Define(s, func(*plugin.Call, unknown) (string, error) { return "", nil }).New(t.Context(), fntest.Env(t, nil)); !strings.Contains(fault.Text(err), "types") {
		t.Errorf("an unknown type: %v", err)
	}
	if _, err := plugin.Define(s, func(*plugin.Call, unbounded) (string, error) { return "", nil }).New(t.Context(), fntest.Env(t, nil)); !strings.Contains(fault.Text(err), "letters") {
		t.Errorf("an unknown bound: %v", err)
	}
}
