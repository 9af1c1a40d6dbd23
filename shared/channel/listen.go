package channel

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/vault"
)

// connections is how many an account has: one goes on while the platform has us renew the other.
const connections = 2

// ear is the connections of one account. They bring one thing at a time: what came first is taken first, on
// whichever connection it came.
type ear struct {
	*link
	listener Listener
	account  Account
	call     vault.Call

	mu sync.Mutex
}

// listens returns rounds that keep up the connections until the lease is lost or the account is not set up
// any more.
func (l *link) listens(listener Listener) func(Account, *holder) func(context.Context) error {
	return func(a Account, h *holder) func(context.Context) error {
		return func(ctx context.Context) error {
			if err := h.hold(ctx); err != nil {
				return err
			}
			ctx, end := context.WithCancel(ctx)
			var running sync.WaitGroup
			defer running.Wait()
			defer end()
			e := &ear{link: l, listener: listener, account: a, call: vault.Call{Owner: h.owner, Epoch: h.epoch}}
			for range connections {
				running.Go(func() { e.stay(ctx) })
			}
			return l.watch(ctx, a, h)
		}
	}
}

// watch returns when the account is no longer ours to serve.
func (l *link) watch(ctx context.Context, a Account, h *holder) error {
	for l.wants(a) {
		pause(ctx, linkRefresh)
		if ctx.Err() != nil {
			return nil
		}
		if err := h.hold(ctx); err != nil {
			return err
		}
	}
	return nil
}

// stay keeps one connection up.
func (e *ear) stay(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil {
		since := e.env.Now()
		err := e.listen(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil || e.env.Now().Sub(since) > maxBackoff {
			failures = 0
		}
		if err != nil {
			e.log.Warn("a connection ended", "account", e.account.Name, "why", fault.Text(err), "err", err)
		}
		failures++
		pause(ctx, max(backoff(failures), fault.After(err)))
	}
}

// listen connects once.
func (e *ear) listen(ctx context.Context) error {
	call, err := e.listener.Connect(e.account)
	if err != nil {
		return err
	}
	base, err := e.account.base(e.adapter)
	if err != nil {
		return err
	}
	answer, err := e.sender.api.do(ctx, base, call, callTimeout)
	if err != nil {
		return err
	}
	return e.listener.Listen(ctx, answer, e.take)
}

func (e *ear) take(ctx context.Context, body json.RawMessage) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.bring(ctx, e.account, e.call, body)
}
