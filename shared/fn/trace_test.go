package fn_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
)

// The first three are the examples of W3C Trace Context, sections 3.2.2.5 and 3.2.4.
func TestValidTrace(t *testing.T) {
	const trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	for parent, want := range map[string]bool{
		"00-" + trace + "-" + span + "-01":                     true,
		"00-" + trace + "-" + span + "-00":                     true,
		"cc-" + trace + "-" + span + "-01-what-the-future":     true,
		"00-" + trace + "-" + span + "-01-more":                false,
		"cc-" + trace + "-" + span + "-01.more":                false,
		"ff-" + trace + "-" + span + "-01":                     false,
		"00-" + strings.ToUpper(trace) + "-" + span + "-01":    false,
		"00-" + strings.Repeat("0", 32) + "-" + span + "-01":   false,
		"00-" + trace + "-" + strings.Repeat("0", 16) + "-01":  false,
		"00-" + trace + "-" + span + "-0g":                     false,
		"00-" + trace + "-" + span:                             false,
		"00_" + trace + "-" + span + "-01":                     false,
		"":                                                     false,
		"00-" + strings.Repeat("\r", 32) + "-" + span + "-0\n": false,
	} {
		if got := fn.ValidTrace(parent); got != want {
			t.Errorf("%q is valid: %v", parent, got)
		}
	}
	if parent := fn.NewTrace(); !fn.ValidTrace(parent) || !fn.FirstOfTrace(parent) {
		t.Errorf("a new trace is %q", parent)
	}
	if fn.FirstOfTrace("00-" + trace + "-" + span + "-01") {
		t.Error("a trace of somebody else begins with us")
	}
}

// A trace goes through a function unchanged, or begins there.
func TestTraceGoesThrough(t *testing.T) {
	const parent, state = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", "vendor=1"
	for sent, want := range map[string]string{parent: parent, "00-x": ""} {
		out := http.Header{}
		server := fntest.Start(t, function(func(_ http.ResponseWriter, r *http.Request) { fn.Propagate(r.Context(), out) }), fntest.Env(t, nil))
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{"Traceparent": {sent}, "Tracestate": {state}, "X-Call-Id": {"mine"}}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		got := out.Get("Traceparent")
		if want != "" && got != want || want == "" && !fn.FirstOfTrace(got) || out.Get("X-Call-Id") != "mine" {
			t.Errorf("%q went on as %v", sent, out)
		}
		if want != "" != (out.Get("Tracestate") == state) {
			t.Errorf("with %q the state goes on as %q", sent, out.Get("Tracestate"))
		}
	}
	none := http.Header{}
	fn.Propagate(context.Background(), none)
	if len(none) != 0 {
		t.Errorf("out of nothing came %v", none)
	}
}
