package intent_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/hearthfaas/hearth/functions/planner/intent"
	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/model/modeltest"
	"github.com/hearthfaas/hearth/shared/policy"
	"github.com/hearthfaas/hearth/shared/vault"
)

// bench is planner-intent between a conversation, a model and a planner-reply that delivers everything.
type bench struct {
	t      *testing.T
	env    *fn.Env
	ledger *ledger.Ledger
	store  *miniredis.Miniredis
	model  *modeltest.Server
	tools  []manifest.Manifest // that are deployed
	host   http.Handler
	lane   ledger.Lane
	from   policy.Principal
	pair   string
	place  string // the platform that they write from
	n      int

	mu    sync.Mutex
	now   time.Time
	rings []string
	got   []message.Outbound
}

// open starts a bench. Without a model the built-in engine answers.
func open(t *testing.T, model *modeltest.Server) *bench {
	t.Helper()
	return openWith(t, model, nil)
}

// openWith is open with more settings.
func openWith(t *testing.T, model *modeltest.Server, more map[string]string) *bench {
	t.Helper()
	b := &bench{t: t, store: miniredis.RunT(t), model: model, tools: []manifest.Manifest{mail()}, from: policy.Principal{User: "ann", Role: policy.Member}, place: "test"}
	b.advance(0)
	settings := map[string]string{
		"REDIS_URL":       "redis://" + b.store.Addr() + "/0?" + ledger.VolatileFlag + "=1",
		"HEARTH_TIMEZONE": "Asia/Shanghai", "BASIC_AUTH_PASSWORD": "secret", "HEARTH_DOMAINS": "home.example",
	}
	maps.Copy(settings, more)
	if model != nil {
		settings["OPENAI_BASE_URL"] = modeltest.Start(t, model)
	}
	b.env = fntest.Env(t, settings)
	b.env.Transport, b.env.Now = b, b.clock
	var err error
	if b.ledger, err = ledger.Open(t.Context(), b.env); err != nil {
		t.Fatal(err)
	}
	if b.host, err = fn.NewHost(t.Context(), intent.Function, b.env); err != nil {
		t.Fatal(err)
	}
	b.lane = b.ledger.Session("test", "1")
	return b
}

func (b *bench) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *bench) advance(by time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.now.IsZero() {
		b.now = time.Date(2026, 1, 5, 1, 0, 0, 0, time.UTC)
	}
	b.now = b.now.Add(by)
	b.store.SetTime(b.now)
}

// mail is a plugin that sends something to somebody.
func mail() manifest.Manifest {
	return manifest.Manifest{
		ID: "mail", Title: manifest.Phrase{En: "Mail", Zh: "邮件"}, Summary: "Sends a mail.", Effect: manifest.Irreversible,
		Params: json.RawMessage(`{"type":"object","additionalProperties":false,"required":["to"],"properties":{
			"to":{"type":"string"},"body":{"type":"string"}}}`),
		Control: []string{"to"},
		Intent: manifest.Intent{
			Phrases: []string{"send a mail", "发邮件"}, Gives: "receipt", Order: 90,
			Slots: []manifest.Slot{{Param: "to", Kind: "email", Required: true, Ask: manifest.Phrase{En: "To which address?", Zh: "发到哪个地址？"}}},
		},
	}
}

// RoundTrip is the gateway.
func (b *bench) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	switch {
	case r.URL.Path == "/system/functions":
		var deployed []gateway.Function
		for _, m := range b.tools {
			text, err := json.Marshal(m)
			if err != nil {
				return nil, err
			}
			deployed = append(deployed, gateway.Function{Name: "plugin-" + strings.ReplaceAll(m.ID, "_", "-"), Annotations: map[string]string{manifest.Annotation: string(text)}})
		}
		fn.Reply(rec, http.StatusOK, deployed)
	case r.URL.Path == "/function/planner-intent":
		b.host.ServeHTTP(rec, r)
	case r.URL.Path == "/function/planner-reply":
		return b.reply(r)
	case strings.HasPrefix(r.URL.Path, "/async-function/"):
		b.mu.Lock()
		defer b.mu.Unlock()
		b.rings = append(b.rings, strings.TrimPrefix(r.URL.Path, "/async-function/")+" "+r.Header.Get(gateway.LaneHeader))
		rec.WriteHeader(http.StatusAccepted)
	default:
		return nil, fmt.Errorf("nothing at %s", r.URL.Path)
	}
	return rec.Result(), nil
}

func (b *bench) reply(r *http.Request) (*http.Response, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var d channel.Delivery
	var out message.Outbound
	if err := json.Unmarshal(raw, &d); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(d.Body, &out); err != nil {
		return nil, err
	}
	more, err := b.ledger.Sent(r.Context(), d.Claim, d.ID, false)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.got = append(b.got, out)
	rec := httptest.NewRecorder()
	fn.Reply(rec, http.StatusOK, channel.Delivered{More: more})
	return rec.Result(), nil
}

// say accepts a message and rings. It returns the answer, or nil when there is none yet.
func (b *bench) say(text string) *message.Outbound {
	b.t.Helper()
	b.accept(text)
	return b.ring()
}

func (b *bench) accept(text string) {
	b.t.Helper()
	b.n++
	in := message.Inbound{
		ID: fmt.Sprint(b.n), Kind: message.Text, Address: message.Address{Platform: b.place, Chat: "1"}, ChatKind: message.Direct,
		From: message.Sender{ID: "7"}, Text: text, At: b.clock(),
	}
	body, err := json.Marshal(channel.Accepted{Inbound: in, Principal: b.from, Pairing: b.pair})
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.ledger.Accept(b.t.Context(), ledger.Message{Lane: b.lane, Key: in.ID, Body: body}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) ring() *message.Outbound {
	b.t.Helper()
	before := len(b.got)
	g, err := gateway.Open(b.env, "adapter-test")
	if err != nil {
		b.t.Fatal(err)
	}
	if err := g.Call(b.t.Context(), "planner-intent", vault.Call{}, gateway.Bell{Lane: string(b.lane)}, nil); err != nil {
		b.t.Fatal(err)
	}
	if len(b.got) == before {
		return nil
	}
	return &b.got[len(b.got)-1]
}

// runs returns how many runs there are.
func (b *bench) runs() int {
	b.t.Helper()
	list, err := b.ledger.Runs(b.t.Context(), 10, false)
	if err != nil {
		b.t.Fatal(err)
	}
	return len(list)
}
