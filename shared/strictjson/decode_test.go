package strictjson_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/strictjson"
)

type base struct {
	ID string `json:"id"`
}

type step struct {
	base
	Plugin string          `json:"plugin"`
	Params json.RawMessage `json:"params"`
	Needs  []string        `json:"needs"`
	Skip   string          `json:"-"`
}

type plan struct {
	Name   string          `json:"name"`
	Count  int             `json:"count"`
	On     bool            `json:"on"`
	Steps  []*step         `json:"steps"`
	ByName map[string]step `json:"by_name"`
	At     time.Time       `json:"at"`
	Any    any             `json:"any"`
}

func TestDecodeAccepts(t *testing.T) {
	var p plan
	raw := ` { "name" : "a\"}" , "count":-1.0e0, "steps":[ {"id":"x","plugin":"p","params":{"whatever":[1,{"q":null}]}}, null ],
		"by_name":{"any key":{"plugin":"q"}}, "at":"2026-01-02T03:04:05Z", "any":{"x":{"y":[]}} }  `
	raw = strings.Replace(raw, "-1.0e0", "7", 1)
	if err := strictjson.Decode([]byte(raw), &p); err != nil {
		t.Fatal(err)
	}
	if p.Name != `a"}` || p.Count != 7 || p.Steps[0].ID != "x" || p.ByName["any key"].Plugin != "q" {
		t.Errorf("decoded %+v", p)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		raw   string
		place string
		says  string
	}{
		"unknown field":        {"{\n  \"name\": \"x\",\n  \"nam\": 1}", "line 3, column 3", `unknown field "nam"; known: name, count`},
		"deep unknown field":   {`{"steps":[{},{"plugin":"p","paramz":{}}]}`, "line 1, column 28", `unknown field "paramz" in steps[1]; known: id, plugin, params, needs`},
		"unknown field in map": {`{"by_name":{"k":{"z":1}}}`, "line 1, column 18", `unknown field "z" in by_name.k`},
		"hidden field":         {`{"steps":[{"Skip":"x"}]}`, "line 1, column 12", `unknown field "Skip"`},
		"other case":           {`{"NAME":"x"}`, "line 1, column 2", `unknown field "NAME"`},
		"escaped repeated key": {`{"name":"x","n\u0061me":"y"}`, "line 1, column 13", `"name" appears twice`},
		"repeated in raw":      {`{"steps":[{"params":{"a":{"to":1,"to":2}}}]}`, "line 1, column 34", `"to" appears twice in steps[0].params.a`},
		"repeated in any":      {`{"any":[{"a":1,"a":1}]}`, "line 1, column 16", `"a" appears twice in any[0]`},
		"wrong kind":           {"{\"count\":\n\"seven\"}", "line 2, column 8", "count has to be a number (int), not string"},
		"wrong kind in a list": {`{"steps":[{"needs":"a"}]}`, "line 1, column 23", "steps.needs has to be a list, not string"},
		"list for object":      {`[]`, "line 1, column 2", "this has to be an object, not array"},
		"syntax":               {"{\"name\":\n  oops}", "line 2, column 3", "not JSON: invalid character 'o'"},
		"two values":           {`{} {}`, "line 1, column 4", "after top-level value"},
		"cut short":            {`{"name":"x"`, "line 1, column 11", "unexpected end"},
		"nothing":              {``, "line 1, column 1", "unexpected end"},
		"too deep":             {strings.Repeat("[", 65), "line 1, column 65", "nested deeper than 64"},
		"brackets in a string": {`{"name":"` + strings.Repeat("[", 65) + `","x":1}`, "line 1, column 77", `unknown field "x"`},
	} {
		t.Run(name, func(t *testing.T) {
			var p plan
			err := strictjson.Decode([]byte(c.raw), &p)
			if text := fault.Text(err); !strings.HasPrefix(text, c.place+": ") || !strings.Contains(text, c.says) {
				t.Errorf("got  %s\nwant %s: … %s", text, c.place, c.says)
			}
			if k := fault.KindOf(err); k != fault.Invalid && k != fault.TooLarge {
				t.Errorf("kind %s", k)
			}
		})
	}
}

// FuzzDecode holds Decode to encoding/json: it accepts nothing that one refuses, decodes to the same value,
// and never panics.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{"steps":[{"params":{"a":1}}]}`, `{"name":"\\\""}`, `[1,2]`, `{"a":{}}`, ` "x" `, "tru", `{"any":1e9}`, `{"n\u0061me":""}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var strict, loose plan
		if strictjson.Decode(raw, &strict) != nil {
			return
		}
		if err := json.Unmarshal(raw, &loose); err != nil {
			t.Fatalf("accepted what encoding/json refuses: %v", err)
		}
		a, _ := json.Marshal(strict)
		b, _ := json.Marshal(loose)
		if string(a) != string(b) {
			t.Fatalf("%s and %s", a, b)
		}
	})
}
