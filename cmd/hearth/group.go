package main

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/gateway"
)

// groupOf returns the group of functions that a gateway with few places (OpenFaaS CE: 15) has a function
// in, or "". What the page, the command line and people's webhooks call by name stays alone.
func groupOf(f fn.Function) string {
	kind, _, _ := strings.Cut(f.Name, "-")
	if f.Name == "adapter-web" {
		return ""
	}
	return map[string]string{"adapter": "adapters", "planner": "planner", "plugin": "plugins"}[kind]
}

// grouped puts functions into their groups, and returns which they are. A group takes the place of its first
// function.
func grouped(all []fn.Function) (deployed []fn.Function, groups map[string][]fn.Function) {
	groups = map[string][]fn.Function{}
	for _, f := range all {
		if name := groupOf(f); name != "" {
			groups[name] = append(groups[name], f)
		}
	}
	done := map[string]bool{}
	for _, f := range all {
		name := groupOf(f)
		if name != "" && !done[name] {
			deployed = append(deployed, gather(name, groups[name]))
			done[name] = true
		}
		if name == "" {
			deployed = append(deployed, f)
		}
	}
	return deployed, groups
}

// gather makes one function of several: /telegram/… is what adapter-telegram has at /….
func gather(name string, list []fn.Function) fn.Function {
	g := fn.Function{Name: name}
	for _, f := range list {
		g.Timeout = max(g.Timeout, f.Timeout, fn.DefaultTimeout)
		g.MaxBody = max(g.MaxBody, f.MaxBody, fn.DefaultMaxBody)
		g.Streams = g.Streams || f.Streams
	}
	g.New = func(ctx context.Context, env *fn.Env) (http.Handler, error) {
		all := members{}
		for _, f := range list {
			all[gateway.Member(f.Name)] = &member{function: f, life: ctx, env: env}
		}
		return all, nil
	}
	return g
}

// members serves the functions of a group, by the first element of the path.
type members map[string]*member

func (all members) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	m, found := all[name]
	if !found {
		fault.Write(w, fault.New(fault.NotFound, "no function of this group is called %.100q", name))
		return
	}
	inner := r.Clone(r.Context())
	inner.URL = &url.URL{Path: "/" + rest, RawQuery: r.URL.RawQuery}
	if raw, escaped := strings.CutPrefix(r.URL.RawPath, "/"+name+"/"); escaped {
		inner.URL.RawPath = "/" + raw
	}
	m.ServeHTTP(w, inner)
}

// member is one function of a group. It starts on its first call, and again on the next when that failed:
// one that is broken stops no other.
type member struct {
	function fn.Function
	life     context.Context
	env      *fn.Env

	mu   sync.Mutex
	host *fn.Host
}

func (m *member) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host, err := m.started()
	if err != nil {
		fn.Fail(w, r, fault.As(fault.Unavailable, err, "%s cannot start: %s", m.function.Name, fault.Text(err)))
		return
	}
	host.ServeHTTP(w, r)
}

func (m *member) started() (*fn.Host, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.host != nil {
		return m.host, nil
	}
	host, err := fn.NewHost(m.life, m.function, m.env)
	if err != nil {
		m.env.Log.Error("a function cannot start", "function", m.function.Name, "err", err)
		return nil, err
	}
	m.host = host
	return host, nil
}
