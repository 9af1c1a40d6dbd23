package httprequest

import (
	"net/http"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/plugin"
)

// wasTaken asks the service whether it took the request, and returns its answer in place of the one that was
// lost; nil when it did not take it.
func wasTaken(c *plugin.Call, in In) (*Out, error) {
	x, cancel, err := open(c, in)
	if err != nil {
		return nil, err
	}
	defer cancel()
	return x.taken(c, in)
}

// taken sends the check_request: 2xx says yes, 404 says no. Where it leads elsewhere, to a page for signing in
// perhaps, neither is the service's word on this request.
func (x *exchange) taken(c *plugin.Call, in In) (*Out, error) {
	req, err := x.question(*in.CheckRequest, c.Key)
	if err != nil {
		return nil, err
	}
	resp, err := x.ask(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	where := req.URL.Redacted()
	switch status := resp.StatusCode; {
	case resp.Request.URL.String() != req.URL.String():
		return nil, fault.New(fault.Failed, "%s leads to %s, which says neither yes nor no", where, resp.Request.URL.Redacted())
	case status == http.StatusNotFound:
		return nil, nil
	case status < 200 || status > 299:
		if err := x.judge(resp); err != nil {
			return nil, fault.Wrap(err, "the check_request")
		}
		return nil, fault.New(fault.Failed, "%s answered %s, which says neither yes nor no", where, resp.Status)
	}
	out, err := x.read(c, In{Message: Message{Method: http.MethodGet}}, resp)
	if err != nil {
		return nil, err
	}
	c.Summary("The service has it: "+where+" answered "+resp.Status+".", "服务端已收到："+where+" 返回 "+resp.Status+"。")
	return &out, nil
}

// question is the check_request as it is sent: a GET, of which only the key is known.
func (x *exchange) question(m Message, key string) (*http.Request, error) {
	if m.Method != http.MethodGet {
		return nil, fault.New(fault.Invalid, "want GET, not %.20q", m.Method).At("params.check_request.method")
	}
	m, err := answered{key: key}.fill(m)
	if err != nil {
		return nil, fault.As(fault.Invalid, err, "only ${key} is known when the answer is lost").At("params.check_request")
	}
	req, err := x.build(m, key)
	return req, fault.Wrap(err, "the check_request")
}
