package channeltest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/ledger/ledgertest"
	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/vault"
)

// House is an adapter at work: a store, a gateway, a clock, and whatever other functions the test deploys.
// It is safe for concurrent use.
type House struct {
	URL    string  // the adapter's webhook, also after a restart
	Env    *fn.Env // what the functions have now; another one after a restart
	Ledger *ledger.Ledger

	t        testing.TB
	adapter  fn.Function
	others   []fn.Function
	settings map[string]string
	secrets  string
	store    *miniredis.Miniredis

	mu      sync.Mutex
	shift   time.Duration // of the clock against the real one
	process *process
	asked   []string
	away    map[string]int
}

// TheRun is the run that the stand-in for system-tasks answers with.
const TheRun = "r3f-abcdefghij"

// Open puts a house together, which ends with the test. Of functions that are not among others, the gateway
// notes the calls: Asked tells them. Settings are those of the adapter.
func Open(t testing.TB, adapter fn.Function, settings map[string]string, others ...fn.Function) *House {
	t.Helper()
	h := &House{t: t, adapter: adapter, others: others, store: miniredis.RunT(t), secrets: t.TempDir(), away: map[string]int{}}
	h.settings = map[string]string{
		"REDIS_URL":           "redis://" + h.store.Addr() + "/0?" + ledger.VolatileFlag + "=1",
		"BASIC_AUTH_PASSWORD": "password", "HEARTH_TIMEZONE": "Asia/Shanghai",
		"HEARTH_CALL_KEY": base64.StdEncoding.EncodeToString(ledgertest.Vault(t).CallKey()),
	}
	for name, value := range settings {
		h.settings[name] = value
	}
	h.Ledger = ledgertest.Dial(t, h.settings["REDIS_URL"])
	server := httptest.NewServer(http.HandlerFunc(h.webhook))
	h.URL = server.URL
	h.start()
	t.Cleanup(func() {
		h.process.end()
		server.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return h
}

// Platform is the adapter's platform.
func (h *House) Platform() string { return strings.TrimPrefix(h.adapter.Name, "adapter-") }

// Now is the time in the house. The store's clock follows.
func (h *House) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now().Add(h.shift)
	h.store.SetTime(now)
	return now
}

// Later moves the clock.
func (h *House) Later(d time.Duration) {
	h.mu.Lock()
	h.shift += d
	h.mu.Unlock()
	h.Now()
}

// Set gives the adapter a setting from now on.
func (h *House) Set(name, value string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.settings[name] = value
}

func (h *House) lookup(name string) (string, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	value, ok := h.settings[name]
	return value, ok
}

// Secret writes the file of a secret, such as slack-bot-token or slack.sales-bot-token.
func (h *House) Secret(name, value string) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(h.secrets, name), []byte(value+"\n"), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// Request makes a request as the platform does. Its path is "/" or that of an account.
func (h *House) Request(path string, r channel.Request) (status int, said string) {
	h.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), r.Method, h.URL+path+"?"+r.Query.Encode(), bytes.NewReader(r.Body))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header = r.Header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Errorf("the webhook does not answer: %v", err)
		return 0, ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Error(err)
	}
	return resp.StatusCode, string(body)
}

// Signed calls the adapter as a function of the bundle does. header is of names and values in turn.
func (h *House) Signed(path string, in, out any, header ...string) error {
	h.t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		h.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, h.URL+path, bytes.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	call := vault.Call{From: "planner-reply", To: h.adapter.Name}
	req.Header.Set(vault.CallHeader, ledgertest.Vault(h.t).Sign(call, body, h.Now()))
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := fault.Read(resp); err != nil {
		return err
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

// Send has the adapter deliver a message.
func (h *House) Send(out message.Outbound, header ...string) (message.Receipt, error) {
	h.t.Helper()
	var receipt message.Receipt
	err := h.Signed("/_/send", out, &receipt, header...)
	return receipt, err
}

// Draft has the adapter show a draft, and returns the message that shows it.
func (h *House) Draft(d channel.Draft) string {
	h.t.Helper()
	var out channel.Drafted
	if err := h.Signed("/_/draft", d, &out); err != nil {
		h.t.Fatal(err)
	}
	return out.ID
}

// Link keeps up the adapter's links until end is called, or the test ends.
func (h *House) Link() (end func()) {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- channel.Link(ctx, h.Env, []fn.Function{h.adapter}) }()
	end = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			h.t.Error(err)
		}
	})
	h.t.Cleanup(end)
	return end
}

// Heard returns what was accepted in a conversation, in order, with | between.
func (h *House) Heard(a message.Address) string {
	h.t.Helper()
	events, err := h.Ledger.Events(context.Background(), channel.Lane(h.Ledger, a), "", 0, 100)
	if err != nil {
		h.t.Fatal(err)
	}
	var all []string
	for _, e := range events {
		var said channel.Said
		if err := json.Unmarshal(e.Body, &said); err != nil {
			h.t.Fatal(err)
		}
		if said.Type == "user" {
			all = append(all, said.Text)
		}
	}
	return strings.Join(all, "|")
}

// Asked returns the calls of functions that are not deployed here, one a line: path and body.
func (h *House) Asked() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.asked, "\n")
}

// Away lets the next n calls of a function over the gateway fail: its store is away.
func (h *House) Away(function string, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.away[function] = n
}
