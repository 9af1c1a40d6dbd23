package console_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/functions/system/console"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
)

func get(t *testing.T, url string, header http.Header) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	// Without compression of its own, the transport hands out what was sent.
	client := http.Client{Transport: &http.Transport{DisableCompression: true}}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

var reference = regexp.MustCompile(`(?:src|href)="([^"]+/assets/[^"]+)"`)

// The page works wherever it is reached: at its own address, at a place within it, and behind a prefix
// that the function never sees.
func TestLinksClimbToTheAssets(t *testing.T) {
	server := fntest.Start(t, console.Function, fntest.Env(t, nil))
	for place, climb := range map[string]string{
		"/": "./", "/runs": "./", "/runs/r3f-abc": "../", "/runs/r3f-abc?step=mail": "../", "/a/b/c": "../../",
	} {
		resp, body := get(t, server.URL+place, nil)
		if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Fatalf("%s: %d %s", place, resp.StatusCode, resp.Header.Get("Content-Type"))
		}
		links := reference.FindAllStringSubmatch(body, -1)
		if len(links) < 3 {
			t.Fatalf("%s links to %d assets", place, len(links))
		}
		for _, link := range links {
			if !strings.HasPrefix(link[1], climb+"assets/") {
				t.Errorf("%s links to %s, want %sassets/…", place, link[1], climb)
			}
		}
		if got := resp.Header.Get("Cache-Control"); got != "no-cache" {
			t.Errorf("%s: Cache-Control %q", place, got)
		}
	}
}

func TestAssetsAreImmutableAndTyped(t *testing.T) {
	server := fntest.Start(t, console.Function, fntest.Env(t, nil))
	_, page := get(t, server.URL+"/", nil)
	types := map[string]string{"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml"}
	for _, link := range reference.FindAllStringSubmatch(page, -1) {
		name := strings.TrimPrefix(link[1], ".")
		resp, body := get(t, server.URL+name, nil)
		want := types[name[strings.LastIndexByte(name, '.')+1:]]
		if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != want || body == "" {
			t.Errorf("%s: %d %q, %d bytes", name, resp.StatusCode, resp.Header.Get("Content-Type"), len(body))
		}
		if got := resp.Header.Get("Cache-Control"); !strings.Contains(got, "immutable") {
			t.Errorf("%s: Cache-Control %q", name, got)
		}
		again, _ := get(t, server.URL+name, http.Header{"If-None-Match": {resp.Header.Get("ETag")}})
		if again.StatusCode != http.StatusNotModified {
			t.Errorf("%s again: %d", name, again.StatusCode)
		}
		small, packed := get(t, server.URL+name, http.Header{"Accept-Encoding": {"gzip"}})
		if small.Header.Get("ETag") == resp.Header.Get("ETag") || unzip(t, packed) != body {
			t.Errorf("%s: the gzipped file is not the file", name)
		}
	}
}

func unzip(t *testing.T, packed string) string {
	t.Helper()
	r, err := gzip.NewReader(strings.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// A page that was open during an update asks for files that are gone. HTML in their place would be run as
// a script.
func TestMissingAssetIsNotThePage(t *testing.T) {
	server := fntest.Start(t, console.Function, fntest.Env(t, nil))
	resp, body := get(t, server.URL+"/assets/index-gone.js", nil)
	if resp.StatusCode != http.StatusNotFound || strings.Contains(body, "<html") || strings.Contains(resp.Header.Get("Cache-Control"), "immutable") {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	server := fntest.Start(t, console.Function, fntest.Env(t, nil))
	for _, place := range []string{"/", "/runs/x", "/assets/gone.js"} {
		resp, body := get(t, server.URL+place, nil)
		policy := resp.Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: the policy lacks %s: %s", place, want, policy)
			}
		}
		if strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") || strings.ContainsAny(policy, "\r\n*") {
			t.Errorf("%s: the policy is open: %s", place, policy)
		}
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY"} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q", place, name, got)
			}
		}
		if regexp.MustCompile(`<script>|<style|\son\w+=|style=`).MatchString(body) {
			t.Errorf("%s: the page has inline script or style, which its own policy forbids", place)
		}
	}
}

// A page that opens at once on a phone in a tunnel is small: this is what it loads before it shows anything.
func TestThePageIsSmall(t *testing.T) {
	const most = 60_000 // bytes on the wire
	server := fntest.Start(t, console.Function, fntest.Env(t, nil))
	_, page := get(t, server.URL+"/", nil)
	size := func(asset string) int {
		_, packed := get(t, server.URL+"/assets/"+asset, http.Header{"Accept-Encoding": {"gzip"}})
		return len(packed)
	}
	scripts := regexp.MustCompile(`(?:src|href)="\./assets/([^"]+\.js)"`).FindAllStringSubmatch(page, -1)
	total, words := 0, 0
	for _, script := range scripts {
		total += size(script[1])
		_, source := get(t, server.URL+"/assets/"+script[1], nil)
		for _, catalogue := range regexp.MustCompile(`\b(?:en|zh)-[\w-]+\.js`).FindAllString(source, -1) {
			words = max(words, size(catalogue)) // the page loads one language
		}
	}
	if len(scripts) == 0 || words == 0 {
		t.Fatal("the page has no script, or no words")
	}
	if total+words > most {
		t.Errorf("the page's scripts have %d bytes and its words %d, more than %d", total, words, most)
	}
}

func TestOnlyReads(t *testing.T) {
	server := fntest.Start(t, console.Function, fntest.Env(t, nil))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Fatalf("POST answers %d", resp.StatusCode)
	}
}
