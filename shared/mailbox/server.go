package mailbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Server takes mail for a Store over SMTP, on a free port of the loopback interface and without asking who
// sends it. It sends nothing anywhere.
type Server struct {
	smtp   *smtp.Server
	addr   net.Addr
	served chan error
}

// Serve starts a server. Now is the clock that messages are filed by. Close ends it.
func Serve(ctx context.Context, store *Store, now func() time.Time, log *slog.Logger) (*Server, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fault.As(fault.Unavailable, err, "the local mailbox cannot listen on 127.0.0.1")
	}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		return &session{store: store, now: now, log: log}, nil
	}))
	server.Domain = "localhost"
	server.MaxMessageBytes, server.MaxRecipients = MaxMessage, 500
	server.ReadTimeout, server.WriteTimeout = time.Minute, time.Minute
	server.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	s := &Server{smtp: server, addr: l.Addr(), served: make(chan error, 1)}
	go func() { s.served <- server.Serve(l) }()
	return s, nil
}

// URL is the value of SMTP_URL for this server. Its option mailbox=1 lets a sender say honestly that nothing
// leaves the machine.
func (s *Server) URL() string { return fmt.Sprintf("smtp://%s?tls=none&mailbox=1", s.addr) }

// Close waits for the messages that are being received, at most until ctx ends, and stops the server.
func (s *Server) Close(ctx context.Context) error {
	err := s.smtp.Shutdown(ctx)
	if errors.Is(err, ctx.Err()) && err != nil {
		err = nil // the rest is cut off: its senders will not have had an answer
	}
	return errors.Join(err, <-s.served)
}

// session is one client's connection.
type session struct {
	store *Store
	now   func() time.Time
	log   *slog.Logger
	to    []string
}

func (s *session) Mail(string, *smtp.MailOptions) error { return nil }

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

// Data files a message. The client's 250 means that it is on the disk.
func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	id, err := s.store.Add(raw, s.to, s.now())
	if err != nil {
		s.log.Error("a mail was not kept", "err", err)
		return &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 3, 1}, Message: fault.Text(err)}
	}
	s.log.Info("a mail lies in the local mailbox", "id", id)
	return nil
}

func (s *session) Reset() { s.to = nil }

func (s *session) Logout() error { return nil }
