package httprequest_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/functions/plugins/httprequest"
	"github.com/hearthfaas/hearth/shared/fault"
)

// TestSilence: a service that breaks off may have acted, unless it was only asked, or never reached.
func TestSilence(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			<-r.Context().Done()
		}
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	tls := httptest.NewTLSServer(http.NotFoundHandler())
	defer tls.Close()
	h := host(t)
	for _, c := range []struct {
		method, url string
		kind        fault.Kind
	}{
		{"POST", server.URL, fault.Unknown},
		{"PUT", server.URL, fault.Unknown},
		{"GET", server.URL, fault.Unavailable},
		{"POST", server.URL + "/wait", fault.Unknown},
		{"GET", server.URL + "/wait", fault.Unavailable},
		{"POST", gone.URL, fault.Unavailable},
		{"POST", tls.URL, fault.Failed}, // a certificate that nobody signed
	} {
		if _, err := h.Do(fmt.Sprintf(`{"method":%q,"url":%q,"timeout":1}`, c.method, c.url)); !fault.Is(err, c.kind) {
			t.Errorf("%s %s: %v (%s), want %s", c.method, c.url, err, fault.KindOf(err), c.kind)
		}
	}
}

func TestRedirects(t *testing.T) {
	var other *httptest.Server
	var seen []http.Header
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, other.URL, http.StatusFound)
		case "/private":
			http.Redirect(w, r, "http://169.254.169.254/latest/meta-data/", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		}
	}))
	defer server.Close()
	other = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = append(seen, r.Header) }))
	defer other.Close()
	h := host(t)
	get := func(path string) error {
		_, err := h.Do(fmt.Sprintf(`{"method":"GET","url":%q,"headers":{"authorization":"Bearer hunter2","X-Api-Key":"hunter2","cookie":"hunter2=1","accept":"text/plain"}}`, server.URL+path))
		return err
	}
	if err := get("/away"); err != nil || len(seen) != 1 {
		t.Fatal(err, seen)
	}
	if text := fmt.Sprint(seen[0]); strings.Contains(text, "hunter2") || seen[0].Get("Accept") != "text/plain" || seen[0].Get("Referer") != "" {
		t.Error(text)
	}
	if err := get("/private"); !fault.Is(err, fault.Forbidden) || !strings.Contains(fault.Text(err), "169.254.169.254") {
		t.Error(err)
	}
	if err := get("/loop"); !fault.Is(err, fault.Failed) {
		t.Error(err)
	}
}

func compressed(t *testing.T, encoding string, raw []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch encoding {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "zlib":
		w = zlib.NewWriter(&b)
	default:
		var err error
		if w, err = flate.NewWriter(&b, 5); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAnswersAreBounded(t *testing.T) {
	bomb := bytes.Repeat([]byte("界"), 30<<20/3)
	bodies := map[string]struct {
		encoding, kind string
		body           []byte
	}{
		"/gzip":    {"gzip", "text/plain", compressed(t, "gzip", []byte("hello"))},
		"/zlib":    {"deflate", "text/plain", compressed(t, "zlib", []byte("hello"))},
		"/deflate": {"deflate", "text/plain", compressed(t, "", []byte("hello"))},
		"/bomb":    {"gzip", "text/plain", compressed(t, "gzip", bomb)},
		"/json":    {"gzip", "application/json", compressed(t, "gzip", slices.Concat([]byte(`["`), bomb, []byte(`"]`)))},
		"/br":      {"br", "text/plain", []byte("hello")},
		"/binary":  {"", "image/png", []byte("\x89PNG\xff")},
		"/short":   {"gzip", "text/plain", compressed(t, "gzip", []byte("hello"))[:12]},
		"/empty":   {"gzip", "text/plain", nil},
		"/badjson": {"", "application/problem+json", []byte(`{"a":`)},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/headers" {
			w.Header().Set("X-Long", strings.Repeat("x", 100<<10))
			return
		}
		b := bodies[r.URL.Path]
		w.Header().Set("Content-Encoding", b.encoding)
		w.Header().Set("Content-Type", b.kind)
		_, _ = w.Write(b.body) // the client may be gone
	}))
	defer server.Close()
	h := host(t)
	for path, want := range map[string]struct {
		text      string
		size      int
		truncated bool
		kind      fault.Kind
	}{
		"/gzip": {text: "hello"}, "/zlib": {text: "hello"}, "/deflate": {text: "hello"}, "/empty": {},
		"/bomb": {size: 256<<10 - 1, truncated: true}, "/json": {size: 256<<10 - 2, truncated: true},
		"/br": {kind: fault.Failed}, "/short": {kind: fault.Unavailable}, "/headers": {kind: fault.Unavailable}, "/binary": {}, "/badjson": {text: `{"a":`},
	} {
		resp, err := h.Do(fmt.Sprintf(`{"method":"GET","url":%q}`, server.URL+path))
		if want.kind != "" {
			if !fault.Is(err, want.kind) {
				t.Errorf("%s: %v (%s)", path, err, fault.KindOf(err))
			}
			continue
		}
		var out httprequest.Out
		if err == nil {
			err = json.Unmarshal(resp.Result, &out)
		}
		if err != nil || out.Size > 512<<10+1 || out.Truncated != want.truncated || want.size == 0 && out.Text != want.text || want.size > 0 && len(out.Text) != want.size || out.JSON != nil {
			t.Errorf("%s: %v, %d characters %.40q, truncated %v", path, err, len(out.Text), out.Text, out.Truncated)
		}
	}
	if _, err := h.Do(fmt.Sprintf(`{"method":"GET","url":%q,"output":"/bomb"}`, server.URL+"/bomb")); err != nil || len(h.Read("/bomb")) != len(bomb) {
		t.Errorf("saved: %v", err)
	}
	// What a service did is done, though its answer cannot be read.
	if resp, err := h.Do(fmt.Sprintf(`{"method":"POST","url":%q}`, server.URL+"/short")); err != nil || !strings.Contains(string(resp.Result), `"truncated":true`) {
		t.Errorf("a cut answer to a POST: %v", err)
	}
}
