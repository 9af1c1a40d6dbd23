// Package tasks is the system function for automations and runs: it keeps tasks, fires their schedules,
// and is where people decide about runs.
package tasks

import (
	"context"
	"net/http"
	"time"

	"github.com/hearthfaas/hearth/shared/budget"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/plugin/remote"
)

// name is the function's name.
const name = "system-tasks"

// Function is system-tasks as hosts see it.
var Function = fn.Function{Name: name, Timeout: 90 * time.Second, New: start}

// reserved are the names that our paths have taken from tasks.
var reserved = []string{"runs", "stop", "fire", "expect", "calendars", "alerts"}

type handler struct {
	env      *fn.Env
	ledger   *ledger.Ledger
	gateway  *gateway.Client
	registry *remote.Registry
	budget   *budget.Book
	zone     *time.Location
	fourEyes bool // nobody approves a plan of their own
}

func start(ctx context.Context, env *fn.Env) (http.Handler, error) {
	h := &handler{env: env}
	var err error
	if h.ledger, err = ledger.Open(ctx, env); err != nil {
		return nil, err
	}
	if h.gateway, err = gateway.Open(env, name); err != nil {
		return nil, err
	}
	if h.registry, err = remote.OpenRegistry(env, h.gateway); err != nil {
		return nil, err
	}
	if h.budget, err = budget.Open(ctx, env); err != nil {
		return nil, err
	}
	if h.zone, err = env.Zone(); err != nil {
		return nil, err
	}
	if h.fourEyes, err = journal.FourEyes(env); err != nil {
		return nil, err
	}
	return h.routes(), nil
}

func (h *handler) routes() http.Handler {
	mux := http.NewServeMux()
	signedIn := func(answer func(context.Context, gateway.Request) (any, error)) http.HandlerFunc {
		return gateway.SignedIn(h.env, name, answer)
	}
	mux.HandleFunc("GET /{$}", signedIn(h.listTasks))
	mux.HandleFunc("POST /tasks", signedIn(h.listTasks))
	mux.HandleFunc("GET /{task}", signedIn(h.getTask))
	mux.HandleFunc("PUT /{task}", signedIn(h.putTask))
	mux.HandleFunc("DELETE /{task}", signedIn(h.deleteTask))
	mux.HandleFunc("GET /{task}/{detail}", signedIn(h.history)) // less specific than /runs/{run}
	mux.HandleFunc("POST /{task}/run", signedIn(h.runTask))
	mux.HandleFunc("POST /{task}/install", signedIn(h.putTask)) // what a run that installs a task calls
	mux.HandleFunc("POST /{task}/enable", signedIn(func(ctx context.Context, r gateway.Request) (any, error) { return h.turn(ctx, r, false) }))
	mux.HandleFunc("POST /{task}/disable", signedIn(func(ctx context.Context, r gateway.Request) (any, error) { return h.turn(ctx, r, true) }))
	mux.HandleFunc("POST /{task}/hook", h.hook)
	mux.HandleFunc("GET /runs", signedIn(h.listRuns))
	mux.HandleFunc("POST /runs", signedIn(h.listRuns))
	mux.HandleFunc("GET /runs/{run}", signedIn(h.getRun))
	mux.HandleFunc("GET /runs/{run}/preview", signedIn(h.preview))
	mux.HandleFunc("POST /runs/{run}/preview", signedIn(h.preview))
	mux.HandleFunc("POST /runs/{run}/{verb}", signedIn(h.decide))
	mux.HandleFunc("POST /runs/{run}/edit", signedIn(h.edit))
	mux.HandleFunc("POST /runs/{run}/fork", signedIn(h.fork))
	mux.HandleFunc("POST /runs/{run}/freeze", signedIn(h.freeze))
	mux.HandleFunc("GET /runs/{run}/replay", signedIn(h.replay))
	mux.HandleFunc("POST /stop", signedIn(h.stop))
	mux.HandleFunc("GET /stop", signedIn(h.brakes))
	mux.HandleFunc("POST /resume", signedIn(h.resume))
	mux.HandleFunc("GET /budget", signedIn(h.budgets))
	mux.HandleFunc("GET /dead", signedIn(h.letters))
	mux.HandleFunc("POST /dead/{letter}/{verb}", signedIn(h.post))
	mux.HandleFunc("GET /calendars", signedIn(h.listCalendars))
	mux.HandleFunc("GET /calendars/{name}", signedIn(h.getCalendar))
	mux.HandleFunc("PUT /calendars/{name}", signedIn(h.putCalendar))
	mux.HandleFunc("DELETE /calendars/{name}", signedIn(h.deleteCalendar))
	mux.HandleFunc("GET /alerts", signedIn(h.listAlerts))
	mux.HandleFunc("POST /alerts/{alert}/resolve", signedIn(h.resolveAlert))
	mux.HandleFunc("POST /alerts", signedIn(h.placeAlerts))
	mux.Handle("POST /fire", gateway.Signed(h.env, name, fn.JSON(h.fire)))
	mux.Handle("POST /expect", gateway.Signed(h.env, name, fn.JSON(h.expect)))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fault.Write(w, fault.New(fault.NotFound, "no %s %s here", r.Method, r.URL.Path))
	})
	return mux
}
