package provider_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/openfaas/faas-provider/logs"
	"github.com/openfaas/faas-provider/types"
	sdk "github.com/openfaas/go-sdk"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/provider"
)

// basic is the Authorization header of the user of /system.
func basic() string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(provider.User+":"+password))
}

// available returns the available replicas of a function as the API shows them.
func available(t *testing.T, r *rig, name string) uint64 {
	t.Helper()
	var status types.FunctionStatus
	_, got := r.call("GET", "/system/function/"+name, "", basic())
	if err := json.Unmarshal([]byte(got), &status); err != nil {
		t.Fatal(err)
	}
	return status.AvailableReplicas
}

func TestSystemNeedsThePassword(t *testing.T) {
	r := start(t)
	wrong := base64.StdEncoding.EncodeToString([]byte("admin:wrong"))
	guest := base64.StdEncoding.EncodeToString([]byte("guest:" + password))
	for _, path := range []string{
		"/system/functions", "/system/function/echo", "/system/info", "/system/namespaces", "/system/logs?name=echo",
		"/system/secrets", "/system/namespace/x", "/system/", "/system/nothing",
	} {
		for _, auth := range []string{"", "Bearer ", "Bearer x", "Basic ", "Basic " + wrong, "Basic " + guest} {
			if code, _ := r.call("GET", path, "", "Authorization: "+auth); code != http.StatusUnauthorized {
				t.Errorf("%s with %q answers %d", path, auth, code)
			}
		}
	}
	if code, _ := r.call("GET", "/system/functions", "", basic()); code != http.StatusOK {
		t.Errorf("with the password it answers %d", code)
	}
	r.secret(provider.PasswordSecret, "rotated")
	if code, _ := r.call("GET", "/system/functions", "", basic()); code != http.StatusUnauthorized {
		t.Errorf("the old password answers %d", code)
	}
	r.secret(provider.PasswordSecret, " \n")
	blank := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("admin:"))
	if code, _ := r.call("GET", "/system/functions", "", blank); code != http.StatusServiceUnavailable {
		t.Errorf("a blank password answers %d", code)
	}
}

// TestClient runs the client that faas-cli is made of.
func TestClient(t *testing.T) {
	r := start(t)
	base, err := url.Parse(r.url)
	if err != nil {
		t.Fatal(err)
	}
	c := sdk.NewClient(base, &sdk.BasicAuth{Username: provider.User, Password: password}, http.DefaultClient)
	list, err := c.GetFunctions(t.Context(), provider.Namespace)
	if err != nil || len(list) != len(functions()) {
		t.Fatalf("%d functions, %v", len(list), err)
	}
	probe := list[slices.IndexFunc(list, func(s types.FunctionStatus) bool { return s.Name == "plugin-probe" })]
	var m manifest.Manifest
	if err := json.Unmarshal([]byte((*probe.Annotations)[manifest.Annotation]), &m); err != nil || m.ID != "probe" {
		t.Errorf("the manifest is %v, %v", probe.Annotations, err)
	}
	r.call("POST", "/function/echo", "")
	one, err := c.GetFunction(t.Context(), "echo", "")
	if err != nil || one.Name != "echo" || one.InvocationCount != 1 || one.AvailableReplicas != 1 || one.Image != provider.Self || one.CreatedAt.IsZero() {
		t.Errorf("echo is %+v, %v", one, err)
	}
	// The client does not look at the status.
	if nobody, err := c.GetFunction(t.Context(), "nobody", ""); nobody.Name != "" {
		t.Errorf("an unknown function is described as %+v, %v", nobody, err)
	}
	info, err := c.GetInfo(t.Context())
	if err != nil || info.Provider.Provider != "hearth" || info.Provider.Orchestration != "process" || info.Version.Release != "test" {
		t.Errorf("info is %+v, %v", info, err)
	}
	spaces, err := c.GetNamespaces(t.Context())
	if err != nil || !slices.Equal(spaces, []string{provider.Namespace}) {
		t.Errorf("namespaces are %v, %v", spaces, err)
	}
	r.call("POST", "/function/panic", "")
	lines, err := c.GetLogs(t.Context(), "panic", provider.Namespace, false, -1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if m := <-lines; m.Name != "panic" || m.Namespace != provider.Namespace || m.Timestamp.IsZero() {
		t.Errorf("the first line is %v", m)
	}
	for range lines {
	}
}

// TestOurClient lists as functions do.
func TestOurClient(t *testing.T) {
	r := start(t)
	r.env.Transport = r.Transport()
	c, err := gateway.Open(r.env, "planner-intent")
	if err != nil {
		t.Fatal(err)
	}
	list, err := c.Functions(t.Context())
	if err != nil || len(list) != len(functions()) || list[0].Name != "echo" {
		t.Errorf("%v, %v", list, err)
	}
}

func TestFollowLogs(t *testing.T) {
	r := start(t)
	log := r.env.Log.With("function", "echo", "instance", "one")
	log.Info("first", "n", 1)
	log.Warn("second")
	r.env.Log.Info("of nobody")
	log.Debug("too fine")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	resp, err := http.DefaultClient.Do(r.request("GET", "/system/logs?name=echo.openfaas-fn&follow=true&tail=-1", "", basic()).WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := json.NewDecoder(resp.Body)
	want := func(text string) {
		t.Helper()
		var m logs.Message
		if err := lines.Decode(&m); err != nil || m.Text != text || m.Instance != "one" {
			t.Fatalf("got %+v, %v, want %q", m, err, text)
		}
	}
	want("first n=1")
	want("WARN second")
	log.WithGroup("g").With("a", 1).Error("third", "b", 2)
	want("ERROR third g.a=1 g.b=2")
	r.end()
	if lines.More() {
		t.Error("the stream did not end with the provider")
	}
}

func TestLogQueries(t *testing.T) {
	r := start(t)
	for n := range 600 {
		r.env.Log.Info("line", "function", "echo", "instance", string(rune('a'+n%2)), "n", n)
	}
	count := func(query string) (n int, first string) {
		resp := r.do("GET", "/system/logs?name=echo"+query, "", basic())
		for lines := json.NewDecoder(resp.Body); lines.More(); n++ {
			var m logs.Message
			if err := lines.Decode(&m); err != nil {
				t.Fatal(err)
			}
			if first == "" {
				first = m.Text
			}
		}
		return n, first
	}
	for _, c := range []struct {
		query string
		n     int
		first string
	}{
		{"", 500, "line n=100"},
		{"&tail=3", 3, "line n=597"},
		{"&tail=3&instance=a", 3, "line n=594"},
		{"&since=" + time.Now().Add(time.Hour).UTC().Format(time.RFC3339), 0, ""},
		{"&since=" + time.Now().Add(-time.Hour).UTC().Format(time.RFC3339), 500, "line n=100"},
	} {
		if n, first := count(c.query); n != c.n || first != c.first {
			t.Errorf("%s gave %d lines from %q, want %d from %q", c.query, n, first, c.n, c.first)
		}
	}
	for _, query := range []string{"&tail=x", "&since=yesterday", "&follow=perhaps"} {
		if err := fault.Read(r.do("GET", "/system/logs?name=echo"+query, "", basic())); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s gave %v", query, err)
		}
	}
	if err := fault.Read(r.do("GET", "/system/logs?name=nobody", "", basic())); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
}

func TestOtherMachinesNeedAPassword(t *testing.T) {
	r := start(t)
	r.end()
	if err := os.Remove(filepath.Join(r.env.Secrets, provider.PasswordSecret)); err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p, err := provider.New(provider.Config{Env: r.env, Logs: provider.NewLogs(), Data: r.data, Command: []string{exe, "fn"}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Serve(t.Context(), l); !fault.Is(err, fault.Forbidden) {
		t.Errorf("Serve returned %v", err)
	}
}
