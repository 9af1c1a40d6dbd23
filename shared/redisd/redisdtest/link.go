package redisdtest

import (
	"net"
	"sync"
	"testing"
)

// Link is a connection between two machines that can be held up: it passes bytes on, or keeps them and tells
// nobody.
type Link struct {
	Addr string // dial this instead of the server

	to     string
	listen net.Listener
	work   sync.WaitGroup

	mu    sync.Mutex
	open  chan struct{} // closed while bytes pass
	conns []net.Conn
	ended bool
}

// NewLink returns a link to an address that passes everything on. It ends with the test.
func NewLink(t testing.TB, to string) *Link {
	t.Helper()
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &Link{Addr: listen.Addr().String(), to: to, listen: listen, open: make(chan struct{})}
	close(l.open)
	l.work.Go(l.serve)
	t.Cleanup(l.end)
	return l
}

// Hold keeps all bytes from now on, of connections to come too.
func (l *Link) Hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.open:
		l.open = make(chan struct{})
	default:
	}
}

// Release passes on what was kept, and all that comes.
func (l *Link) Release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.open:
	default:
		close(l.open)
	}
}

// Cut ends all connections that there are.
func (l *Link) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		c.Close()
	}
	l.conns = nil
}

func (l *Link) end() {
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	l.listen.Close()
	l.Cut()
	l.Release()
	l.work.Wait()
}

func (l *Link) serve() {
	for {
		near, err := l.listen.Accept()
		if err != nil {
			return
		}
		l.work.Go(func() { l.join(near) })
	}
}

// join couples a connection with one to the server.
func (l *Link) join(near net.Conn) {
	defer near.Close()
	far, err := net.Dial("tcp", l.to)
	if err != nil {
		return
	}
	defer far.Close()
	l.mu.Lock()
	l.conns = append(l.conns, near, far)
	ended := l.ended
	l.mu.Unlock()
	if ended {
		return
	}
	l.work.Go(func() { l.pass(far, near) })
	l.pass(near, far)
}

// pass copies until one side ends, and ends the other then.
func (l *Link) pass(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		l.mu.Lock()
		open := l.open
		l.mu.Unlock()
		<-open
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}
