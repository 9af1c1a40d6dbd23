package alert_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/alert"
	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/ledger/ledgertest"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/policy"
	"github.com/hearthfaas/hearth/shared/webhook"
)

// tower is a teller with its store, its log and its clock.
type tower struct {
	t      *testing.T
	env    *fn.Env
	ledger *ledger.Ledger
	teller *alert.Teller
	log    *strings.Builder

	mu  sync.Mutex
	now time.Time
}

var nine = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

// each runs a test on every kind of store.
func each(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("in process", func(t *testing.T) { test(t, ledgertest.URL(t)) })
	t.Run("redis-server", func(t *testing.T) { test(t, "redis://"+ledgertest.Server(t)+"/0") })
}

func open(t *testing.T, url string, settings map[string]string) *tower {
	t.Helper()
	w := &tower{t: t, now: nine, log: &strings.Builder{}}
	all := map[string]string{"REDIS_URL": url}
	for name, value := range settings {
		all[name] = value
	}
	w.env = fntest.Env(t, all)
	w.env.Log = slog.New(slog.NewTextHandler(w.log, nil))
	w.env.Now = func() time.Time {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.now
	}
	var err error
	if w.ledger, err = ledger.Open(t.Context(), w.env); err != nil {
		t.Fatal(err)
	}
	if w.teller, err = alert.Open(t.Context(), w.env); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *tower) later(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *tower) raise(a alert.Alert) {
	w.t.Helper()
	if a.Title.En == "" {
		a.Title, a.Text = manifest.Phrase{En: "Title of " + a.Key, Zh: a.Key + " 的标题"}, manifest.Phrase{En: "Text.", Zh: "内容。"}
	}
	a.At = w.env.Now()
	if err := alert.Raise(w.t.Context(), w.ledger, a); err != nil {
		w.t.Fatal(err)
	}
}

func (w *tower) round() {
	w.t.Helper()
	if err := w.teller.Round(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *tower) list() []alert.Alert {
	w.t.Helper()
	list, err := alert.List(w.t.Context(), w.ledger)
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

func chat(name string) message.Address { return message.Address{Platform: "parrot", Chat: name} }

func (w *tower) here(user string, role policy.Role, lang string) {
	w.t.Helper()
	err := alert.Here(w.t.Context(), w.ledger, alert.Place{Address: chat(user), User: user, Role: role, Lang: lang, At: nine})
	if err != nil {
		w.t.Fatal(err)
	}
}

// heard takes what waits in the outbox of a chat.
func (w *tower) heard(name string) []string {
	w.t.Helper()
	var said []string
	lane := channel.Lane(w.ledger, chat(name))
	for {
		work, err := w.ledger.Claim(w.t.Context(), lane, ledger.NewOwner())
		if err != nil {
			w.t.Fatal(err)
		}
		if work == nil {
			return said
		}
		var out message.Outbound
		if err := json.Unmarshal(work.Outbox.Body, &out); err != nil || out.Address != chat(name) {
			w.t.Fatalf("%s: %v", work.Outbox.Body, err)
		}
		said = append(said, out.Markdown)
		if _, err := w.ledger.Sent(w.t.Context(), work.Claim, work.Outbox.ID, false); err != nil {
			w.t.Fatal(err)
		}
	}
}

// metric returns the value that /metrics shows for a kind.
func (w *tower) metric(kind string) string {
	host, err := fn.NewHost(w.t.Context(), fn.Function{Name: "any", New: func(context.Context, *fn.Env) (http.Handler, error) {
		return http.NotFoundHandler(), nil
	}}, w.env)
	if err != nil {
		w.t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	host.ServeHTTP(rec, httptest.NewRequestWithContext(w.t.Context(), http.MethodGet, "/metrics", nil))
	_, rest, _ := strings.Cut(rec.Body.String(), `hearth_alerts_total{kind="`+kind+`"} `)
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

// TestAnAlertIsToldOnce, however often it is raised and whoever tells it, before it was told and long after.
func TestAnAlertIsToldOnce(t *testing.T) {
	each(t, func(t *testing.T, url string) {
		w := open(t, url, nil)
		w.here("op", policy.Operator, "en")
		other := open(t, url, nil)
		for range 3 {
			w.raise(alert.Alert{Key: "k", Kind: alert.Failed, User: "ann", Run: "r3f-aaaaaaaaaa"})
			w.round()
			other.round()
		}
		w.later(29 * 24 * time.Hour)
		w.raise(alert.Alert{Key: "k", Kind: alert.Failed})
		w.round()
		said := w.heard("op")
		if len(said) != 1 || !strings.Contains(said[0], "Alert: Title of k") || !strings.Contains(said[0], "hearth alerts resolve a") {
			t.Errorf("%q", said)
		}
		list := w.list()
		if len(list) != 1 || list[0].Resolved || list[0].Run != "r3f-aaaaaaaaaa" || !list[0].At.Equal(nine) {
			t.Errorf("%+v", list)
		}
		if n := strings.Count(w.log.String()+other.log.String(), "msg=alert"); n != 1 || w.metric("failed") != "1" {
			t.Errorf("%d lines, metric %q", n, w.metric("failed"))
		}
	})
}

func TestWhoHearsOfWhat(t *testing.T) {
	w := open(t, ledgertest.URL(t), nil)
	w.here("op", policy.Operator, "zh")
	w.here("ann", policy.Member, "en")
	w.here("eve", policy.Member, "en")
	w.raise(alert.Alert{Key: "of ann", Kind: alert.Failed, User: "ann"})
	w.raise(alert.Alert{Key: "of nobody", Kind: alert.Store})
	w.round()
	if got := strings.Join(w.heard("op"), "\n"); !strings.Contains(got, "警报：of ann") || !strings.Contains(got, "of nobody") || !strings.Contains(got, "内容。") {
		t.Errorf("op heard %s", got)
	}
	if got := w.heard("ann"); len(got) != 1 || !strings.Contains(got[0], "of ann") {
		t.Errorf("ann heard %q", got)
	}
	if got := w.heard("eve"); len(got) != 0 {
		t.Errorf("eve heard %q", got)
	}
}

// TestARoleThatWasTakenAwayHearsNothing: what a link gives, its end takes.
func TestARoleThatWasTakenAwayHearsNothing(t *testing.T) {
	w := open(t, ledgertest.URL(t), nil)
	v := ledgertest.Vault(t)
	link := func(user string, role policy.Role) {
		t.Helper()
		body, err := json.Marshal(channel.Identity{User: user, Role: role, Platform: "parrot", Sender: "7"})
		if err != nil {
			t.Fatal(err)
		}
		id := channel.IdentityID(v, "parrot", "", "7")
		if _, err := w.ledger.Put(t.Context(), channel.IdentitySpace, ledger.Doc{ID: id, Rev: ledger.Any, Body: body}, 0); err != nil {
			t.Fatal(err)
		}
	}
	place := alert.Place{Address: chat("op"), User: "op", Role: policy.Operator, Sender: "7", Lang: "en"}
	if err := alert.Here(t.Context(), w.ledger, place); err != nil {
		t.Fatal(err)
	}
	for i, step := range []struct {
		user  string
		role  policy.Role
		hears bool
	}{{"op", policy.Operator, true}, {"op", policy.Member, false}, {"other", policy.Operator, false}, {"op", policy.Admin, true}} {
		link(step.user, step.role)
		w.raise(alert.Alert{Key: fmt.Sprint(i), Kind: alert.Store})
		w.round()
		if got := w.heard("op"); (len(got) == 1) != step.hears {
			t.Errorf("as %s/%s: %q", step.user, step.role, got)
		}
	}
}

func TestOff(t *testing.T) {
	w := open(t, ledgertest.URL(t), nil)
	w.here("ann", policy.Member, "en")
	err := alert.Off(t.Context(), w.ledger, chat("ann"), policy.Principal{User: "eve", Role: policy.Member})
	if !fault.Is(err, fault.Forbidden) {
		t.Errorf("eve turned it off: %v", err)
	}
	for _, by := range []policy.Principal{{User: "op", Role: policy.Operator}, {User: "op", Role: policy.Operator}} {
		if err := alert.Off(t.Context(), w.ledger, chat("ann"), by); err != nil {
			t.Fatal(err)
		}
	}
	w.raise(alert.Alert{Key: "k", Kind: alert.Failed, User: "ann"})
	w.round()
	if got := w.heard("ann"); len(got) > 0 {
		t.Errorf("%q", got)
	}
}

// TestAFloodIsOneAlert: beyond the first of an hour, the others of a kind are one alert that counts them.
func TestAFloodIsOneAlert(t *testing.T) {
	each(t, func(t *testing.T, url string) {
		w := open(t, url, nil)
		w.here("op", policy.Operator, "en")
		flood := func() {
			for i := range alert.MostAnHour + 30 {
				w.raise(alert.Alert{Key: fmt.Sprint("k", i), Kind: alert.Missed, User: "ann"})
			}
			w.raise(alert.Alert{Key: "another kind", Kind: alert.Failed})
			w.round() // finds the flood
			w.round() // tells that there is one
		}
		flood()
		flood() // the same causes again
		said := w.heard("op")
		if len(said) != alert.MostAnHour+2 || !strings.Contains(strings.Join(said, "\n"), "More than 20 alerts of the kind missed in an hour") {
			t.Errorf("told %d: %s", len(said), said[len(said)-1])
		}
		counts := 0
		for _, a := range w.list() {
			counts += a.Count
		}
		if counts != 30 || len(w.list()) != alert.MostAnHour+2 {
			t.Errorf("%d alerts stand for %d", len(w.list()), counts)
		}
		if got := w.metric("missed"); got != fmt.Sprint(alert.MostAnHour+30) {
			t.Errorf("the metric is %s", got)
		}
		w.later(time.Hour)
		w.raise(alert.Alert{Key: "next hour", Kind: alert.Missed})
		w.round()
		if said := w.heard("op"); len(said) != 1 || !strings.Contains(said[0], "next hour") {
			t.Errorf("in the next hour: %q", said)
		}
	})
}

func TestResolve(t *testing.T) {
	w := open(t, ledgertest.URL(t), nil)
	w.raise(alert.Alert{Key: "k", Kind: alert.Failed})
	w.round()
	id := w.list()[0].ID
	for _, by := range []string{"ann", "bob"} {
		if a, err := alert.Resolve(t.Context(), w.ledger, id, by); err != nil || !a.Resolved || a.By != "ann" {
			t.Errorf("%+v %v", a, err)
		}
	}
	if _, err := alert.Resolve(t.Context(), w.ledger, "anothing", "ann"); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
}

// TestDeadLetters: a message that died concerns who wrote it; an alert that nobody would take raises no other.
func TestDeadLetters(t *testing.T) {
	each(t, func(t *testing.T, url string) {
		w := open(t, url, nil)
		body, err := json.Marshal(channel.Accepted{Principal: policy.Principal{User: "ann", Role: policy.Member}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, lane := t.Context(), w.ledger.Session("poison")
		if _, err := w.ledger.Accept(ctx, ledger.Message{Lane: lane, Key: "1", Body: body}); err != nil {
			t.Fatal(err)
		}
		for {
			work, err := w.ledger.Claim(ctx, lane, ledger.NewOwner())
			if err != nil {
				t.Fatal(err)
			}
			if work.Outbox != nil {
				break
			}
			if err := w.ledger.Retry(ctx, work.Claim, 0); err != nil {
				t.Fatal(err)
			}
		}
		w.here("op", policy.Operator, "en")
		w.round()
		w.round()
		list := w.list()
		if len(list) != 1 || list[0].Kind != alert.DeadLetter || list[0].User != "ann" || !strings.Contains(list[0].Text.En, string(lane)) {
			t.Fatalf("%+v", list)
		}
		place := channel.Lane(w.ledger, chat("op"))
		work, err := w.ledger.Claim(ctx, place, ledger.NewOwner())
		if err != nil || work == nil {
			t.Fatal(work, err)
		}
		if _, err := w.ledger.Sent(ctx, work.Claim, work.Outbox.ID, true); err != nil { // refused for good
			t.Fatal(err)
		}
		w.round()
		if list := w.list(); len(list) != 1 || !strings.Contains(w.log.String(), "could not be delivered") {
			t.Errorf("%+v\n%s", list, w.log)
		}
	})
}

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="

// receiver is what stands at HEARTH_ALERT_URL.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	got    []string // ids of proven posts
	data   []alert.Alert
}

func receive(t *testing.T, w **tower) *receiver {
	t.Helper()
	r := &receiver{status: http.StatusOK}
	keys, err := webhook.ParseKeys("alert-webhook-secret", secret)
	if err != nil {
		t.Fatal(err)
	}
	r.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		id, err := keys.Verify(req.Header, body, (*w).env.Now())
		if err != nil {
			t.Errorf("not proven: %v", err)
		}
		var event struct {
			Type string
			Data alert.Alert
		}
		if err := json.Unmarshal(body, &event); err != nil || event.Type != "alert" || event.Data.ID != id {
			t.Errorf("%s: %v", body, err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got, r.data = append(r.got, id), append(r.data, event.Data)
		if r.status == http.StatusFound {
			rw.Header().Set("Location", "/elsewhere")
		}
		rw.WriteHeader(r.status)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.got)
}

// TestHookIsTriedAgain with longer and longer pauses, until it is taken.
func TestHookIsTriedAgain(t *testing.T) {
	var w *tower
	r := receive(t, &w)
	w = open(t, ledgertest.URL(t), map[string]string{"HEARTH_ALERT_URL": r.URL, "ALERT_WEBHOOK_SECRET": secret})
	w.here("op", policy.Operator, "en")
	for i, status := range []int{500, 404, http.StatusFound} { // a redirect leads nowhere
		r.answer(status)
		if i == 0 {
			w.raise(alert.Alert{Key: "k", Kind: alert.Failed, User: "ann"})
		}
		w.round()
		w.round() // too early
		if n := r.count(); n != i+1 {
			t.Fatalf("after a pause %d: posted %d times", i, n)
		}
		w.later(5 * time.Second << i)
	}
	if said := w.heard("op"); len(said) != 1 {
		t.Errorf("the chat heard %q meanwhile", said)
	}
	r.answer(http.StatusNoContent)
	w.round()
	w.later(24 * time.Hour)
	w.round()
	if n := r.count(); n != 4 || r.data[3].User != "ann" || r.data[3].Title.Zh == "" || r.got[0] != r.got[3] {
		t.Errorf("posted %d times: %+v", n, r.data)
	}
}

func TestHookIsGivenUpAfterADay(t *testing.T) {
	var w *tower
	r := receive(t, &w)
	w = open(t, ledgertest.URL(t), map[string]string{"HEARTH_ALERT_URL": r.URL, "ALERT_WEBHOOK_SECRET": secret})
	r.answer(http.StatusServiceUnavailable)
	w.raise(alert.Alert{Key: "k", Kind: alert.Failed})
	for range 60 {
		w.round()
		w.later(time.Hour)
	}
	if n := r.count(); n < 20 || n > 30 || !strings.Contains(w.log.String(), "not posted any more") {
		t.Errorf("posted %d times\n%s", n, w.log)
	}
}

// TestHookStaysOutside: names that lead into our network are refused, unless the setting says the address itself.
func TestHookStaysOutside(t *testing.T) {
	var w *tower
	r := receive(t, &w)
	for url, says := range map[string]string{
		strings.Replace(r.URL, "127.0.0.1", "localhost", 1): "not on the public internet",
		"ftp://example.com/": "want an http:// or https:// address",
	} {
		w = open(t, ledgertest.URL(t), map[string]string{"HEARTH_ALERT_URL": url, "ALERT_WEBHOOK_SECRET": secret})
		w.raise(alert.Alert{Key: "k", Kind: alert.Failed})
		w.round()
		if r.count() > 0 || !strings.Contains(w.log.String(), says) {
			t.Errorf("%s: %s", url, w.log)
		}
	}
	w = open(t, ledgertest.URL(t), map[string]string{"HEARTH_ALERT_URL": r.URL})
	w.raise(alert.Alert{Key: "k", Kind: alert.Failed})
	w.round()
	if r.count() > 0 || !strings.Contains(w.log.String(), "alert-webhook-secret is missing") {
		t.Errorf("without a secret: %s", w.log)
	}
}
