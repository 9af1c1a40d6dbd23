package httprequest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/functions/plugins/httprequest"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/plugin"
	"github.com/hearthfaas/hearth/shared/plugin/plugintest"
)

// shop is a service that takes orders, once per Idempotency-Key.
type shop struct {
	*httptest.Server
	mu     sync.Mutex
	orders map[string]string // body by id
	byKey  map[string]string // id by Idempotency-Key
}

func open(t *testing.T) *shop {
	t.Helper()
	s := &shop{orders: map[string]string{}, byKey: map[string]string{}}
	s.Server = httptest.NewServer(s.routes())
	t.Cleanup(s.Close)
	return s
}

func (s *shop) world() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprint(s.orders)
}

func (s *shop) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders", s.order)
	mux.HandleFunc("DELETE /orders/{id}", func(w http.ResponseWriter, r *http.Request) { s.cancel(w, r.PathValue("id")) })
	mux.HandleFunc("DELETE /keys/{key...}", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		id := s.byKey[r.PathValue("key")]
		s.mu.Unlock()
		s.cancel(w, id)
	})
	mux.HandleFunc("GET /keys/{key...}", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		id := s.byKey[r.PathValue("key")]
		if s.orders[id] == "" {
			http.Error(w, "no such key", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"order":{"id":%q}}`, id)
	})
	mux.HandleFunc("PUT /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.orders[r.PathValue("id")] = string(raw)
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /orders", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Set-Cookie", "secret=1")
		w.Header().Set("ETag", `"7"`)
		fmt.Fprintf(w, `{"query":%q,"agent":%q,"n":12345678901234567890}`, r.URL.RawQuery, r.Header.Get("User-Agent"))
	})
	return mux
}

func (s *shop) order(w http.ResponseWriter, r *http.Request) {
	raw, _ := io.ReadAll(r.Body)
	key := r.Header.Get("Idempotency-Key")
	s.mu.Lock()
	defer s.mu.Unlock()
	id, known := s.byKey[key]
	if !known || s.orders[id] == "" {
		id = fmt.Sprint("o/", len(s.byKey)+1)
		s.byKey[key], s.orders[id] = id, string(raw)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Location", "/orders/"+strings.ReplaceAll(id, "/", "%2F"))
	w.WriteHeader(http.StatusCreated)
	fmt.Fprintf(w, `{"order":{"id":%q,"tags":["a",{"n":1}]}}`, id)
}

func (s *shop) cancel(w http.ResponseWriter, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.orders[id] == "" {
		http.Error(w, "no such order", http.StatusNotFound)
		return
	}
	delete(s.orders, id)
	w.WriteHeader(http.StatusNoContent)
}

// host is the plugin, allowed to call loopback.
func host(t *testing.T) *plugintest.Host {
	h := plugintest.Open(t, httprequest.Function)
	h.Set("HTTP_REQUEST_ALLOW", "127.0.0.0/8:*")
	return h
}

func TestPlugin(t *testing.T) {
	s := &shop{} // its address is in the cases before it is started: one server for all, emptied for each
	s.orders, s.byKey = map[string]string{}, map[string]string{}
	s.Server = httptest.NewServer(s.routes())
	t.Cleanup(s.Close)
	setup := func(_ *testing.T, h *plugintest.Host) {
		h.Set("HTTP_REQUEST_ALLOW", "127.0.0.0/8:*")
		s.mu.Lock()
		defer s.mu.Unlock()
		s.orders, s.byKey = map[string]string{}, map[string]string{}
	}
	world := func(_ *testing.T, h *plugintest.Host) string { return s.world() + h.Workspace() }
	at := func(params string) string { return strings.ReplaceAll(params, "$S", s.URL) }
	gives := func(result, summary string) func(*testing.T, *plugintest.Host, plugin.Response) {
		return func(t *testing.T, _ *plugintest.Host, resp plugin.Response) {
			var out httprequest.Out
			if err := json.Unmarshal(resp.Result, &out); err != nil {
				t.Fatal(err)
			}
			delete(out.Headers, "date")
			raw, _ := json.Marshal(out)
			if got := strings.ReplaceAll(string(raw), s.URL, "$S"); got != result || strings.ReplaceAll(resp.Summary, s.URL, "$S") != summary {
				t.Errorf("%s\n%s", got, resp.Summary)
			}
		}
	}
	plugintest.Run(t, httprequest.Function,
		plugintest.Case{Name: "get", Params: at(`{"method":"GET","url":"$S/orders?a=1#x","query":{"b":["x y",2,true]}}`), Setup: setup, World: world, Check: gives(
			`{"status":200,"url":"$S/orders?a=1\u0026b=x+y\u0026b=2\u0026b=true","headers":{"content-type":"application/json; charset=utf-8","etag":"\"7\""},"json":{"query":"a=1\u0026b=x+y\u0026b=2\u0026b=true","agent":"Hearth","n":12345678901234567890},"size":74,"truncated":false}`,
			"GET $S/orders?a=1&b=x+y&b=2&b=true answered 200.")},
		plugintest.Case{Name: "save", Params: at(`{"method":"GET","url":"$S/orders","output":"/in/orders.json"}`), Setup: setup, World: world, Check: func(t *testing.T, h *plugintest.Host, _ plugin.Response) {
			if !strings.HasPrefix(h.Read("/in/orders.json"), `{"query":""`) {
				t.Error(h.Read("/in/orders.json"))
			}
		}},
		plugintest.Case{Name: "put", Params: at(`{"method":"PUT","url":"$S/orders/9","body":"nine"}`), Lang: "zh", Setup: setup, World: world, Check: gives(
			`{"status":204,"url":"$S/orders/9","headers":{},"size":0,"truncated":false}`, "PUT $S/orders/9 返回 204。")},
		plugintest.Case{Name: "post", Params: at(`{"method":"POST","url":"$S/orders","json":{"item":1}}`), Setup: setup, World: world, Check: func(t *testing.T, _ *plugintest.Host, _ plugin.Response) {
			if s.world() != `map[o/1:{"item":1}]` {
				t.Error(s.world())
			}
		}},
		plugintest.Case{
			Name: "post with an undo that needs no answer", Setup: setup, World: world,
			Params: at(`{"method":"POST","url":"$S/orders","json":{"item":1},"undo_request":{"method":"DELETE","url":"$S/keys/${key}"}}`),
		},
		plugintest.Case{
			Name: "post with a check", Setup: setup, World: world,
			Params: at(`{"method":"POST","url":"$S/orders","json":{"item":1},"check_request":{"method":"GET","url":"$S/keys/${key}"}}`),
		},
		plugintest.Case{
			Name: "post with a check, and an undo by its answer", Setup: setup, World: world,
			Params: at(`{"method":"POST","url":"$S/orders","json":{"item":1},"undo_request":{"method":"DELETE","url":"$S/keys/${key}"},"check_request":{"method":"GET","url":"$S/keys/${key}"}}`),
		},
		plugintest.Case{Name: "check of a get", Params: at(`{"method":"GET","url":"$S/orders","check_request":{"method":"GET","url":"$S/orders"}}`), Setup: setup, World: world, Fails: fault.Invalid},
		plugintest.Case{Name: "a check that acts", Params: at(`{"method":"POST","url":"$S/orders","check_request":{"method":"POST","url":"$S/orders"}}`), Setup: setup, World: world, Fails: fault.Invalid},
		plugintest.Case{Name: "a check by the lost answer", Params: at(`{"method":"POST","url":"$S/orders","check_request":{"method":"GET","url":"$S/orders/${json.id}"}}`), Setup: setup, World: world, Fails: fault.Invalid},
		plugintest.Case{Name: "a check that goes nowhere", Params: at(`{"method":"POST","url":"$S/orders","check_request":{"method":"GET","url":"http://10.0.0.1/"}}`), Setup: setup, World: world, Fails: fault.Forbidden},
		plugintest.Case{Name: "undo of a get", Params: at(`{"method":"GET","url":"$S/orders","undo_request":{"method":"DELETE","url":"$S/orders/1"}}`), Setup: setup, World: world, Fails: fault.Invalid},
		plugintest.Case{Name: "an undo that goes nowhere", Params: at(`{"method":"POST","url":"$S/orders","undo_request":{"method":"DELETE","url":"http://10.0.0.1/${json.id}"}}`), Setup: setup, World: world, Fails: fault.Forbidden},
		plugintest.Case{Name: "an undo with a strange expression", Params: at(`{"method":"POST","url":"$S/orders","undo_request":{"method":"DELETE","url":"$S/${env.HOME}"}}`), Setup: setup, World: world, Fails: fault.Invalid},
		plugintest.Case{Name: "body and json", Params: at(`{"method":"POST","url":"$S/orders","body":"x","json":1}`), Setup: setup, World: world, Fails: fault.Invalid},
		plugintest.Case{Name: "get with a body", Params: at(`{"method":"GET","url":"$S/orders","body":"x"}`), Setup: setup, World: world, Fails: fault.Invalid},
		plugintest.Case{Name: "a method in small letters", Params: at(`{"method":"get","url":"$S/orders"}`), Setup: setup, World: world, Fails: fault.Invalid},
		plugintest.Case{Name: "save a post", Params: at(`{"method":"POST","url":"$S/orders","output":"/x"}`), Setup: setup, World: world, Fails: fault.Invalid},
		plugintest.Case{Name: "a header of ours", Params: at(`{"method":"POST","url":"$S/orders","headers":{"host":"evil"}}`), Setup: setup, World: world, Fails: fault.Forbidden},
		plugintest.Case{Name: "a header of two lines", Params: at(`{"method":"POST","url":"$S/orders","headers":{"x":"a\r\nb: c"}}`), Setup: setup, World: world, Fails: fault.Invalid},
		plugintest.Case{Name: "no such thing", Params: at(`{"method":"GET","url":"$S/nothing"}`), Setup: setup, World: world, Fails: fault.Failed},
		plugintest.Case{Name: "too long", Params: at(`{"method":"GET","url":"$S/orders","timeout":121}`), Setup: setup, World: world, Fails: fault.Invalid},
		plugintest.Case{
			Name: "loopback without leave", Params: at(`{"method":"POST","url":"$S/orders"}`), World: world, Fails: fault.Forbidden,
			Setup: func(t *testing.T, h *plugintest.Host) { setup(t, h); h.Set("HTTP_REQUEST_ALLOW", "*:*") },
		},
		plugintest.Case{
			Name: "a broken list", Params: at(`{"method":"POST","url":"$S/orders"}`), World: world, Fails: fault.Invalid,
			Setup: func(t *testing.T, h *plugintest.Host) { setup(t, h); h.Set("HTTP_REQUEST_ALLOW", "http://x") },
		},
	)
}

func TestUndoGoesByTheAnswer(t *testing.T) {
	for _, undo := range []string{
		`{"method":"DELETE","url":"$S/orders/${json.order.id}"}`,
		`{"method":"DELETE","url":"${headers.location}"}`,
	} {
		s, h := open(t), host(t)
		params := strings.ReplaceAll(`{"method":"POST","url":"$S/orders","body":"x","undo_request":`+undo+`}`, "$S", s.URL)
		resp, err := h.Do(params)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Undo(params, nil); !fault.Is(err, fault.Failed) || s.world() == "map[]" {
			t.Errorf("%s without the answer: %v", undo, err)
		}
		for range 2 {
			if err := h.Undo(params, &resp); err != nil || s.world() != "map[]" {
				t.Errorf("%s: %v, %s", undo, err, s.world())
			}
		}
	}
}

// TestCheckSaysNoMoreThanTheServiceDoes: only 2xx and 404 at the very address say what became of a request.
func TestCheckSaysNoMoreThanTheServiceDoes(t *testing.T) {
	var status int
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/signin":
			fmt.Fprint(w, "<html>who are you?")
		case r.URL.Path == "/nowhere":
			http.NotFound(w, r)
		case status == http.StatusFound:
			http.Redirect(w, r, "/signin", status)
		case status == http.StatusSeeOther:
			http.Redirect(w, r, "/nowhere", status)
		default:
			w.WriteHeader(status)
		}
	}))
	defer server.Close()
	h := host(t)
	params := strings.ReplaceAll(`{"method":"POST","url":"$S/","check_request":{"method":"GET","url":"$S/done/${key}"}}`, "$S", server.URL)
	for code, want := range map[int]string{
		200: "applied", 204: "applied", 404: "not_applied", 302: "failed", 303: "failed", 304: "failed", 401: "failed", 403: "failed", 410: "failed",
		429: "limited", 500: "unavailable", 503: "unavailable",
	} {
		status = code
		resp, err := h.Reconcile(params)
		got := string(resp.Outcome)
		if err != nil {
			got = string(fault.KindOf(err))
		}
		if got != want {
			t.Errorf("%d: %s, want %s (%v)", code, got, want, err)
		}
	}
	h.Set("HTTP_REQUEST_ALLOW", "*:*")
	if resp, err := h.Reconcile(params); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a private address is asked: %+v %v", resp, err)
	}
	h.Set("HTTP_REQUEST_ALLOW", "127.0.0.0/8:*")
	if _, err := h.Reconcile(`{"method":"POST","url":"` + server.URL + `"}`); !fault.Is(err, fault.Invalid) {
		t.Errorf("asked without a check_request: %v", err)
	}
	server.Close()
	if _, err := h.Reconcile(params); !fault.Is(err, fault.Unavailable) {
		t.Errorf("nobody there: %v", err)
	}
}

// TestAnswerCannotSteerTheUndo: values from outside stay one piece of the address, and on its origin.
func TestAnswerCannotSteerTheUndo(t *testing.T) {
	var seen string
	answer, location := "", ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if seen = r.Method + " " + r.RequestURI; r.Method == http.MethodPost {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Location", location)
			fmt.Fprint(w, answer)
			return
		}
		body, _ := io.ReadAll(r.Body)
		seen += " " + string(body)
		if strings.Contains(seen, "busy") {
			w.WriteHeader(http.StatusConflict)
		}
	}))
	defer server.Close()
	h := host(t)
	for _, c := range []struct{ answer, location, undo, seen, fails string }{
		{`{"id":"a/../../admin?x=1&y"}`, "", `{"method":"DELETE","url":"$S/o/${json.id}"}`, "DELETE /o/a%2F..%2F..%2Fadmin%3Fx%3D1%26y ", ""},
		{`{"id":".."}`, "", `{"method":"DELETE","url":"$S/o/${json.id}/x"}`, "", "failed"},
		{`{"id":{"a":1}}`, "", `{"method":"DELETE","url":"$S/o/${json.id}"}`, "", "failed"},
		{`{}`, "", `{"method":"DELETE","url":"$S/o/${json.id}"}`, "", "failed"},
		{`<html>`, "", `{"method":"DELETE","url":"$S/o/${json.id}"}`, "", "failed"},
		{`{}`, "http://127.0.0.2:1/x", `{"method":"DELETE","url":"${headers.location}"}`, "", "forbidden"},
		{`{}`, "o/5", `{"method":"DELETE","url":"${headers.location}"}`, "DELETE /o/5 ", ""},
		{`{"id":12345678901234567890,"v":["q\"uote",null]}`, "", `{"method":"PUT","url":"$S/o","json":{"id":"${json.id}","old":"was ${json.v.0} at ${status}"}}`, `PUT /o {"id":12345678901234567890,"old":"was q\"uote at 200"}`, ""},
		{`{"id":"busy"}`, "", `{"method":"DELETE","url":"$S/o/${json.id}"}`, "DELETE /o/busy ", "conflict"},
	} {
		answer, location = c.answer, c.location
		params := strings.ReplaceAll(`{"method":"POST","url":"$S/","undo_request":`+c.undo+`}`, "$S", server.URL)
		resp, err := h.Do(params)
		if err != nil {
			t.Fatal(err)
		}
		seen = ""
		err = h.Undo(params, &resp)
		if seen != c.seen || (c.fails == "") != (err == nil) || err != nil && string(fault.KindOf(err)) != c.fails {
			t.Errorf("%s, %s: %q, %v", c.answer, c.undo, seen, err)
		}
	}
}

func TestStatusesHaveKinds(t *testing.T) {
	status, after := 0, ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", after)
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		fmt.Fprint(w, "why\n\x00 it  failed\x1b[0m", strings.Repeat("x", 1000))
	}))
	defer server.Close()
	h := host(t)
	for _, c := range []struct {
		method string
		status int
		after  string
		kind   fault.Kind
		wait   time.Duration
	}{
		{"POST", 400, "", fault.Failed, 0},
		{"POST", 404, "", fault.Failed, 0},
		{"POST", 429, "7", fault.Limited, 7 * time.Second},
		{"POST", 503, "Fri, 02 Jan 2026 01:00:30 GMT", fault.Unavailable, 30 * time.Second},
		{"POST", 503, "99999999", fault.Unavailable, time.Hour},
		{"POST", 503, "-5", fault.Unavailable, 0},
		{"POST", 500, "", fault.Unknown, 0},
		{"PUT", 502, "", fault.Unknown, 0},
		{"GET", 502, "", fault.Unavailable, 0},
		{"POST", 501, "", fault.Failed, 0},
		{"POST", 307, "", fault.Failed, 0},
		{"POST", 303, "", "", 0},
	} {
		status, after = c.status, c.after
		_, err := h.Do(fmt.Sprintf(`{"method":%q,"url":%q}`, c.method, server.URL))
		if (c.kind == "") != (err == nil) || err != nil && (!fault.Is(err, c.kind) || fault.After(err) != c.wait) {
			t.Errorf("%s %d: %v (%s, after %s)", c.method, c.status, err, fault.KindOf(err), fault.After(err))
		}
		if c.status == 400 && (!strings.Contains(fault.Text(err), "why it failed [0mxxx") || len(fault.Text(err)) > 500) {
			t.Errorf("the excerpt: %q", fault.Text(err))
		}
	}
}
