package journal_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/ledger"
)

// ended is a run of steps that ended in a state, of the day 2026-01-03.
func ended(t *testing.T, text, steps string, state flow.State) *flow.Run {
	t.Helper()
	r := request(t, steps)
	r.Text = text
	h, err := journal.Prepare(r, plugins())
	if err != nil {
		t.Fatal(err)
	}
	header, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	end, err := json.Marshal(flow.Event{Type: flow.Ended, State: state})
	if err != nil {
		t.Fatal(err)
	}
	run, err := journal.Fold(header, []ledger.Entry{{Key: "end/0", Body: end}})
	if err != nil {
		t.Fatal(err)
	}
	return run
}

func TestFreezeLiftsWhatPeopleChange(t *testing.T) {
	for name, c := range map[string]struct {
		text, steps string
		lift        map[string]string
		params      string // of the plan
		first, last string // of the first and the last step
	}{
		"recipients": {
			"", `{"id":"m","plugin":"mail","params":{"to":["a@b.cd","e@f.gh"],"body":"hello"}}`, nil,
			`{"to":["a@b.cd","e@f.gh"]}`, `{"body":"hello","to":"{{params.to}}"}`, ``,
		},
		"one file of two steps has one name": {
			"", `{"id":"x","plugin":"sheet","params":{"path":"/out/{{date}}.xlsx"}},{"id":"m","plugin":"mail","params":{"from":"/out/{{date}}.xlsx"}}`, nil,
			`{"path":"/out/{{date}}.xlsx"}`, `{"path":"{{params.path}}"}`, `{"from":"{{params.path}}"}`,
		},
		"the day of the run is the day of each run": {
			"", `{"id":"x","plugin":"sheet","params":{"path":"/out/2026-01-03.xlsx","body":"rows of 2026-01-03"}}`, nil,
			`{"path":"/out/{{date}}.xlsx"}`, `{"body":"rows of {{date}}","path":"{{params.path}}"}`, ``,
		},
		"what stood in the request": {
			"show the top 25 of Hamburg, please", `{"id":"s","plugin":"set","params":{"n":25,"body":"Hamburg"}}`, nil,
			`{"body":"Hamburg","n":25}`, `{"body":"{{params.body}}","n":"{{params.n}}"}`, ``,
		},
		"in Chinese too": {
			"查一下上海的前12名", `{"id":"s","plugin":"set","params":{"n":12,"body":"上海"}}`, nil,
			`{"body":"上海","n":12}`, `{"body":"{{params.body}}","n":"{{params.n}}"}`, ``,
		},
		"part of a word did not": {
			"the 250 best of Hamburgers", `{"id":"s","plugin":"set","params":{"n":25,"body":"Hamburg"}}`, nil, `{}`, `{"body":"Hamburg","n":25}`, ``,
		},
		"two values of one name": {
			"", `{"id":"m","plugin":"mail","params":{"to":["a@b.cd"]}},{"id":"k","plugin":"mail","params":{"to":["x@y.zz"]}}`, nil,
			`{"k_to":["x@y.zz"],"to":["a@b.cd"]}`, `{"to":"{{params.to}}"}`, `{"to":"{{params.k_to}}"}`,
		},
		"what follows from a step stays": {
			"rows", `{"id":"q","plugin":"look","params":{"body":"rows"}},{"id":"m","plugin":"mail","params":{"body":"{{steps.q.rows}}"}}`, nil,
			`{"body":"rows"}`, `{"body":"{{params.body}}"}`, `{"body":"{{steps.q.rows}}"}`,
		},
		"an operation is the plan's own": {
			"list it", `{"id":"f","plugin":"files","params":{"op":"list"}}`, nil, `{}`, `{"op":"list"}`, ``,
		},
		"asked for": {
			"", `{"id":"s","plugin":"set","params":{"n":12345678901234567890,"body":"x"}}`,
			map[string]string{"s.body": "words"},
			`{"words":"x"}`, `{"body":"{{params.words}}","n":12345678901234567890}`, ``,
		},
	} {
		t.Run(name, func(t *testing.T) {
			plan, err := journal.Freeze(ended(t, c.text, c.steps, flow.StateDone), plugins(), "again", c.lift)
			if err != nil {
				t.Fatal(fault.Text(err))
			}
			raw, err := json.Marshal(plan)
			if err != nil {
				t.Fatal(err)
			}
			again, err := flow.Parse(raw)
			if err != nil {
				t.Fatalf("%s: %s", fault.Text(err), raw)
			}
			params, err := json.Marshal(again.Params)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(params); got != c.params && !(c.params == "{}" && got == "null") {
				t.Errorf("params %s", got)
			}
			if got := string(again.Steps[0].Params); got != c.first {
				t.Errorf("first %s", got)
			}
			if got := string(again.Steps[len(again.Steps)-1].Params); c.last != "" && got != c.last {
				t.Errorf("last %s", got)
			}
			r := request(t, `{"plugin":"look"}`)
			r.Plan = flow.Normalize(again)
			if _, err := journal.Prepare(r, plugins()); err != nil {
				t.Errorf("it does not run: %s", fault.Text(err))
			}
		})
	}
}

func TestFreezeRefuses(t *testing.T) {
	steps := `{"id":"m","plugin":"mail","params":{"to":["a@b.cd"],"body":"x"}}`
	for _, state := range []flow.State{flow.StateFailed, flow.RolledBack, flow.StateUndone, flow.Stopped} {
		if _, err := journal.Freeze(ended(t, "", steps, state), plugins(), "", nil); !fault.Is(err, fault.Conflict) {
			t.Errorf("%s: %v", state, err)
		}
	}
	for place, lift := range map[string]map[string]string{
		"m.cc":   {"m.cc": "cc"},
		"--lift": {"m.to": "x", "m.body": "x"},
	} {
		if _, err := journal.Freeze(ended(t, "", steps, flow.StateDone), plugins(), "", lift); !fault.Is(err, fault.Invalid) || !strings.HasPrefix(fault.Text(err), place+": ") {
			t.Errorf("%v: %v", lift, err)
		}
	}
	plan, err := journal.Freeze(ended(t, "", steps, flow.StateDone), plugins(), "", nil)
	if err != nil || plan.TaskID != "frozen_abcdefghij" || plan.Trigger != nil {
		t.Errorf("%+v %v", plan, err)
	}
}
