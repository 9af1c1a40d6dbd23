package lambda

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
)

// reserve is what a call leaves of Lambda's time for its answer: after the rest, Lambda ends the process
// without one.
const reserve = 500 * time.Millisecond

// StreamSetting turns answers of Function URLs into streams: "stream" for URLs with the invoke mode
// RESPONSE_STREAM. The default, "buffered", is Lambda's own. An event does not tell the mode of its URL.
const StreamSetting = "HEARTH_LAMBDA_RESPONSE"

// handler answers invocations with one started function.
type handler struct {
	name   string
	host   http.Handler
	env    *fn.Env
	stream bool
}

func newHandler(life context.Context, f fn.Function, env *fn.Env) (*handler, error) {
	mode := env.Setting(StreamSetting, "buffered")
	if mode != "buffered" && mode != "stream" {
		return nil, fault.New(fault.Invalid, "want buffered or stream, not %.100q", mode).At(StreamSetting)
	}
	host, err := fn.NewHost(life, f, env)
	if err != nil {
		return nil, err
	}
	return &handler{name: f.Name, host: host, env: env, stream: mode == "stream"}, nil
}

// shape is enough of an event to tell what it is.
type shape struct {
	Context struct {
		Domain string `json:"domainName"`
		HTTP   struct {
			Method string `json:"method"`
		} `json:"http"`
	} `json:"requestContext"`
	Records []struct {
		Source string `json:"eventSource"`
	} `json:"Records"`
	Detail string `json:"detail-type"`
}

// invoke answers one event. An error fails the invocation, and Lambda deals with it as its source wants.
func (h *handler) invoke(ctx context.Context, event json.RawMessage) (any, error) {
	var s shape
	if err := json.Unmarshal(event, &s); err != nil {
		return nil, fault.As(fault.Invalid, err, "the event is not the JSON that Lambda sends")
	}
	switch {
	case s.Context.HTTP.Method != "":
		return h.http(ctx, event, h.stream && strings.Contains(s.Context.Domain, ".lambda-url."))
	case len(s.Records) > 0 && s.Records[0].Source == "aws:sqs":
		return h.queue(ctx, event)
	case s.Detail == "Scheduled Event":
		return nil, h.schedule(ctx)
	default:
		return nil, fault.New(fault.Invalid, "the event is no HTTP request of payload version 2.0, no batch of SQS and no schedule")
	}
}

// queue calls the function once for each message, and names those that failed, so that SQS brings only
// them again (ReportBatchItemFailures). In a FIFO queue nothing overtakes a failed message.
func (h *handler) queue(ctx context.Context, event json.RawMessage) (events.SQSEventResponse, error) {
	out := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	var batch events.SQSEvent
	if err := json.Unmarshal(event, &batch); err != nil {
		return out, fault.As(fault.Invalid, err, "the batch is not the JSON that SQS sends")
	}
	ctx, cancel := within(ctx)
	defer cancel()
	stopped := false
	for _, m := range batch.Records {
		err := ctx.Err()
		if err == nil && !stopped {
			err = h.message(ctx, m)
		}
		if err == nil && !stopped {
			continue
		}
		stopped = stopped || strings.HasSuffix(m.EventSourceARN, ".fifo")
		out.BatchItemFailures = append(out.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		h.env.Log.Warn("a queued call goes back to its queue", "message", m.MessageId, "err", err)
	}
	return out, nil
}

// message posts a message's body. Its text attributes are the headers, as of the call that was queued.
func (h *handler) message(ctx context.Context, m events.SQSMessage) error {
	header := http.Header{}
	for name, attribute := range m.MessageAttributes {
		if attribute.StringValue != nil {
			header.Set(name, *attribute.StringValue)
		}
	}
	setDefault(header, "Content-Type", "application/json")
	setDefault(header, "X-Call-Id", m.MessageId)
	return h.post(ctx, header, m.Body)
}

// schedule calls the function as a cron connector of OpenFaaS does.
func (h *handler) schedule(ctx context.Context) error {
	ctx, cancel := within(ctx)
	defer cancel()
	header := http.Header{"X-Topic": {"cron-function"}, "X-Connector": {"aws-eventbridge"}}
	if id, found := lambdacontext.FromContext(ctx); found {
		header.Set("X-Call-Id", id.AwsRequestID)
	}
	return h.post(ctx, header, "")
}

// post calls the function at its root. Any answer but success is an error.
func (h *handler) post(ctx context.Context, header http.Header, body string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "/", strings.NewReader(body))
	if err != nil {
		return fault.As(fault.Internal, err, "request for %s", h.name)
	}
	r.Header, r.RequestURI = header, "/"
	a := newAnswer()
	if err := h.serve(a, r); err != nil {
		return err
	}
	return fault.Read(a.asResponse())
}

// within leaves the reserve of a call's time.
func within(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, limited := ctx.Deadline()
	if !limited {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-reserve))
}

func setDefault(h http.Header, name, value string) {
	if h.Get(name) == "" {
		h.Set(name, value)
	}
}
