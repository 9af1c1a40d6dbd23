package web_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hearthfaas/hearth/functions/adapters/web"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/ledger/ledgertest"
	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/policy"
	"github.com/hearthfaas/hearth/shared/vault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// house is adapter-web with a gateway that takes doorbells and answers for system-tasks.
type house struct {
	t      *testing.T
	env    *fn.Env
	url    string
	ledger *ledger.Ledger
	vault  *vault.Vault

	mu    sync.Mutex
	now   time.Time
	rings int
	tasks []string
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, now: time.Now()}
	h.env = fntest.Env(t, map[string]string{"REDIS_URL": ledgertest.URL(t)})
	h.env.Transport = h
	h.env.Now = func() time.Time {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.now
	}
	h.url = fntest.Start(t, web.Function, h.env).URL
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	var err error
	if h.ledger, err = ledger.Open(t.Context(), h.env); err != nil {
		t.Fatal(err)
	}
	if h.vault, err = h.env.Vault(); err != nil {
		t.Fatal(err)
	}
	return h
}

// RoundTrip is the gateway.
func (h *house) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	rec := httptest.NewRecorder()
	h.mu.Lock()
	defer h.mu.Unlock()
	if strings.HasPrefix(r.URL.Path, "/async-function/planner-intent") {
		h.rings++
		rec.WriteHeader(http.StatusAccepted)
	} else {
		h.tasks = append(h.tasks, r.URL.Path+" "+string(body))
		fn.Reply(rec, http.StatusOK, map[string]any{"id": "r3f-abcdefghij", "title": "Report"})
	}
	return rec.Result(), nil
}

func (h *house) later(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

func (h *house) token(user string) string {
	return h.vault.Issue(vault.Token{For: "user", ID: user, Role: string(policy.Member), Expires: time.Now().Add(time.Hour).Unix()})
}

// call makes a request as somebody and returns status and body.
func (h *house) call(user, method, path, body string) (int, string) {
	h.t.Helper()
	resp := h.open(h.t.Context(), user, method, path, body, nil)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

func (h *house) open(ctx context.Context, user, method, path, body string, header http.Header) *http.Response {
	h.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, h.url+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	if header != nil {
		req.Header = header
	}
	if user != "" {
		req.Header.Set("Authorization", "Bearer "+h.token(user))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp
}

// say posts a message that has to be taken.
func (h *house) say(user, session, text, key string) string {
	h.t.Helper()
	body, _ := json.Marshal(map[string]string{"session": session, "text": text, "key": key})
	code, said := h.call(user, "POST", "/messages", string(body))
	if code != http.StatusAccepted {
		h.t.Fatalf("%d %s", code, said)
	}
	return said
}

// answer delivers an answer as planner-reply does.
func (h *house) answer(out message.Outbound) error {
	h.t.Helper()
	body, err := json.Marshal(out)
	if err != nil {
		h.t.Fatal(err)
	}
	signature := h.vault.Sign(vault.Call{From: "planner-reply", To: "adapter-web"}, body, h.env.Now())
	resp := h.open(h.t.Context(), "", "POST", "/_/send", string(body), http.Header{vault.CallHeader: {signature}})
	defer resp.Body.Close()
	if err := fault.Read(resp); err != nil {
		return err
	}
	var receipt message.Receipt
	if err := json.NewDecoder(resp.Body).Decode(&receipt); err != nil || len(receipt.IDs) != 1 {
		h.t.Errorf("receipt %+v, %v", receipt, err)
	}
	return nil
}

func place(user, session string) message.Address {
	return message.Address{Platform: "web", Chat: user, Thread: session}
}
