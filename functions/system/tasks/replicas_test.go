package tasks_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/functions/system/tasks"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/ledger/ledgertest"
	"github.com/hearthfaas/hearth/shared/vault"
)

var slotCount = flag.Int("slots", 250, "slots that TestReplicasFireEachSlotOnce lets come")

// fleet is eight replicas of system-tasks on one real store. Each looks for slots on its own, is cut off in the
// middle of calls, and is started anew now and then. Their clock is moved by hand.
type fleet struct {
	t     *testing.T
	url   string
	desk  *desk // the store as the test sees it
	mu    sync.Mutex
	clock time.Time
	rings map[string]int
	cuts  int
	born  int
}

func (f *fleet) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.clock
}

// RoundTrip is the gateway of all replicas: it counts the doorbells of each run.
func (f *fleet) RoundTrip(r *http.Request) (*http.Response, error) {
	if lane := r.Header.Get("X-Hearth-Lane"); lane != "" {
		f.mu.Lock()
		f.rings[lane]++
		f.mu.Unlock()
	}
	return f.desk.RoundTrip(r)
}

// replica is one life of a replica.
func (f *fleet) replica(ctx context.Context) error {
	env := &fn.Env{Log: f.desk.env.Log, Now: f.now, Lookup: f.desk.env.Lookup, Secrets: f.t.TempDir(), Transport: f}
	defer env.Close()
	l, err := ledger.Open(ctx, env)
	if err != nil {
		return err
	}
	host, err := fn.NewHost(ctx, tasks.Function, env)
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.born++
	f.mu.Unlock()
	for life := 20 + rand.IntN(60); life > 0 && ctx.Err() == nil; life-- {
		if err := f.look(ctx, l, host); err != nil {
			return err
		}
	}
	return nil
}

// look fires the slot that has come, if there is one. Every tenth call is cut off somewhere.
func (f *fleet) look(ctx context.Context, l *ledger.Ledger, host http.Handler) error {
	slots, err := l.Scheduled(ctx)
	if err != nil {
		return ctx.Err()
	}
	slot, now := slots["dense"], f.now()
	if slot.At.After(now) {
		return nil
	}
	body, err := json.Marshal(map[string]any{"task": "dense", "expected": slot.Time})
	if err != nil {
		return err
	}
	call, cancel := context.WithCancel(ctx)
	defer cancel()
	if rand.IntN(10) == 0 {
		timer := time.AfterFunc(time.Duration(rand.IntN(3000))*time.Microsecond, cancel)
		defer timer.Stop()
		f.mu.Lock()
		f.cuts++
		f.mu.Unlock()
	}
	req := httptest.NewRequestWithContext(call, http.MethodPost, "/fire", bytes.NewReader(body))
	req.Header.Set(vault.CallHeader, ledgertest.Vault(f.t).Sign(vault.Call{From: "system-pump", To: "system-tasks"}, body, now))
	rec := httptest.NewRecorder()
	host.ServeHTTP(rec, req)
	late := rec.Code == http.StatusUnauthorized && !f.now().Equal(now) // the clock jumped: signed too long ago
	if rec.Code != http.StatusOK && call.Err() == nil && !late {
		return fmt.Errorf("%d %s", rec.Code, rec.Body)
	}
	return nil
}

// TestReplicasFireEachSlotOnce: eight schedulers that die and come back fire each slot of a dense schedule once,
// in order, and miss none.
func TestReplicasFireEachSlotOnce(t *testing.T) {
	f := &fleet{t: t, url: "redis://" + ledgertest.Server(t) + "/0", rings: map[string]int{}}
	start := time.Now().Add(-time.Duration(*slotCount+60) * time.Minute).Truncate(time.Minute)
	f.clock = start
	f.desk = openAt(t, f.url, start)
	f.desk.apply("dense", `{"type":"cron","schedule":"* * * * *","misfire":"all","grace":"24h","overlap":"allow","jitter":"30s"}`)
	ctx, stop := context.WithCancel(t.Context())
	var replicas sync.WaitGroup
	for range 8 {
		replicas.Go(func() {
			for ctx.Err() == nil {
				if err := f.replica(ctx); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	began := time.Now()
	got := f.collect(start)
	took := time.Since(began)
	stop()
	replicas.Wait()
	t.Logf("%d slots in %v; %d calls cut off, %d replicas started", len(got), took.Round(time.Millisecond), f.cuts, f.born)
	if f.born <= 8 || f.cuts == 0 {
		t.Error("nobody was restarted or cut off")
	}
	for i, at := range got {
		if want := start.Add(time.Duration(i+1) * time.Minute); !at.Equal(want) {
			t.Fatalf("slot %d is %v, not %v", i, at, want)
		}
	}
	f.checkRuns(len(got))
}

// collect moves the clock, waits until all that has come is fired, and returns the slots of all rows.
func (f *fleet) collect(start time.Time) []time.Time {
	var got []time.Time
	for len(got) < *slotCount && !f.t.Failed() {
		f.mu.Lock()
		f.clock = f.clock.Add(time.Duration(1+rand.IntN(flow.MaxCatchUp-1)) * time.Minute)
		now := f.clock
		f.mu.Unlock()
		f.wait(now)
		rows, err := f.desk.ledger.Fires(f.t.Context(), "dense", flow.MaxCatchUp*2)
		if err != nil {
			f.t.Fatal(err)
		}
		last := start
		if len(got) > 0 {
			last = got[len(got)-1]
		}
		// A slot that was fired again would stand among the rows since the last look, whatever its time.
		known := slices.IndexFunc(rows, func(raw []byte) bool { return f.row(raw).Equal(last) })
		if known < 0 {
			known = len(rows)
		}
		for _, raw := range slices.Backward(rows[:known]) {
			got = append(got, f.row(raw))
		}
	}
	return got
}

func (f *fleet) row(raw []byte) time.Time {
	var r fired
	if err := json.Unmarshal(raw, &r); err != nil || !r.Fired {
		f.t.Fatalf("%s: %v", raw, err)
	}
	return r.At
}

// wait waits until no slot is left that has come by now.
func (f *fleet) wait(now time.Time) {
	limit := time.Now().Add(time.Minute)
	for !f.t.Failed() {
		slots, err := f.desk.ledger.Scheduled(f.t.Context())
		if err != nil {
			f.t.Fatal(err)
		}
		if slots["dense"].At.After(now) {
			return
		}
		if time.Now().After(limit) {
			f.t.Fatalf("%v is not fired at %v", slots["dense"], now)
		}
	}
}

// checkRuns counts the runs, and the doorbells: a run that was rung for twice was created twice.
func (f *fleet) checkRuns(want int) {
	runs, err := f.desk.ledger.Runs(f.t.Context(), want+100, true)
	if err != nil || len(runs) != want {
		f.t.Errorf("%d runs, want %d: %v", len(runs), want, err)
	}
	for lane, n := range f.rings {
		if n != 1 || !strings.HasPrefix(lane, "r") {
			f.t.Errorf("%s was rung for %d times", lane, n)
		}
	}
	if lost := want - len(f.rings); lost > f.cuts {
		f.t.Errorf("%d doorbells lost by %d cuts", lost, f.cuts)
	}
}

// openAt returns a desk on a store with a clock of its own, which is not the desk's.
func openAt(t *testing.T, url string, now time.Time) *desk {
	t.Helper()
	d := &desk{t: t, now: now}
	d.env = fntest.Env(t, map[string]string{"REDIS_URL": url, "HEARTH_TIMEZONE": "Asia/Shanghai", "BASIC_AUTH_PASSWORD": "secret"})
	d.env.Transport, d.env.Now = d, d.clock
	var err error
	if d.ledger, err = ledger.Open(t.Context(), d.env); err != nil {
		t.Fatal(err)
	}
	if d.host, err = fn.NewHost(t.Context(), tasks.Function, d.env); err != nil {
		t.Fatal(err)
	}
	return d
}
