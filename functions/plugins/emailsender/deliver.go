package emailsender

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Patience with a mail server.
const (
	dialTime   = 10 * time.Second
	replyTime  = 30 * time.Second
	acceptTime = 60 * time.Second // for the answer to the whole message, which servers check before they give it
)

// deliver hands a message over and returns what the server said to it. Up to the end of the message, whatever
// goes wrong is certainly without effect: Unavailable when trying again can help, Failed when it cannot.
// Silence after the end is Unknown.
func (s server) deliver(ctx context.Context, l letter) (string, error) {
	conn, err := s.dial(ctx)
	if err != nil {
		return "", s.refused(err, "the mail server %s cannot be reached", s.address)
	}
	// The client has no context: an end of the call cuts its connection.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	c, err := s.greet(conn)
	if err != nil {
		conn.Close()
		return "", err
	}
	defer c.Close()
	if err := s.envelope(c, l); err != nil {
		return "", err
	}
	data, err := c.Data()
	if err != nil {
		return "", s.refused(err, "the mail server %s does not take the message", s.host)
	}
	if _, err := data.Write(l.raw); err != nil {
		return "", s.refused(err, "the connection to %s broke within the message", s.host)
	}
	response, err := data.CloseWithResponse()
	if _, answered := errors.AsType[*smtp.SMTPError](err); err != nil && !answered {
		return "", fault.As(fault.Unknown, err, "the mail server %s took the message %s and fell silent; it may be on its way", s.host, l.id)
	}
	if err != nil {
		return "", s.refused(err, "the mail server %s refused the message", s.host)
	}
	// The message is accepted; a goodbye that fails changes nothing.
	_ = c.Quit()
	return response.StatusText, nil
}

func (s server) dial(ctx context.Context) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: dialTime}
	if s.security == implicit {
		return (&tls.Dialer{NetDialer: dialer, Config: s.tls()}).DialContext(ctx, "tcp", s.address)
	}
	return dialer.DialContext(ctx, "tcp", s.address)
}

func (s server) tls() *tls.Config {
	return &tls.Config{ServerName: s.host, MinVersion: tls.VersionTLS12}
}

// greet says hello, encrypts where that is asked for, and signs in.
func (s server) greet(conn net.Conn) (*smtp.Client, error) {
	var c *smtp.Client
	if s.security == startTLS {
		var err error
		if c, err = smtp.NewClientStartTLS(conn, s.tls()); err != nil {
			return nil, s.unencrypted(err)
		}
	} else {
		c = smtp.NewClient(conn)
	}
	c.CommandTimeout, c.SubmissionTimeout = replyTime, acceptTime
	if err := c.Hello("localhost"); err != nil {
		return nil, s.refused(err, "the mail server %s does not say hello", s.host)
	}
	if s.user == "" {
		return c, nil
	}
	mechanism := s.mechanism(c)
	if mechanism == nil {
		return nil, fault.New(fault.Failed, "the mail server %s offers no sign-in that we know (PLAIN, LOGIN)", s.host)
	}
	if err := c.Auth(mechanism); err != nil {
		return nil, s.refused(err, "the mail server %s refused the user or the password of SMTP_URL", s.host)
	}
	return c, nil
}

// unencrypted tells a server without STARTTLS, which no waiting mends, from one that is away.
func (s server) unencrypted(err error) error {
	_, answered := errors.AsType[*smtp.SMTPError](err)
	_, broken := errors.AsType[net.Error](err)
	if !answered && !broken && strings.Contains(err.Error(), "doesn't support STARTTLS") {
		return fault.As(fault.Failed, err, "the mail server %s offers no encryption (STARTTLS), and mail does not go out in plain text", s.host).
			At("SMTP_URL").Try("use smtps://, or allow it with ?tls=none")
	}
	return s.refused(err, "the mail server %s does not encrypt", s.host)
}

func (s server) mechanism(c *smtp.Client) sasl.Client {
	switch {
	case c.SupportsAuth(sasl.Plain):
		return sasl.NewPlainClient("", s.user, s.password)
	case c.SupportsAuth(sasl.Login):
		return sasl.NewLoginClient(s.user, s.password)
	default:
		return nil
	}
}

// envelope names sender and recipients. One refused recipient refuses the message: a report that reached only
// some of them is worse than one that reached nobody and says so.
func (s server) envelope(c *smtp.Client, l letter) error {
	if err := c.Mail(l.from, &smtp.MailOptions{Size: int64(len(l.raw))}); err != nil {
		return s.refused(err, "the mail server %s refused the sender %s", s.host, l.from)
	}
	for _, to := range l.recipients {
		if err := c.Rcpt(to, nil); err != nil {
			return s.refused(err, "the mail server %s refused the recipient %s", s.host, to)
		}
	}
	return nil
}

// refused gives an error before a message's end its kind. A reply of 4xx is for now and 5xx for good (RFC
// 5321, section 4.2.1); a certificate that does not fit will not fit the next time either.
func (s server) refused(err error, format string, args ...any) error {
	if reply, ok := errors.AsType[*smtp.SMTPError](err); ok {
		kind := fault.Failed
		if reply.Temporary() {
			kind = fault.Unavailable
		}
		refusal := fault.As(kind, err, format, args...)
		refusal.Message += ": " + quote(reply)
		return refusal
	}
	if certificate, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fault.As(fault.Failed, err, "the certificate of the mail server %s is not trusted: %v", s.host, certificate.Err)
	}
	return fault.As(fault.Unavailable, err, format, args...).Try("hearth doctor")
}

// quote shortens what a server says: its words are from outside, and may be long.
func quote(reply *smtp.SMTPError) string {
	text := strings.Join(strings.FieldsFunc(reply.Message, isControl), " ")
	if len(text) > 200 {
		text = strings.ToValidUTF8(text[:200], "") + "…"
	}
	return strings.TrimSpace(strconv.Itoa(reply.Code) + " " + text)
}
