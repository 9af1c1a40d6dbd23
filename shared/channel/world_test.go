package channel_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/ledger/ledgertest"
	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/policy"
	"github.com/hearthfaas/hearth/shared/vault"
)

// world is everything around one adapter: its API, the gateway with system-tasks, the store, the log.
type world struct {
	t      *testing.T
	env    *fn.Env
	server *httptest.Server
	ledger *ledger.Ledger
	log    *journal

	mu    sync.Mutex
	now   time.Time
	said  []string                             // "path body" of the API's calls
	api   func(path, body string) answer       // what the API says; nil for success
	tasks func(path, body string) (any, error) // system-tasks
	calls []string                             // "user role path body" of the calls to system-tasks
	rings []string
}

// answer is what the API says; status 0 breaks the connection.
type answer struct {
	status int
	body   string
}

// journal is the log, for tests that look into it while it is written.
type journal struct {
	mu      sync.Mutex
	b       bytes.Buffer
	changed chan struct{}
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	close(j.changed)
	j.changed = make(chan struct{})
	return j.b.Write(p)
}

func (j *journal) read() (string, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String(), j.changed
}

func (j *journal) String() string {
	text, _ := j.read()
	return text
}

// wait waits for a line.
func (j *journal) wait(t *testing.T, line string) {
	t.Helper()
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	for {
		text, changed := j.read()
		if strings.Contains(text, line) {
			return
		}
		select {
		case <-changed:
		case <-limit.C:
			t.Fatalf("no %q in the log:\n%s", line, text)
		}
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: time.Now(), log: &journal{changed: make(chan struct{})}}
	api := httptest.NewServer(http.HandlerFunc(w.serveAPI))
	t.Cleanup(api.Close)
	w.env = fntest.Env(t, map[string]string{
		"REDIS_URL": ledgertest.URL(t), "PARROT_API_URL": api.URL, "PARROT_WEBHOOK_SECRET": "cracker", "PARROT_SALES_WEBHOOK_SECRET": "seeds",
	})
	w.env.Log = slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.env.Now = func() time.Time {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.now
	}
	w.env.Transport = w
	w.server = fntest.Start(t, parrotFunction, w.env)
	t.Cleanup(func() { http.DefaultClient.CloseIdleConnections() })
	l, err := ledger.Open(t.Context(), w.env)
	if err != nil {
		t.Fatal(err)
	}
	w.ledger = l
	return w
}

// later moves the clock.
func (w *world) later(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) serveAPI(rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	path := strings.TrimPrefix(r.URL.Path, "/"+parrotToken)
	w.mu.Lock()
	api := w.api
	if path != "/me" && path != "/poll" {
		w.said = append(w.said, path+" "+string(body))
	}
	number := len(w.said)
	w.mu.Unlock()
	a := answer{200, strconv.Itoa(number)}
	if api != nil {
		a = api(path, string(body))
	}
	if a.status == 0 {
		panic(http.ErrAbortHandler)
	}
	rw.WriteHeader(a.status)
	_, _ = io.WriteString(rw, a.body)
}

// RoundTrip is the gateway: doorbells, system-tasks, and the adapter itself for links.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	rec := httptest.NewRecorder()
	v, _ := w.env.Vault()
	switch {
	case strings.HasPrefix(r.URL.Path, "/async-function/planner-intent"):
		w.mu.Lock()
		w.rings = append(w.rings, string(body))
		w.mu.Unlock()
		rec.WriteHeader(202)
	case strings.HasPrefix(r.URL.Path, "/function/adapter-parrot"):
		req, _ := http.NewRequestWithContext(r.Context(), r.Method, w.server.URL+strings.TrimPrefix(r.URL.Path, "/function/adapter-parrot"), bytes.NewReader(body))
		req.Header = r.Header
		return http.DefaultClient.Do(req)
	default:
		call, err := v.Verify(r.Header.Get(vault.CallHeader), "system-tasks", body, w.env.Now())
		if err != nil {
			fault.Write(rec, err)
			break
		}
		path := strings.TrimPrefix(r.URL.Path, "/function/system-tasks")
		w.mu.Lock()
		w.calls = append(w.calls, strings.Join([]string{call.User, call.Role, path, string(body)}, " "))
		tasks := w.tasks
		w.mu.Unlock()
		out, err := tasks(path, string(body))
		if err != nil {
			fault.Write(rec, err)
			break
		}
		fn.Reply(rec, 200, out)
	}
	return rec.Result(), nil
}

// post sends events to the webhook, proven.
func (w *world) post(path string, events ...message.Inbound) *http.Response {
	w.t.Helper()
	body, err := json.Marshal(events)
	if err != nil {
		w.t.Fatal(err)
	}
	secret := "cracker"
	if path != "/" {
		secret = "seeds"
	}
	return w.do(path, string(body), http.Header{"Parrot": {secret}})
}

func (w *world) do(path, body string, header http.Header) *http.Response {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.server.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header = header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// taken posts events and wants them acknowledged as the platform wants it.
func (w *world) taken(events ...message.Inbound) {
	w.t.Helper()
	resp := w.post("/", events...)
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 201 || string(body) != "squawk" || resp.Header.Get("Content-Type") != "text/parrot" {
		w.t.Fatalf("the platform heard %d %q", resp.StatusCode, body)
	}
}

// signed calls the adapter as a function of the bundle.
func (w *world) signed(from, path string, in, out any) error {
	w.t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		w.t.Fatal(err)
	}
	v, err := w.env.Vault()
	if err != nil {
		w.t.Fatal(err)
	}
	signature := v.Sign(vault.Call{From: from, To: "adapter-parrot"}, body, w.env.Now())
	resp := w.do(path, string(body), http.Header{vault.CallHeader: {signature}})
	if err := fault.Read(resp); err != nil {
		return err
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

func (w *world) send(out message.Outbound) (message.Receipt, error) {
	w.t.Helper()
	var receipt message.Receipt
	err := w.signed("planner-reply", "/_/send", out, &receipt)
	return receipt, err
}

// inbox returns what waits in a conversation, by claiming it.
func (w *world) inbox(a message.Address) *channel.Accepted {
	w.t.Helper()
	work, err := w.ledger.Claim(context.Background(), channel.Lane(w.ledger, a), ledger.NewOwner())
	if err != nil {
		w.t.Fatal(err)
	}
	if work == nil || work.Inbox == nil {
		return nil
	}
	var got channel.Accepted
	if err := json.Unmarshal(work.Inbox.Body, &got); err != nil {
		w.t.Fatal(err)
	}
	return &got
}

// know makes a sender known as a user.
func (w *world) know(sender, user string, role policy.Role) {
	w.t.Helper()
	v, err := w.env.Vault()
	if err != nil {
		w.t.Fatal(err)
	}
	body, _ := json.Marshal(channel.Identity{User: user, Role: role, Platform: "parrot", Sender: sender})
	id := channel.IdentityID(v, "parrot", "", sender)
	if _, err := w.ledger.Put(w.t.Context(), channel.IdentitySpace, ledger.Doc{ID: id, Rev: ledger.Any, Body: body}, 0); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) heard() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.said...)
}

func (w *world) asked() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.calls...)
}

// from makes a message of a person in a direct chat.
func from(sender, id, text string) message.Inbound {
	return message.Inbound{
		ID: id, Kind: message.Text, ChatKind: message.Direct, Text: text, MessageID: "m" + id,
		From: message.Sender{ID: sender, Name: "Name of " + sender}, Address: message.Address{Chat: "c-" + sender},
	}
}

func chatOf(sender string) message.Address {
	return message.Address{Platform: "parrot", Chat: "c-" + sender}
}
