package execute_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/plugin"
	"github.com/hearthfaas/hearth/shared/policy"
)

const threeSteps = `
	{"id":"a","plugin":"make","params":{"say":"one two"}},
	{"id":"b","plugin":"make","params":{"say":"{{steps.a.said}}"}},
	{"id":"c","plugin":"look","params":{"say":"three"}}`

// failed says n times that a call certainly had no effect and needs no other try.
func failed(n int) []error {
	list := make([]error, n)
	for i := range list {
		list[i] = fault.New(fault.Failed, "no")
	}
	return list
}

func away(n int) []error {
	list := make([]error, n)
	for i := range list {
		list[i] = fault.New(fault.Unavailable, "not now")
	}
	return list
}

func TestRunsEndAsTheirStepsDo(t *testing.T) {
	for name, c := range map[string]struct {
		steps  string
		refuse map[string][]error
		want   string // the run, then its steps
		did    string
	}{
		"all well": {threeSteps, nil, "done a=done b=done c=done", "do a: one two, do b: one two, do c: three"},
		"rolled back newest first": {
			threeSteps,
			map[string][]error{"do c": failed(1)},
			"rolled_back a=undone b=undone c=failed", "do a: one two, do b: one two, undo b: one two, undo a: one two",
		},
		"nothing to take back": {threeSteps, map[string][]error{"do a": failed(1)}, "failed a=failed b=planned c=planned", ""},
		"mended by another try": {
			threeSteps, map[string][]error{"do b": away(2)}, "done a=done b=done c=done", "do a: one two, do b: one two, do c: three",
		},
		"away for too long": {
			threeSteps, map[string][]error{"do b": away(3)}, "rolled_back a=undone b=failed c=planned", "do a: one two, undo a: one two",
		},
		"its own number of tries": {
			`{"id":"a","plugin":"set","params":{"say":"x"},"retry":{"max":4,"wait":"1s"}}`, map[string][]error{"do a": away(4)}, "done a=done", "do a: x",
		},
		"an undo that fails once": {
			threeSteps,
			map[string][]error{"do c": failed(1), "undo b": away(1)},
			"rolled_back a=undone b=undone c=failed", "do a: one two, do b: one two, undo b: one two, undo a: one two",
		},
		"an undo that cannot": {
			threeSteps,
			map[string][]error{"do c": failed(1), "undo b": {fault.New(fault.Conflict, "changed since")}},
			"needs_human a=undone b=undo_failed c=failed", "do a: one two, do b: one two, undo a: one two",
		},
		"stop instead of rollback": {
			`{"id":"a","plugin":"make","params":{"say":"x"}},{"id":"b","plugin":"look","params":{"say":"y"},"on_error":"stop"}`,
			map[string][]error{"do b": failed(1)},
			"failed a=done b=failed", "do a: x",
		},
		"continue": {
			`{"id":"a","plugin":"look","params":{"say":"x"},"on_error":"continue"},{"id":"b","plugin":"set","params":{"say":"y"}}`,
			map[string][]error{"do a": failed(1)},
			"done a=failed b=done", "do b: y",
		},
		"one for each": {
			`{"id":"a","plugin":"look","params":{"say":"p q"}},
			 {"id":"b","plugin":"set","foreach":"steps.a.list","params":{"say":"{{item}}"}}`,
			nil, "done a=done b[0]=done b[1]=done", "do a: p q, do b[0]: p, do b[1]: q",
		},
		"items are taken back too": {
			`{"id":"a","plugin":"make","foreach":"['p','q']","params":{"say":"{{item}}"}},{"id":"b","plugin":"look","params":{"say":"x"}}`,
			map[string][]error{"do b": failed(1)},
			"rolled_back a[0]=undone a[1]=undone b=failed", "",
		},
		"a condition that does not hold": {
			`{"id":"a","plugin":"look","params":{"say":"x"}},
			 {"id":"b","plugin":"set","if":"steps.a.said == 'y'","params":{"say":"no"}},{"id":"c","plugin":"set","params":{"say":"z"}}`,
			nil, "done a=done b=skipped c=done", "do a: x, do c: z",
		},
		"a list that is none": {
			`{"id":"a","plugin":"make","params":{"say":"x"}},{"id":"b","plugin":"set","foreach":"steps.a.said","params":{"say":"{{item}}"}}`,
			nil, "rolled_back a=undone b[0]=failed", "do a: x, undo a: x",
		},
		"parameters that do not fit once they are known": {
			`{"id":"a","plugin":"make","params":{"say":"x"}},{"id":"b","plugin":"set","params":{"say":"{{steps.a.list}}"}}`,
			nil, "rolled_back a=undone b=failed", "do a: x, undo a: x",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			b.refuse = c.refuse
			v := b.finish(b.run(c.steps))
			if got := show(v); got != c.want {
				t.Errorf("got %s, want %s (%+v)", got, c.want, v.Error)
			}
			if got := b.deeds(); c.did != "" && !same(got, c.did) {
				t.Errorf("the plugins did %s; want %s", got, c.did)
			}
		})
	}
}

// same compares deeds; the items of a foreach have no order.
func same(got, want string) bool {
	if !strings.Contains(want, "[") {
		return got == want
	}
	for _, deed := range strings.Split(want, ", ") {
		if strings.Count(got, deed) != 1 {
			return false
		}
	}
	return len(got) == len(want)
}

// TestParallelSteps meets both steps inside their plugins before either goes on.
func TestParallelSteps(t *testing.T) {
	b := open(t)
	arrived := make(chan struct{}, 2)
	both := make(chan struct{})
	go func() {
		<-arrived
		<-arrived
		close(both)
	}()
	b.acting = func(c *plugin.Call) {
		if c.Step == "a" || c.Step == "b" {
			arrived <- struct{}{}
			<-both
		}
	}
	v := b.finish(b.run(`{"id":"a","plugin":"look","params":{"say":"x"}},{"id":"b","plugin":"set","params":{"say":"y"}},
		{"id":"c","plugin":"set","needs":["a","b"],"params":{"say":"{{steps.a.said}}{{steps.b.said}}"}}`))
	if got := b.deeds(); show(v) != "done a=done b=done c=done" || !strings.HasSuffix(got, "do c: xy") {
		t.Errorf("%s: %s", show(v), got)
	}
}

// TestIntentComesFirst looks into the journal from within a plugin: that it acts stands there already.
func TestIntentComesFirst(t *testing.T) {
	b := open(t)
	lane := b.run(threeSteps)
	looked := 0
	b.acting = func(c *plugin.Call) {
		for _, s := range b.look(lane).Steps {
			if s.ID != c.Step {
				continue
			}
			if looked++; s.State != flow.UnitRunning || len(s.Attempts) != 1 || !strings.Contains(string(s.Params), "one two") && s.ID != "c" {
				t.Errorf("while %s acts, the journal says that it is %s with %s", s.ID, s.State, s.Params)
			}
		}
	}
	if v := b.finish(lane); v.State != flow.StateDone || looked != 3 {
		t.Errorf("%s, looked at %d times", show(v), looked)
	}
}

// TestDeadPlugin lets the answer of a call get lost after the plugin acted.
func TestDeadPlugin(t *testing.T) {
	for name, c := range map[string]struct {
		plugin, function string
		lost             int
		want, did        string
	}{
		"a read is repeated":           {"look", "plugin-look", 2, "done z=done a=done", "do z: x, do a: y, do a: y, do a: y"},
		"a read that never answers":    {"look", "plugin-look", 9, "rolled_back z=undone a=failed", "do z: x, do a: y, do a: y, do a: y, undo z: x"},
		"an effect is repeated":        {"make", "plugin-make", 0, "done z=done a=done", "do z: x, do a: y"},
		"an irreversible one is not":   {"mail", "plugin-mail", 1, "needs_human z=done a=unknown", "do z: x, do a: y"},
		"an idempotent one is, thrice": {"set", "plugin-set", 3, "rolled_back z=undone a=failed", "do z: x, do a: y, do a: y, do a: y, undo z: x"},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			b.cut[c.function] = c.lost
			v := b.finish(b.run(`{"id":"z","plugin":"make","params":{"say":"x"}},{"id":"a","plugin":"` + c.plugin + `","params":{"say":"y"}}`))
			if show(v) != c.want || b.deeds() != c.did {
				t.Errorf("%s: %s", show(v), b.deeds())
			}
		})
	}
}

// TestDeadCompensable undoes an effect of which nobody has a receipt.
func TestDeadCompensable(t *testing.T) {
	b := open(t)
	b.cut["plugin-make"] = 3
	v := b.finish(b.run(`{"id":"a","plugin":"make","params":{"say":"x"}}`))
	if want := "do a: x, do a: x, do a: x, undo a: without a receipt"; show(v) != "rolled_back a=undone" || b.deeds() != want {
		t.Errorf("%s: %s", show(v), b.deeds())
	}
}

// TestHolderDies repeats what was under way, under the same key, unless it is irreversible.
func TestHolderDies(t *testing.T) {
	for effect, want := range map[string]string{
		"make": "done a=done", "look": "done a=done", "mail": "needs_human a=unknown",
	} {
		b := open(t)
		lane := b.run(`{"id":"a","plugin":"` + effect + `","params":{"say":"x"}}`)
		j, err := journal.Take(t.Context(), b.ledger, lane, b.clock)
		if err != nil || j == nil {
			t.Fatal(j, err)
		}
		if err := j.Intent(t.Context(), flow.Event{Type: flow.Intent, Step: "a", Attempt: 1, Params: []byte(`{"say":"x"}`)}); err != nil {
			t.Fatal(err)
		}
		if v := b.drive(lane); v.State.Over() {
			t.Errorf("%s: driven beside its holder: %s", effect, show(v))
		}
		b.advance(time.Minute)
		if got := show(b.finish(lane)); got != want {
			t.Errorf("%s: %s, want %s", effect, got, want)
		}
	}
}

// TestPauseOnOurOwnErrors keeps a run whose rollback cannot be reached, and goes on later.
func TestPauseOnOurOwnErrors(t *testing.T) {
	b := open(t)
	b.refuse = map[string][]error{"do c": failed(1)}
	b.away["planner-rollback"] = errDown
	lane := b.run(threeSteps)
	if v := b.drive(lane); v.State.Over() || strings.Contains(b.deeds(), "undo") {
		t.Fatalf("%s: %s", show(v), b.deeds())
	}
	b.drive(lane)
	b.mu.Lock()
	delete(b.away, "planner-rollback")
	b.mu.Unlock()
	if v := b.finish(lane); v.State != flow.RolledBack {
		t.Errorf("%s", show(v))
	}
}

// TestRightsAreCheckedAtTheEffect refuses a step of somebody who lost the right to act.
func TestRightsAreCheckedAtTheEffect(t *testing.T) {
	b := open(t)
	v := b.finish(b.run(`{"id":"a","plugin":"set","params":{"say":"x"}}`, func(r *journal.Request) { r.By.Role = policy.Guest }))
	if v.State != flow.StateFailed || v.Error == nil || v.Error.Kind != string(fault.Forbidden) || b.deeds() != "" {
		t.Errorf("%s %+v %s", show(v), v.Error, b.deeds())
	}
}

// TestASpentBudgetFailsAStep rolls back what the budget had room for, and tries no second time.
func TestASpentBudgetFailsAStep(t *testing.T) {
	b := openWith(t, map[string]string{"HEARTH_BUDGET": "user effects 1/hour; user seconds 1000/hour"})
	v := b.finish(b.run(threeSteps))
	if show(v) != "rolled_back a=undone b=failed c=planned" || b.deeds() != "do a: one two, undo a: one two" {
		t.Fatalf("%s: %s", show(v), b.deeds())
	}
	if e := v.Steps[1].Attempts; len(e) != 1 || e[0].Error.Kind != string(fault.Limited) || !strings.Contains(e[0].Error.Message, "begins anew") {
		t.Errorf("%+v", e)
	}
	b.finish(b.run(threeSteps)) // another refusal of the same budget
	list, err := b.ledger.List(t.Context(), "alerts/new")
	list = slices.DeleteFunc(list, func(d ledger.Doc) bool { return !strings.Contains(string(d.Body), `"kind":"budget"`) })
	if err != nil || len(list) != 1 {
		t.Errorf("%d alerts of the budget: %v", len(list), err)
	}
	b.advance(time.Hour)
	if v := b.finish(b.run(`{"id":"a","plugin":"make","params":{"say":"x"}},{"id":"c","plugin":"look","params":{"say":"three"}}`)); v.State != flow.StateDone {
		t.Errorf("an hour later: %s", show(v))
	}
}
