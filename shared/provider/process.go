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
	function   fn.Function
	provider   *Provider
	proxy      *httputil.ReverseProxy
	metrics    functionMetrics

	mu      sync.Mutex
	current *instance
	started int // instances so far
	crashes int // in a row
	resume  time.Time
	closed  bool
}

var _ place = (*process)(nil)

// instance is one run of the process. The fields below the line belong to process.mu.
type instance struct {
	name    string
	socket  string
	client  *http.Transport
	process *sandbox.Process
	output  *lineWriter
	ready   chan struct{} // closed when it takes calls, or failed to start
	err     error         // of the start; read after ready

	born    time.Time
	used    time.Time
	calls   int
	retired bool // its end is wanted
}

func newProcess(p *Provider, d Deployment, f fn.Function) *process {
	c := &process{deployment: d, function: f, provider: p, metrics: p.metrics.of(d.Name)}
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
	if c.current == nil {
		if pause := c.resume.Sub(now); pause > 0 {
			return nil, fault.New(fault.Unavailable, "%s crashed %d times in a row", c.deployment.Name, c.crashes).
				Try("faas-cli logs " + c.deployment.Name).In(pause)
		}
		c.started++
		name := fmt.Sprintf("%s-%d", c.deployment.Name, c.started)
		i := &instance{name: name, ready: make(chan struct{}), born: now}
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
}

// run starts an instance and stays until its end.
func (c *process) run(i *instance) {
	ctx, cancel := context.WithTimeout(c.provider.life, startTime)
	defer cancel()
	err := c.start(i)
	if err == nil {
		err = i.probe(ctx)
	}
	if err != nil {
		i.err = fault.As(fault.Unavailable, err, "%s did not start", c.deployment.Name).Try("faas-cli logs " + c.deployment.Name)
	} else {
		c.metrics.replicas.Set(1)
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

// start listens for the instance and starts it with the listener.
func (c *process) start(i *instance) error {
	dir, err := os.MkdirTemp(c.provider.sockets, "")
	if err != nil {
		return err
	}
	i.socket = filepath.Join(dir, "s")
	i.client = dialing(i.socket)
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
	spec, err := c.provider.spec(c.deployment, c.function)
	if err != nil {
		return err
	}
	log := c.provider.log.With("function", c.deployment.Name, "instance", i.name)
	i.output = &lineWriter{line: func(text string) { log.Info(text) }}
	spec.Files, spec.Output = []*os.File{f}, i.output
	i.process, err = c.provider.launcher.Start(spec)
	return err
}

// dialing returns a client of the function behind a socket.
func dialing(socket string) *http.Transport {
	var d net.Dialer
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", socket)
		},
		MaxIdleConnsPerHost: maxCalls, IdleConnTimeout: 90 * time.Second, DisableCompression: true,
	}
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
		c.metrics.replicas.Set(0)
	}
	wanted := i.retired
	if !wanted {
		c.crashed(now, now.Sub(i.born))
	}
	c.mu.Unlock()
	if i.client != nil {
		i.client.CloseIdleConnections()
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

func (c *process) available() bool {
	now := c.provider.env.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.closed && (c.current != nil || !now.Before(c.resume))
}

// sweep stops the instance when it has not been called for the idle time, and gives it rotated secrets
// when it goes on. A function that is kept is started instead.
func (c *process) sweep(now time.Time) {
	if c.deployment.kept() {
		if i, err := c.instance(); err == nil {
			c.release(i)
		}
	}
	c.mu.Lock()
	i := c.current
	idle := i != nil && i.calls == 0 && now.Sub(i.used) >= c.provider.config.Idle && !c.deployment.kept()
	if idle {
		c.retire()
	}
	c.mu.Unlock()
	switch {
	case idle:
		c.provider.hosts.start(func() { i.stop(stopGrace) })
	case i != nil && c.function.Plugin():
		if _, err := c.provider.grant(c.deployment); err != nil {
			c.provider.log.Error("secrets of a plugin are not renewed", "function", c.deployment.Name, "err", err)
		}
	}
}

// retire takes the current instance out of service.
func (c *process) retire() {
	c.current.retired = true
	c.current = nil
	c.metrics.replicas.Set(0)
}

// drain asks a process with streams to end at once: it ends its streams properly, and finishes its calls.
func (c *process) drain() {
	if c.function.Streams {
		c.provider.hosts.start(func() { c.end(c.provider.config.Drain) })
	}
}

func (c *process) close() { c.end(stopGrace) }

// end stops the function for good.
func (c *process) end(grace time.Duration) {
	c.mu.Lock()
	i := c.current
	c.closed = true
	if i != nil {
		c.retire()
	}
	c.mu.Unlock()
	if i != nil {
		i.stop(grace)
	}
}

func (i *instance) stop(grace time.Duration) {
	<-i.ready
	if i.process != nil {
		i.process.Stop(grace)
	}
}
