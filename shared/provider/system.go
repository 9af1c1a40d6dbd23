package provider

import (
	"crypto/subtle"
	"net/http"
	"runtime"
	"strconv"
	"strings"

	"github.com/openfaas/faas-provider/auth"
	"github.com/openfaas/faas-provider/types"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
)

// routes are everything but calls of functions.
func (p *Provider) routes() *http.ServeMux {
	system := http.NewServeMux()
	system.HandleFunc("GET /system/functions", p.listFunctions)
	system.HandleFunc("POST /system/functions", accepting(p.deployFunction))
	system.HandleFunc("PUT /system/functions", accepting(p.updateFunction))
	system.HandleFunc("DELETE /system/functions", accepting(p.deleteFunction))
	system.HandleFunc("GET /system/function/{name}", p.describeFunction)
	system.HandleFunc("POST /system/scale-function/{name}", accepting(p.scaleFunction))
	system.HandleFunc("GET /system/secrets", p.listSecrets)
	system.HandleFunc("POST /system/secrets", p.changingSecret(createSecret))
	system.HandleFunc("PUT /system/secrets", p.changingSecret(updateSecret))
	system.HandleFunc("DELETE /system/secrets", p.changingSecret(deleteSecret))
	system.HandleFunc("GET /system/namespaces", p.namespaces)
	system.HandleFunc("/system/namespace/", p.namespace)
	system.HandleFunc("GET /system/info", p.info)
	system.HandleFunc("GET /system/telemetry", p.telemetry)
	system.HandleFunc("GET /system/logs", p.serveLogs)

	mux := http.NewServeMux()
	mux.Handle("/system/", p.signedIn(system.ServeHTTP))
	mux.HandleFunc("GET /healthz", p.health)
	mux.Handle("GET /metrics", p.metrics.handler(fn.Metrics(p.env)))
	if p.config.Home != "" {
		mux.Handle("GET /{$}", http.RedirectHandler(p.config.Home, http.StatusFound))
	}
	return mux
}

// signedIn lets through who knows the password, which is read anew for each call.
func (p *Provider) signedIn(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		password, err := p.env.Secret(PasswordSecret)
		if err != nil {
			fault.Write(w, fault.As(fault.Unavailable, err, "this gateway has no password").Try("restart hearth up"))
			return
		}
		auth.DecorateWithBasicAuth(next, &auth.BasicAuthCredentials{User: User, Password: password})(w, r)
	})
}

// knowsPassword reports whether a request would be let through to /system.
func (p *Provider) knowsPassword(r *http.Request) bool {
	user, password, _ := r.BasicAuth()
	want, err := p.env.Secret(PasswordSecret)
	return err == nil && user == User && subtle.ConstantTimeCompare([]byte(password), []byte(want)) == 1
}

func (p *Provider) health(w http.ResponseWriter, _ *http.Request) {
	if p.drain.Err() != nil {
		fault.Write(w, fault.New(fault.Unavailable, "draining"))
		return
	}
	w.WriteHeader(http.StatusOK)
}

// inNamespace refuses a request for a namespace that does not exist, asked for in the query or the body.
func inNamespace(r *http.Request, asked string) error {
	for _, ns := range []string{r.URL.Query().Get("namespace"), asked} {
		if ns != "" && ns != Namespace {
			return fault.New(fault.Invalid, "there is no namespace %.100q, only %s", ns, Namespace).At("namespace")
		}
	}
	return nil
}

func (p *Provider) listFunctions(w http.ResponseWriter, r *http.Request) {
	if err := inNamespace(r, ""); err != nil {
		fault.Write(w, err)
		return
	}
	fn.Reply(w, http.StatusOK, p.describe(r, p.registry.list()))
}

func (p *Provider) describeFunction(w http.ResponseWriter, r *http.Request) {
	if err := inNamespace(r, ""); err != nil {
		fault.Write(w, err)
		return
	}
	s, err := p.registry.find(r.PathValue("name"))
	if err != nil {
		fault.Write(w, err)
		return
	}
	fn.Reply(w, http.StatusOK, p.describe(r, []*service{s})[0])
}

// describe returns services as the OpenFaaS API shows them, with what they use where the query asks for it.
func (p *Provider) describe(r *http.Request, services []*service) []types.FunctionStatus {
	var all processes
	now := p.env.Now()
	if usage, err := strconv.ParseBool(r.URL.Query().Get("usage")); err == nil && usage {
		all = readProcesses()
	}
	list := []types.FunctionStatus{}
	for _, s := range services {
		status := s.status()
		status.Usage = s.meter.measure(all, s.place.pid(), now)
		list = append(list, status)
	}
	return list
}

// info answers as a gateway does: about itself, and about the provider behind it, which is itself too.
func (p *Provider) info(w http.ResponseWriter, _ *http.Request) {
	version := types.VersionInfo{Release: p.config.Version}
	fn.Reply(w, http.StatusOK, map[string]any{
		"arch":     runtime.GOARCH,
		"version":  version,
		"provider": types.ProviderInfo{Name: "hearth", Version: &version, Orchestration: "process"},
	})
}

func (p *Provider) namespaces(w http.ResponseWriter, _ *http.Request) {
	fn.Reply(w, http.StatusOK, []string{Namespace})
}

// namespace answers for the one namespace: it can be looked at, and not changed.
func (p *Provider) namespace(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/system/namespace/")
	if r.Method == http.MethodPost {
		var asked types.FunctionNamespace
		if err := readRequest(w, r, &asked); err != nil {
			fault.Write(w, err)
			return
		}
		name = asked.Name
	}
	known := name == Namespace
	switch {
	case known && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		fn.Reply(w, http.StatusOK, types.FunctionNamespace{Name: Namespace})
	case known && r.Method == http.MethodPost:
		fault.Write(w, fault.New(fault.Conflict, "the namespace %s exists", Namespace))
	case known || r.Method == http.MethodPost:
		fault.Write(w, fault.New(fault.Forbidden, "there is one namespace, %s, and it stays as it is", Namespace))
	default:
		fault.Write(w, fault.New(fault.NotFound, "there is no namespace %.100q, only %s", name, Namespace))
	}
}

// telemetry answers with the totals of this provider since it started. OpenFaaS leaves its form open.
func (p *Provider) telemetry(w http.ResponseWriter, _ *http.Request) {
	totals := struct {
		Functions   int     `json:"functions"`
		Processes   int     `json:"processes"`
		Invocations uint64  `json:"invocations"`
		Uptime      float64 `json:"uptimeSeconds"`
	}{Uptime: p.env.Now().Sub(p.born).Seconds()}
	for _, s := range p.registry.list() {
		totals.Functions++
		totals.Invocations += s.invocations()
		if s.place.pid() != 0 {
			totals.Processes++
		}
	}
	fn.Reply(w, http.StatusOK, totals)
}
