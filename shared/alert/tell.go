package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/vault"
)

// Bounds of telling.
const (
	Interval   = time.Second // between two rounds
	MostAnHour = 20          // alerts of one kind that are told one by one; the others of the hour are one alert
	maxFolded  = 1000        // of those that are told apart; beyond that a repeat counts
	leaseName  = "alerts"
	leaseLife  = time.Minute
)

// Teller brings alerts to people. One of all replicas does at a time.
type Teller struct {
	env    *fn.Env
	ledger *ledger.Ledger
	vault  *vault.Vault
	http   *http.Client
	id     string

	mu     sync.Mutex
	looked time.Time // at the state of the store
}

// Open returns the teller of a process.
func Open(ctx context.Context, env *fn.Env) (*Teller, error) {
	l, err := ledger.Open(ctx, env)
	if err != nil {
		return nil, err
	}
	v, err := env.Vault()
	if err != nil {
		return nil, err
	}
	return &Teller{env: env, ledger: l, vault: v, http: hookClient(), id: fn.NewID()}, nil
}

// Run does a round every Interval until ctx ends.
func (t *Teller) Run(ctx context.Context) {
	tick := time.NewTicker(Interval)
	defer tick.Stop()
	var away outage
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := t.Round(ctx); ctx.Err() == nil {
			away.see(ctx, t, err)
		}
	}
}

// Round tells what is new: first all of it in the places, then by the web hook, which may be slow.
func (t *Teller) Round(ctx context.Context) error {
	if _, held, err := t.ledger.Lease(ctx, leaseName, t.id, leaseLife); err != nil || !held {
		return err
	}
	if err := errors.Join(t.letters(ctx), t.ailing(ctx)); err != nil {
		return err
	}
	docs, err := t.ledger.List(ctx, newSpace)
	if err != nil || len(docs) == 0 {
		return err
	}
	places, err := places(ctx, t.ledger, t.vault)
	if err != nil {
		return err
	}
	for i, doc := range docs {
		if docs[i], err = t.tell(ctx, doc, places); err != nil {
			return err
		}
	}
	return t.post(ctx, docs)
}

// letters raises alerts about dead letters.
func (t *Teller) letters(ctx context.Context) error {
	letters, err := t.ledger.Unseen(ctx)
	if err != nil {
		return err
	}
	for _, letter := range letters {
		if strings.HasPrefix(letter.Key, postKey) { // a place would not take it: another alert would not get there either
			t.env.Log.Error("an alert could not be delivered", "lane", letter.Lane, "id", letter.ID)
		} else if err := Raise(ctx, t.ledger, dead(letter, t.env.Now())); err != nil {
			return err
		}
		if err := t.ledger.Seen(ctx, letter); err != nil {
			return err
		}
	}
	return nil
}

func dead(letter ledger.Letter, now time.Time) Alert {
	a := Alert{Key: "letter/" + letter.ID, Kind: DeadLetter, At: now}
	where := "`hearth dead redrive " + letter.ID + "`"
	switch letter.Kind {
	case ledger.Unreadable:
		a.Title = manifest.Phrase{En: "What is known of a run cannot be read", Zh: "有一个任务运行的记录无法读取"}
		a.Text = manifest.Phrase{
			En: "Nothing goes on with it, and what it did stands: `hearth dead list` says why, then " + where,
			Zh: "它不会继续执行，已完成的操作保持原样：用 `hearth dead list` 查看原因，然后 " + where,
		}
		return a
	case ledger.Undelivered:
		a.Title = manifest.Phrase{En: "An answer could not be delivered", Zh: "有一条回复无法送达"}
		a.Text = manifest.Phrase{En: "It was put aside for good: " + where, Zh: "已放弃投递：" + where}
		return a
	}
	var m channel.Accepted
	if json.Unmarshal(letter.Body, &m) == nil { // what cannot be read concerns operators
		a.User = m.Principal.User
	}
	a.Title = manifest.Phrase{En: "A message could not be answered", Zh: "有一条消息无法处理"}
	a.Text = manifest.Phrase{
		En: "It failed again and again and was put aside; who wrote it got an apology: " + where,
		Zh: "多次尝试后仍然失败，已搁置，并已向发送者致歉：" + where,
	}
	return a
}

// tell puts an alert on record and into the places. What is done with it is removed: the doc that is returned has
// no revision then.
func (t *Teller) tell(ctx context.Context, doc ledger.Doc, places []Place) (ledger.Doc, error) {
	p, err := read[pending](doc)
	if err != nil || p.Told {
		return doc, err
	}
	told, err := t.admit(ctx, p.Alert)
	if err != nil {
		return doc, err
	}
	if !told {
		return ledger.Doc{}, t.drop(ctx, doc)
	}
	if err := t.record(ctx, p.Alert); err != nil {
		return doc, err
	}
	for _, place := range places {
		if !place.hears(p.Alert) {
			continue
		}
		if err := place.post(ctx, t.ledger, p.Alert); err != nil {
			return doc, err
		}
	}
	if t.hook() == "" {
		return ledger.Doc{}, t.drop(ctx, doc)
	}
	p.Told = true
	return put(ctx, t.ledger, newSpace, doc, p, keepFor)
}

// drop removes an alert that needs nothing more.
func (t *Teller) drop(ctx context.Context, doc ledger.Doc) error {
	err := t.ledger.Delete(ctx, newSpace, doc.ID, doc.Rev)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// record puts an alert on record, into the log and into the metric.
func (t *Teller) record(ctx context.Context, a Alert) error {
	_, err := put(ctx, t.ledger, space, ledger.Doc{ID: a.ID, Rev: ledger.Absent}, a, keepFor)
	if fault.Is(err, fault.Conflict) {
		return nil // before a crash
	}
	if err != nil {
		return err
	}
	t.env.Log.Warn("alert", "kind", a.Kind, "id", a.ID, "title", a.Title.En, "user", a.User, "run", a.Run, "task", a.Task)
	if a.Count == 0 {
		t.count(a.Kind)
	}
	return nil
}

func (t *Teller) count(k Kind) {
	t.env.Count("hearth_alerts_total", "Alerts by kind, also those that were told as one.", "kind", string(k))
}

// hour is what there was of a kind in an hour.
type hour struct {
	Told   []string `json:"told"`
	Folded []string `json:"folded,omitempty"`
	More   int      `json:"more,omitempty"` // folded beyond maxFolded
}

// admit reports whether an alert is told by itself. Of one kind only MostAnHour are; the others of the hour are
// counted by one more alert.
func (t *Teller) admit(ctx context.Context, a Alert) (bool, error) {
	if a.Count > 0 {
		return true, nil
	}
	start := t.env.Now().UTC().Truncate(time.Hour)
	id := string(a.Kind) + "/" + start.Format(time.RFC3339)
	doc, err := t.ledger.Get(ctx, hours, id)
	var h hour
	switch {
	case fault.Is(err, fault.NotFound):
		doc = ledger.Doc{ID: id, Rev: ledger.Absent}
	case err != nil:
		return false, err
	default:
		if h, err = read[hour](doc); err != nil {
			return false, err
		}
	}
	told, changed := h.take(a.ID)
	if changed {
		if _, err := put(ctx, t.ledger, hours, doc, h, keepHour); err != nil {
			return false, err
		}
	}
	if told {
		return true, nil
	}
	if changed {
		t.count(a.Kind)
	}
	return false, t.fold(ctx, a.Kind, start, len(h.Folded)+h.More)
}

// take counts an alert. It says whether it is told, and whether it is new to the hour.
func (h *hour) take(id string) (told, changed bool) {
	switch {
	case slices.Contains(h.Told, id):
		return true, false
	case slices.Contains(h.Folded, id):
		return false, false
	case len(h.Told) < MostAnHour:
		h.Told = append(h.Told, id)
		return true, true
	case len(h.Folded) < maxFolded:
		h.Folded = append(h.Folded, id)
	default:
		h.More++
	}
	return false, true
}

// fold raises the alert that stands for n others, or brings its number up to date.
func (t *Teller) fold(ctx context.Context, k Kind, start time.Time, n int) error {
	a := Alert{Key: "flood/" + string(k) + "/" + start.Format(time.RFC3339), Kind: k, At: t.env.Now(), Count: n}
	a.Title = manifest.Phrase{En: fmt.Sprintf("More than %d alerts of the kind %s in an hour", MostAnHour, k), Zh: fmt.Sprintf("一小时内 %s 类警报超过 %d 条", k, MostAnHour)}
	a.Text = manifest.Phrase{
		En: "The others until the end of the hour are only counted: `hearth alerts list`",
		Zh: "本小时内其余同类警报只计数，不再逐条通知：`hearth alerts list`",
	}
	_, err := change(ctx, t.ledger, idOf(a.Key), func(told *Alert) { told.Count = max(told.Count, n) })
	if fault.Is(err, fault.NotFound) {
		return Raise(ctx, t.ledger, a)
	}
	return err
}

func encode(v any) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fault.As(fault.Internal, err, "encode an alert")
	}
	return body, nil
}
