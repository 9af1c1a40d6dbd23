package emailsender

import (
	"net"
	"net/url"

	"github.com/hearthfaas/hearth/shared/fault"
)

// security is how the connection to a mail server is kept private.
type security int

const (
	startTLS security = iota // plain at first, and encrypted before anything of value is said; else not at all
	implicit                 // encrypted from the first byte
	plain                    // not at all: on this machine, or because the address says so
)

// server is a mail server, from SMTP_URL.
type server struct {
	host     string
	address  string // host:port
	user     string
	password string
	security security
	local    bool // our own mailbox, which sends nothing out
}

// parseServer reads SMTP_URL: smtp://user:password@host:port, or smtps://. The option tls=none allows plain
// text to another machine.
func parseServer(text string) (server, error) {
	if text == "" {
		return server{}, fault.New(fault.Failed, "there is no mail server: SMTP_URL is not set").
			At("SMTP_URL").Try("set SMTP_URL to smtp://user:password@host:port")
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		// The error of url.Parse quotes the address, and with it the password.
		return server{}, fault.New(fault.Invalid, "want smtp://user:password@host:port or smtps://").At("SMTP_URL")
	}
	s := server{host: u.Hostname(), user: u.User.Username()}
	s.password, _ = u.User.Password()
	port := "587" // message submission, RFC 6409
	switch u.Scheme {
	case "smtp":
		if isLoopback(s.host) {
			s.security = plain
		}
	case "smtps":
		s.security, port = implicit, "465" // RFC 8314
	default:
		return server{}, fault.New(fault.Invalid, "want smtp:// or smtps://, not %q", u.Scheme).At("SMTP_URL")
	}
	if err := s.options(u.Query()); err != nil {
		return server{}, err
	}
	if u.Port() != "" {
		port = u.Port()
	}
	s.address = net.JoinHostPort(s.host, port)
	return s, nil
}

func (s *server) options(options url.Values) error {
	for name := range options {
		value := options.Get(name)
		switch {
		case name == "tls" && value == "none" && s.security != implicit:
			s.security = plain
		case name == "tls" && value == "starttls" && s.security != implicit:
			s.security = startTLS
		case name == "mailbox" && value == "1" && isLoopback(s.host):
			s.local = true
		default:
			return fault.New(fault.Invalid, "unknown option %s=%s; known are tls=none and tls=starttls", name, value).At("SMTP_URL")
		}
	}
	return nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
