package provider

import (
	"encoding/json"
	"maps"
	"strconv"
	"strings"
	"sync"

	"github.com/openfaas/faas-provider/types"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/manifest"
)

// Deployment is a function as somebody asked for it.
type Deployment struct {
	Name        string
	Image       string // Self, or one that a configured program stands for
	Labels      map[string]string
	Annotations map[string]string
	Env         map[string]string
	Secrets     []string
}

// deploymentOf returns the deployment of a function of the running executable. A plugin's manifest
// becomes an annotation: the list of functions is the registry of plugins.
func deploymentOf(f fn.Function) Deployment {
	d := Deployment{Name: f.Name, Image: Self, Labels: map[string]string{}, Annotations: map[string]string{}}
	if f.Manifest == nil {
		return d
	}
	text, err := json.Marshal(f.Manifest)
	if err != nil {
		panic(err) // its schemas are JSON that this executable derived
	}
	d.Annotations[manifest.Annotation] = string(text)
	d.Secrets = f.Manifest.Grants.Secrets
	return d
}

// minLabel is OpenFaaS' label for how many replicas a function has at least.
const minLabel = "com.openfaas.scale.min"

// kept reports whether the function is never stopped for being idle.
func (d Deployment) kept() bool {
	least, err := strconv.Atoi(d.Labels[minLabel])
	return err == nil && least > 0
}

// status returns the deployment as the OpenFaaS API shows it.
func (s *service) status() types.FunctionStatus {
	labels, annotations := maps.Clone(s.deployment.Labels), maps.Clone(s.deployment.Annotations)
	available := uint64(0)
	if s.place.available() {
		available = 1
	}
	return types.FunctionStatus{
		Name: s.deployment.Name, Namespace: Namespace, Image: s.deployment.Image,
		EnvVars: s.deployment.Env, Secrets: s.deployment.Secrets, Labels: &labels, Annotations: &annotations,
		InvocationCount: float64(s.calls.Load()), Replicas: 1, AvailableReplicas: available, CreatedAt: s.created,
	}
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
	return nil, fault.New(fault.NotFound, "no function is deployed as %.100q", name).Try("faas-cli list")
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
