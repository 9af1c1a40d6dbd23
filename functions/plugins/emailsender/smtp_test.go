package emailsender_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// certificate is one that this process trusts, for 127.0.0.1 and example.com.
var certificate tls.Certificate

// TestMain makes a certificate that the system's trust includes, before anything asks for it.
func TestMain(m *testing.M) {
	server := httptest.NewTLSServer(nil)
	certificate = server.TLS.Certificates[0]
	dir, err := os.MkdirTemp("", "hearth-mail-")
	if err != nil {
		log.Fatal(err)
	}
	file := filepath.Join(dir, "roots.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		log.Fatal(err)
	}
	if err := os.Setenv("SSL_CERT_FILE", file); err != nil {
		log.Fatal(err)
	}
	server.Close()
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		log.Print(err)
	}
	os.Exit(code)
}

// received is a message that a server took.
type received struct {
	from string
	to   []string
	raw  string
	tls  bool
	user string
}

// postOffice is a mail server that can be told to misbehave.
type postOffice struct {
	*smtp.Server
	addr     string
	mail     error            // the answer to MAIL
	rcpt     map[string]error // the answers to RCPT, by recipient
	data     error            // the answer to the end of a message
	password string           // asked for, unless it is empty
	mu       sync.Mutex
	taken    []received
}

// open starts a server; configure runs before it takes connections.
func open(t *testing.T, configure func(*postOffice)) *postOffice {
	t.Helper()
	p := &postOffice{}
	p.Server = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &visit{office: p, conn: c}, nil
	}))
	p.Domain, p.ErrorLog = "example.com", log.New(io.Discard, "", 0)
	p.AllowInsecureAuth = true
	if configure != nil {
		configure(p)
	}
	l := listen(t)
	p.addr = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- p.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err := p.Shutdown(ctx)
		_ = l.Close() // Shutdown misses a listener that Serve has not come to yet
		if err := errors.Join(err, <-served); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p *postOffice) all() []received {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]received{}, p.taken...)
}

type visit struct {
	office *postOffice
	conn   *smtp.Conn
	now    received
	user   string
}

func (v *visit) AuthMechanisms() []string {
	if v.office.password == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (v *visit) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if password != v.office.password {
			return smtp.ErrAuthFailed
		}
		v.user = user
		return nil
	}), nil
}

func (v *visit) Mail(from string, _ *smtp.MailOptions) error {
	if v.office.password != "" && v.user == "" {
		return smtp.ErrAuthRequired
	}
	_, secure := v.conn.TLSConnectionState()
	v.now = received{from: from, tls: secure, user: v.user}
	return v.office.mail
}

func (v *visit) Rcpt(to string, _ *smtp.RcptOptions) error {
	v.now.to = append(v.now.to, to)
	return v.office.rcpt[to]
}

func (v *visit) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if v.office.data != nil {
		return v.office.data
	}
	v.now.raw = string(raw)
	v.office.mu.Lock()
	defer v.office.mu.Unlock()
	v.office.taken = append(v.office.taken, v.now)
	return nil
}

func (v *visit) Reset() {}

func (v *visit) Logout() error { return nil }

// script is a server that speaks by rote, for what no library would do: it answers each line by its first
// word, and hangs up where there is no answer. After the end of a message it asks for ".".
func script(t *testing.T, greeting string, answers map[string]string) string {
	t.Helper()
	l := listen(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			recite(conn, greeting, answers)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close() // recite ends with its client
		<-done
	})
	return l.Addr().String()
}

func recite(conn net.Conn, greeting string, answers map[string]string) {
	defer conn.Close()
	fmt.Fprintf(conn, "%s\r\n", greeting)
	inData := false
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		word, _, _ := strings.Cut(strings.ToUpper(lines.Text()), " ")
		if inData && word != "." {
			if answers["within"] == "hang up" {
				return
			}
			continue
		}
		answer, known := answers[word]
		if !known {
			return
		}
		inData = word == "DATA"
		fmt.Fprintf(conn, "%s\r\n", answer)
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func testLog(t *testing.T) *slog.Logger {
	t.Helper()
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}
