package fn_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
)

type order struct {
	To    string `json:"to" validate:"required,email"`
	Count int    `json:"count" validate:"max=9"`
}

// function makes a function of a handler.
func function(h http.HandlerFunc) fn.Function {
	return fn.Function{Name: "test", New: func(context.Context, *fn.Env) (http.Handler, error) { return h, nil }}
}

func post(t *testing.T, url, body string) (*http.Response, string) {
	t.Helper()
	resp, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(raw))
	return resp, string(raw)
}

func TestJSONIsStrict(t *testing.T) {
	f := fn.Function{Name: "order", MaxBody: 4096, New: func(context.Context, *fn.Env) (http.Handler, error) {
		return fn.JSON(func(_ context.Context, in order) (order, error) { return in, nil }), nil
	}}
	server := fntest.Start(t, f, fntest.Env(t, nil))
	for name, c := range map[string]struct {
		body, field, message string
		kind                 fault.Kind
	}{
		"unknown field":  {"{\n  \"too\": 1}", "line 2", `unknown field "too"`, fault.Invalid},
		"wrong type":     {`{"to": 1}`, "line 1", "to", fault.Invalid},
		"syntax":         {"{\n\"to\": }", "line 2", "not JSON", fault.Invalid},
		"cut short":      {`{"to": "a`, "line 1", "unexpected end", fault.Invalid},
		"empty":          {"", "line 1", "unexpected end", fault.Invalid},
		"more":           {`{"to":"a@b.cd"} {}`, "line 1", "after top-level value", fault.Invalid},
		"not an address": {`{"to":"nobody"}`, "to", "email", fault.Invalid},
		"too many":       {`{"to":"a@b.cd","count":10}`, "count", "max=9", fault.Invalid},
		"too deep":       {strings.Repeat("[", 65) + strings.Repeat("]", 65), "line 1", "nested", fault.TooLarge},
		"too large":      {`{"to":"` + strings.Repeat("a", 5000) + `"}`, "", "4096", fault.TooLarge},
	} {
		resp, _ := post(t, server.URL, c.body)
		err := fault.Read(resp)
		text := fault.Text(err)
		if !fault.Is(err, c.kind) || !strings.Contains(text, c.message) || !strings.HasPrefix(text, c.field) {
			t.Errorf("%s: %v (%s)", name, text, fault.KindOf(err))
		}
	}
	if resp, body := post(t, server.URL, `{"to":"a@b.cd","count":3}`); resp.StatusCode != 200 || strings.TrimSpace(body) != `{"to":"a@b.cd","count":3}` {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

func TestPanicBecomesAFault(t *testing.T) {
	var log bytes.Buffer
	env := fntest.Env(t, nil)
	env.Log = slog.New(slog.NewJSONHandler(&log, nil))
	server := fntest.Start(t, function(func(http.ResponseWriter, *http.Request) { panic("secret detail") }), env)
	resp, body := post(t, server.URL, "")
	if err := fault.Read(resp); !fault.Is(err, fault.Internal) || strings.Contains(body, "secret detail") {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	if !strings.Contains(log.String(), "secret detail") || !strings.Contains(log.String(), `"function":"test"`) {
		t.Fatalf("log: %s", &log)
	}
	if resp, _ := post(t, server.URL+"/_/health", ""); resp.StatusCode != 200 {
		t.Fatal("a panic ended the function")
	}
}

func TestCallsAreBoundedAndTraced(t *testing.T) {
	var seen http.Header
	f := function(func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header.Clone()
		out := http.Header{}
		fn.Propagate(r.Context(), out)
		if out.Get("X-Call-Id") != r.Header.Get("X-Call-Id") || out.Get("Traceparent")[:35] != r.Header.Get("Traceparent")[:35] {
			t.Errorf("passed on: %v", out)
		}
		<-r.Context().Done()
		fault.Write(w, r.Context().Err())
	})
	server := fntest.Start(t, f, fntest.Env(t, nil))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Timeout", "20ms")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := fault.Read(resp); !fault.Is(err, fault.Timeout) {
		t.Fatal(err)
	}
	if len(seen.Get("X-Call-Id")) != 32 || len(seen.Get("Traceparent")) != 55 {
		t.Fatalf("%v", seen)
	}
	metrics, body := post(t, server.URL+"/metrics", "")
	if metrics.StatusCode != 200 || !strings.Contains(body, `http_requests_total{code="504",method="POST"} 1`) {
		t.Fatalf("%s", body)
	}
}

// TestDrain ends a function while a call is under way: the call is answered, new ones are refused.
func TestDrain(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	f := function(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-leave
		w.WriteHeader(http.StatusTeapot)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- fn.Serve(ctx, f, fntest.Env(t, nil), l) }()
	answered := make(chan int, 1)
	go func() {
		resp, err := http.Get("http://" + l.Addr().String())
		if err != nil {
			answered <- 0
			return
		}
		resp.Body.Close()
		answered <- resp.StatusCode
	}()
	<-entered
	stop()
	for { // the listener closes; until then ready says 503
		resp, err := http.Get("http://" + l.Addr().String() + "/_/ready")
		if err != nil {
			break
		}
		resp.Body.Close()
	}
	close(leave)
	if code := <-answered; code != http.StatusTeapot {
		t.Errorf("the call under way got %d", code)
	}
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}
}

func TestSecretsFailClosedAndRotate(t *testing.T) {
	env := fntest.Env(t, map[string]string{"SLACK_BOT_TOKEN": "from the environment", "TELEGRAM_HELP_BOT_TOKEN": " \n"})
	write := func(name, value string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(env.Secrets, name), []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := env.Secret("slack-bot-token"); err != nil || got != "from the environment" {
		t.Fatal(got, err)
	}
	write("slack-bot-token", "one\n")
	if got, err := env.Secret("slack-bot-token"); err != nil || got != "one" {
		t.Fatal(got, err)
	}
	write("slack-bot-token", "two\n")
	if got, err := env.Secret("slack-bot-token"); err != nil || got != "two" {
		t.Fatal("a rotated secret is not used: ", got, err)
	}
	write("blank", "\t\n")
	for name, kind := range map[string]fault.Kind{
		"missing": fault.Unauthorized, "blank": fault.Unauthorized, "telegram.help-bot-token": fault.Unauthorized,
		"../etc/passwd": fault.Invalid, ".hidden": fault.Invalid,
	} {
		if got, err := env.Secret(name); !fault.Is(err, kind) || got != "" {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
}

// A password in REDIS_URL need not stand in the environment: its secret does. A variable counts first.
func TestSettingsMayBeSecrets(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("HEARTH_SECRETS", dir)
	if err := os.WriteFile(filepath.Join(dir, "redis-url"), []byte("redis://:pw@store:6379\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := fn.OSEnv(slog.New(slog.DiscardHandler))
	if got := env.Setting("REDIS_URL", ""); got != "redis://:pw@store:6379" {
		t.Errorf("from the secret: %q", got)
	}
	if got := env.Setting("SMTP_URL", "none"); got != "none" {
		t.Errorf("neither variable nor secret: %q", got)
	}
	t.Setenv("REDIS_URL", "redis://variable")
	if got := env.Setting("REDIS_URL", ""); got != "redis://variable" {
		t.Errorf("with a variable: %q", got)
	}
}

// TestLock looks for the file by which a host without HTTP probes sees that calls are taken.
func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".lock")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	f := function(func(http.ResponseWriter, *http.Request) { close(started) })
	go func() { served <- fn.Serve(ctx, f, fntest.Env(t, map[string]string{"HEARTH_LOCK": path}), l) }()
	post(t, "http://"+l.Addr().String(), "")
	<-started
	if _, err := os.Stat(path); err != nil {
		t.Errorf("while it serves: %v", err)
	}
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after its end: %v", err)
	}
}

// TestExecTimeout shortens the time of a call, and never makes it longer.
func TestExecTimeout(t *testing.T) {
	for text, want := range map[string]time.Duration{"": time.Minute, "20": 20 * time.Second, "30s": 30 * time.Second, "2h": time.Minute} {
		var left time.Duration
		f := function(func(_ http.ResponseWriter, r *http.Request) {
			deadline, _ := r.Context().Deadline()
			left = time.Until(deadline)
		})
		post(t, fntest.Start(t, f, fntest.Env(t, map[string]string{"exec_timeout": text})).URL, "")
		if left > want || left < want-10*time.Second {
			t.Errorf("%q: %s", text, left)
		}
	}
	_, err := fn.NewHost(t.Context(), function(nil), fntest.Env(t, map[string]string{"exec_timeout": "soon"}))
	if !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}

// TestListen takes what HEARTH_LISTEN says.
func TestListen(t *testing.T) {
	for text, want := range map[string]fault.Kind{"127.0.0.1:0": "", "fd:x": fault.Invalid, "fd:65535": fault.Invalid, "nowhere:0:0": fault.Unavailable} {
		l, err := fn.Listen(t.Context(), fntest.Env(t, map[string]string{"HEARTH_LISTEN": text}))
		if want != "" && !fault.Is(err, want) || want == "" && err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if l != nil {
			l.Close()
		}
	}
}

type closer func()

func (c closer) Close() error {
	c()
	return nil
}

func TestSharedOnceAndClosedNewestFirst(t *testing.T) {
	env := fntest.Env(t, nil)
	var log []string
	open := func(name string) func() (closer, error) {
		return func() (closer, error) {
			log = append(log, "open "+name)
			return func() { log = append(log, "close "+name) }, nil
		}
	}
	if _, err := fn.Share(env, "bad", func() (int, error) { return 0, errors.New("not yet") }); err == nil {
		t.Fatal("an error is swallowed")
	}
	nested := func() (closer, error) {
		if _, err := fn.Share(env, "a", open("a")); err != nil {
			return nil, err
		}
		return open("b")()
	}
	for range 2 {
		if _, err := fn.Share(env, "b", nested); err != nil {
			t.Fatal(err)
		}
	}
	if err := env.Close(); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(log, ", "); got != "open a, open b, close b, close a" {
		t.Fatal(got)
	}
}

func TestZoneHasAName(t *testing.T) {
	for want, settings := range map[string]map[string]string{
		"Asia/Shanghai":    {"HEARTH_TIMEZONE": "Asia/Shanghai", "TZ": "UTC"},
		"America/New_York": {"TZ": ":America/New_York"},
	} {
		if zone, err := fntest.Env(t, settings).Zone(); err != nil || zone.String() != want {
			t.Errorf("%v: %v %v", settings, zone, err)
		}
	}
	if _, err := fntest.Env(t, map[string]string{"HEARTH_TIMEZONE": "Mars/Olympus"}).Zone(); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}

func TestReplyIsJSON(t *testing.T) {
	rec := httptest.NewRecorder()
	fn.Reply(rec, http.StatusAccepted, map[string]any{"at": time.Unix(0, 0).UTC()})
	if !json.Valid(rec.Body.Bytes()) || rec.Code != http.StatusAccepted || rec.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v %s", rec.Code, rec.Header(), rec.Body)
	}
}
