package plugin

import (
	"context"
	"crypto/sha256"
	"sync"

	"github.com/hearthfaas/hearth/shared/fault"
)

// flights lets one call per step key run at a time in this process. A repeated call, made because the
// engine lost the first one's answer, waits for that answer.
type flights struct {
	mu      sync.Mutex
	running map[string]*flight
}

type flight struct {
	params [sha256.Size]byte
	stop   context.CancelFunc // of its work
	done   chan struct{}
	resp   Response
	err    error
}

// do runs work, or waits for the running work of the same request. The context of work ends only with stop: not
// when the caller hangs up, because the engine asks again with the same key, and half an effect helps nobody.
func (f *flights) do(ctx context.Context, req Request, work func(context.Context) (Response, error)) (Response, error) {
	key := req.Op + " " + req.Key
	params := sha256.Sum256(req.Params)
	on, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	mine := &flight{params: params, stop: stop, done: make(chan struct{}), err: fault.New(fault.Internal, "the call crashed")}
	f.mu.Lock()
	if other, found := f.running[key]; found {
		f.mu.Unlock()
		return other.wait(ctx, params)
	}
	if f.running == nil {
		f.running = map[string]*flight{}
	}
	f.running[key] = mine
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		delete(f.running, key)
		f.mu.Unlock()
		close(mine.done)
	}()
	mine.resp, mine.err = work(on)
	return mine.resp, mine.err
}

// stop cuts off what is done under a key, if that is in this process.
func (f *flights) stop(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if running, found := f.running[OpDo+" "+key]; found {
		running.stop()
	}
}

// quiet waits until nothing runs under a name.
func (f *flights) quiet(ctx context.Context, name string) error {
	f.mu.Lock()
	running := f.running[name]
	f.mu.Unlock()
	if running == nil {
		return nil
	}
	select {
	case <-running.done:
		return nil
	case <-ctx.Done():
		return fault.As(fault.Unavailable, ctx.Err(), "the step is still running")
	}
}

func (f *flight) wait(ctx context.Context, params [sha256.Size]byte) (Response, error) {
	if params != f.params {
		return Response{}, fault.New(fault.Conflict, "this step is running with other parameters").At("key")
	}
	select {
	case <-f.done:
		return f.resp, f.err
	case <-ctx.Done():
		return Response{}, fault.As(fault.Timeout, ctx.Err(), "the step is still running")
	}
}
