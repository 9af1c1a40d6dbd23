package fn

import (
	"context"
	"net/http"
	"strings"
)

// traceSize is the length of a traceparent of version 00: "00-" and a trace of 32 digits, "-" and a parent of
// 16, "-" and flags of 2 (W3C Trace Context, section 3.2).
const traceSize = 55

// maxTracestate bounds the tracestate that is passed on, in bytes (W3C Trace Context, section 3.3.1.5).
const maxTracestate = 512

// NewTrace returns a traceparent that begins a trace, sampled. Its parent repeats the second half of the trace,
// so that the first span knows that it has none: see FirstOfTrace.
func NewTrace() string {
	id := NewID()
	return "00-" + id + "-" + id[16:] + "-01"
}

// FirstOfTrace reports whether a valid traceparent came from NewTrace unchanged.
func FirstOfTrace(parent string) bool { return parent[19:35] == parent[36:52] }

// ValidTrace reports whether a traceparent can be continued. A version that we do not know is read as far as
// 00 goes.
func ValidTrace(parent string) bool {
	if len(parent) < traceSize || parent[2] != '-' || parent[35] != '-' || parent[52] != '-' {
		return false
	}
	version, trace, span, flags, more := parent[:2], parent[3:35], parent[36:52], parent[53:55], parent[traceSize:]
	for _, digits := range []string{version, trace, span, flags} {
		if strings.Trim(digits, "0123456789abcdef") != "" {
			return false
		}
	}
	if version == "ff" || version == "00" && more != "" || more != "" && more[0] != '-' {
		return false
	}
	return strings.Trim(trace, "0") != "" && strings.Trim(span, "0") != ""
}

type traceKey struct{}

// trace is what a call passes on to the calls it makes.
type trace struct{ callID, parent, state string }

func withTrace(ctx context.Context, h http.Header) context.Context {
	return context.WithValue(ctx, traceKey{}, trace{h.Get("X-Call-Id"), h.Get("Traceparent"), h.Get("Tracestate")})
}

// Propagate puts the call id and the trace of ctx on an outgoing request. The trace goes on as it came: spans
// are made by gateways, so the parent of the next one is that of the call in ctx.
func Propagate(ctx context.Context, h http.Header) {
	t, ok := ctx.Value(traceKey{}).(trace)
	if !ok {
		return
	}
	h.Set("X-Call-Id", t.callID)
	h.Set("Traceparent", t.parent)
	if t.state != "" && len(t.state) <= maxTracestate {
		h.Set("Tracestate", t.state)
	}
}
