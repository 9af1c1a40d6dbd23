package provider

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	"github.com/openfaas/faas-provider/types"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
)

// maxRequest bounds the body of a request that changes something.
const maxRequest = 1 << 20

// readRequest decodes a request as OpenFaaS does: fields that are not known are passed over.
func readRequest(w http.ResponseWriter, r *http.Request, v any) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
	raw, err := fn.ReadBody(r)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fault.As(fault.Invalid, err, "the body is not the JSON that this route takes: %v", err)
	}
	return nil
}

// accepting makes a handler of something that changes what is deployed. It answers 202 and never 201, which
// faas-cli takes for a failure.
func accepting(do func(w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := do(w, r); err != nil {
			fault.Write(w, err)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	}
}

// readDeployment reads what is to be deployed, with the program that it runs.
func (p *Provider) readDeployment(w http.ResponseWriter, r *http.Request) (Deployment, program, error) {
	var asked types.FunctionDeployment
	if err := readRequest(w, r, &asked); err != nil {
		return Deployment{}, program{}, err
	}
	if err := inNamespace(r, asked.Namespace); err != nil {
		return Deployment{}, program{}, err
	}
	d := deploymentFrom(asked)
	if err := d.check(); err != nil {
		return d, program{}, err
	}
	prog, err := p.resolve(&d)
	if err != nil {
		return d, prog, err
	}
	if slices.Contains(p.config.Needed, d.Name) && prog.of != d.Name {
		return d, prog, fault.New(fault.Forbidden, "hearth itself needs %s: nothing else can take its name", d.Name).At("image")
	}
	return d, prog, p.checkSecrets(d, prog)
}

// deploymentFrom returns a deployment as the OpenFaaS API carries it.
func deploymentFrom(asked types.FunctionDeployment) Deployment {
	d := Deployment{
		Name: asked.Service, Image: asked.Image, Process: asked.EnvProcess, Env: asked.EnvVars, Secrets: asked.Secrets,
		Constraints: asked.Constraints, Limits: asked.Limits, Requests: asked.Requests, ReadOnly: asked.ReadOnlyRootFilesystem,
		Labels: map[string]string{}, Annotations: map[string]string{},
	}
	if asked.Labels != nil {
		maps.Copy(d.Labels, *asked.Labels)
	}
	if asked.Annotations != nil {
		maps.Copy(d.Annotations, *asked.Annotations)
	}
	return d
}

// deployFunction deploys a function that is not deployed yet, and starts it.
func (p *Provider) deployFunction(w http.ResponseWriter, r *http.Request) error {
	d, prog, err := p.readDeployment(w, r)
	if err != nil {
		return err
	}
	if err := p.changing(); err != nil {
		return err
	}
	defer p.deploying.Unlock()
	if _, err := p.registry.find(d.Name); err == nil {
		return fault.New(fault.Conflict, "%s is deployed already", d.Name).Try("faas-cli deploy --update")
	}
	d.Created = p.env.Now()
	p.keep(&d)
	if err := p.book.put(d); err != nil {
		return err
	}
	s := p.version(d, prog)
	p.publish(s)
	p.hosts.start(func() {
		if err := s.place.start(p.life); err != nil {
			p.log.Warn("a deployed function does not start", "function", d.Name, "err", err)
		}
	})
	return nil
}

// updateFunction puts a new version in the place of a function, once it runs: one that does not start
// changes nothing. The old version finishes its calls. For a function that is not deployed it answers 404,
// on which faas-cli deploys it.
func (p *Provider) updateFunction(w http.ResponseWriter, r *http.Request) error {
	d, prog, err := p.readDeployment(w, r)
	if err != nil {
		return err
	}
	if err := p.changing(); err != nil {
		return err
	}
	defer p.deploying.Unlock()
	old, err := p.registry.find(d.Name)
	if err != nil {
		return err
	}
	d.Created = old.deployment.Created
	p.keep(&d)
	s := p.version(d, prog)
	err = s.place.start(context.WithoutCancel(r.Context()))
	if err == nil {
		err = p.book.put(d)
	}
	if err != nil {
		p.discard(s)
		return fault.Wrap(err, "the version before stays")
	}
	p.publish(s)
	old.retire(s)
	p.hosts.start(func() { p.finishCalls(old) })
	return nil
}

// deleteFunction removes a function. Its calls in flight are finished; those that are queued for it fail.
func (p *Provider) deleteFunction(w http.ResponseWriter, r *http.Request) error {
	var asked types.DeleteFunctionRequest
	if err := readRequest(w, r, &asked); err != nil {
		return err
	}
	if err := inNamespace(r, asked.Namespace); err != nil {
		return err
	}
	if err := checkName(asked.FunctionName, "functionName"); err != nil {
		return err
	}
	if err := p.changing(); err != nil {
		return err
	}
	defer p.deploying.Unlock()
	_, recorded := p.book.find(asked.FunctionName)
	if _, err := p.registry.find(asked.FunctionName); err != nil && !recorded {
		return err
	}
	if slices.Contains(p.config.Needed, asked.FunctionName) {
		return fault.New(fault.Forbidden, "hearth itself needs %s: it cannot be removed", asked.FunctionName)
	}
	if err := p.book.remove(asked.FunctionName, p.own(asked.FunctionName)); err != nil {
		return err
	}
	s := p.registry.remove(asked.FunctionName)
	if s == nil {
		return nil // it was recorded, and had no program at the last start
	}
	s.retire(nil)
	p.hosts.start(func() {
		p.finishCalls(s)
		p.deploying.Lock()
		defer p.deploying.Unlock()
		p.forget(s.deployment.Name)
	})
	return nil
}

// version builds a version of a function in the place that fits it. A function of ours with an environment
// of its own cannot run inside our process.
func (p *Provider) version(d Deployment, prog program) *service {
	s := &service{
		deployment: d, program: prog, function: prog.function, provider: p, metrics: p.metrics.of(d.Name), idle: make(chan struct{}),
	}
	if p.config.Inline && !prog.confined && len(d.Env) == 0 {
		s.place = &inline{function: prog.function, provider: p, kept: d.kept(), metrics: s.metrics}
	} else {
		s.place = newProcess(p, d, prog)
	}
	s.queue = p.queueOf(d.Name)
	return s
}

// discard ends a version that never took a call.
func (p *Provider) discard(s *service) {
	s.retire(nil)
	p.hosts.start(func() { p.finishCalls(s) })
}

// finishCalls ends a retired version once its calls are done: those have as long as their function allows.
func (p *Provider) finishCalls(s *service) {
	limit, cancel := p.patience(s.function)
	defer cancel()
	select {
	case <-s.idle:
	case <-limit.Done():
	}
	s.place.finish(limit)
}

// patience is how long calls of a function that are in flight may take once no more come: as long as they can,
// but for a function with streams, which never end by themselves, the drain time.
func (p *Provider) patience(f fn.Function) (context.Context, context.CancelFunc) {
	if f.Streams {
		return context.WithTimeout(p.life, p.config.Drain)
	}
	return context.WithTimeout(p.life, timeoutOf(f)+answerMargin)
}

// changing takes the lock that is held while deployments change, unless the provider is at its end.
func (p *Provider) changing() error {
	p.deploying.Lock()
	if p.drain.Err() == nil {
		return nil
	}
	p.deploying.Unlock()
	return fault.New(fault.Unavailable, "this gateway is stopping")
}

// own reports whether a name is that of a function of the running executable.
func (p *Provider) own(name string) bool {
	return slices.ContainsFunc(p.config.Functions, func(f fn.Function) bool { return f.Name == name })
}

// keep labels the functions that are never stopped.
func (p *Provider) keep(d *Deployment) {
	if slices.Contains(p.config.Keep, d.Name) {
		d.Labels[minLabel] = "1"
	}
}

// standing returns what is deployed when the provider starts: the functions of the executable, without those
// that were removed and as they were deployed last, and then the others. A deployment whose program is
// missing is told of and left out; it stays in the book.
func (p *Provider) standing() []*service {
	var all []Deployment
	for _, f := range p.config.Functions {
		if _, found := p.book.find(f.Name); !found && !p.book.removed(f.Name) {
			all = append(all, deploymentOf(f, p.born))
		}
	}
	var list []*service
	for _, d := range append(all, p.book.Deployed...) {
		p.keep(&d)
		prog, err := p.resolve(&d)
		if err != nil {
			p.log.Error("a function is not deployed", "function", d.Name, "err", err)
			continue
		}
		list = append(list, p.version(d, prog))
	}
	return list
}

// forgetRemoved removes what an earlier run of the provider had no time to remove.
func (p *Provider) forgetRemoved() {
	entries, err := os.ReadDir(filepath.Join(p.config.Data, "grants"))
	if err != nil && !os.IsNotExist(err) {
		p.log.Error("the folders of removed functions stay", "err", err)
	}
	for _, e := range entries {
		p.forget(e.Name())
	}
}

// forget removes what is left of a function, unless it is deployed again: its log and its folders, in which
// there are secrets.
func (p *Provider) forget(name string) {
	if _, err := p.registry.find(name); err == nil {
		return
	}
	p.logs.drop(name)
	if err := errors.Join(os.RemoveAll(p.folder("grants", name)), os.RemoveAll(p.folder("work", name))); err != nil {
		p.log.Error("the folders of a removed function stay", "of", name, "err", err)
	}
}
