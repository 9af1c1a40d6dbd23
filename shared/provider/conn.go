package provider

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
)

// conn is a connection to a function's process, for one call at a time.
type conn struct {
	net.Conn
	raw    syscall.RawConn
	pool   *pool
	reader *bufio.Reader
	parked time.Time

	// Of the call that it serves:
	sent  int         // bytes of it that went out
	heard bool        // whether a byte of its answer came
	left  int64       // how many bytes of the answer's header may still come
	stop  func() bool // ends the watch over its context
}

// dial opens a connection.
func (p *pool) dial(ctx context.Context) (*conn, error) {
	there, err := p.dialer.DialContext(ctx, "unix", p.socket)
	if err != nil {
		return nil, err
	}
	raw, err := there.(*net.UnixConn).SyscallConn()
	if err != nil {
		return nil, errors.Join(err, there.Close())
	}
	c := &conn{Conn: there, raw: raw, pool: p}
	c.reader = bufio.NewReader((*answerReader)(c))
	return c, nil
}

// answerReader reads what comes from the function, within the bound of the header while that comes.
type answerReader conn

func (a *answerReader) Read(b []byte) (int, error) {
	if a.left <= 0 {
		return 0, fault.New(fault.Failed, "the header of the answer has more than %d bytes", maxHead)
	}
	n, err := a.Conn.Read(b)
	a.heard = a.heard || n > 0
	a.left -= int64(n)
	return n, err
}

// silent reports whether an idle connection is open and nothing came that nobody asked for.
func (c *conn) silent() bool {
	silent := false
	err := c.raw.Read(func(fd uintptr) bool {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		silent = err == syscall.EAGAIN
		return true // whatever it was, do not wait for more
	})
	return err == nil && silent
}

// roundTrip sends a call and reads its answer up to the body. When the context ends before the body does, the
// connection is closed: that ends whatever waits for it.
func (c *conn) roundTrip(r *http.Request, message []byte) (*http.Response, error) {
	c.sent, c.heard, c.left = 0, false, maxHead
	c.stop = context.AfterFunc(r.Context(), func() { c.Close() })
	resp, err := c.exchange(r, message)
	if err != nil {
		c.stop()
		c.Close()
		return nil, cmp.Or(context.Cause(r.Context()), err)
	}
	if resp.Body == http.NoBody {
		c.done(!resp.Close)
		return resp, nil
	}
	resp.Body = &connBody{ReadCloser: resp.Body, conn: c, call: r.Context(), reuse: !resp.Close}
	return resp, nil
}

// exchange leaves an error of sending aside until it is clear that no answer came: who refuses a call early
// may close before it has read all of it.
func (c *conn) exchange(r *http.Request, message []byte) (*http.Response, error) {
	var unsent error
	if c.sent, unsent = c.Write(message); c.sent == 0 {
		return nil, unsent
	}
	for {
		resp, err := http.ReadResponse(c.reader, r)
		if err != nil {
			return nil, cmp.Or(unsent, err)
		}
		switch {
		case resp.StatusCode == http.StatusSwitchingProtocols:
			return nil, fault.New(fault.Failed, "the function changed the protocol without being asked")
		case resp.StatusCode >= 200:
			c.left = math.MaxInt64
			resp.Close = resp.Close || unsent != nil
			return resp, nil
		}
		if trace := httptrace.ContextClientTrace(r.Context()); trace != nil && trace.Got1xxResponse != nil {
			if err := trace.Got1xxResponse(resp.StatusCode, textproto.MIMEHeader(resp.Header)); err != nil {
				return nil, err
			}
		}
	}
}

// done ends a call. The connection is kept where the answer was read to its end and the function keeps it too,
// unless it is closed because the context has just ended.
func (c *conn) done(reuse bool) {
	if !c.stop() || !reuse || c.reader.Buffered() > 0 {
		c.Close()
		return
	}
	c.pool.park(c)
}

// connBody is the body of an answer. Its end frees the connection, its Close before that closes it.
type connBody struct {
	io.ReadCloser
	conn  *conn
	call  context.Context
	reuse bool
	ended atomic.Bool
}

func (b *connBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == nil {
		return n, nil
	}
	b.end(err == io.EOF)
	if err != io.EOF {
		err = cmp.Or(context.Cause(b.call), err)
	}
	return n, err
}

// Close does not close the body that http.ReadResponse made: that would read all of it.
func (b *connBody) Close() error {
	b.end(false)
	return nil
}

func (b *connBody) end(whole bool) {
	if b.ended.CompareAndSwap(false, true) {
		b.conn.done(b.reuse && whole)
	}
}
