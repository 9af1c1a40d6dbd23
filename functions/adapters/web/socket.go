package web

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"

	"github.com/coder/websocket"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/ledger"
)

// refused says on a WebSocket why something that was said there was not taken.
type refused struct {
	Key   string `json:"key"`
	Error struct {
		Kind    fault.Kind `json:"kind"`
		Message string     `json:"message"`
	} `json:"error"`
}

// socket serves the log on a WebSocket, one {"id","data"} a message. The client may say things there:
// {"text","key"}, which is answered by {"session","message","key"} or {"key","error"}.
func (rd *reader) socket(w http.ResponseWriter, r *http.Request) {
	options := &websocket.AcceptOptions{}
	if host := r.Header.Get("X-Forwarded-Host"); host != "" {
		options.OriginPatterns = []string{host} // no page of another site can set that header
	}
	conn, err := websocket.Accept(w, r, options)
	if err != nil {
		return // Accept has answered
	}
	conn.SetReadLimit(2 * maxText)
	ctx, cancel := context.WithTimeout(r.Context(), streamLife)
	var listening sync.WaitGroup
	listening.Go(func() {
		defer cancel()
		rd.listen(ctx, conn, language(r))
	})
	err = rd.tell(ctx, conn)
	status := websocket.StatusTryAgainLater
	if fault.Is(err, fault.Invalid) {
		status = websocket.StatusPolicyViolation
	}
	_ = conn.Close(status, "") // the client may be gone
	cancel()
	listening.Wait()
}

// tell writes events until the client goes, and pings when there are none: what stands between closes
// silent connections.
func (rd *reader) tell(ctx context.Context, conn *websocket.Conn) error {
	for {
		events, err := rd.next(ctx, pingEvery)
		if err != nil {
			return err
		}
		if err := write(ctx, conn, events); err != nil {
			return err
		}
	}
}

func write(ctx context.Context, conn *websocket.Conn, events []ledger.Event) error {
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	if len(events) == 0 {
		return conn.Ping(ctx)
	}
	for _, e := range events {
		if err := send(ctx, conn, line{e.ID, e.Body}); err != nil {
			return err
		}
	}
	return nil
}

func send(ctx context.Context, conn *websocket.Conn, v any) error {
	frame, err := json.Marshal(v)
	if err != nil {
		return fault.As(fault.Internal, err, "encode a frame")
	}
	return conn.Write(ctx, websocket.MessageText, frame)
}

// listen takes what the client says until it goes.
func (rd *reader) listen(ctx context.Context, conn *websocket.Conn, lang string) {
	for {
		_, frame, err := conn.Read(ctx)
		if err != nil {
			return
		}
		var s saying
		var reply any
		err = fn.Decode(frame, &s)
		if err == nil {
			s.Session = rd.session
			reply, err = rd.take(ctx, s, lang)
		}
		if err != nil {
			no := refused{Key: s.Key}
			no.Error.Kind, no.Error.Message = fault.KindOf(err), fault.Text(err)
			reply = no
		}
		if err := send(ctx, conn, reply); err != nil {
			return
		}
	}
}

func (rd *reader) take(ctx context.Context, s saying, lang string) (taken, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return rd.say(ctx, rd.principal, s, lang)
}
