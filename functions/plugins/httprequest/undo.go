package httprequest

import (
	"net/http"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/plugin"
)

// takeBack gives a saved file its version before, and sends the undo_request. A service that does not know the
// thing any more has nothing left to take back.
func takeBack(c *plugin.Call, in In, out *Out) error {
	if in.Output != "" {
		return c.Revert()
	}
	if in.UndoRequest == nil {
		return nil
	}
	x, cancel, err := open(c, in)
	if err != nil {
		return err
	}
	defer cancel()
	m, err := answered{out: out, key: c.Key}.fill(*in.UndoRequest)
	if err != nil {
		return err
	}
	req, err := x.build(m, c.Key+"/undo")
	if err != nil {
		return fault.Wrap(err, "the undo_request")
	}
	if c.DryRun {
		return x.wouldSend(c, in, req)
	}
	resp, err := x.ask(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch status := resp.StatusCode; {
	case status == http.StatusNotFound, status == http.StatusGone:
	case status == http.StatusConflict, status == http.StatusPreconditionFailed:
		return fault.New(fault.Conflict, "%s will not take it back (%s): %s", req.URL.Host, resp.Status, excerpt(resp))
	default:
		if err := x.judge(resp); err != nil {
			return err
		}
	}
	c.Summary("Sent "+m.Method+" "+req.URL.Redacted()+" to take it back.", "已发送 "+m.Method+" "+req.URL.Redacted()+" 进行撤销。")
	return nil
}

// wouldSend says what the undo would send, and that it would find nothing where the service can be asked.
func (x *exchange) wouldSend(c *plugin.Call, in In, req *http.Request) error {
	where := req.Method + " " + req.URL.Redacted()
	if in.CheckRequest != nil {
		out, err := x.taken(c, in)
		if err != nil {
			return err
		}
		if out == nil {
			c.Summary("Nothing is there to take back.", "没有需要撤销的内容。")
			return nil
		}
	}
	c.Summary("Would send "+where+".", "将发送 "+where+"。")
	return nil
}

// checkUndo refuses an undo_request that could not be sent whatever the answer is; own is the address of the
// request itself.
func (x *exchange) checkUndo(m Message, own string) error {
	probe, err := answered{probe: true}.fill(m)
	if err != nil {
		return err
	}
	if whole(m.URL) { // the answer will say, and stay on this origin
		probe.URL = own
	}
	_, err = x.build(probe, "probe")
	return fault.Wrap(err, "the undo_request could not be sent")
}
