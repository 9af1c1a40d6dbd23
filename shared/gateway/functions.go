package gateway

import (
	"context"
	"errors"
	"net"
	"net/http"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Function is a deployed function, as the gateway lists it.
type Function struct {
	Name        string            `json:"name"`
	Annotations map[string]string `json:"annotations"`
}

// Functions lists the deployed functions. It needs the secret basic-auth-password.
func (c *Client) Functions(ctx context.Context) ([]Function, error) {
	password, err := c.env.Secret("basic-auth-password")
	if err != nil {
		return nil, fault.Wrap(err, "list the functions")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/system/functions", nil)
	if err != nil {
		return nil, fault.As(fault.Internal, err, "request for the list of functions")
	}
	req.SetBasicAuth(c.env.Setting("HEARTH_GATEWAY_USER", "admin"), password)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, unanswered(ctx, err, "/system/functions")
	}
	defer resp.Body.Close()
	if err := fault.Read(resp); err != nil {
		return nil, err
	}
	var list []Function
	return list, decode(resp.Body, "the gateway", &list)
}

// dialFailed reports whether err says that no connection was made.
func dialFailed(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}
