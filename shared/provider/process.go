package provider

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/sandbox"
)

const (
	// startTime is how long a process may take until it answers /_/ready.
	startTime = 10 * time.Second
	// stableAfter is how long a process must have lived for its end not to count as one more crash in a row.
	stableAfter = 10 * time.Second
	// lastBreath is how long a call waits for the end of a process that listens no more.
	lastBreath = 2 * time.Second
	// The pause before the next start after the second crash in a row, which doubles with each further one,
	// and its bound.
	firstPause = time.Second
	maxPause   = time.Minute
)

// process runs a function as a process of its own. It starts on the first call, is started again by the
// next call after it died, and stops when it is not called. Calls reach it by a socket that it inherits:
// those that come before it listens wait in the socket's queue.
type process struct {
	deployment Deployment
	program    program
	function   fn.Function // of the program
	provider   *Provider
	proxy      *httputil.ReverseProxy
	metrics    functionMetrics

	mu      sync.Mutex
	current *instance
	started int // instances so far
	crashes int // in a row
	resume  time.Time
	asleep  bool // scaled to 0, and not called since
	closed  bool
}

var _ place = (*process)(nil)

// instance is one run of the process. The fields below the line belong to process.mu.
type instance struct {
	name    string
	socket  string
	client  *pool
	process *sandbox.Process
	output  *lineWriter
	ready   chan struct{} // closed when it takes calls, or failed to start
	err     error         // of the start; read after ready
	gone    chan struct{} // closed when the process is no more, and the next may start

	born    time.Time
	used    time.Time
	calls   int
	retired bool          // its end is wanted
	idle    chan struct{} // closed when it is retired and its last call is done
}

func newProcess(p *Provider, d Deployment, prog program) *process {
	c := &process{deployment: d, program: prog, function: prog.function, provider: p, metrics: p.metrics.of(d.Name)}
	c.proxy = newProxy(c)
	return c
}

// acquire returns the running instance, which it starts when there is none. Callers wait for the one start.
// release must follow.
func (c *process) acquire(ctx context.Context) (*instance, error) {
	i, err := c.instance()
	if err != nil {
		return nil, err
	}
	select {
	case <-i.ready:
	case <-ctx.Done():
		c.release(i)
		return nil, fault.As(fault.Unavailable, context.Cause(ctx), "%s did not start in time", c.deployment.Name)
	}
	if i.err != nil {
		c.release(i)
		return nil, i.err
	}
	return i, nil
}

// instance counts a call of the current instance, or of a new one.
func (c *process) instance() (*instance, error) {
	now := c.provider.env.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, fault.New(fault.Unavailable, "%s is stopping", c.deployment.Name)
	}
	c.asleep = false
	if c.current == nil {
		if pause := c.resume.Sub(now); pause > 0 {
			return nil, fault.New(fault.Unavailable, "%s crashed %d times in a row", c.deployment.Name, c.crashes).
				Try("faas-cli logs " + c.deployment.Name).In(pause)
		}
		c.started++
		name := fmt.Sprintf("%s-%d", c.deployment.Name, c.started)
		i := &instance{name: name, ready: make(chan struct{}), idle: make(chan struct{}), gone: make(chan struct{}), born: now}
		c.current = i
		c.provider.hosts.start(func() { c.run(i) })
	}
	c.current.calls++
	return c.current, nil
}

func (c *process) release(i *instance) {
	now := c.provider.env.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	i.calls--
	i.used = now
	if i.retired && i.calls == 0 {
		close(i.idle)
	}
}

// start brings up an instance.
func (c *process) start(ctx context.Context) error {
	i, err := c.acquire(ctx)
	if err != nil {
		return err
	}
	c.release(i)
	return nil
}

// run starts an instance and stays until its end.
func (c *process) run(i *instance) {
	ctx, cancel := context.WithTimeout(c.provider.life, startTime)
	defer cancel()
	err := c.launch(i)
	if err == nil {
		err = i.probe(ctx)
	}
	if err != nil {
		i.err = fault.As(fault.Unavailable, err, "%s did not start", c.deployment.Name).Try("faas-cli logs " + c.deployment.Name)
	} else {
		c.metrics.replicas.Inc()
		defer c.metrics.replicas.Dec()
	}
	close(i.ready)
	if i.process != nil {
		if i.err != nil {
			i.process.Await(stopGrace) // it may be about to say why
		}
		err = cmp.Or(i.err, i.process.Err())
		i.output.close()
	}
	c.ended(i, err)
}

// launch listens for the instance and starts its process with the listener.
func (c *process) launch(i *instance) error {
	dir, err := os.MkdirTemp(c.provider.sockets, "")
	if err != nil {
		return err
	}
	i.socket = filepath.Join(dir, "s")
	i.client = newPool(i.socket, c.provider.env.Now)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: i.socket, Net: "unix"})
	if err != nil {
		return err
	}
	defer l.Close()
	l.SetUnlinkOnClose(false) // the process listens on it after we closed ours
	f, err := l.File()
	if err != nil {
		return err
	}
	defer f.Close()
	spec, err := c.provider.spec(c.deployment, c.program)
	if err != nil {
		return err
	}
	log := c.provider.log.With("function", c.deployment.Name, "instance", i.name)
	i.output = &lineWriter{line: func(text string) { log.Info(text) }}
	spec.Files, spec.Output = []*os.File{f}, i.output
	i.process, err = c.provider.launcher.Start(spec)
	return err
}

// probe waits until the instance answers, which it does only when it serves.
func (i *instance) probe(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://function/_/ready", nil)
	if err != nil {
		return err
	}
	resp, err := i.client.RoundTrip(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return fault.Read(resp)
}

// ended clears up after an instance, and counts a crash when nobody wanted its end.
func (c *process) ended(i *instance, cause error) {
	now := c.provider.env.Now()
	c.mu.Lock()
	if c.current == i {
		c.current = nil
	}
	wanted := i.retired
	if !wanted {
		c.crashed(now, now.Sub(i.born))
	}
	c.mu.Unlock()
	close(i.gone)
	if i.client != nil {
		i.client.close()
	}
	if i.socket != "" {
		_ = os.RemoveAll(filepath.Dir(i.socket)) // the folder around it goes at the end in any case
	}
	if !wanted {
		c.provider.log.Warn("a function's process ended by itself", "function", c.deployment.Name, "instance", i.name, "err", cause)
	}
}

// crashed sets when the next start may be. The first crash after a stable life costs no pause.
func (c *process) crashed(now time.Time, lived time.Duration) {
	if lived >= stableAfter {
		c.crashes = 0
	}
	c.crashes++
	c.resume = now.Add(pauseAfter(c.crashes))
}

func pauseAfter(crashes int) time.Duration {
	if crashes < 2 {
		return 0
	}
	return min(maxPause, firstPause<<min(crashes-2, 10))
}

func (c *process) resting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asleep
}

func (c *process) pid() int {
	c.mu.Lock()
	i := c.current
	c.mu.Unlock()
	if i == nil || !i.up() {
		return 0
	}
	return i.process.Pid()
}

// up reports whether the instance takes calls, or did.
func (i *instance) up() bool {
	select {
	case <-i.ready:
		return i.err == nil
	default:
		return false
	}
}

func (c *process) available() bool {
	now := c.provider.env.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.closed && (c.current != nil || !now.Before(c.resume))
}

// sweep stops the instance when it has not been called for the idle time, and gives it rotated secrets
// when it goes on. A function that is kept is started instead.
func (c *process) sweep(now time.Time) {
	if c.deployment.kept() && !c.resting() {
		if i, err := c.instance(); err == nil {
			c.release(i)
		}
	}
	c.mu.Lock()
	i := c.current
	idle := i != nil && i.calls == 0 && now.Sub(i.used) >= c.deployment.idle(c.provider.config.Idle) && !c.deployment.kept()
	if idle {
		c.retire()
	}
	c.mu.Unlock()
	switch {
	case idle:
		c.provider.hosts.start(func() { i.stop(stopGrace) })
	case i != nil:
		if i.up() {
			i.client.sweep(now)
		}
		c.renew()
	}
}

func (c *process) renew() {
	c.mu.Lock()
	running := c.current != nil
	c.mu.Unlock()
	if !running || !c.program.confined {
		return
	}
	if _, err := c.provider.grant(c.deployment.Name, c.program.grants); err != nil {
		c.provider.log.Error("secrets of a plugin are not renewed", "function", c.deployment.Name, "err", err)
	}
}

// rest ends the instance once its calls are done. The next call starts another.
func (c *process) rest() {
	c.mu.Lock()
	i := c.current
	c.asleep = true
	if i != nil {
		c.retire()
	}
	c.mu.Unlock()
	if i == nil {
		return
	}
	c.provider.hosts.start(func() {
		limit, cancel := c.provider.patience(c.function)
		defer cancel()
		c.finished(i, limit)
	})
}

// retire takes the current instance out of service.
func (c *process) retire() {
	i := c.current
	i.retired = true
	c.current = nil
	if i.calls == 0 {
		close(i.idle)
	}
}

// drain asks a process with streams to end at once: it ends its streams properly, and finishes its calls.
func (c *process) drain() {
	if c.function.Streams {
		c.provider.hosts.start(func() { c.end(c.provider.config.Drain) })
	}
}

// finish ends the function for good once its calls are done, or limit ends.
func (c *process) finish(limit context.Context) {
	if i := c.last(); i != nil {
		c.finished(i, limit)
	}
}

// finished stops a retired instance once its calls are done, or limit ends.
func (c *process) finished(i *instance, limit context.Context) {
	select {
	case <-i.idle:
	case <-limit.Done():
	}
	i.stop(stopGrace)
}

func (c *process) close() { c.end(stopGrace) }

// end stops the function for good.
func (c *process) end(grace time.Duration) {
	if i := c.last(); i != nil {
		i.stop(grace)
	}
}

// last closes the function to calls and returns its retired instance, nil where none runs.
func (c *process) last() *instance {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := c.current
	c.closed = true
	if i != nil {
		c.retire()
	}
	return i
}

// over waits until an instance that does not listen is gone, and reports whether it is.
func (i *instance) over(ctx context.Context) bool {
	timer := time.NewTimer(lastBreath)
	defer timer.Stop()
	select {
	case <-i.gone:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

func (i *instance) stop(grace time.Duration) {
	<-i.ready
	if i.process != nil {
		i.process.Stop(grace)
	}
}
