package channel

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/vault"
)

const (
	linkLease   = time.Minute // longer than a poll and its answer
	linkRefresh = linkLease / 3
	pollWait    = 25 * time.Second
	pollLimit   = pollWait + 10*time.Second
	scanEvery   = 5 * time.Second // for accounts that were set up meanwhile
	minBackoff  = time.Second
	maxBackoff  = 30 * time.Second
)

// Link polls the platforms of those functions whose adapters are Pollers, and listens to those whose adapters
// are Listeners, for each account that is set up for it. It brings every update to the adapter's own webhook,
// signed: there is one parser for all ways. An update counts as seen only after the adapter took it. One
// process in the deployment serves an account, under a lease. It returns nil when ctx ends, after everything
// it started has ended.
func Link(ctx context.Context, env *fn.Env, functions []fn.Function) error {
	client, err := gateway.Open(env, linkName)
	if err != nil {
		return err
	}
	var running sync.WaitGroup
	defer running.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, f := range functions {
		if !strings.HasPrefix(f.Name, "adapter-") {
			continue
		}
		handler, err := f.New(ctx, env)
		if err != nil {
			return fault.Wrap(err, "link %s", f.Name)
		}
		adapter, ok := handler.(*function)
		if !ok {
			continue
		}
		l := &link{function: adapter, gateway: client, log: env.Log.With("link", adapter.platform)}
		switch way := adapter.adapter.(type) {
		case Poller:
			l.token, l.wants, l.rounds = way.Token(), way.Polls, l.polls(way)
		case Listener:
			l.token, l.wants, l.rounds = way.Token(), way.Listens, l.listens(way)
		default:
			continue
		}
		running.Go(func() { l.run(ctx) })
	}
	<-ctx.Done()
	return nil
}

// link is the way of one platform's updates to us.
type link struct {
	*function
	token   string             // the field of the secret that each account has
	wants   func(Account) bool // the account is set up for the link
	rounds  func(Account, *holder) func(context.Context) error
	gateway *gateway.Client
	log     *slog.Logger
}

// run keeps up the link of each account that wants one.
func (l *link) run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	var mu sync.Mutex
	linked := map[string]bool{}
	for ctx.Err() == nil {
		for _, name := range l.accounts() {
			a := NewAccount(l.env, l.platform, name)
			mu.Lock()
			start := !linked[name] && l.wants(a)
			linked[name] = linked[name] || start
			mu.Unlock()
			if !start {
				continue
			}
			running.Go(func() {
				l.keep(ctx, a)
				mu.Lock()
				defer mu.Unlock()
				delete(linked, name)
			})
		}
		pause(ctx, scanEvery)
	}
}

// accounts returns the default account and those that have a secret file.
func (l *link) accounts() []string {
	names := []string{""}
	suffix := "-" + l.token
	entries, err := os.ReadDir(l.env.Secrets)
	if err != nil {
		l.log.Debug("no folder of secrets; only the default account is looked for", "err", err)
		return names
	}
	for _, e := range entries {
		name, ok := strings.CutPrefix(filepath.Base(e.Name()), l.platform+".")
		name, ends := strings.CutSuffix(name, suffix)
		if ok && ends && accountName.MatchString(name) {
			names = append(names, name)
		}
	}
	return names
}

// keep makes rounds for one account as long as it wants that.
func (l *link) keep(ctx context.Context, a Account) {
	token, err := a.Secret(l.token)
	if err != nil {
		return
	}
	h := &holder{ledger: l.intake.ledger, name: "link-" + l.vault().Blind("link", l.platform, token), owner: ledger.NewOwner(), now: l.env.Now}
	defer h.release(ctx)
	round, failures := l.rounds(a, h), 0
	for ctx.Err() == nil && l.wants(a) {
		err := round(ctx)
		if err == nil {
			failures = 0
			continue
		}
		if ctx.Err() != nil {
			return
		}
		failures++
		level := slog.LevelWarn
		if errors.Is(err, errElsewhere) {
			level = slog.LevelDebug
		}
		l.log.Log(ctx, level, "no updates for now", "account", a.Name, "why", fault.Text(err), "err", err)
		pause(ctx, max(backoff(failures), fault.After(err)))
	}
}

func (l *link) vault() *vault.Vault { return l.intake.vault }

// polls returns rounds that poll once each, from where the round before ended.
func (l *link) polls(poller Poller) func(Account, *holder) func(context.Context) error {
	return func(a Account, h *holder) func(context.Context) error {
		cursor := ""
		return func(ctx context.Context) (err error) {
			cursor, err = l.poll(ctx, poller, a, h, cursor)
			return err
		}
	}
}

// poll polls once and brings what came. It returns the cursor after the last update that was taken.
func (l *link) poll(ctx context.Context, poller Poller, a Account, h *holder, cursor string) (string, error) {
	if err := h.hold(ctx); err != nil {
		return cursor, err
	}
	call, err := poller.Poll(a, cursor, pollWait)
	if err != nil {
		return cursor, err
	}
	base, err := a.base(l.adapter)
	if err != nil {
		return cursor, err
	}
	answer, err := l.sender.api.do(ctx, base, call, pollLimit)
	if err != nil {
		return cursor, err
	}
	updates, err := poller.Polled(answer)
	if err != nil {
		return cursor, err
	}
	for _, u := range updates {
		if err := h.hold(ctx); err != nil {
			return cursor, err
		}
		if err := l.bring(ctx, a, vault.Call{Owner: h.owner, Epoch: h.epoch}, u.Body); err != nil {
			return cursor, err
		}
		cursor = u.Cursor
	}
	return cursor, nil
}

// bring posts one update to the adapter. One that the adapter can never take is reported and left behind:
// it would hold up all that follow.
func (l *link) bring(ctx context.Context, a Account, call vault.Call, body json.RawMessage) error {
	ctx, cancel := context.WithTimeout(ctx, fn.DefaultTimeout)
	defer cancel()
	to := l.name()
	if a.Name != "" {
		to += "/" + a.Name
	}
	err := l.gateway.Call(ctx, to, call, body, nil)
	if fault.Is(err, fault.Invalid) || fault.Is(err, fault.TooLarge) {
		l.log.Error("an update cannot be understood and is left out", "account", a.Name, "err", err)
		return nil
	}
	return err
}

// holder keeps the lease of one account's link.
type holder struct {
	ledger *ledger.Ledger
	name   string
	owner  string
	now    func() time.Time
	epoch  int64
	until  time.Time // when the lease is to be extended
}

// errElsewhere is the normal state of all processes but one.
var errElsewhere = fault.New(fault.Conflict, "another process serves this account").In(linkLease / 2)

// hold takes or extends the lease, or returns errElsewhere.
func (h *holder) hold(ctx context.Context) error {
	now := h.now()
	if now.Before(h.until) {
		return nil
	}
	epoch, held, err := h.ledger.Lease(ctx, h.name, h.owner, linkLease)
	if err != nil {
		return err
	}
	if !held {
		return errElsewhere
	}
	h.epoch, h.until = epoch, now.Add(linkRefresh)
	return nil
}

// release gives the lease back, also when ctx has ended.
func (h *holder) release(ctx context.Context) {
	if h.epoch == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reserve)
	defer cancel()
	// If it fails, the lease ends by itself in a minute.
	_ = h.ledger.Unlease(ctx, h.name, h.owner)
}

// backoff doubles from a second to half a minute; the second half of each step is left to chance, so that
// many processes do not come back at once.
func backoff(failures int) time.Duration {
	step := min(maxBackoff, minBackoff<<min(failures-1, 10))
	return step/2 + rand.N(step/2)
}

// pause waits, or ends with ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
