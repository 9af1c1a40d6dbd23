package emailsender

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/plugin"
)

// TestRecipientsOfOtherTypes: the schema refuses what is no address, with its place, before a plan is approved.
func TestRecipientsOfOtherTypes(t *testing.T) {
	schema := Function.Manifest().Params
	many := strings.TrimSuffix(strings.Repeat(`"a@b.cd",`, 101), ",")
	for params, want := range map[string]string{
		`{"to":7}`:                         "params.to: want string or array, not the number 7",
		`{"to":{"address":"a@b.cd"}}`:      "params.to: want string or array, not an object",
		`{"to":null}`:                      "params.to: want string or array, not null",
		`{"to":["a@b.cd",7]}`:              "params.to[1]: want string, not the number 7",
		`{"to":[]}`:                        "params.to: has 0 elements, and at least 1 is needed",
		`{"to":""}`:                        "params.to: has 0 characters",
		`{"to":["a@b.cd",""]}`:             "params.to[1]: has 0 characters",
		`{"to":[` + many + `]}`:            "params.to: has 101 elements, and at most 100",
		`{"to":"a@b.cd","cc":true}`:        "params.cc: want string or array, not a boolean",
		`{"to":"a@b.cd","bcc":[["x"]]}`:    "params.bcc[0]: want string, not a list",
		`{"to":"a@b.cd"}`:                  "",
		`{"to":["a@b.cd","B <b@c.de>"]}`:   "",
		`{"to":"a@b.cd; b@c.de","cc":"c"}`: "", // what is an address, the plugin knows
	} {
		err := plugin.Validate(schema, json.RawMessage(params))
		if want == "" && err != nil || want != "" && (!fault.Is(err, fault.Invalid) || !strings.HasPrefix(fault.Text(err), want)) {
			t.Errorf("%.60s: %v, want %q", params, fault.Text(err), want)
		}
	}
	long, err := json.Marshal(map[string]string{"to": strings.Repeat("a", 32001)})
	if err != nil {
		t.Fatal(err)
	}
	if err := plugin.Validate(schema, long); !strings.Contains(fault.Text(err), "has 32001 characters, and at most 32000") {
		t.Errorf("a long text: %v", err)
	}
}
