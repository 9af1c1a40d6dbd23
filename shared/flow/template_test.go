package flow_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
)

// expand expands one string and returns the JSON it became.
func expand(t *testing.T, text string, s flow.Scope) (string, error) {
	t.Helper()
	in, err := json.Marshal(map[string]string{"p": text})
	if err != nil {
		t.Fatal(err)
	}
	out, err := flow.Expand(in, s)
	if err != nil {
		return "", err
	}
	var got map[string]json.RawMessage
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	return string(got["p"]), nil
}

func TestExpandValues(t *testing.T) {
	for text, want := range map[string]string{
		// Time: the day is the run's, in its zone, whatever day it is in UTC.
		`{{date}}`:                       `"2026-03-01"`,
		`/output/{{date}}.xlsx`:          `"/output/2026-03-01.xlsx"`,
		`{{now}}`:                        `"2026-03-01T00:30:05+08:00"`,
		`{{time}}`:                       `"00:30"`,
		`{{ date | format "20060102" }}`: `"20260301"`,
		`{{date | format 'YYYYMMDD'}}`:   `"20260301"`,
		`{{now | format 'YYYY年MM月DD日 HH:mm:ss'}}`:    `"2026年03月01日 00:30:05"`,
		`{{now | format "15:04"}}`:                   `"00:30"`,
		`{{date | add '-1d'}}`:                       `"2026-02-28"`,
		`{{date | add "-1w" | format 'MM-DD'}}`:      `"02-22"`,
		`{{date | add '-1mo' | format 'YYYY-MM'}}`:   `"2026-02"`,
		`{{date | add '-1d' | add '1mo'}}`:           `"2026-03-28"`,
		`{{date|add '-2mo'|format 'YYYY-MM-01'}}`:    `"2026-01-01"`,
		`{{steps.3d-plan.at | add '1mo'}}`:           `"2026-02-28T23:00:00Z"`,
		`{{steps.3d-plan.at | format 'YYYY-MM-DD'}}`: `"2026-01-31"`,
		`{{date | add '-1y'}}`:                       `"2025-03-01"`,
		`{{now | add '-45m' | format '02 15:04'}}`:   `"28 23:45"`,

		// One expression keeps its type; in a text, the value is written out.
		`{{steps.query.rows}}`:               `[[12.50,"a@x.cn",null],[7,"b@x.cn","<&>"]]`,
		`{{steps.query}}`:                    `{"columns":["amount","email","note"],"rows":[[12.50,"a@x.cn",null],[7,"b@x.cn","<&>"]],"truncated":false}`,
		`{{steps.query.rows[0]}}`:            `[12.50,"a@x.cn",null]`,
		`{{steps.query.rows[0].amount}}`:     `12.50`,
		`{{steps.query.rows[1][0]}}`:         `7`,
		`{{steps.query.rows[1]["email"]}}`:   `"b@x.cn"`,
		`{{steps.query.truncated}}`:          `false`,
		`{{steps.query.rows[0].note}}`:       `null`,
		`{{trigger.body.n}}`:                 `12345678901234567890`,
		`{{trigger.body.金额}}`:                `9.50`,
		`{{trigger.body["x"]}}`:              `"hook"`,
		`{{trigger.body['x']}}`:              `"hook"`,
		`{{params.region}}`:                  `"east"`,
		`{{item}}`:                           `{"email":"i@x.cn","tags":["p","q"]}`,
		`{{item.email}}`:                     `"i@x.cn"`,
		`{{item.tags[1]}}`:                   `"q"`,
		`{{index}}`:                          `2`,
		`{{run.id}}`:                         `"r3f-abc"`,
		`{{steps["3d-plan"].files[1].path}}`: `"/b"`,
		`{{ steps.query.rows[0].amount }} `:  `"12.50 "`,
		`a{{steps.query.rows[0].note}}b`:     `"ab"`,
		`{{steps.query.rows[1].note}}!`:      `"<&>!"`,
		`n={{trigger.body.n}}`:               `"n=12345678901234567890"`,
		`{{item.tags}}.`:                     `"[\"p\",\"q\"]."`,
		`{{date}}{{date}}`:                   `"2026-03-012026-03-01"`,

		// Filters.
		`{{steps.query.rows | count}}`:                          `2`,
		`{{steps.query.rows | count}} rows`:                     `"2 rows"`,
		`{{item | count}}`:                                      `2`,
		`{{steps.empty.rows | count}}`:                          `0`,
		`{{steps.query.rows | column 'email'}}`:                 `["a@x.cn","b@x.cn"]`,
		`{{steps.query | column 'email' | join ';'}}`:           `"a@x.cn;b@x.cn"`,
		`{{steps.3d-plan.files | column "path" | join}}`:        `"/a, /b"`,
		`{{item.tags | json}}`:                                  `"[\"p\",\"q\"]"`,
		`{{params.region | upper}}`:                             `"EAST"`,
		`{{params.region | upper | lower}}`:                     `"east"`,
		`{{steps.skipped.rows | default 'nothing'}}`:            `"nothing"`,
		`{{steps.query.rows[0].note | default '-'}}`:            `"-"`,
		`{{steps.query.rows[0].none | upper | default "none"}}`: `"none"`,
		`{{params.region | default 'x'}}`:                       `"east"`,

		// What is no expression.
		`\{{date}}`:                   `"{{date}}"`,
		`\{{date}} is {{date}}`:       `"{{date}} is 2026-03-01"`,
		`{date} }} {`:                 `"{date} }} {"`,
		`{{trigger.body.braces}}`:     `"{{run.id}}"`,
		`a {{trigger.body.braces}} b`: `"a {{run.id}} b"`,
		``:                            `""`,
	} {
		got, err := expand(t, text, scope())
		if err != nil || got != want {
			t.Errorf("%s\n got %s %v\nwant %s", text, got, err, want)
		}
	}
}

func TestExpandRefuses(t *testing.T) {
	for text, says := range map[string]string{
		`{{dat}}`:                             `unknown name "dat"; known: date, index, item`,
		`{{steps.qeury.rows}}`:                `step "qeury" has no result here; those that do: 3d-plan, empty, query`,
		`{{steps.query.rowz}}`:                `steps.query has no field "rowz"; it has: columns, rows, truncated`,
		`{{steps.query.rows[2].amount}}`:      `steps.query.rows has 2 elements, there is no [2]`,
		`{{steps.query.rows[0].amonut}}`:      `steps.query.rows[0] has no column "amonut"; it has: amount, email, note`,
		`{{steps.query.rows[0].note.x}}`:      `steps.query.rows[0].note is null`,
		`{{steps.query.truncated.x}}`:         `steps.query.truncated is no object`,
		`{{params.region[0]}}`:                `params.region is no list`,
		`{{steps["3d-plan"].files["a b"]}}`:   `steps.3d-plan.files is no object`,
		`{{steps.skipped.rows}}`:              `step "skipped" was skipped or failed, so it has no result`,
		`{{steps}}`:                           `name the step`,
		`{{steps[0]}}`:                        `name the step`,
		`Dear {{name}`:                        `{{ without }}`,
		`{{}}`:                                `a name expected in {{}}`,
		`{{date | }}`:                         `unknown filter ""`,
		`{{date | frobnicate}}`:               `unknown filter "frobnicate"; known: add, column, count, default, format, join, json, lower, upper`,
		`{{date | format}}`:                   `format takes an argument in quotes`,
		`{{date | upper 'x'}}`:                `upper takes no argument`,
		`{{date | add 'tomorrow'}}`:           `"tomorrow" is no offset`,
		`{{params.region | add '1d'}}`:        `a date or a time expected`,
		`{{params.region | column 'x'}}`:      `column wants a list`,
		`{{params.region | join}}`:            `join wants a list`,
		`{{params.region | count}}`:           `count wants a list`,
		`{{date -1d}}`:                        `}} or | expected in {{date -1d}}, before "-1d"`,
		`{{date.}}`:                           `a name expected`,
		`{{item.tags[}}`:                      `an index, or a key in quotes, and ] expected`,
		`{{item.tags[1}}`:                     `] expected`,
		`{{item.tags[99999999999999999999]}}`: `an index`,
		`{{item['x}}`:                         `expected`,
	} {
		_, err := expand(t, text, scope())
		if !fault.Is(err, fault.Invalid) || !strings.HasPrefix(fault.Text(err), "params.p: ") || !strings.Contains(fault.Text(err), says) {
			t.Errorf("%s: %s\nwant %s", text, fault.Text(err), says)
		}
	}
}

func TestExpandPlace(t *testing.T) {
	s := scope()
	s.Place = "steps[2].params"
	_, err := flow.Expand(json.RawMessage(`{"ok":1,"to":[{"x":"a"},{"subject":"{{nope}}"}]}`), s)
	if text := fault.Text(err); !strings.HasPrefix(text, "steps[2].params.to[1].subject: ") {
		t.Error(text)
	}
	s.Item = nil
	if _, err := flow.Expand(json.RawMessage(`{"a":"{{item}}"}`), s); !strings.Contains(fault.Text(err), "foreach") {
		t.Error(err)
	}
}

func TestExpandIsBounded(t *testing.T) {
	s := scope()
	s.Steps["big"] = json.RawMessage(`{"text":"` + strings.Repeat("x", 600<<10) + `"}`)
	for name, params := range map[string]string{
		"twice in a list": `["{{steps.big.text}}","{{steps.big.text}}"]`,
		"twice in a text": `["{{steps.big.text}} {{steps.big.text}}"]`,
		"many times":      `["` + strings.Repeat("{{steps.big}}", 10_000) + `"]`,
		"nesting":         strings.Repeat("[", 80) + strings.Repeat("]", 80),
	} {
		if _, err := flow.Expand(json.RawMessage(params), s); !fault.Is(err, fault.TooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := flow.Expand(json.RawMessage(`["{{steps.big.text}}"]`), s); err != nil {
		t.Error(err)
	}
}

func TestDayOfTheZone(t *testing.T) {
	instant := time.Date(2026, 2, 28, 16, 30, 0, 0, time.UTC)
	for zone, want := range map[string]string{"Asia/Shanghai": "2026-03-01 00:30", "UTC": "2026-02-28 16:30", "America/New_York": "2026-02-28 11:30"} {
		s := flow.Scope{Now: instant.In(location(zone))}
		s.Date = s.Now.Format(time.DateOnly)
		if got, err := expand(t, `{{date}} {{time}}`, s); err != nil || got != `"`+want+`"` {
			t.Errorf("%s: %s, %v", zone, got, err)
		}
	}
}

func TestSourcesOf(t *testing.T) {
	got := flow.SourcesOf(json.RawMessage(`{"a":"{{steps.query.rows}} {{steps.b-1.x | upper}}","b":["{{steps.query.n}}",{"c":"{{trigger.body.x}}"}],"d":"{{index}} {{date}} \\{{steps.no.x}}","e":"{{broken","{{steps.key.x}}":1}`))
	want := flow.Sources{Steps: []string{"query", "b-1"}, Trigger: true, Item: true}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	if refs := flow.References(json.RawMessage(`"{{steps.x.y}}"`)); !slices.Equal(refs, []string{"x"}) {
		t.Error(refs)
	}
	if refs := flow.References(nil); refs != nil {
		t.Error(refs)
	}
}

// anyJSON makes JSON without expressions.
func anyJSON(depth int) *rapid.Generator[any] {
	text := rapid.String().Filter(func(s string) bool { return !strings.Contains(s, "{{") })
	leaves := []*rapid.Generator[any]{
		text.AsAny(), rapid.Bool().AsAny(), rapid.Int64().AsAny(), rapid.Float64Range(-1e300, 1e300).AsAny(), rapid.Just(any(nil)),
	}
	if depth == 0 {
		return rapid.OneOf(leaves...)
	}
	inner := anyJSON(depth - 1)
	return rapid.OneOf(append(leaves, rapid.SliceOfN(inner, 0, 4).AsAny(), rapid.MapOfN(text, inner, 0, 4).AsAny())...)
}

// JSON without expressions means the same afterwards, down to the digits of its numbers.
func TestExpandLeavesTheRestAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in, err := json.Marshal(anyJSON(3).Draw(t, "value"))
		if err != nil {
			t.Fatal(err)
		}
		out, err := flow.Expand(in, scope())
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(exact(t, in), exact(t, out)) {
			t.Fatalf("%s became %s", in, out)
		}
	})
}

func exact(t interface{ Fatal(...any) }, raw []byte) any {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// Any text arrives as it is when its braces are escaped.
func TestEscapedTextArrives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune(`{{}}\| ."a日`))).Draw(t, "text")
		escaped := strings.ReplaceAll(text, "{{", `\{{`)
		in, err := json.Marshal(escaped)
		if err != nil {
			t.Fatal(err)
		}
		out, err := flow.Expand(in, scope())
		if err != nil {
			t.Fatal(err)
		}
		if got := exact(t, out); got != text {
			t.Fatalf("%q became %q", text, got)
		}
	})
}

func FuzzExpand(f *testing.F) {
	for _, seed := range []string{`{"a":"{{date}}"}`, `"{{steps.query.rows[0].amount | upper}}"`, `["\\{{x","{{","}}"]`, `"{{ item['a'] | default \"\" }}"`, `1e400`, `"{{trigger.body.x | add '9mo'}}"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, params []byte) {
		out, err := flow.Expand(params, scope())
		switch {
		case err != nil && fault.Is(err, fault.Internal):
			t.Errorf("%q: %v", params, err)
		case err == nil && len(params) > 0 && !json.Valid(out):
			t.Errorf("%q became %q", params, out)
		}
		flow.SourcesOf(params)
	})
}
