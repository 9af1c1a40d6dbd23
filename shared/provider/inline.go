package provider

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
)

// inline runs a function inside the provider's process. It starts on the first call; a start that failed is
// tried again on the next.
type inline struct {
	function fn.Function
	provider *Provider
	kept     bool
	metrics  functionMetrics
	starting sync.Mutex // held while one is started

	mu      sync.Mutex
	current *guest
	asleep  bool // scaled to 0, and not called since
	closed  bool
}

var _ place = (*inline)(nil)

// guest is one life of an inline function. The fields below the line belong to inline.mu.
type guest struct {
	host    *fn.Host
	end     context.CancelFunc // of the function and all that it started
	streams context.Context    // ends when its streams must
	cut     context.CancelFunc

	calls   int
	retired bool
	idle    chan struct{} // closed when it is retired and its last call is done
}

// acquire returns the running guest, which it starts when there is none. release must follow.
func (i *inline) acquire() (*guest, error) {
	if g, err := i.count(); g != nil || err != nil {
		return g, err
	}
	i.starting.Lock()
	defer i.starting.Unlock()
	if g, err := i.count(); g != nil || err != nil {
		return g, err
	}
	g, err := i.launch()
	if err != nil {
		i.provider.log.Error("a function cannot start", "function", i.function.Name, "err", err)
		return nil, fault.As(fault.Unavailable, err, "%s cannot start: %s", i.function.Name, fault.Text(err))
	}
	return g, i.admit(g)
}

// admit puts a new guest into use, with one call on it.
func (i *inline) admit(g *guest) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		g.end()
		return i.stopping()
	}
	g.calls = 1
	i.current = g
	i.metrics.replicas.Inc()
	return nil
}

func (i *inline) stopping() error {
	return fault.New(fault.Unavailable, "%s is stopping", i.function.Name)
}

// count counts a call of the running guest, if there is one.
func (i *inline) count() (*guest, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return nil, i.stopping()
	}
	i.asleep = false
	if i.current != nil {
		i.current.calls++
	}
	return i.current, nil
}

func (i *inline) release(g *guest) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if g.calls--; g.retired && g.calls == 0 {
		close(g.idle)
	}
}

// launch makes a panic of the function's constructor an error: one broken function stops no other.
func (i *inline) launch() (g *guest, err error) {
	life, end := context.WithCancel(i.provider.life)
	defer func() {
		if v := recover(); v != nil {
			err = fault.New(fault.Internal, "panic: %v", v)
		}
		if err != nil {
			end()
		}
	}()
	host, err := fn.NewHost(life, i.function, i.provider.env)
	if err != nil {
		return nil, err
	}
	streams, cut := context.WithCancel(life)
	context.AfterFunc(i.provider.drain, cut)
	return &guest{host: host, end: end, streams: streams, cut: cut, idle: make(chan struct{})}, nil
}

func (i *inline) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g, err := i.acquire()
	if err != nil {
		refuse(w, err)
		return
	}
	defer i.release(g)
	if i.function.Streams {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(g.streams, cancel)()
		g.host.ServeHTTP(w, r.WithContext(ctx))
		return
	}
	g.host.ServeHTTP(w, r)
}

func (i *inline) RoundTrip(r *http.Request) (*http.Response, error) { return i.provider.exchange(i, r) }

func (i *inline) available() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return !i.closed
}

func (i *inline) resting() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asleep
}

// pid is 0: the process is the provider's.
func (i *inline) pid() int { return 0 }

func (i *inline) start(context.Context) error {
	g, err := i.acquire()
	if err != nil {
		return err
	}
	i.release(g)
	return nil
}

func (i *inline) sweep(time.Time) {
	if i.kept && !i.resting() {
		_ = i.start(i.provider.life) // it says itself in the log why it cannot
	}
}

func (i *inline) rest() {
	g := i.retire(false)
	if g == nil {
		return
	}
	i.provider.hosts.start(func() {
		limit, cancel := i.provider.patience(i.function)
		defer cancel()
		i.finished(g, limit)
	})
}

// retire takes the guest out of service, and returns it. The next call starts another, unless it is for good.
func (i *inline) retire(forGood bool) *guest {
	i.mu.Lock()
	defer i.mu.Unlock()
	g := i.current
	i.current, i.asleep, i.closed = nil, true, i.closed || forGood
	if g != nil {
		g.retired = true
		if g.calls == 0 {
			close(g.idle)
		}
	}
	return g
}

// finished ends a retired guest once its calls are done, or limit ends.
func (i *inline) finished(g *guest, limit context.Context) {
	select {
	case <-g.idle:
	case <-limit.Done():
	}
	g.cut()
	g.end()
	i.metrics.replicas.Dec()
}

func (i *inline) finish(limit context.Context) {
	if g := i.retire(true); g != nil {
		i.finished(g, limit)
	}
}

// renew does nothing: the function reads the secrets themselves.
func (i *inline) renew() {}

// drain does nothing: ServeHTTP sees to the streams.
func (i *inline) drain() {}

// close does nothing: the function ends with the provider's life.
func (i *inline) close() {}

// timeoutOf returns how long a call of f may take.
func timeoutOf(f fn.Function) time.Duration {
	if f.Timeout > 0 {
		return f.Timeout
	}
	return fn.DefaultTimeout
}
