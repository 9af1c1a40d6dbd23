package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/policy"
	"github.com/hearthfaas/hearth/shared/vault"
)

type greeting struct {
	Name string `json:"name"`
}

// open returns a client whose gateway is h.
func open(t *testing.T, h http.Handler) (*gateway.Client, *fn.Env, *httptest.Server) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	env := fntest.Env(t, map[string]string{"HEARTH_GATEWAY": server.URL + "/", "BASIC_AUTH_PASSWORD": "pw"})
	c, err := gateway.Open(env, "planner-intent")
	if err != nil {
		t.Fatal(err)
	}
	return c, env, server
}

func TestCallIsSignedAndErrorsKeepTheirKind(t *testing.T) {
	var env *fn.Env
	mux := http.NewServeMux()
	mux.HandleFunc("/function/system-files/", func(w http.ResponseWriter, r *http.Request) {
		gateway.Signed(env, "system-files", fn.JSON(func(ctx context.Context, in greeting) (greeting, error) {
			call := gateway.Caller(ctx)
			if in.Name == "" {
				return in, fault.New(fault.Conflict, "who?").At("name").Try("say it")
			}
			return greeting{fmt.Sprint(in.Name, " for ", call.User, " from ", call.From, " ", r.URL.Path)}, nil
		})).ServeHTTP(w, r)
	})
	c, e, server := open(t, mux)
	env = e
	var out greeting
	if err := c.Call(t.Context(), "system-files/grant", vault.Call{User: "ada"}, greeting{"x"}, &out); err != nil {
		t.Fatal(err)
	}
	if out.Name != "x for ada from planner-intent /function/system-files/grant" {
		t.Fatal(out.Name)
	}
	err := c.Call(t.Context(), "system-files/grant", vault.Call{}, greeting{}, &out)
	if !fault.Is(err, fault.Conflict) || fault.Text(err) != "name: who? (next: say it)" {
		t.Fatal(err)
	}
	resp, err := http.Post(server.URL+"/function/system-files/grant", "application/json", strings.NewReader(`{"name":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := fault.Read(resp); !fault.Is(err, fault.Unauthorized) {
		t.Fatal("an unsigned call came through: ", err)
	}
}

func TestUnansweredCalls(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/function/dies", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	mux.HandleFunc("/function/garbage", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") })
	mux.HandleFunc("/function/stalls", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // a server sees the end of a connection only after the body
		<-r.Context().Done()
	})
	c, _, server := open(t, mux)
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	var out greeting
	for name, want := range map[string]fault.Kind{"dies": fault.Unknown, "garbage": fault.Unknown, "nobody": fault.NotFound} {
		if err := c.Call(t.Context(), name, vault.Call{}, greeting{}, &out); !fault.Is(err, want) {
			t.Errorf("%s: %v (%s)", name, err, fault.KindOf(err))
		}
	}
	if err := c.Call(short, "stalls", vault.Call{}, greeting{}, nil); !fault.Is(err, fault.Timeout) {
		t.Error(err)
	}
	server.Close()
	if err := c.Call(t.Context(), "gone", vault.Call{}, greeting{}, nil); !fault.Is(err, fault.Unavailable) {
		t.Errorf("%v (%s)", err, fault.KindOf(err))
	}
}

func TestRingNamesItsLane(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /async-function/planner-intent", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get(gateway.LaneHeader) != "s00-x" || string(body) != `{"lane":"s00-x"}` {
			t.Errorf("%v %s", r.Header, body)
		}
		w.WriteHeader(http.StatusAccepted)
	})
	c, _, _ := open(t, mux)
	if err := c.Ring(t.Context(), "planner-intent", "s00-x"); err != nil {
		t.Fatal(err)
	}
}

func TestFunctionsNeedThePassword(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /system/functions", func(w http.ResponseWriter, r *http.Request) {
		if user, pw, ok := r.BasicAuth(); !ok || user != "admin" || pw != "pw" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `[{"name":"plugin-x","annotations":{"a":"b"},"replicas":1}]`)
	})
	c, env, _ := open(t, mux)
	list, err := c.Functions(t.Context())
	if err != nil || len(list) != 1 || list[0].Annotations["a"] != "b" {
		t.Fatal(list, err)
	}
	lookup := env.Lookup
	env.Lookup = func(name string) (string, bool) {
		if name == "BASIC_AUTH_PASSWORD" {
			return "wrong", true
		}
		return lookup(name)
	}
	if _, err := c.Functions(t.Context()); !fault.Is(err, fault.Unauthorized) {
		t.Fatal(err)
	}
}

func TestPrincipal(t *testing.T) {
	env := fntest.Env(t, nil)
	v, err := env.Vault()
	if err != nil {
		t.Fatal(err)
	}
	token := func(use, user, role string, life time.Duration) string {
		return v.Issue(vault.Token{For: use, ID: user, Role: role, Expires: time.Now().Add(life).Unix()})
	}
	good := token("user", "ada", "member", time.Hour)
	ada := policy.Principal{User: "ada", Role: policy.Member}
	cookie := func(value, method, site, origin string) *http.Request {
		r := httptest.NewRequest(method, "http://hearth.local/", strings.NewReader("{}"))
		r.AddCookie(&http.Cookie{Name: gateway.Cookie, Value: value})
		r.Header.Set("Sec-Fetch-Site", site)
		r.Header.Set("Origin", origin)
		return r
	}
	with := func(name, value string) *http.Request {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}"))
		r.Header.Set(name, value)
		return r
	}
	for name, c := range map[string]struct {
		r    *http.Request
		want policy.Principal
		kind fault.Kind
	}{
		"bearer":               {with("Authorization", "Bearer "+good), ada, ""},
		"signed call":          {with(vault.CallHeader, v.Sign(vault.Call{To: "system-tasks", User: "ada", Role: "member"}, []byte("{}"), time.Now())), ada, ""},
		"cookie, reading":      {cookie(good, "GET", "cross-site", ""), ada, ""},
		"cookie, own page":     {cookie(good, "POST", "same-origin", ""), ada, ""},
		"cookie, old browser":  {cookie(good, "POST", "", "http://hearth.local"), ada, ""},
		"cookie, other site":   {cookie(good, "POST", "cross-site", ""), policy.Principal{}, fault.Forbidden},
		"cookie, other origin": {cookie(good, "POST", "", "http://evil.example"), policy.Principal{}, fault.Forbidden},
		"cookie, no origin":    {cookie(good, "POST", "", ""), policy.Principal{}, fault.Forbidden},
		"nobody":               {with("X", "y"), policy.Principal{}, fault.Unauthorized},
		"blank bearer":         {with("Authorization", "Bearer "), policy.Principal{}, fault.Unauthorized},
		"old":                  {with("Authorization", "Bearer "+token("user", "ada", "member", -time.Second)), policy.Principal{}, fault.Unauthorized},
		"file capability":      {with("Authorization", "Bearer "+token("file", "ada", "member", time.Hour)), policy.Principal{}, fault.Unauthorized},
		"unknown role":         {with("Authorization", "Bearer "+token("user", "ada", "king", time.Hour)), policy.Principal{}, fault.Unauthorized},
		"call for another":     {with(vault.CallHeader, v.Sign(vault.Call{To: "system-files"}, []byte("{}"), time.Now())), policy.Principal{}, fault.Unauthorized},
		"bad call, good bearer": {func() *http.Request {
			r := with("Authorization", "Bearer "+good)
			r.Header.Set(vault.CallHeader, "x.y")
			return r
		}(), policy.Principal{}, fault.Unauthorized},
	} {
		got, err := gateway.Principal(env, "system-tasks", c.r, []byte("{}"))
		if c.kind != "" && !fault.Is(err, c.kind) || c.kind == "" && (err != nil || got.User != c.want.User || got.Role != c.want.Role) {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
}
