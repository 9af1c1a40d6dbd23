package budget_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/budget"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/ledger/ledgertest"
	"github.com/hearthfaas/hearth/shared/model"
	"github.com/hearthfaas/hearth/shared/model/modeltest"
)

func TestParse(t *testing.T) {
	rules, err := budget.Parse(" user  tokens 200k/day; user:ann@example.com tokens 1M/day ;task effects 20/hour;all money 12.5/month; all seconds 0/day;")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"user tokens 200000/day", "user:ann@example.com tokens 1000000/day", "task effects 20/hour", "all money 12.5/month", "all seconds 0/day"}
	for i, r := range rules {
		if r.String() != want[i] {
			t.Errorf("%q, want %q", r, want[i])
		}
	}
	if len(rules) != len(want) {
		t.Errorf("%d rules", len(rules))
	}
	for _, bad := range []string{
		"user tokens", "user tokens 5", "user tokens -5/day", "user tokens 1.5/day", "team tokens 5/day", "user apples 5/day", "user tokens 5/week",
		"all:x tokens 5/day", "user tokens 99999999999999999999/day", "user tokens 1e9/day", "user tokens 5/day user tokens 6/day",
	} {
		if _, err := budget.Parse(bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// desk is a book with a clock of its own.
type desk struct {
	*budget.Book
	env *fn.Env
	now atomic.Pointer[time.Time]
}

func open(t *testing.T, rules string, more ...string) *desk {
	t.Helper()
	settings := map[string]string{"REDIS_URL": ledgertest.URL(t), "HEARTH_TIMEZONE": "Asia/Shanghai", "HEARTH_BUDGET": rules, "OPENAI_PRICE": "1/2"}
	for i := 0; i+1 < len(more); i += 2 {
		settings[more[i]] = more[i+1]
	}
	d := &desk{env: fntest.Env(t, settings)}
	d.at("2026-11-22T23:30:00+08:00")
	d.env.Now = func() time.Time { return *d.now.Load() }
	var err error
	if d.Book, err = budget.Open(t.Context(), d.env); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *desk) at(text string) {
	now, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err) // a test's own value
	}
	d.now.Store(&now)
}

var ann, bo = budget.Who{User: "ann"}, budget.Who{User: "bo"}

func tokens(n int64) budget.Amounts { return budget.Amounts{budget.Tokens: n} }

func TestReserveAndSettle(t *testing.T) {
	d, ctx := open(t, "user tokens 100/day"), t.Context()
	first, err := d.Reserve(ctx, "1", ann, tokens(80))
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Reserve(ctx, "2", ann, tokens(30))
	want := `the budget "user tokens 100/day" has too little left for user ann: 80 used; it begins anew at 2026-11-23 00:00`
	if !fault.Is(err, fault.Limited) || !budget.IsSpent(err) || fault.Text(err) != want || fault.After(err) != 30*time.Minute {
		t.Fatalf("%v after %v", err, fault.After(err))
	}
	if _, err := d.Reserve(ctx, "1", ann, tokens(80)); err != nil {
		t.Errorf("the same reservation again: %v", err)
	}
	if _, err := d.Reserve(ctx, "2", bo, tokens(30)); err != nil {
		t.Errorf("somebody else: %v", err)
	}
	for range 2 {
		first.Settle(ctx, tokens(50))
	}
	wantUsed(t, d, ann, 50)
	if _, err := d.Reserve(ctx, "3", ann, tokens(50)); err != nil {
		t.Errorf("what is left: %v", err)
	}
	d.at("2026-11-23T00:00:00+08:00")
	wantUsed(t, d, ann, 0)
	if _, err := d.Reserve(ctx, "4", ann, tokens(100)); err != nil {
		t.Errorf("the next day: %v", err)
	}
}

func wantUsed(t *testing.T, d *desk, who budget.Who, want ...float64) {
	t.Helper()
	lines, err := d.Lines(t.Context(), who)
	if err != nil || len(lines) != len(want) {
		t.Fatalf("%+v %v", lines, err)
	}
	for i, line := range lines {
		if line.Used != want[i] {
			t.Errorf("%s: %v used, want %v", line.Budget, line.Used, want[i])
		}
	}
}

// TestAllOrNone charges no budget when one has too little left.
func TestAllOrNone(t *testing.T) {
	d := open(t, "user effects 5/hour; task effects 1/hour; all effects 100/hour")
	who := budget.Who{User: "ann", Task: "daily"}
	effect := budget.Amounts{budget.Effects: 1, budget.Seconds: 60}
	if _, err := d.Reserve(t.Context(), "1", who, effect); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Reserve(t.Context(), "2", who, effect); !budget.IsSpent(err) {
		t.Fatalf("%v", err)
	}
	wantUsed(t, d, who, 1, 1, 1)
	wantUsed(t, d, bo, 0, 1)
}

func TestANamedRuleReplacesTheGeneral(t *testing.T) {
	d := open(t, "user tokens 10/day; user:ann tokens 1k/day; user tokens 2k/month")
	if _, err := d.Reserve(t.Context(), "1", ann, tokens(900)); err != nil {
		t.Error(err)
	}
	if _, err := d.Reserve(t.Context(), "2", bo, tokens(11)); !budget.IsSpent(err) {
		t.Error(err)
	}
	wantUsed(t, d, ann, 900, 900)
}

// TestTwoAtOnce reserves side by side: together they never take more than there is.
func TestTwoAtOnce(t *testing.T) {
	d := open(t, "user tokens 100/day")
	var all sync.WaitGroup
	var got atomic.Int32
	for i := range 50 {
		all.Go(func() {
			if _, err := d.Reserve(t.Context(), string(rune('a'+i)), ann, tokens(10)); err == nil {
				got.Add(1)
			}
		})
	}
	all.Wait()
	if got.Load() != 10 {
		t.Errorf("%d of 10 came through", got.Load())
	}
}

func TestSettings(t *testing.T) {
	for name, settings := range map[string]map[string]string{
		"a rule":                {"HEARTH_BUDGET": "user tokens many/day"},
		"a price":               {"OPENAI_PRICE": "cheap"},
		"money without a price": {"HEARTH_BUDGET": "all money 5/day"},
		"half a price":          {"OPENAI_PRICE": "0.5"},
		"a price below nothing": {"OPENAI_PRICE": "-1/2"},
	} {
		settings["REDIS_URL"] = ledgertest.URL(t)
		if _, err := budget.Open(t.Context(), fntest.Env(t, settings)); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestModelIsMetered counts what the server says that a call used, refuses a call that may be too much before the
// server hears of it, and counts as well as it can what was cut off.
func TestModelIsMetered(t *testing.T) {
	server := &modeltest.Server{}
	client, err := model.Connect(model.Config{BaseURL: modeltest.Start(t, server), Transport: nil})
	if err != nil {
		t.Fatal(err)
	}
	d := open(t, "user tokens 2500/day; all money 1/day")
	ask := func(ctx context.Context, key string, emit func(string) error) error {
		server.Script(modeltest.Say("All is well with the world."))
		_, err := client.Chat(d.Meter(ctx, key, ann), model.Prompt{System: "Be brief."}, emit)
		return err
	}
	if err := ask(t.Context(), "1", nil); err != nil {
		t.Fatal(err)
	}
	lines, err := d.Lines(t.Context(), ann)
	if err != nil || lines[0].Used < 5 || lines[0].Used > 100 || lines[1].Used <= 0 || lines[1].Used > 0.001 {
		t.Fatalf("%+v %v", lines, err)
	}
	before := lines[0].Used
	enough := errors.New("enough")
	if err := ask(t.Context(), "2", func(string) error { return enough }); !errors.Is(err, enough) {
		t.Fatal(err)
	}
	lines, err = d.Lines(t.Context(), ann)
	if err != nil || lines[0].Used <= before || lines[0].Used > before+100 {
		t.Errorf("cut off: %+v, before it was %v, %v", lines, before, err)
	}
	if _, err := d.Reserve(t.Context(), "hog", ann, tokens(2000)); err != nil {
		t.Fatal(err)
	}
	asked := len(server.Requests())
	if err := ask(t.Context(), "3", nil); !budget.IsSpent(err) || len(server.Requests()) != asked {
		t.Errorf("over the budget: %v, %d requests more", err, len(server.Requests())-asked)
	}
}

func TestNoRulesCostNothing(t *testing.T) {
	d := open(t, "")
	ctx := t.Context()
	if d.Meter(ctx, "1", ann) != ctx {
		t.Error("a model without budgets is metered")
	}
	h, err := d.Reserve(ctx, "1", ann, tokens(1e9))
	if err != nil {
		t.Fatal(err)
	}
	h.Settle(ctx, nil)
}
