package alert

import (
	"context"
	"fmt"
	"time"

	"github.com/hearthfaas/hearth/shared/manifest"
)

const (
	lookEvery  = time.Minute      // at the state of the store
	longOutage = 30 * time.Second // of the store, before people are told
	sameOutage = 10 * time.Minute // what begins within one of these is told as one, whoever saw it
)

// ailing raises an alert for what is wrong with the store, at most once a day for the same.
func (t *Teller) ailing(ctx context.Context) error {
	now := t.env.Now()
	t.mu.Lock()
	soon := now.Sub(t.looked) < lookEvery
	if !soon {
		t.looked = now
	}
	t.mu.Unlock()
	if soon {
		return nil
	}
	found, err := t.ledger.Ailing(ctx)
	if err != nil {
		return err
	}
	for _, f := range found {
		a := Alert{Key: "store/" + f.What + "/" + now.UTC().Format(time.DateOnly), Kind: Store, At: now}
		a.Title = manifest.Phrase{En: "The store is not as it has to be", Zh: "存储的状态不符合要求"}
		a.Text = manifest.Phrase{En: f.What + ". Next: " + f.Mend, Zh: f.What + "。下一步：" + f.Mend}
		if err := Raise(ctx, t.ledger, a); err != nil {
			return err
		}
	}
	return nil
}

// outage is the time in which a process does not get at the store.
type outage struct {
	since time.Time // zero while it does
	told  bool
}

// see notes whether a round could be done. Of a long outage the web hook hears while it lasts, because an alert
// cannot be kept then, and everybody afterwards.
func (o *outage) see(ctx context.Context, t *Teller, failure error) {
	now := t.env.Now()
	switch {
	case failure != nil && o.since.IsZero():
		o.since = now
		t.env.Log.Warn("alerts wait", "err", failure)
	case failure != nil && !o.told && now.Sub(o.since) >= longOutage:
		o.told = true
		t.env.Log.Error("the store is away", "since", o.since, "err", failure)
		if t.hook() == "" {
			return
		}
		if err := t.send(ctx, o.alert(now)); err != nil {
			t.env.Log.Warn("an alert could not be posted", "err", err)
		}
	case failure == nil && o.told:
		if err := Raise(ctx, t.ledger, o.alert(now)); err != nil {
			return // it is away again, or still
		}
		*o = outage{}
	case failure == nil:
		*o = outage{}
	}
}

// alert tells of an outage: first that it goes on, then how long it was.
func (o *outage) alert(now time.Time) Alert {
	a := Alert{Key: "away/" + o.since.UTC().Truncate(sameOutage).Format(time.RFC3339), Kind: Store, At: now}
	a.ID = idOf(a.Key)
	took := now.Sub(o.since).Round(time.Second)
	a.Title = manifest.Phrase{En: "The store was away", Zh: "存储曾不可用"}
	a.Text = manifest.Phrase{
		En: fmt.Sprintf("For %v up to now nothing could be accepted. What was accepted before goes on: `hearth doctor`", took),
		Zh: fmt.Sprintf("截至目前已有 %v 无法接收任何消息，之前接收的内容会继续处理：`hearth doctor`", took),
	}
	return a
}
