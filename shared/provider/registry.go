package provider

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/openfaas/faas-provider/types"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/manifest"
)

// Deployment is a function as somebody asked for it, or as the running executable has it.
type Deployment struct {
	Name        string                   `json:"name"`
	Image       string                   `json:"image"` // Self, or one that a configured program stands for
	Process     string                   `json:"process,omitempty"`
	Labels      map[string]string        `json:"labels"`
	Annotations map[string]string        `json:"annotations"`
	Env         map[string]string        `json:"env,omitempty"`
	Secrets     []string                 `json:"secrets,omitempty"`
	Constraints []string                 `json:"constraints,omitempty"`
	Limits      *types.FunctionResources `json:"limits,omitempty"`
	Requests    *types.FunctionResources `json:"requests,omitempty"`
	ReadOnly    bool                     `json:"read_only,omitempty"`
	Created     time.Time                `json:"created"`
}

// deploymentOf returns the deployment of a function of the running executable. A plugin's manifest
// becomes an annotation: the list of functions is the registry of plugins.
func deploymentOf(f fn.Function, now time.Time) Deployment {
	d := Deployment{Name: f.Name, Image: Self, Labels: map[string]string{}, Annotations: map[string]string{}, Created: now}
	if f.Manifest != nil {
		m := f.Manifest()
		d.Annotations[manifest.Annotation] = annotationOf(*m)
		d.Secrets = m.Grants.Secrets
	}
	return d
}

// annotationOf returns the value of manifest.Annotation.
func annotationOf(m manifest.Manifest) string {
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // its schemas are JSON that this executable derived
	}
	return string(text)
}

// status returns the deployment as the OpenFaaS API shows it. Replicas is what is wanted: 1, also for a
// function that sleeps until its next call, and 0 after somebody scaled it to 0. The available ones are
// those that would take a call now.
func (s *service) status() types.FunctionStatus {
	d := s.deployment
	labels, annotations := maps.Clone(d.Labels), maps.Clone(d.Annotations)
	status := types.FunctionStatus{
		Name: d.Name, Namespace: Namespace, Image: d.Image, EnvProcess: d.Process, EnvVars: d.Env, Secrets: d.Secrets,
		Labels: &labels, Annotations: &annotations, Constraints: d.Constraints, Limits: d.Limits, Requests: d.Requests,
		ReadOnlyRootFilesystem: d.ReadOnly, InvocationCount: float64(s.invocations()), CreatedAt: d.Created,
	}
	if s.place.resting() {
		return status
	}
	status.Replicas = 1
	if s.place.available() {
		status.AvailableReplicas = 1
	}
	return status
}

// registry holds the deployed functions. It is safe for concurrent use.
type registry struct {
	mu       sync.RWMutex
	services map[string]*service
	order    []string
}

func newRegistry() *registry { return &registry{services: map[string]*service{}} }

// put adds a service, or takes the place of the one with its name.
func (r *registry) put(s *service) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.services[s.deployment.Name] == nil {
		r.order = append(r.order, s.deployment.Name)
	}
	r.services[s.deployment.Name] = s
}

// find returns the service of a name, with or without the namespace behind it.
func (r *registry) find(name string) (*service, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if s := r.services[strings.TrimSuffix(name, "."+Namespace)]; s != nil {
		return s, nil
	}
	return nil, unknown(name)
}

func unknown(name string) error {
	return fault.New(fault.NotFound, "no function is deployed as %.100q", name).Try("faas-cli list")
}

// remove takes the service of a name out, and returns it.
func (r *registry) remove(name string) *service {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.services[name]
	if s != nil {
		delete(r.services, name)
		r.order = slices.DeleteFunc(r.order, func(n string) bool { return n == name })
	}
	return s
}

// list returns the services in the order they were first deployed.
func (r *registry) list() []*service {
	r.mu.RLock()
	defer r.mu.RUnlock()
	all := make([]*service, 0, len(r.order))
	for _, name := range r.order {
		all = append(all, r.services[name])
	}
	return all
}
