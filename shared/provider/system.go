package provider

import (
	"crypto/subtle"
	"net/http"
	"runtime"

	"github.com/openfaas/faas-provider/auth"
	"github.com/openfaas/faas-provider/types"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
)

// routes are everything but calls of functions.
func (p *Provider) routes() *http.ServeMux {
	system := http.NewServeMux()
	system.HandleFunc("GET /system/functions", p.listFunctions)
	system.HandleFunc("GET /system/function/{name}", p.describeFunction)
	system.HandleFunc("GET /system/info", p.info)
	system.HandleFunc("GET /system/namespaces", p.namespaces)
	system.HandleFunc("GET /system/logs", p.serveLogs)

	mux := http.NewServeMux()
	mux.Handle("/system/", p.signedIn(system.ServeHTTP))
	mux.HandleFunc("GET /healthz", p.health)
	mux.Handle("GET /metrics", p.metrics.handler())
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

// inNamespace refuses a request for a namespace that does not exist.
func inNamespace(w http.ResponseWriter, r *http.Request) bool {
	if ns := r.URL.Query().Get("namespace"); ns != "" && ns != Namespace {
		fault.Write(w, fault.New(fault.NotFound, "there is no namespace %.100q, only %s", ns, Namespace))
		return false
	}
	return true
}

func (p *Provider) listFunctions(w http.ResponseWriter, r *http.Request) {
	if !inNamespace(w, r) {
		return
	}
	list := []types.FunctionStatus{}
	for _, s := range p.registry.list() {
		list = append(list, s.status())
	}
	fn.Reply(w, http.StatusOK, list)
}

func (p *Provider) describeFunction(w http.ResponseWriter, r *http.Request) {
	if !inNamespace(w, r) {
		return
	}
	s, err := p.registry.find(r.PathValue("name"))
	if err != nil {
		fault.Write(w, err)
		return
	}
	fn.Reply(w, http.StatusOK, s.status())
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
