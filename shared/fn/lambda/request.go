package lambda

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/hearthfaas/hearth/shared/fault"
)

// http answers a request of a Function URL or an HTTP API: both have the payload version 2.0.
func (h *handler) http(ctx context.Context, event json.RawMessage, stream bool) (any, error) {
	var e events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(event, &e); err != nil {
		return nil, fault.As(fault.Invalid, err, "the event is no HTTP request of payload version 2.0")
	}
	ctx, cancel := within(ctx)
	r, err := h.request(ctx, e)
	if err == nil && stream {
		return h.open(r, cancel), nil
	}
	defer cancel()
	a := newAnswer()
	if err != nil {
		fault.Write(a, err)
	} else if err := h.serve(a, r); err != nil {
		return nil, err
	}
	return a.payload()
}

// serve has the function answer. An answer that the function aborts is an error, not a panic: that would end
// the process.
func (h *handler) serve(w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			err = fault.New(fault.Unknown, "%s broke off its answer", h.name)
		default:
			panic(p)
		}
	}()
	h.host.ServeHTTP(w, r)
	return nil
}

// request makes the request that a server would have read. A header with several values comes as one, with
// commas; cookies come apart.
func (h *handler) request(ctx context.Context, e events.APIGatewayV2HTTPRequest) (*http.Request, error) {
	body := []byte(e.Body)
	if e.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(e.Body); err != nil {
			return nil, fault.As(fault.Invalid, err, "the body is not base64")
		}
	}
	r, err := http.NewRequestWithContext(ctx, e.RequestContext.HTTP.Method, "/", strings.NewReader(string(body)))
	if err != nil {
		return nil, fault.As(fault.Invalid, err, "not an HTTP request")
	}
	for name, value := range e.Headers {
		r.Header.Set(name, value)
	}
	r.Header.Del("X-Forwarded-Host") // nobody in front of us has set it
	if len(e.Cookies) > 0 {
		r.Header.Set("Cookie", strings.Join(e.Cookies, "; "))
	}
	if id, found := lambdacontext.FromContext(ctx); found {
		setDefault(r.Header, "X-Call-Id", id.AwsRequestID)
	}
	r.URL = h.url(e)
	r.RequestURI = r.URL.RequestURI()
	r.Host = e.RequestContext.DomainName
	r.RemoteAddr = net.JoinHostPort(e.RequestContext.HTTP.SourceIP, "0")
	return r, nil
}

// url is the function's own part of the path: what is behind an HTTP API's stage, and behind
// /function/NAME where a route leads here as on an OpenFaaS gateway.
func (h *handler) url(e events.APIGatewayV2HTTPRequest) *url.URL {
	raw := e.RawPath
	if stage := e.RequestContext.Stage; stage != "" && stage != "$default" {
		raw = below(raw, "/"+stage)
	}
	raw = below(raw, "/function/"+h.name)
	u := &url.URL{Path: raw, RawQuery: e.RawQueryString}
	if path, err := url.PathUnescape(raw); err == nil {
		u.Path, u.RawPath = path, raw
	}
	return u
}

// below takes a folder off a path that lies in it.
func below(path, folder string) string {
	rest, found := strings.CutPrefix(path, folder)
	if !found || rest != "" && rest[0] != '/' {
		rest = path
	}
	return "/" + strings.TrimPrefix(rest, "/")
}
