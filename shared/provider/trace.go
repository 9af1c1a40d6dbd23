package provider

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
)

// Bounds of the export of spans.
const (
	spanQueue   = 2048 // spans that wait; more are dropped
	spanBatch   = 512  // spans in a request
	exportTries = 5
	exportEvery = 5 * time.Second
	exportTime  = 10 * time.Second // of a request
	lastExport  = 2 * time.Second  // of the one at the end
)

// tracer exports a span for each call of a function, over OTLP/HTTP as JSON. It never holds up a call. A nil
// tracer does nothing.
type tracer struct {
	url     string
	header  http.Header
	service string
	now     func() time.Time
	log     *slog.Logger
	dropped prometheus.Counter
	client  *http.Client

	spans chan *span
	stop  chan struct{}
	ended chan struct{}
}

// span is a call of a function. A nil span is one that nobody wants.
type span struct {
	tracer     *tracer
	trace      string // as hex, like id and parent
	id, parent string
	function   string
	method     string
	call       string
	start, end time.Time
	code       int
}

// newTracer returns the tracer that the environment asks for, by the names that OpenTelemetry's specification
// gives: OTEL_EXPORTER_OTLP_ENDPOINT, or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT for a whole URL, and
// OTEL_EXPORTER_OTLP_HEADERS, OTEL_SERVICE_NAME, OTEL_SDK_DISABLED. It returns nil when none is wanted.
func newTracer(env *fn.Env, dropped prometheus.Counter) (*tracer, error) {
	target := env.Setting("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
	if base := env.Setting("OTEL_EXPORTER_OTLP_ENDPOINT", ""); target == "" && base != "" {
		target = strings.TrimRight(base, "/") + "/v1/traces"
	}
	if target == "" || strings.EqualFold(env.Setting("OTEL_SDK_DISABLED", ""), "true") {
		return nil, nil
	}
	u, err := url.Parse(target)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fault.New(fault.Invalid, "want an http or https URL").At("OTEL_EXPORTER_OTLP_ENDPOINT")
	}
	if protocol := env.Setting("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"); !strings.HasPrefix(protocol, "http/") {
		return nil, fault.New(fault.Invalid, "spans are sent as http/json, not %.50q", protocol).At("OTEL_EXPORTER_OTLP_PROTOCOL").
			Try("name the collector's HTTP port, 4318")
	}
	header, err := exportHeader(env.Setting("OTEL_EXPORTER_OTLP_HEADERS", ""))
	if err != nil {
		return nil, err
	}
	t := &tracer{
		url: target, header: header, service: env.Setting("OTEL_SERVICE_NAME", "hearth"), now: env.Now, log: env.Log, dropped: dropped,
		client: &http.Client{Timeout: exportTime, Transport: &http.Transport{MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute}},
		spans:  make(chan *span, spanQueue), stop: make(chan struct{}), ended: make(chan struct{}),
	}
	go t.run()
	return t, nil
}

// exportHeader reads key=value pairs with commas between them and percent-encoded values.
func exportHeader(text string) (http.Header, error) {
	h := http.Header{"Content-Type": {"application/json"}}
	for pair := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, value, found := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if !found || err != nil || strings.TrimSpace(name) == "" {
			return nil, fault.New(fault.Invalid, "want name=value pairs with commas between them").At("OTEL_EXPORTER_OTLP_HEADERS")
		}
		h.Set(strings.TrimSpace(name), value)
	}
	return h, nil
}

// begin starts the span of a call, and makes it the parent of what the function calls. A trace that its
// beginner does not sample is left alone.
func (t *tracer) begin(r *http.Request, function string) *span {
	if t == nil {
		return nil
	}
	parent := r.Header.Get("Traceparent")
	if !sampled(parent) {
		return nil
	}
	s := &span{
		tracer: t, trace: parent[3:35], id: fn.NewID()[:16], function: function,
		method: r.Method, call: r.Header.Get("X-Call-Id"), start: t.now(),
	}
	if !fn.FirstOfTrace(parent) {
		s.parent = parent[36:52]
	}
	r.Header.Set("Traceparent", parent[:36]+s.id+parent[52:])
	return s
}

// done ends the span with the status of the answer.
func (s *span) done(code int) {
	if s == nil {
		return
	}
	s.code, s.end = code, s.tracer.now()
	select {
	case s.tracer.spans <- s:
	default:
		s.tracer.dropped.Inc()
	}
}

// sampled reads the flag of a valid traceparent.
func sampled(parent string) bool {
	if !fn.ValidTrace(parent) {
		return false
	}
	flags, err := hex.DecodeString(parent[53:55])
	return err == nil && flags[0]&1 == 1
}

// run exports what comes until close. A batch that is not taken is tried again with the next tick.
func (t *tracer) run() {
	defer close(t.ended)
	tick := time.NewTicker(exportEvery)
	defer tick.Stop()
	var batch []*span
	tries := 0
	for {
		in := t.spans
		if len(batch) == spanBatch {
			in = nil
		}
		select {
		case s := <-in:
			if batch = append(batch, s); len(batch) < spanBatch || tries > 0 {
				continue
			}
		case <-tick.C:
		case <-t.stop:
			t.finish(batch)
			return
		}
		again, err := t.export(context.Background(), batch)
		if tries++; again && tries < exportTries {
			continue
		}
		t.lost(batch, err)
		batch, tries = nil, 0
	}
}

// close exports what is left and ends the tracer.
func (t *tracer) close() {
	if t == nil {
		return
	}
	close(t.stop)
	<-t.ended
	t.client.CloseIdleConnections()
}

func (t *tracer) finish(batch []*span) {
	ctx, cancel := context.WithTimeout(context.Background(), lastExport)
	defer cancel()
	for len(t.spans) > 0 {
		batch = append(batch, <-t.spans)
	}
	for part := range slices.Chunk(batch, spanBatch) {
		_, err := t.export(ctx, part)
		t.lost(part, err)
	}
}

func (t *tracer) lost(batch []*span, err error) {
	if err != nil {
		t.dropped.Add(float64(len(batch)))
		t.log.Warn("spans are lost", "spans", len(batch), "err", err)
	}
}

// export posts a batch. again reports whether a failure is one that may pass, by OTLP's table.
func (t *tracer) export(ctx context.Context, batch []*span) (again bool, err error) {
	if len(batch) == 0 {
		return false, nil
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(t.encode(batch)))
	if err != nil {
		return false, err
	}
	r.Header = t.header.Clone()
	resp, err := t.client.Do(r)
	if err != nil {
		return true, err
	}
	defer resp.Body.Close()
	err = fault.Read(resp)
	_, _ = io.CopyN(io.Discard, resp.Body, maxLine) // so that the connection can be used again
	return ours.after(resp.StatusCode), err
}

// The types below are OTLP's JSON form (opentelemetry-proto 1.x): ids as hex, integers of 64 bits as text.
type (
	otlpValue struct {
		String string `json:"stringValue,omitempty"`
		Int    string `json:"intValue,omitempty"`
	}
	otlpAttribute struct {
		Key   string    `json:"key"`
		Value otlpValue `json:"value"`
	}
	otlpStatus struct {
		Code int `json:"code,omitempty"`
	}
	otlpSpan struct {
		Trace      string          `json:"traceId"`
		ID         string          `json:"spanId"`
		Parent     string          `json:"parentSpanId,omitempty"`
		Name       string          `json:"name"`
		Kind       int             `json:"kind"`
		Start      string          `json:"startTimeUnixNano"`
		End        string          `json:"endTimeUnixNano"`
		Attributes []otlpAttribute `json:"attributes"`
		Status     otlpStatus      `json:"status"`
	}
)

// What OTLP calls a span of a server, and a status of failure.
const (
	kindServer  = 2
	statusError = 2
)

func text(key, value string) otlpAttribute {
	return otlpAttribute{Key: key, Value: otlpValue{String: value}}
}

func (s *span) encode() otlpSpan {
	o := otlpSpan{
		Trace: s.trace, ID: s.id, Parent: s.parent, Name: s.function, Kind: kindServer,
		Start: strconv.FormatInt(s.start.UnixNano(), 10), End: strconv.FormatInt(s.end.UnixNano(), 10),
		Attributes: []otlpAttribute{
			text("faas.name", s.function), text("http.request.method", s.method), text("openfaas.call_id", s.call),
			{Key: "http.response.status_code", Value: otlpValue{Int: strconv.Itoa(s.code)}},
		},
	}
	if s.code >= http.StatusInternalServerError {
		o.Status.Code = statusError
	}
	return o
}

func (t *tracer) encode(batch []*span) []byte {
	spans := make([]otlpSpan, len(batch))
	for n, s := range batch {
		spans[n] = s.encode()
	}
	raw, err := json.Marshal(map[string]any{"resourceSpans": []any{map[string]any{
		"resource":   map[string]any{"attributes": []otlpAttribute{text("service.name", t.service)}},
		"scopeSpans": []any{map[string]any{"scope": map[string]string{"name": "hearth/provider"}, "spans": spans}},
	}}})
	if err != nil {
		panic(err) // text and numbers only
	}
	return raw
}
