package provider_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/provider"
)

// posted is a callback as its receiver got it.
type posted struct {
	method, uri, body string
	header            http.Header
}

// receiver takes callbacks. It answers with the next of codes, then with 200.
func receiver(t *testing.T, codes ...int) (url string, got chan posted) {
	t.Helper()
	got = make(chan posted, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		if len(codes) > 0 {
			if codes[0] == http.StatusTooManyRequests {
				w.Header().Set("Retry-After", "100")
			}
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(codes[0])
			codes = codes[1:]
		}
		got <- posted{r.Method, r.URL.RequestURI(), string(raw), r.Header.Clone()}
	}))
	t.Cleanup(server.Close)
	return server.URL, got
}

// queueFor makes an async call with a callback, as somebody who knows the password.
func (r *rig) queueFor(callback, path, body string, headers ...string) {
	r.t.Helper()
	resp := r.do("POST", "/async-function/"+path, body, append(headers, "X-Callback-Url: "+callback, basic())...)
	if resp.StatusCode != http.StatusAccepted {
		r.t.Fatalf("status %d: %s", resp.StatusCode, text(r.t, resp))
	}
}

func TestCallback(t *testing.T) {
	back, got := receiver(t)
	f := handler("record", func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"Authorization", "X-Callback-Url"} {
			if r.Header.Get(name) != "" {
				t.Errorf("the function sees %s", name)
			}
		}
		w.Header().Set("Made-By", "record")
		for _, name := range []string{"X-Callback-Url", "X-Forwarded-Host", "Authorization", "X-Hearth-Lane", "Webhook-Id", "X-Function-Name"} {
			w.Header().Set(name, "of the function")
		}
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprint(w, "answer")
	})
	r := start(t, serving(f))
	r.queueFor(back+"/here?token=1", "record", "x", "X-Call-Id: mine", "Traceparent: "+traceparent)
	c := <-got
	if c.body != "answer" || c.method != "POST" || c.uri != "/here?token=1" {
		t.Errorf("%s %s %q", c.method, c.uri, c.body)
	}
	for name, want := range map[string]string{
		"X-Function-Status": "418", "X-Function-Name": "record", "X-Call-Id": "mine", "X-Duration-Seconds": "0.000000", "Made-By": "record",
		"X-Start-Time": fmt.Sprint(r.Now().UnixNano()), "X-Retry": "0", "X-Retry-Max": "9", "Traceparent": traceparent,
		"X-Callback-Url": "", "X-Forwarded-Host": "", "Authorization": "", "X-Hearth-Lane": "",
		"Webhook-Timestamp": fmt.Sprint(r.Now().Unix()), "Webhook-Signature": r.signature(c),
	} {
		if v := c.header.Get(name); v != want {
			t.Errorf("%s is %q, want %q", name, v, want)
		}
	}
	if id := c.header.Get("Webhook-Id"); !strings.HasPrefix(id, "msg_") {
		t.Errorf("the callback's id is %q", id)
	}
	r.end()
	spool, err := os.ReadFile(filepath.Join(r.data, "async", "spool"))
	if err != nil || bytes.Contains(spool, []byte(strings.TrimPrefix(basic(), "Authorization: "))) {
		t.Errorf("the password is on disk, %v", err)
	}
}

// signature returns what Standard Webhooks says that a callback's signature is.
func (r *rig) signature(c posted) string {
	r.t.Helper()
	text, err := r.env.Secret(provider.CallbackSecret)
	if err != nil {
		r.t.Fatal(err)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "whsec_"))
	if err != nil || len(key) != 32 {
		r.t.Fatalf("the key is %q", text)
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", c.header.Get("Webhook-Id"), c.header.Get("Webhook-Timestamp"), c.body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func TestCallbackIsRetried(t *testing.T) {
	back, got := receiver(t, 503, 429, 500)
	f, calls := recorder()
	r := start(t, serving(f))
	r.queueFor(back, "record", "x")
	<-calls
	ids := map[string]bool{}
	for _, want := range []struct{ least, most time.Duration }{
		{2 * time.Second, 3 * time.Second}, {100 * time.Second, 100 * time.Second}, {8 * time.Second, 10 * time.Second},
	} {
		c := <-got
		ids[c.header.Get("Webhook-Id")] = true
		if pause := r.fire(); pause < want.least || pause > want.most {
			t.Errorf("a pause of %s", pause)
		}
		r.advance(time.Minute)
	}
	c := <-got
	if ids[c.header.Get("Webhook-Id")] = true; len(ids) != 1 || c.header.Get("Webhook-Signature") != r.signature(c) {
		t.Errorf("the tries have the ids %v, the last is signed %q", ids, c.header.Get("Webhook-Signature"))
	}
	if len(calls) != 0 {
		t.Error("the function was called again")
	}
}

// What cannot succeed is not tried again, and what can is not tried for ever.
func TestCallbackGivesUp(t *testing.T) {
	for code, want := range map[int]int{http.StatusNotFound: 1, http.StatusFound: 1, http.StatusInternalServerError: 8} {
		codes := make([]int, 20)
		for n := range codes {
			codes[n] = code
		}
		back, got := receiver(t, codes...)
		f, _ := recorder()
		r := start(t, serving(f))
		r.queueFor(back, "record", "x")
		for n := range want {
			<-got
			if n+1 < want {
				r.fire()
			}
		}
		r.end()
		if left := spooledCalls(t, r.data); left != 0 || len(got) != 0 {
			t.Errorf("after %d, %d calls are on disk and %d callbacks came more", code, left, len(got))
		}
	}
}

// spooledCalls counts what an ended provider would queue again: its next run rewrites the file.
func spooledCalls(t *testing.T, data string) int {
	t.Helper()
	f := handler("nothing", func(http.ResponseWriter, *http.Request) {})
	startIn(t, data, serving(f), func(c *provider.Config) {
		c.After = func(time.Duration, func()) func() bool { return func() bool { return true } }
	}).end()
	raw, err := os.ReadFile(filepath.Join(data, "async", "spool"))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(raw, []byte(`"Function":`))
}

func TestCallbackSurvivesRestart(t *testing.T) {
	data := t.TempDir()
	back, got := receiver(t, 503)
	f, calls := recorder()
	r := startIn(t, data, serving(f))
	r.queueFor(back, "record", "x")
	<-calls
	first := <-got
	<-r.timer
	r.end()
	startIn(t, data, serving(f))
	if second := <-got; second.body != "answer to x" || second.header.Get("Webhook-Id") != first.header.Get("Webhook-Id") {
		t.Errorf("after the restart came %+v", second)
	}
	if len(calls) != 0 {
		t.Error("the function was called again")
	}
}

func TestCallbackIsNoOpenDoor(t *testing.T) {
	f, _ := recorder()
	r := start(t, serving(f), func(c *provider.Config) { c.Hosts = append(c.Hosts, "127.0.0.1", "localhost") })
	port := r.url[strings.LastIndexByte(r.url, ':'):]
	for _, c := range []struct {
		url, host, auth string
		want            fault.Kind
	}{
		{"http://192.0.2.1/", "hearth.example", "X: ", fault.Forbidden},
		{"http://192.0.2.1/", "192.168.1.7", "X: ", fault.Forbidden},
		{"http://127.0.0.1:1/", "hearth.example", basic(), ""},
		{"http://127.0.0.1:1/", "localhost:8080", "X: ", fault.Forbidden},
		{"http://localhost.:1/", "localhost:8080", "X: ", fault.Forbidden},
		{"http://[::1]:1/", "localhost:8080", "X: ", fault.Forbidden},
		{"http://[::ffff:127.0.0.1]:1/", "localhost:8080", "X: ", fault.Forbidden},
		{"http://10.1.2.3/", "localhost:8080", "X: ", fault.Forbidden},
		{"http://169.254.169.254/latest/meta-data", "localhost:8080", "X: ", fault.Forbidden},
		{"http://callback.invalid/", "localhost:8080", "X: ", ""},
		{"http://127.0.0.1" + port + "/function/record", "localhost:8080", "X: ", ""},
		{"http://localhost" + port + "/async-function/record", "localhost:8080", "X: ", ""},
		{"http://gateway.openfaas:8080/function/record", "localhost:8080", "X: ", ""},
		{"http://gateway.openfaas:8080/function/record", "hearth.example", "X: ", fault.Forbidden},
		{"http://127.0.0.1" + port + "/system/functions", "localhost:8080", basic(), fault.Forbidden},
		{"http://127.0.0.1" + port + "/", "localhost:8080", "X: ", fault.Forbidden},
		{"https://hearth.example/metrics", "localhost:8080", basic(), fault.Forbidden},
		{"ftp://127.0.0.1/", "localhost", "X: ", fault.Invalid},
		{"file:///etc/passwd", "localhost", "X: ", fault.Invalid},
		{"/relative", "localhost", "X: ", fault.Invalid},
	} {
		err := fault.Read(r.do("POST", "/async-function/record", "", "X-Callback-Url: "+c.url, "Host: "+c.host, c.auth))
		if (c.want == "") != (err == nil) || err != nil && !fault.Is(err, c.want) {
			t.Errorf("%s by %s gave %v", c.url, c.host, err)
		}
	}
}

// A callback to a function of ours does not take the network, and its function sees what happened.
func TestCallbackToFunction(t *testing.T) {
	got := make(chan string, 1)
	second := handler("second", func(_ http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		got <- strings.Join([]string{r.URL.RequestURI(), string(raw), r.Header.Get("X-Function-Name"), r.Header.Get("X-Function-Status"), r.Header.Get("X-Call-Id")}, " ")
	})
	f, _ := recorder(http.StatusTeapot)
	for _, kind := range []string{"/function/", "/async-function/"} {
		r := start(t, serving(f, second))
		r.do("POST", "/async-function/record", "x", "X-Call-Id: mine", "X-Callback-Url: http://gateway.openfaas.svc.cluster.local:8080"+kind+"second/a?b=c")
		status := "418"
		if kind != "/function/" {
			status = "200" // the recorder's codes are used up
		}
		if g, want := <-got, "/a?b=c answer to x record "+status+" mine"; g != want {
			t.Errorf("the second function saw %q, want %q", g, want)
		}
	}
}

// An answer too large for a callback is told as such, once, and never passed on cut short.
func TestCallbackOfAHugeAnswer(t *testing.T) {
	back, got := receiver(t)
	huge := func(w http.ResponseWriter, _ *http.Request) {
		piece := make([]byte, 1<<20)
		for range 17 {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	}
	f := handler("sink", huge)
	r := start(t, serving(f))
	r.queueFor(back, "sink", "")
	if c := <-got; c.header.Get("X-Function-Status") != strconv.Itoa(http.StatusRequestEntityTooLarge) || len(c.body) > 1000 {
		t.Errorf("status %s with %d bytes", c.header.Get("X-Function-Status"), len(c.body))
	}
}

// A signing key that somebody set is used, and one that is none is not.
func TestCallbackKey(t *testing.T) {
	back, got := receiver(t)
	f, _ := recorder()
	r := start(t, serving(f))
	r.secret(provider.CallbackSecret, "whsec_"+base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32)))
	r.queueFor(back, "record", "x")
	if c := <-got; c.header.Get("Webhook-Signature") != r.signature(c) {
		t.Errorf("signed %q", c.header.Get("Webhook-Signature"))
	}
	r.secret(provider.CallbackSecret, "whsec_short")
	r.queueFor(back, "record", "x")
	if c := <-got; c.header.Get("Webhook-Signature") != "" {
		t.Errorf("signed with a key that is none: %q", c.header.Get("Webhook-Signature"))
	}
}
