package flow_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
)

// shanghai is where most of these tests take place: eight hours ahead of UTC, all year.
var shanghai = location("Asia/Shanghai")

func location(name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return zone
}

// scope is what a step of a run at 00:30 in Shanghai sees, when it is still the day before in UTC.
func scope() flow.Scope {
	return flow.Scope{
		Now:    time.Date(2026, 3, 1, 0, 30, 5, 0, shanghai),
		Date:   "2026-03-01",
		Run:    "r3f-abc",
		Event:  json.RawMessage(`{"x":"hook","n":12345678901234567890,"list":["a","b"],"\u91d1\u989d":9.50,"braces":"{{run.id}}"}`),
		Params: json.RawMessage(`{"region":"east","limit":5}`),
		Steps: map[string]json.RawMessage{
			"query":   json.RawMessage(`{"columns":["amount","email","note"],"rows":[[12.50,"a@x.cn",null],[7,"b@x.cn","<&>"]],"truncated":false}`),
			"empty":   json.RawMessage(`{"columns":["amount"],"rows":null}`),
			"3d-plan": json.RawMessage(`{"files":[{"path":"/a"},{"path":"/b"}],"at":"2026-01-31T23:00:00Z"}`),
			"skipped": nil,
		},
		Item:  json.RawMessage(`{"email":"i@x.cn","tags":["p","q"]}`),
		Index: 2,
	}
}

func TestHolds(t *testing.T) {
	for condition, want := range map[string]bool{
		`len(steps.query.rows) > 0`:                            true,
		`{{ len(steps.query.rows) > 1 }}`:                      true,
		`steps.query.rows[0].amount > 10`:                      true,
		`steps.query.rows[1].amount + 1 == 8`:                  true,
		`any(steps.query.rows, .email == "b@x.cn")`:            true,
		`all(steps.query.rows, .amount > 10)`:                  false,
		`sum(map(steps.query.rows, .amount)) == 19.5`:          true,
		`steps["3d-plan"].files[0].path == "/a"`:               true,
		`steps.skipped == nil`:                                 true,
		`steps.skipped?.rows == nil`:                           true,
		`trigger.body.x in ["hook", "other"]`:                  true,
		`trigger.body.x matches "^h.*k$"`:                      true,
		`params.region == "east" and params.limit <= 5`:        true,
		`date == "2026-03-01" && time < "01:00"`:               true,
		`now.Day() == 1 && now.Weekday().String() == "Sunday"`: true,
		`item.email endsWith ".cn" and index == 2`:             true,
		`not steps.query.truncated`:                            true,
		`trigger.body["金额"] == 9.5`:                            true,
		`run.id == "r3f-abc"`:                                  true,
	} {
		got, err := flow.Holds(condition, scope())
		if err != nil || got != want {
			t.Errorf("%s = %v, %v", condition, got, err)
		}
	}
}

func TestConditionRefused(t *testing.T) {
	for condition, says := range map[string]string{
		`foo > 1`:                             "unknown name foo",
		`steps.query.rows`:                    "neither true nor false",
		`"text"`:                              "neither true nor false",
		`steps.query.rows[7].amount > 1`:      "out of range",
		`steps.skipped.rows == nil`:           "skipped",
		`steps[item.email] == nil`:            "name the step",
		`len(steps.query.rows)`:               "neither true nor false",
		`len(steps) > 0`:                      "name the step",
		`$env["steps"] != nil`:                "$env",
		`let a = 1; a == 1`:                   "no let;",
		`1 +`:                                 "unexpected token",
		`reduce(steps.query.rows, #acc, 1)>0`: "have no reduce",
		`now() != nil`:                        "now",
		`len(repeat("x", 9)) > 1`:             "repeat",
		`trigger.body.n > 1`:                  "",
		strings.Repeat("(", 3000):             "at most 2000",
		strings.Repeat("1+", 300) + "1 == 1":  "exceeds maximum allowed nodes",
	} {
		got, err := flow.Holds(condition, scope())
		if err == nil || !strings.Contains(fault.Text(err), says) || got {
			t.Errorf("%s: %v (%s)", clipped(condition), got, fault.Text(err))
		}
		if k := fault.KindOf(err); k != fault.Invalid && k != fault.TooLarge {
			t.Errorf("%s: kind %s", clipped(condition), k)
		}
	}
}

func clipped(s string) string { return s[:min(len(s), 60)] }

// What a condition can make of its data is bounded in time and in size, whatever the data.
func TestConditionIsBounded(t *testing.T) {
	many := scope()
	cells := strings.TrimSuffix(strings.Repeat("[1],", 100_000), ",")
	many.Steps["big"] = json.RawMessage(`{"columns":["n"],"rows":[` + cells + `],"text":"` + strings.Repeat("x", 1<<19) + `"}`)
	many.Steps["few"] = json.RawMessage(`{"columns":["n"],"rows":[` + cells[:300*len("[1],")-1] + `]}`)
	for name, condition := range map[string]string{
		"nested loops":    `all(steps.big.rows, all(steps.big.rows, all(steps.big.rows, true)))`,
		"search in loops": `any(steps.big.rows, {"n": 2} in steps.big.rows)`,
		"growing texts":   `len(map(steps.few.rows, steps.big.text + "y")) > 0`,
		"long lists":      `len(map(1..99999, [1,2,3])) > 0`,
	} {
		if _, err := flow.Holds(condition, many); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestExpanded(t *testing.T) {
	for foreach, want := range map[string]string{
		`steps.query.rows`:                       `[{"amount":12.5,"email":"a@x.cn","note":null},{"amount":7,"email":"b@x.cn","note":"<&>"}]`,
		`{{steps.query.rows}}`:                   `[{"amount":12.5,"email":"a@x.cn","note":null},{"amount":7,"email":"b@x.cn","note":"<&>"}]`,
		`filter(steps.query.rows, .amount > 10)`: `[{"amount":12.5,"email":"a@x.cn","note":null}]`,
		`map(steps.query.rows, .email)`:          `["a@x.cn","b@x.cn"]`,
		`steps["3d-plan"].files`:                 `[{"path":"/a"},{"path":"/b"}]`,
		`["x", "y"]`:                             `["x","y"]`,
		`1..3`:                                   `[1,2,3]`,
		`steps.empty.rows`:                       `[]`,
		`[trigger.body.n]`:                       `[12345678901234567890]`,
		`[trigger.body.list, item.tags]`:         `[["a","b"],["p","q"]]`,
		`map(filter(steps.query.rows, .note != nil), .note)`: `["<&>"]`,
	} {
		items, err := flow.Expanded(foreach, scope())
		if got := fmt.Sprintf("[%s]", joinRaw(items)); err != nil || got != want {
			t.Errorf("%s = %s, %v", foreach, got, err)
		}
	}
	for foreach, kind := range map[string]fault.Kind{
		`1..257`: fault.TooLarge, `trigger.body.x`: fault.Invalid, `trigger.body`: fault.Invalid, `nope`: fault.Invalid,
	} {
		if _, err := flow.Expanded(foreach, scope()); !fault.Is(err, kind) {
			t.Errorf("%s: %v", foreach, err)
		}
	}
}

func joinRaw(items []json.RawMessage) string {
	var s []string
	for _, item := range items {
		s = append(s, string(item))
	}
	return strings.Join(s, ",")
}

func FuzzCondition(f *testing.F) {
	for _, seed := range []string{`len(steps.query.rows) > 0`, `{{date}}`, `filter(1..9, # > 2)`, `steps[""]`, `item?.email ?? "x"`, `let a = 1; a`, `now.Add(1)`, `0/0`, `[now.Add]`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, condition string) {
		// It must not panic, and each error has a kind.
		if _, err := flow.Expanded(condition, scope()); fault.Is(err, fault.Internal) {
			t.Errorf("%q: %v", condition, err)
		}
	})
}
