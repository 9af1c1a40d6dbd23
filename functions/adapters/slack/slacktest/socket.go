package slacktest

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// maxSockets is how many connections an app may have.
const maxSockets = 10

// socket is a connection of Socket Mode.
type socket struct {
	conn  *websocket.Conn
	acks  chan string // envelope ids
	ended chan struct{}
}

// open makes the address of a connection, which is good for one.
func (s *Server) open() object {
	ticket := s.stamp()
	s.tickets[ticket] = true
	return object{"ok": true, "url": "ws" + strings.TrimPrefix(s.Base.URL, "http") + "/link/?ticket=" + ticket + "&app_id=A1"}
}

// link is a connection from its hello to its end.
func (s *Server) link(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	ticket := r.URL.Query().Get("ticket")
	known := s.tickets[ticket]
	delete(s.tickets, ticket)
	s.mu.Unlock()
	if !known {
		http.Error(w, "invalid ticket", http.StatusUnauthorized)
		return
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered
	}
	defer conn.CloseNow()
	k := &socket{conn: conn, acks: make(chan string), ended: make(chan struct{})}
	s.mu.Lock()
	n := len(s.sockets) + 1
	s.mu.Unlock()
	if n > maxSockets {
		_ = k.write(s.Context(), object{"type": "disconnect", "reason": "too_many_websockets"})
		return
	}
	if k.write(s.Context(), object{"type": "hello", "num_connections": n, "connection_info": object{"app_id": "A1"}, "debug_info": object{"approximate_connection_time": 18060}}) != nil {
		return
	}
	s.mu.Lock()
	s.sockets = append(s.sockets, k)
	s.Touch()
	s.mu.Unlock()
	s.listen(k)
	s.forget(k)
	close(k.ended)
}

// forget sends nothing more on a connection.
func (s *Server) forget(k *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sockets = slices.DeleteFunc(s.sockets, func(other *socket) bool { return other == k })
	s.Touch()
}

// listen takes acknowledgements until the connection ends.
func (s *Server) listen(k *socket) {
	for {
		_, raw, err := k.conn.Read(s.Context())
		if err != nil {
			return
		}
		var ack struct {
			Envelope string `json:"envelope_id"`
		}
		if json.Unmarshal(raw, &ack) != nil || ack.Envelope == "" {
			return // Slack closes such a connection
		}
		select {
		case k.acks <- ack.Envelope:
		case <-s.Context().Done():
			return
		case <-time.After(s.AckTime): // too late: nobody waits for it
		}
	}
}

func (k *socket) write(ctx context.Context, v object) error {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // our own types
	}
	return k.conn.Write(ctx, websocket.MessageText, raw)
}

// Sockets returns how many connections the app has.
func (s *Server) Sockets() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sockets)
}

// Disconnect tells the app on its oldest connection to connect again, and ends it.
func (s *Server) Disconnect(reason string) {
	s.mu.Lock()
	k := s.sockets[0]
	s.sockets = s.sockets[1:]
	s.mu.Unlock()
	_ = k.write(s.Context(), object{"type": "disconnect", "reason": reason, "debug_info": object{"host": "applink-1"}}) // it may be gone
	_ = k.conn.Close(websocket.StatusNormalClosure, "")
}

// turn returns the connection that the next envelope goes to, and waits for one. It is nil at the end.
func (s *Server) turn() *socket {
	for {
		changed := s.Changed()
		s.mu.Lock()
		if n := len(s.sockets); n > 0 {
			s.next++
			defer s.mu.Unlock()
			return s.sockets[s.next%n]
		}
		s.mu.Unlock()
		select {
		case <-changed:
		case <-s.Context().Done():
			return nil
		}
	}
}

// envelope sends a delivery on a connection and reports whether it was acknowledged in time.
func (s *Server) envelope(k *socket, d delivery, retry int) bool {
	s.mu.Lock()
	id := "env-" + s.stamp()
	s.mu.Unlock()
	frame := object{"envelope_id": id, "type": d.kind, "payload": d.payload, "accepts_response_payload": d.kind != "events_api"}
	if retry > 0 {
		frame["retry_attempt"], frame["retry_reason"] = retry, "timeout"
	}
	if k.write(s.Context(), frame) != nil {
		s.forget(k) // its end may not have been noticed yet: the next try is for another one
		return false
	}
	limit := time.NewTimer(s.AckTime)
	defer limit.Stop()
	for {
		select {
		case acked := <-k.acks:
			if acked == id {
				return true
			}
		case <-k.ended:
			return false
		case <-limit.C:
			return false
		case <-s.Context().Done():
			return false
		}
	}
}

// pump tells the app what happens, one after the other, each until it is taken or tried too often.
func (s *Server) pump() {
	for {
		changed := s.Changed()
		s.mu.Lock()
		hook, waiting := s.hook, len(s.pending) > 0 && (s.hook != "" || len(s.sockets) > 0)
		var d delivery
		if waiting {
			d = s.pending[0]
		}
		s.mu.Unlock()
		if !waiting {
			select {
			case <-changed:
				continue
			case <-s.Context().Done():
				return
			}
		}
		taken := s.deliver(hook, d)
		if s.Context().Err() != nil {
			return
		}
		s.mu.Lock()
		s.pending = s.pending[1:]
		if !taken {
			s.lost++
		}
		s.Touch()
		s.mu.Unlock()
	}
}

func (s *Server) deliver(hook string, d delivery) bool {
	for retry := range s.Retries + 1 {
		if hook != "" {
			kind, body := form(d)
			if _, err := s.send(hook, kind, body, retry); err == nil {
				return true
			}
			continue
		}
		if k := s.turn(); k != nil && s.envelope(k, d, retry) {
			return true
		}
	}
	return false
}
