// Package httprequest is the plugin that calls HTTP services. It connects to nothing that its allow list does not
// name, checks every address at the moment it connects, and says of each failure whether the service can have acted.
package httprequest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/plugin"
)

// Times of a call.
const (
	defaultTime = 30 * time.Second
	largestTime = 120 * time.Second
)

// allowSetting names the hosts that may be called (allow.go has its form).
const allowSetting = "HTTP_REQUEST_ALLOW"

// Message is a request as people write it.
type Message struct {
	Method  string                     `json:"method" jsonschema:"GET, HEAD, POST, PUT, PATCH or DELETE"`
	URL     string                     `json:"url" jsonschema:"http:// or https:// address"`
	Headers map[string]string          `json:"headers,omitempty" jsonschema:"headers by name"`
	Query   map[string]json.RawMessage `json:"query,omitempty" types:"string|number|boolean|list" jsonschema:"parameters to add to the address: a text, number or boolean each, or a list of them"`
	Body    string                     `json:"body,omitempty" jsonschema:"text to send"`
	JSON    json.RawMessage            `json:"json,omitempty" jsonschema:"JSON to send, in place of body"`
}

// In are the parameters.
type In struct {
	Message
	Timeout      int      `json:"timeout,omitempty" jsonschema:"seconds for all of it, redirects included; default 30, at most 120"`
	Output       string   `json:"output,omitempty" file:"write" jsonschema:"path of a file to save the answer of a GET in"`
	UndoRequest  *Message `json:"undo_request,omitempty" jsonschema:"request that takes this one back, for a service that goes by Idempotency-Key; it may use ${json.id}, ${headers.location}, ${status} of the answer and ${key}"`
	CheckRequest *Message `json:"check_request,omitempty" jsonschema:"GET that tells whether this request was taken, when its answer was lost: 2xx means yes, 404 means no, and anything else that it cannot tell; it may use ${key}, which the request carried as Idempotency-Key"`
}

// Out is the result.
type Out struct {
	Status    int               `json:"status"`
	URL       string            `json:"url"`     // after redirects
	Headers   map[string]string `json:"headers"` // the useful ones, in lower case
	JSON      json.RawMessage   `json:"json,omitempty"`
	Text      string            `json:"text,omitempty"` // what is neither JSON nor saved
	Size      int64             `json:"size"`           // bytes read, after decompression
	Truncated bool              `json:"truncated"`      // there was more than Text or JSON can hold
}

// Function is the plugin.
var Function = plugin.Define(plugin.Spec{
	ID:      "http_request",
	Title:   manifest.Phrase{En: "Call a web service", Zh: "调用网络接口"},
	Summary: "Sends one HTTP request to an allowed host and returns status, headers and JSON or text.",
	Effect:  manifest.Irreversible,
	Cases: []manifest.Case{
		{Given: "undo_request", Param: "method", In: []string{"POST", "PUT", "PATCH", "DELETE"}, Op: manifest.Op{Effect: manifest.Compensable, Undo: true}},
		{Given: "output", Param: "method", In: []string{"GET"}, Op: manifest.Op{Effect: manifest.Compensable, Undo: true}},
		{Param: "method", In: []string{"GET", "HEAD"}, Op: manifest.Op{Effect: manifest.Read}},
	},
	Grants: manifest.Grants{
		Files:   plugin.FilesParams,
		Hosts:   []string{"*:80", "*:443", "config:" + allowSetting},
		Secrets: []string{allowSetting},
	},
	Limits:  manifest.Limits{Wall: largestTime + 15*time.Second},
	Labels:  []string{"external"},
	Control: []string{"method", "url", "query", "body", "json", "undo_request", "check_request"},
	Intent: manifest.Intent{
		Phrases: []string{
			"http request", "call the api", "call an api", "rest api", "endpoint", "fetch the url", "call the web service",
			"调用接口", "接口请求", "http请求", "请求网址", "访问网址", "抓取网址",
		},
		Slots: []manifest.Slot{{Param: "url", Kind: "url", Required: true, Ask: manifest.Phrase{
			En: "Which address should I call?", Zh: "要请求哪个网址？",
		}}},
		Example: map[string]any{"method": "GET", "url": "https://api.example.com/status"},
		Order:   15,
	},
	Version: "1",
}, call, plugin.Undo(takeBack), plugin.Preview(), plugin.Reconcile(wasTaken, "check_request"))

func call(c *plugin.Call, in In) (Out, error) {
	x, cancel, err := open(c, in)
	if err != nil {
		return Out{}, err
	}
	defer cancel()
	req, err := x.build(in.Message, c.Key)
	if err != nil {
		return Out{}, err
	}
	if err := x.checkRest(in); err != nil {
		return Out{}, err
	}
	where := in.Method + " " + req.URL.Redacted()
	if c.DryRun && !reads(in.Method) {
		c.Summary("Would send "+where+".", "将发送 "+where+"。")
		return Out{URL: req.URL.String(), Headers: map[string]string{}}, nil
	}
	resp, err := x.send(req)
	if err != nil {
		return Out{}, err
	}
	defer resp.Body.Close()
	out, err := x.read(c, in, resp)
	if err != nil {
		return Out{}, err
	}
	c.Summary(fmt.Sprintf("%s answered %d.", where, out.Status), fmt.Sprintf("%s 返回 %d。", where, out.Status))
	return out, nil
}

// open reads what a call is bounded by. The caller calls cancel when it is over.
func open(c *plugin.Call, in In) (*exchange, context.CancelFunc, error) {
	wall := time.Duration(in.Timeout) * time.Second
	if wall == 0 {
		wall = defaultTime
	}
	if wall < 0 || wall > largestTime {
		return nil, nil, fault.New(fault.Invalid, "want 1 to %d seconds, not %d", int(largestTime.Seconds()), in.Timeout).At("params.timeout")
	}
	list, err := parseAllow(c.Setting(allowSetting, anywhere))
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(c, wall)
	return &exchange{ctx: ctx, now: c.Now, wall: wall, guard: newGuard(list)}, cancel, nil
}

// checkRest refuses parameters that do not go together, and an undo that could never be sent.
func (x *exchange) checkRest(in In) error {
	if in.Output != "" && in.Method != http.MethodGet {
		return fault.New(fault.Invalid, "only the answer of a GET is saved").At("params.output")
	}
	if reads(in.Method) && in.UndoRequest != nil {
		return fault.New(fault.Invalid, "%s changes nothing that could be taken back", in.Method).At("params.undo_request")
	}
	if reads(in.Method) && in.CheckRequest != nil {
		return fault.New(fault.Invalid, "%s may simply be sent again", in.Method).At("params.check_request")
	}
	if in.CheckRequest != nil {
		if _, err := x.question(*in.CheckRequest, "probe"); err != nil {
			return err
		}
	}
	if in.UndoRequest == nil {
		return nil
	}
	return x.checkUndo(*in.UndoRequest, in.URL)
}

// reads reports whether a method changes nothing (RFC 9110, section 9.2.1).
func reads(method string) bool { return method == http.MethodGet || method == http.MethodHead }
