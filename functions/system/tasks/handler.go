// Package tasks is the system function for automations and runs: it keeps tasks, fires their schedules,
// and is where people decide about runs.
package tasks

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/plugin/remote"
	"github.com/hearthfaas/hearth/shared/policy"
)

// name is the function's name.
const name = "system-tasks"

// Function is system-tasks as hosts see it.
var Function = fn.Function{Name: name, Timeout: 90 * time.Second, New: start}

type handler struct {
	env      *fn.Env
	ledger   *ledger.Ledger
	gateway  *gateway.Client
	registry *remote.Registry
	zone     *time.Location
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
	if h.zone, err = env.Zone(); err != nil {
		return nil, err
	}
	return h.routes(), nil
}

func (h *handler) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", h.signedIn(h.listTasks))
	mux.HandleFunc("GET /{task}", h.signedIn(h.getTask))
	mux.HandleFunc("PUT /{task}", h.signedIn(h.putTask))
	mux.HandleFunc("DELETE /{task}", h.signedIn(h.deleteTask))
	mux.HandleFunc("GET /{task}/{detail}", h.signedIn(h.history)) // less specific than /runs/{run}
	mux.HandleFunc("POST /{task}/run", h.signedIn(h.runTask))
	mux.HandleFunc("POST /{task}/enable", h.signedIn(func(ctx context.Context, c call) (any, error) { return h.turn(ctx, c, false) }))
	mux.HandleFunc("POST /{task}/disable", h.signedIn(func(ctx context.Context, c call) (any, error) { return h.turn(ctx, c, true) }))
	mux.HandleFunc("POST /{task}/hook", h.hook)
	mux.HandleFunc("GET /runs", h.signedIn(h.listRuns))
	mux.HandleFunc("POST /runs", h.signedIn(h.listRuns))
	mux.HandleFunc("GET /runs/{run}", h.signedIn(h.getRun))
	mux.HandleFunc("POST /runs/{run}/{verb}", h.signedIn(h.decide))
	mux.HandleFunc("POST /stop", h.signedIn(h.stop))
	mux.Handle("POST /fire", gateway.Signed(h.env, name, fn.JSON(h.fire)))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fault.Write(w, fault.New(fault.NotFound, "no %s %s here", r.Method, r.URL.Path))
	})
	return mux
}

// call is a request of somebody who is known.
type call struct {
	*http.Request
	by   policy.Principal
	body []byte
}

// decode reads the body into v; no body leaves v as it is.
func (c call) decode(v any) error {
	if len(bytes.TrimSpace(c.body)) == 0 {
		return nil
	}
	return fn.Decode(c.body, v)
}

// signedIn finds out who asks, and answers with what answer returns.
func (h *handler) signedIn(answer func(ctx context.Context, c call) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := fn.ReadBody(r)
		if err != nil {
			fault.Write(w, err)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		by, err := gateway.Principal(h.env, name, r, body)
		if err != nil {
			fault.Write(w, err)
			return
		}
		out, err := answer(r.Context(), call{r, by, body})
		if err != nil {
			fn.Fail(w, r, err)
			return
		}
		fn.Reply(w, http.StatusOK, out)
	}
}
