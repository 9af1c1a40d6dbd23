package execute_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
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

	"github.com/hearthfaas/hearth/functions/planner/execute"
	"github.com/hearthfaas/hearth/functions/planner/rollback"
	"github.com/hearthfaas/hearth/functions/system/files"
	"github.com/hearthfaas/hearth/functions/system/tasks"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/ledger/ledgertest"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/plugin"
	"github.com/hearthfaas/hearth/shared/policy"
	"github.com/hearthfaas/hearth/shared/vault"
)

// bench is a deployment in one process: the functions that a run meets, four plugins that do what the test
// says, and a clock that they share with the store.
type bench struct {
	t      *testing.T
	env    *fn.Env
	ledger *ledger.Ledger
	vault  *vault.Vault
	store  *miniredis.Miniredis

	mu     sync.Mutex
	now    time.Time
	hosts  map[string]http.Handler
	listed []gateway.Function
	rings  []string             // FUNCTION LANE of each doorbell
	did    []string             // what the plugins did, oldest first
	refuse map[string][]error   // by "OP STEP": what its next calls answer
	cut    map[string]int       // by function: how many answers of it get lost
	away   map[string]error     // by function: what a call of it meets instead
	acting func(c *plugin.Call) // called while a plugin acts
	keys   map[string]bool      // under which the plugins acted
	asked  int                  // how often a plugin was asked whether it did
}

type words struct {
	Say string `json:"say"`
	To  string `json:"to,omitempty"`
}

type said struct {
	Said string   `json:"said"`
	List []string `json:"list"`
}

func open(t *testing.T) *bench {
	t.Helper()
	return openWith(t, nil)
}

// openWith is open with more settings.
func openWith(t *testing.T, more map[string]string) *bench {
	t.Helper()
	b := &bench{
		t: t, vault: ledgertest.Vault(t), store: miniredis.RunT(t), hosts: map[string]http.Handler{},
		refuse: map[string][]error{}, cut: map[string]int{}, away: map[string]error{},
		keys: map[string]bool{},
	}
	b.advanceTo(time.Date(2026, 1, 2, 1, 0, 0, 0, time.UTC))
	settings := map[string]string{
		"REDIS_URL":   "redis://" + b.store.Addr() + "/0?" + ledger.VolatileFlag + "=1",
		"HEARTH_DATA": t.TempDir(), "HEARTH_TIMEZONE": "Asia/Shanghai", "BASIC_AUTH_PASSWORD": "secret",
		"HEARTH_CALL_KEY": base64.StdEncoding.EncodeToString(b.vault.CallKey()),
	}
	maps.Copy(settings, more)
	b.env = fntest.Env(t, settings)
	b.env.Transport, b.env.Now = b, b.clock
	var err error
	if b.ledger, err = ledger.Open(t.Context(), b.env); err != nil {
		t.Fatal(err)
	}
	for _, f := range []fn.Function{
		execute.Function, rollback.Function, tasks.Function, files.Function,
		b.plugin("look", manifest.Read, 0), b.plugin("set", manifest.Idempotent, 0),
		b.plugin("make", manifest.Compensable, 0), b.plugin("mail", manifest.Irreversible, 30*time.Second),
		b.plugin("pay", manifest.Irreversible, 0, plugin.Reconcile(b.paid)),
	} {
		b.host(f)
	}
	return b
}

// plugin defines a plugin that answers with its words, unless the test has another answer for it.
func (b *bench) plugin(id string, effect manifest.Effect, recall time.Duration, more ...plugin.Option) fn.Function {
	spec := plugin.Spec{
		ID: id, Title: manifest.Phrase{En: strings.ToUpper(id), Zh: strings.ToUpper(id)}, Summary: id, Effect: effect,
		Limits: manifest.Limits{Recall: recall}, Control: []string{"to"},
	}
	do := func(c *plugin.Call, in words) (said, error) {
		if err := b.act(c, "do", in.Say); err != nil {
			return said{}, err
		}
		c.Summary("said "+in.Say, "说了"+in.Say)
		return said{Said: in.Say, List: strings.Fields(in.Say)}, nil
	}
	if effect != manifest.Compensable {
		return plugin.Define(spec, do, more...)
	}
	return plugin.Define(spec, do, plugin.Preview(), plugin.Undo(func(c *plugin.Call, _ words, out *said) error {
		known := "without a receipt"
		if out != nil {
			known = out.Said
		}
		if c.DryRun {
			c.Summary("would undo "+known, "将撤销 "+known)
			return b.answer("preview " + c.Step)
		}
		return b.act(c, "undo", known)
	}))
}

// paid says whether the step acted under its key.
func (b *bench) paid(c *plugin.Call, in words) (*said, error) {
	if err := b.answer("reconcile " + c.Step); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked++
	if !b.keys[c.Key] || c.Began.IsZero() {
		return nil, nil
	}
	c.Summary("found "+in.Say, "找到"+in.Say)
	return &said{Said: in.Say}, nil
}

// answer is what the test has for a call, if anything.
func (b *bench) answer(key string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.refuse[key]
	if len(list) == 0 {
		return nil
	}
	b.refuse[key] = list[1:]
	return list[0]
}

func (b *bench) act(c *plugin.Call, op, what string) error {
	b.mu.Lock()
	key := op + " " + c.Step
	var err error
	if list := b.refuse[key]; len(list) > 0 {
		err, b.refuse[key] = list[0], list[1:]
	}
	if err == nil {
		b.did = append(b.did, key+": "+what)
		b.keys[c.Key] = true
	}
	acting := b.acting
	b.mu.Unlock()
	if acting != nil {
		acting(c)
	}
	if err == nil && c.Err() != nil {
		return fault.As(fault.Unknown, c.Err(), "cut off in the middle")
	}
	return err
}

func (b *bench) host(f fn.Function) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	b.t.Cleanup(cancel)
	h, err := fn.NewHost(ctx, f, b.env)
	if err != nil {
		b.t.Fatal(err)
	}
	b.hosts[f.Name] = h
	listed := gateway.Function{Name: f.Name}
	if f.Manifest != nil {
		text, err := json.Marshal(f.Manifest())
		if err != nil {
			b.t.Fatal(err)
		}
		listed.Annotations = map[string]string{manifest.Annotation: string(text)}
	}
	b.listed = append(b.listed, listed)
}

// RoundTrip is the gateway.
func (b *bench) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	if r.URL.Path == "/system/functions" {
		fn.Reply(rec, http.StatusOK, b.listed)
		return rec.Result(), nil
	}
	if name, found := strings.CutPrefix(r.URL.Path, "/async-function/"); found {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.rings = append(b.rings, name+" "+r.Header.Get(gateway.LaneHeader))
		rec.WriteHeader(http.StatusAccepted)
		return rec.Result(), nil
	}
	name, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/function/"), "/")
	b.mu.Lock()
	host, away := b.hosts[name], b.away[name]
	lost := b.cut[name] > 0
	if lost {
		b.cut[name]--
	}
	b.mu.Unlock()
	if away != nil {
		return nil, away
	}
	if host == nil {
		fault.Write(rec, fault.New(fault.Unavailable, "no function %s", name))
		return rec.Result(), nil
	}
	in := r.Clone(r.Context())
	in.URL.Path = "/" + rest
	if in.Body == nil {
		in.Body = http.NoBody
	}
	host.ServeHTTP(rec, in)
	if lost {
		return nil, io.ErrUnexpectedEOF // the process died before it could answer
	}
	return rec.Result(), nil
}

func (b *bench) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *bench) advance(d time.Duration) { b.advanceTo(b.clock().Add(d)) }

func (b *bench) advanceTo(at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = at
	b.store.SetTime(at)
}

// deeds returns what the plugins did so far.
func (b *bench) deeds() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.did, ", ")
}

// run creates a run of steps, as planner-intent does for somebody in a chat.
func (b *bench) run(steps string, change ...func(*journal.Request)) ledger.Lane {
	b.t.Helper()
	plan, err := flow.Parse([]byte(`{"title":"Test","steps":[` + steps + `]}`))
	if err != nil {
		b.t.Fatal(err)
	}
	session := b.ledger.Session("web", "ann")
	lane := b.ledger.NewRun(session)
	zone, err := b.env.Zone()
	if err != nil {
		b.t.Fatal(err)
	}
	r := journal.Request{
		ID: string(lane), Plan: flow.Normalize(plan), By: policy.Principal{User: "ann", Role: policy.Member}, Origin: journal.FromTask,
		Session: string(session), Lang: "en", Zone: zone, Now: b.clock(), Recall: journal.DefaultRecall,
	}
	for _, f := range change {
		f(&r)
	}
	var plugins []manifest.Manifest
	for _, f := range b.listed {
		var m manifest.Manifest
		if json.Unmarshal([]byte(f.Annotations[manifest.Annotation]), &m) == nil {
			plugins = append(plugins, m)
		}
	}
	header, err := journal.Prepare(r, plugins)
	if err != nil {
		b.t.Fatal(err)
	}
	raw, err := json.Marshal(header)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.ledger.Spawn(b.t.Context(), ledger.Spawn{Lane: lane, Header: raw}); err != nil {
		b.t.Fatal(err)
	}
	return lane
}

func inChat(r *journal.Request) { r.Origin = journal.FromChat }

// drive rings for a run once and returns it as it then stands.
func (b *bench) drive(lane ledger.Lane) flow.View {
	b.t.Helper()
	g, err := gateway.Open(b.env, "system-pump")
	if err != nil {
		b.t.Fatal(err)
	}
	if err := g.Call(b.t.Context(), "planner-execute", vault.Call{}, gateway.Bell{Lane: string(lane)}, nil); err != nil {
		b.t.Fatal(err)
	}
	return b.look(lane)
}

// finish drives a run to its end, with all the time that it wants.
func (b *bench) finish(lane ledger.Lane) flow.View {
	b.t.Helper()
	for range 60 {
		v := b.drive(lane)
		if v.State.Over() {
			return v
		}
		b.advance(2 * time.Second)
	}
	b.t.Fatalf("the run does not end: %s", show(b.look(lane)))
	return flow.View{}
}

func (b *bench) look(lane ledger.Lane) flow.View {
	b.t.Helper()
	run, err := journal.Load(b.t.Context(), b.ledger, lane)
	if err != nil {
		b.t.Fatal(err)
	}
	return run.View(b.clock())
}

// show writes a run's state and those of its steps.
func show(v flow.View) string {
	s := string(v.State)
	for _, step := range v.Steps {
		s += fmt.Sprintf(" %s=%s", step.ID, step.State)
	}
	return s
}

// decide tells system-tasks what somebody with a role decides about a run.
func (b *bench) decide(user string, role policy.Role, lane ledger.Lane, verb, body string) error {
	b.t.Helper()
	resp := b.ask(user, role, "runs/"+string(lane)+"/"+verb, body)
	defer resp.Body.Close()
	return fault.Read(resp)
}

// post asks system-tasks for something.
func (b *bench) post(user string, role policy.Role, path, body string) error {
	b.t.Helper()
	resp := b.ask(user, role, path, body)
	defer resp.Body.Close()
	return fault.Read(resp)
}

// fork makes a new run of an old one, for a member.
func (b *bench) fork(user, id, body string) (v flow.View, err error) {
	b.t.Helper()
	resp := b.ask(user, policy.Member, "runs/"+id+"/fork", body)
	defer resp.Body.Close()
	if err := fault.Read(resp); err != nil {
		return v, err
	}
	return v, json.NewDecoder(resp.Body).Decode(&v)
}

func (b *bench) ask(user string, role policy.Role, path, body string) *http.Response {
	b.t.Helper()
	url := gateway.Base(b.env) + "/function/system-tasks/" + path
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, bytes.NewReader([]byte(body)))
	if err != nil {
		b.t.Fatal(err)
	}
	token := b.vault.Issue(vault.Token{For: "user", ID: user, Role: string(role), Expires: b.clock().Add(time.Hour).Unix()})
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := b.RoundTrip(req)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp
}

// hears takes all that waits for the conversation, oldest first.
func (b *bench) hears() []string {
	b.t.Helper()
	var heard []string
	for {
		work, err := b.ledger.Claim(b.t.Context(), b.ledger.Session("web", "ann"), ledger.NewOwner())
		if err != nil {
			b.t.Fatal(err)
		}
		if work == nil || work.Outbox == nil {
			return heard
		}
		heard = append(heard, string(work.Outbox.Body))
		if _, err := b.ledger.Sent(b.t.Context(), work.Claim, work.Outbox.ID, false); err != nil {
			b.t.Fatal(err)
		}
	}
}

var errDown = errors.New("connection reset by peer")
