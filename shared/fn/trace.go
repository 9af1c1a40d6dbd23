package fn

import (
	"context"
	"log/slog"
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

type callKey struct{}

// call is what is known of a call while it is served, and passed on to the calls that it makes.
type call struct {
	log               *slog.Logger // of its function
	id, parent, state string
}

func withCall(ctx context.Context, log *slog.Logger, h http.Header) context.Context {
	return context.WithValue(ctx, callKey{}, call{log, h.Get("X-Call-Id"), h.Get("Traceparent"), h.Get("Tracestate")})
}

// logger is made where something is logged: most calls log nothing.
func (c call) logger() *slog.Logger { return c.log.With("call", c.id) }

// Propagate puts the call id and the trace of ctx on an outgoing request. The trace goes on as it came: spans
// are made by gateways, so the parent of the next one is that of the call in ctx.
func Propagate(ctx context.Context, h http.Header) {
	c, ok := ctx.Value(callKey{}).(call)
	if !ok {
		return
	}
	h.Set("X-Call-Id", c.id)
	h.Set("Traceparent", c.parent)
	if c.state != "" && len(c.state) <= maxTracestate {
		h.Set("Tracestate", c.state)
	}
}
