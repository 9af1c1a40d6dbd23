// Package remote is the planner's side of plugins: which ones are deployed, and how a step calls one.
package remote

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/manifest"
)

// fresh is how long a list of plugins is used before the gateway is asked again.
const fresh = 2 * time.Second

// Registry knows the deployed plugins: functions that carry a manifest. The gateway's list is the truth.
type Registry struct {
	gateway *gateway.Client
	now     func() time.Time
	log     *slog.Logger

	mu    sync.Mutex
	at    time.Time
	known []manifest.Manifest // by id
}

// OpenRegistry returns the process's registry.
func OpenRegistry(env *fn.Env, gw *gateway.Client) (*Registry, error) {
	return fn.Share(env, "plugin/registry", func() (*Registry, error) {
		return &Registry{gateway: gw, now: env.Now, log: env.Log}, nil
	})
}

// All returns the manifests of all plugins, by id. While the gateway does not answer, the last list
// stands.
func (r *Registry) All(ctx context.Context) ([]manifest.Manifest, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.at.IsZero() && r.now().Sub(r.at) < fresh {
		return r.known, nil
	}
	functions, err := r.gateway.Functions(ctx)
	if err != nil {
		if len(r.known) > 0 {
			r.log.Warn("the list of plugins is old", "err", err)
			return r.known, nil
		}
		return nil, fault.Wrap(err, "list the plugins")
	}
	r.known, r.at = r.read(functions), r.now()
	return r.known, nil
}

// read takes the manifests out of annotations. A broken one costs its own plugin only.
func (r *Registry) read(functions []gateway.Function) []manifest.Manifest {
	var list []manifest.Manifest
	for _, f := range functions {
		for name, text := range f.Annotations {
			if name != manifest.Annotation && !strings.HasPrefix(name, manifest.GroupAnnotation) {
				continue
			}
			var m manifest.Manifest
			if err := json.Unmarshal([]byte(text), &m); err != nil || m.ID == "" {
				r.log.Error("a plugin's manifest cannot be read", "function", f.Name, "annotation", name, "err", err)
				continue
			}
			list = append(list, m)
		}
	}
	slices.SortFunc(list, func(a, b manifest.Manifest) int { return strings.Compare(a.ID, b.ID) })
	return list
}

// Get returns the manifest of a plugin, or NotFound with the names that there are.
func (r *Registry) Get(ctx context.Context, id string) (manifest.Manifest, error) {
	all, err := r.All(ctx)
	if err != nil {
		return manifest.Manifest{}, err
	}
	i, found := slices.BinarySearchFunc(all, id, func(m manifest.Manifest, id string) int { return strings.Compare(m.ID, id) })
	if !found {
		names := make([]string, len(all))
		for i, m := range all {
			names[i] = m.ID
		}
		return manifest.Manifest{}, fault.New(fault.NotFound, "no plugin %s is deployed; there are: %s", id, strings.Join(names, ", "))
	}
	return all[i], nil
}
