package slack

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
)

const (
	maxFrame  = 1 << 20 // bytes
	dialTime  = 15 * time.Second
	writeTime = 10 * time.Second
	pingEvery = 30 * time.Second // also the time for an answer: we may be busy with a frame
)

// frame is what Slack says on a connection ("Using Socket Mode").
type frame struct {
	Type     string          `json:"type"`
	Envelope string          `json:"envelope_id"`
	Payload  json.RawMessage `json:"payload"`
	Reason   string          `json:"reason"` // of disconnect
}

// Token is the secret that every app with Socket Mode has.
func (adapter) Token() string { return "app-token" }

// Listens reports whether the app has the token of Socket Mode.
func (adapter) Listens(a channel.Account) bool {
	_, noToken := a.Secret("app-token")
	return noToken == nil
}

// Connect asks for the address of a connection. Each is good for one.
func (adapter) Connect(a channel.Account) (channel.Call, error) {
	return method(a, "app-token", "apps.connections.open", struct{}{})
}

// Listen takes the frames of one connection. An envelope is acknowledged after it was taken; Slack sends one
// that is not again, on any connection. When one cannot be taken, the connection ends: what came later waits.
func (adapter) Listen(ctx context.Context, answer channel.Answer, bring func(context.Context, json.RawMessage) error) error {
	conn, err := dial(ctx, answer)
	if err != nil {
		return err
	}
	conn.SetReadLimit(maxFrame)
	ctx, end := context.WithCancel(ctx)
	var pinging sync.WaitGroup
	defer pinging.Wait()
	defer end()
	defer conn.CloseNow()
	pinging.Go(func() {
		defer end()
		ping(ctx, conn)
	})
	for {
		var f frame
		_, raw, err := conn.Read(ctx)
		if err == nil {
			err = json.Unmarshal(raw, &f)
		}
		if err != nil {
			return fault.As(fault.Unavailable, err, "the connection to Slack broke")
		}
		if f.Type == "disconnect" {
			return disconnected(f.Reason)
		}
		if err := take(ctx, conn, f, bring); err != nil {
			return err
		}
	}
}

// dial connects to the address in the answer of apps.connections.open. The address holds a ticket: it is
// never logged.
func dial(ctx context.Context, a channel.Answer) (*websocket.Conn, error) {
	if _, err := read(a); err != nil {
		return nil, err
	}
	var opened struct {
		URL string `json:"url"`
	}
	if err := json.Unmarshal(a.Body, &opened); err != nil || !secure(opened.URL) {
		return nil, fault.As(fault.Unavailable, err, "Slack gives no address to connect to").In(unset)
	}
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, opened.URL, nil)
	if inside, ok := errors.AsType[*url.Error](err); ok {
		err = inside.Err
	}
	if err != nil {
		return nil, fault.As(fault.Unavailable, err, "cannot connect to Slack")
	}
	return conn, nil
}

// secure reports whether an address is encrypted, or on this machine.
func secure(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "wss" || u.Scheme == "ws" && ip != nil && ip.IsLoopback()
}

// ping returns when the other side does not answer any more.
func ping(ctx context.Context, conn *websocket.Conn) {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		limit, cancel := context.WithTimeout(ctx, pingEvery)
		err := conn.Ping(limit)
		cancel()
		if err != nil {
			return
		}
	}
}

// disconnected says what to do when Slack ends a connection: connect again at once where it is for its own
// reasons.
func disconnected(reason string) error {
	switch reason {
	case "link_disabled":
		return fault.New(fault.Unavailable, "Socket Mode is switched off").
			Try("switch it on in the app's settings, or remove the secret slack-app-token").In(unset)
	case "too_many_websockets":
		return fault.New(fault.Unavailable, "the app has too many connections: Slack allows ten").In(unset)
	default: // warning, refresh_requested
		return nil
	}
}

// take brings an envelope and acknowledges it. Other frames, such as hello, need nothing.
func take(ctx context.Context, conn *websocket.Conn, f frame, bring func(context.Context, json.RawMessage) error) error {
	if f.Envelope == "" {
		return nil
	}
	switch f.Type {
	case "events_api", "interactive", "slash_commands":
		if err := bring(ctx, f.Payload); err != nil {
			return err
		}
	}
	ack, err := json.Marshal(struct {
		Envelope string `json:"envelope_id"`
	}{f.Envelope})
	if err != nil {
		return fault.As(fault.Internal, err, "encode an acknowledgement")
	}
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	if err := conn.Write(ctx, websocket.MessageText, ack); err != nil {
		return fault.As(fault.Unavailable, err, "the connection to Slack broke")
	}
	return nil
}
