// Package pump re-drives due work: every 250 ms it asks the ledger what is due and rings the functions
// that can do it. A doorbell that was lost, a holder that died, a backoff that is over, a schedule's slot and
// the deadline of one all come back through here. Beside it, alerts are brought to people.
package pump

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/hearthfaas/hearth/shared/alert"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/vault"
)

// name is the function's name.
const name = "system-pump"

// Interval is the time between two rounds.
const Interval = 250 * time.Millisecond

// mostPause is the longest that a lane which stays due waits for its next ring. Each ring doubles the pause: a
// gateway that does not merge rings would else queue four a second for every lane that it has no time for, and
// those for lanes that are done stand before those for lanes that are not.
const mostPause = 2 * time.Second

// clockEvery is the time between two looks at the store's clock: a lease, which is what a lane may wait anyway.
const clockEvery = ledger.Lease

// Function is system-pump as hosts see it: the loop runs in its process, and a call does one round, for
// hosts that only call now and then.
var Function = fn.Function{Name: name, New: start}

func start(ctx context.Context, env *fn.Env) (http.Handler, error) {
	p, err := New(ctx, env)
	if err != nil {
		return nil, err
	}
	teller, err := alert.Open(ctx, env)
	if err != nil {
		return nil, err
	}
	go p.Run(ctx) // both end with the function's context
	go teller.Run(ctx)
	return round(p, teller), nil
}

// round does one round of each. It takes nothing from the request and needs no signature: a cron of the platform
// may call it, and a round too many changes nothing.
func round(p *Pump, teller *alert.Teller) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := errors.Join(p.Round(r.Context()), teller.Round(r.Context())); err != nil {
			fn.Fail(w, r, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

// Pump rings for due work.
type Pump struct {
	env     *fn.Env
	ledger  *ledger.Ledger
	gateway *gateway.Client
	id      string

	mu   sync.Mutex
	rung map[ledger.Lane]ring // lanes that were due in the last round
	kept time.Time            // when the store's time was looked at
}

// ring is the last one for a lane.
type ring struct {
	at    time.Time
	pause time.Duration // before the next
}

// New returns a pump. Several may run: they share the partitions.
func New(ctx context.Context, env *fn.Env) (*Pump, error) {
	l, err := ledger.Open(ctx, env)
	if err != nil {
		return nil, err
	}
	g, err := gateway.Open(env, name)
	if err != nil {
		return nil, err
	}
	return &Pump{env: env, ledger: l, gateway: g, id: fn.NewID()}, nil
}

// Run does a round every Interval until ctx ends. A round that fails is logged once per outage.
func (p *Pump) Run(ctx context.Context) {
	tick := time.NewTicker(Interval)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := p.Round(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			p.env.Log.Warn("the pump waits", "err", err)
		}
		failing = err != nil
	}
}

// Round rings for what is due. Where a part of the store is away, it rings for the rest.
func (p *Pump) Round(ctx context.Context) error {
	late := p.keepTime(ctx)
	due, away := p.ledger.Due(ctx, p.id)
	if err := p.ring(ctx, due.Lanes); err != nil {
		return err
	}
	for task, slot := range due.Slots {
		p.call(ctx, "fire", map[string]any{"task": task, "expected": slot.Time})
	}
	for _, w := range due.Watches {
		p.call(ctx, "expect", map[string]any{"task": w.Task, "slot": w.Slot})
	}
	return cmp.Or(away, late)
}

// keepTime looks now and then whether the store's clock went back.
func (p *Pump) keepTime(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.env.Now()
	if !p.kept.IsZero() && now.Sub(p.kept) < clockEvery {
		return nil
	}
	err := p.ledger.KeepTime(ctx)
	if err == nil {
		p.kept = now
	}
	return err
}

// ring rings for each lane at once when it becomes due, and then less and less often while it stays so. One that
// was claimed is not due, and begins anew.
func (p *Pump) ring(ctx context.Context, lanes []ledger.Lane) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	before, now := p.rung, p.env.Now()
	p.rung = make(map[ledger.Lane]ring, len(lanes))
	for _, lane := range lanes {
		last, known := before[lane]
		if known && now.Sub(last.at) < last.pause {
			p.rung[lane] = last
			continue
		}
		if err := p.gateway.Ring(ctx, worker(lane), string(lane)); err != nil {
			return err
		}
		p.rung[lane] = ring{now, min(max(2*last.pause, Interval/2), mostPause)} // half: rounds are not exact
	}
	return nil
}

// call tells system-tasks what has come. One that fails is due again in the next round.
func (p *Pump) call(ctx context.Context, what string, in map[string]any) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := p.gateway.Call(ctx, "system-tasks/"+what, vault.Call{}, in, nil); err != nil {
		p.env.Log.Error("a schedule cannot go on", "call", what, "task", in["task"], "kind", fault.KindOf(err), "err", err)
	}
}

// worker is the function that can go on with a lane.
func worker(lane ledger.Lane) string {
	if lane.IsRun() {
		return "planner-execute"
	}
	return "planner-intent"
}
