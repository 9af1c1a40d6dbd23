package lambda

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	"github.com/hearthfaas/hearth/shared/fault"
)

// maxPayload is what Lambda takes as the answer of one invocation, in bytes of JSON: 6 MB.
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const maxPayload = 6 << 20

// answer is an http.ResponseWriter that keeps the whole answer.
type answer struct {
	header http.Header
	sent   http.Header // as it was when the answer began
	status int
	body   bytes.Buffer
	over   bool // the body is too large
}

func newAnswer() *answer { return &answer{header: http.Header{}} }

// Header returns the header to be sent.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader begins the answer. Informational ones are left out.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= 200 {
		a.status, a.sent = status, a.header.Clone()
	}
}

// Write keeps b. A body that Lambda cannot take is refused.
func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if a.over = a.over || a.body.Len()+len(b) > maxPayload; a.over {
		return 0, errors.New("the answer is larger than Lambda takes")
	}
	return a.body.Write(b)
}

// Flush begins the answer; all of it goes out at the end.
func (a *answer) Flush() { a.WriteHeader(http.StatusOK) }

// asResponse is the answer as a client sees it.
func (a *answer) asResponse() *http.Response {
	a.WriteHeader(http.StatusOK)
	return &http.Response{StatusCode: a.status, Header: a.sent, Body: io.NopCloser(&a.body)}
}

// payload is the answer as Lambda takes it. One that is too large becomes an error for the caller.
func (a *answer) payload() (json.RawMessage, error) {
	a.WriteHeader(http.StatusOK)
	raw, err := a.encode()
	if err != nil || !a.over && len(raw) <= maxPayload {
		return raw, err
	}
	instead := newAnswer()
	fault.Write(instead, fault.New(fault.TooLarge, "the answer is over the %d bytes that Lambda takes", maxPayload).
		Try("use a Function URL with RESPONSE_STREAM and "+StreamSetting+"=stream"))
	return instead.encode()
}

func (a *answer) encode() (json.RawMessage, error) {
	headers, cookies := flatten(a.sent, a.body.Bytes())
	out := events.APIGatewayV2HTTPResponse{StatusCode: a.status, Headers: headers, Cookies: cookies}
	// Other encodings are bytes, whatever they look like.
	if out.IsBase64Encoded = a.sent.Get("Content-Encoding") != "" || !utf8.Valid(a.body.Bytes()); out.IsBase64Encoded {
		out.Body = base64.StdEncoding.EncodeToString(a.body.Bytes())
	} else {
		out.Body = a.body.String()
	}
	var raw bytes.Buffer
	encoder := json.NewEncoder(&raw)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(out); err != nil {
		return nil, fault.As(fault.Internal, err, "encode the answer")
	}
	return raw.Bytes(), nil
}

// flatten writes headers as payload version 2.0 has them: one value each, and cookies apart. A body has a
// type, as net/http sees to: API Gateway would call it JSON.
func flatten(header http.Header, body []byte) (headers map[string]string, cookies []string) {
	headers = map[string]string{}
	for name, values := range header {
		if name == "Set-Cookie" {
			cookies = values
		} else {
			headers[name] = strings.Join(values, ", ")
		}
	}
	if _, typed := headers["Content-Type"]; !typed && len(body) > 0 && headers["Content-Encoding"] == "" {
		headers["Content-Type"] = http.DetectContentType(body)
	}
	return headers, cookies
}
