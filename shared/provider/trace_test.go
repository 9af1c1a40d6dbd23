package provider_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/provider"
)

// exported is a span as a collector gets it.
type exported struct {
	TraceID, SpanID, ParentSpanID, Name string
	StartTimeUnixNano                   string
	Kind                                int
	Status                              struct{ Code int }
	Attributes                          []struct {
		Key   string
		Value struct{ StringValue, IntValue string }
	}
}

// collector takes OTLP/HTTP in JSON. It answers with the next of codes, then with 200.
func collector(t *testing.T, codes ...int) (url string, requests chan *http.Request, spans chan exported) {
	t.Helper()
	requests, spans = make(chan *http.Request, 100), make(chan exported, 10_000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var got struct {
			ResourceSpans []struct {
				Resource   struct{ Attributes json.RawMessage }
				ScopeSpans []struct{ Spans []exported }
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Errorf("what was exported is no JSON: %v", err)
		}
		r.Header.Set("Resource", string(got.ResourceSpans[0].Resource.Attributes))
		requests <- r
		if len(codes) > 0 {
			w.WriteHeader(codes[0])
			codes = codes[1:]
			return
		}
		for _, s := range got.ResourceSpans[0].ScopeSpans[0].Spans {
			spans <- s
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, requests, spans
}

// tracing is a change for start: spans go to a collector.
func tracing(pairs ...string) func(*provider.Config) {
	return func(c *provider.Config) { c.Env.Lookup = settings(pairs...) }
}

// TestTrace is a message that goes through three functions, to the last of them by the queue.
func TestTrace(t *testing.T) {
	url, requests, spans := collector(t)
	var r *rig
	done := make(chan string, 1)
	chain := []fn.Function{
		handler("first", func(w http.ResponseWriter, in *http.Request) { pass(t, r, w, in, "/function/second") }),
		handler("second", func(w http.ResponseWriter, in *http.Request) { pass(t, r, w, in, "/async-function/third") }),
		handler("third", func(w http.ResponseWriter, in *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			done <- in.Header.Get("Traceparent")
		}),
	}
	r = start(t, serving(chain...), tracing("OTEL_EXPORTER_OTLP_ENDPOINT="+url+"/base/", "OTEL_EXPORTER_OTLP_HEADERS=api-key=a%20b, x=y", "OTEL_SERVICE_NAME=house"))
	r.do("POST", "/function/first", "", "Traceparent: "+traceparent, "X-Call-Id: mine")
	last := <-done
	r.end()
	got := map[string]exported{}
	for range 3 {
		s := <-spans
		got[s.Name] = s
	}
	parent := traceparent[36:52]
	for _, name := range []string{"first", "second", "third"} {
		s := got[name]
		if s.TraceID != traceparent[3:35] || s.ParentSpanID != parent || len(s.SpanID) != 16 || s.Kind != 2 || s.StartTimeUnixNano != fmt.Sprint(r.Now().UnixNano()) {
			t.Errorf("%s: %+v, want the parent %s", name, s, parent)
		}
		parent = s.SpanID
	}
	if last != "00-"+traceparent[3:35]+"-"+parent+"-01" {
		t.Errorf("the last function saw %s", last)
	}
	if got["third"].Status.Code != 2 || got["first"].Status.Code != 0 || !strings.Contains(fmt.Sprint(got["third"].Attributes), "{openfaas.call_id {mine }} {http.response.status_code { 500}}") {
		t.Errorf("the last span is %+v", got["third"])
	}
	req := <-requests
	if req.URL.Path != "/base/v1/traces" || req.Header.Get("Api-Key") != "a b" || req.Header.Get("X") != "y" || !strings.Contains(req.Header.Get("Resource"), `{"stringValue":"house"}`) {
		t.Errorf("%s %v", req.URL.Path, req.Header)
	}
}

// pass calls the next function as the functions of the bundle do.
func pass(t *testing.T, r *rig, w http.ResponseWriter, in *http.Request, path string) {
	req, err := http.NewRequestWithContext(in.Context(), http.MethodPost, "http://gateway.invalid"+path, nil)
	if err != nil {
		t.Error(err)
		return
	}
	fn.Propagate(in.Context(), req.Header)
	resp, err := r.Transport().RoundTrip(req)
	if err != nil {
		t.Error(err)
		return
	}
	defer resp.Body.Close()
	w.WriteHeader(resp.StatusCode)
}

// A trace begins where there is none, and the decision of others not to sample one is kept.
func TestTraceBegins(t *testing.T) {
	url, _, spans := collector(t)
	placements := map[string]func(*provider.Config){"inline": func(*provider.Config) {}, "process": processes}
	for name, placement := range placements {
		t.Run(name, func(t *testing.T) {
			r := start(t, placement, tracing("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="+url+"/v1/traces"))
			unsampled := strings.TrimSuffix(traceparent, "01") + "00"
			if saw := r.do("POST", "/function/echo", "", "Traceparent: "+unsampled).Header.Get("Saw-Traceparent"); saw != unsampled {
				t.Errorf("%s became %s", unsampled, saw)
			}
			saw := r.do("POST", "/function/echo", "", "Traceparent: 00-x").Header.Get("Saw-Traceparent")
			r.end()
			s := <-spans
			if s.ParentSpanID != "" || saw != "00-"+s.TraceID+"-"+s.SpanID+"-01" || s.Name != "echo" {
				t.Errorf("the function saw %s of %+v", saw, s)
			}
			if len(spans) != 0 {
				t.Errorf("%+v was exported too", <-spans)
			}
		})
	}
}

// A collector that is away costs spans, never calls: what does not fit is dropped and counted.
func TestTraceWithoutCollector(t *testing.T) {
	hold := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		<-hold
	}))
	defer server.Close()
	defer close(hold)
	r := start(t, serving(handler("sink", sink)), tracing("OTEL_EXPORTER_OTLP_ENDPOINT="+server.URL))
	const calls = 512 + 2048 + 512 + 100 // a batch that is sent, the queue, perhaps another batch, and more
	for range calls {
		if resp := r.mustGo("POST", "/function/sink", ""); resp.StatusCode != http.StatusOK {
			t.Fatalf("status %d", resp.StatusCode)
		}
	}
	_, got := r.call("GET", "/metrics", "")
	for line := range strings.Lines(got) {
		if n, found := strings.CutPrefix(line, "hearth_trace_spans_dropped_total "); found && n == "0\n" {
			t.Errorf("nothing was dropped")
		}
	}
}

// A setting that is wrong is told of in the log, and no reason not to serve.
func TestWrongTraceSettings(t *testing.T) {
	for _, pairs := range [][]string{
		{"OTEL_EXPORTER_OTLP_ENDPOINT=collector:4317"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_HEADERS=key"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_SDK_DISABLED=true"},
	} {
		r := start(t, serving(handler("sink", sink)), tracing(pairs...))
		if code, _ := r.call("POST", "/function/sink", ""); code != http.StatusOK {
			t.Errorf("%v: a call answers %d", pairs, code)
		}
		r.end() // waits for no collector
	}
}
