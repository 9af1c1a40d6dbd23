package redisd

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// replyTime bounds one exchange with the server. A server that is stuck for longer counts as hung.
const replyTime = 3 * time.Second

// maxReply bounds a reply: INFO is a few kilobytes.
const maxReply = 1 << 20

// conn speaks as much of Redis' protocol (RESP) as is needed to know whom one talks to. The ledger is the
// home of the client; this is less than a tenth of one.
type conn struct {
	net.Conn
	in *bufio.Reader
}

// dial connects to a server on the loopback and signs in.
func dial(ctx context.Context, port int, password string) (*conn, error) {
	d := net.Dialer{Timeout: replyTime}
	c, err := d.DialContext(ctx, "tcp", address(port))
	if err != nil {
		return nil, err
	}
	r := &conn{Conn: c, in: bufio.NewReader(c)}
	if _, err := r.do("AUTH", password); err != nil {
		c.Close()
		return nil, err
	}
	return r, nil
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// do sends a command and returns its reply, which is a simple or a bulk string.
func (c *conn) do(args ...string) (string, error) {
	if err := c.SetDeadline(time.Now().Add(replyTime)); err != nil {
		return "", err
	}
	var out strings.Builder
	fmt.Fprintf(&out, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&out, "$%d\r\n%s\r\n", len(a), a)
	}
	if _, err := io.WriteString(c.Conn, out.String()); err != nil {
		return "", err
	}
	line, err := c.in.ReadString('\n')
	if err != nil {
		return "", err
	}
	kind, rest := line[0], strings.TrimSpace(line[1:])
	switch kind {
	case '+':
		return rest, nil
	case '$':
		return c.bulk(rest)
	default:
		return "", fmt.Errorf("%s answers %.200s", args[0], strings.TrimSpace(line))
	}
}

func (c *conn) bulk(length string) (string, error) {
	n, err := strconv.Atoi(length)
	if err != nil || n < 0 || n > maxReply {
		return "", fmt.Errorf("a reply of %.20s bytes", length)
	}
	text := make([]byte, n+2)
	_, err = io.ReadFull(c.in, text)
	return string(text[:n]), err
}

// info returns the server's INFO as a map.
func (c *conn) info() (map[string]string, error) {
	text, err := c.do("INFO")
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), ":"); found {
			all[name] = value
		}
	}
	return all, nil
}

// closed waits until the server ends the connection, or we do.
func (c *conn) closed() {
	if c.SetDeadline(time.Time{}) == nil {
		_, _ = c.in.ReadByte() // nothing is ever sent unasked
	}
}
