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
	gate  *gate // of connections to come
	gates []*gate
	conns []net.Conn
	ended bool
}

// gate lets the bytes of some connections pass.
type gate struct{ open chan struct{} } // closed while they pass

func (g *gate) isOpen() bool {
	select {
	case <-g.open:
		return true
	default:
		return false
	}
}

// NewLink returns a link to an address that passes everything on. It ends with the test.
func NewLink(t testing.TB, to string) *Link {
	t.Helper()
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &Link{Addr: listen.Addr().String(), to: to, listen: listen}
	l.newGate()
	l.work.Go(l.serve)
	t.Cleanup(l.end)
	return l
}

func (l *Link) newGate() {
	l.gate = &gate{make(chan struct{})}
	close(l.gate.open)
	l.gates = append(l.gates, l.gate)
}

// Hold keeps all bytes from now on, of connections to come too.
func (l *Link) Hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gate.isOpen() {
		l.gate.open = make(chan struct{})
	}
}

// Strand keeps all bytes of the connections that there are. Those to come pass.
func (l *Link) Strand() {
	l.Hold()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.newGate()
}

// Release passes on what was kept, and all that comes.
func (l *Link) Release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, g := range l.gates {
		if !g.isOpen() {
			close(g.open)
		}
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
	ended, g := l.ended, l.gate
	l.mu.Unlock()
	if ended {
		return
	}
	l.work.Go(func() { l.pass(g, far, near) })
	l.pass(g, near, far)
}

// pass copies until one side ends, and ends the other then.
func (l *Link) pass(g *gate, from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		l.mu.Lock()
		open := g.open
		l.mu.Unlock()
		<-open
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}
