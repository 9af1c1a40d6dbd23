package provider

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
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
	starting sync.Mutex
	host     atomic.Pointer[fn.Host]
}

var _ place = (*inline)(nil)

func (i *inline) started() (*fn.Host, error) {
	if host := i.host.Load(); host != nil {
		return host, nil
	}
	i.starting.Lock()
	defer i.starting.Unlock()
	if host := i.host.Load(); host != nil {
		return host, nil
	}
	host, err := i.start()
	if err != nil {
		i.provider.log.Error("a function cannot start", "function", i.function.Name, "err", err)
		return nil, fault.As(fault.Unavailable, err, "%s cannot start: %s", i.function.Name, fault.Text(err))
	}
	i.host.Store(host)
	i.provider.metrics.of(i.function.Name).replicas.Set(1)
	return host, nil
}

// start makes a panic of the function's constructor an error: one broken function stops no other.
func (i *inline) start() (host *fn.Host, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fault.New(fault.Internal, "panic: %v", v)
		}
	}()
	return fn.NewHost(i.provider.life, i.function, i.provider.env)
}

func (i *inline) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host, err := i.started()
	if err != nil {
		fault.Write(w, err)
		return
	}
	if i.function.Streams {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(i.provider.drain, cancel)()
		host.ServeHTTP(w, r.WithContext(ctx))
		return
	}
	host.ServeHTTP(w, r)
}

func (i *inline) RoundTrip(r *http.Request) (*http.Response, error) { return i.provider.exchange(i, r) }

func (i *inline) available() bool { return true }

func (i *inline) sweep(time.Time) {
	if i.kept {
		_, _ = i.started() // it says itself in the log why it cannot
	}
}

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
