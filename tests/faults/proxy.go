package faults

import (
	"bufio"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Trouble is what is wrong with the way to Redis, for everybody.
type Trouble int32

// The troubles.
const (
	Fine     Trouble = iota
	Black            // nothing arrives, neither there nor back
	OneWay           // requests arrive, and are carried out; answers do not come back
	Trickle          // answers come at one byte a second
	Resetter         // connections are reset
)

// Proxy stands between the functions and Redis. Each process has a door of its own, so that it is known who
// calls; the scripts are known by their digests.
type Proxy struct {
	scripts map[string]string // names by digest
	hook    Hook

	trouble atomic.Int32
	ahead   atomic.Int64 // by how much the clock of Redis is, a time.Duration
	mu      sync.Mutex
	healed  chan struct{} // closed when the trouble is over
	conns   map[net.Conn]bool
	doors   []net.Listener
}

// NewProxy returns a proxy without doors. lua is the file of the scripts that the bundle was built with.
func NewProxy(lua string, hook Hook) (*Proxy, error) {
	source, err := os.ReadFile(lua)
	if err != nil {
		return nil, err
	}
	return &Proxy{scripts: digests(string(source)), hook: hook, conns: map[net.Conn]bool{}}, nil
}

// digests names the scripts as Redis 7 knows them: with the shebang in front (shared/ledger/scripts.go).
func digests(source string) map[string]string {
	sections := strings.Split(source, "\n--# ")
	names := map[string]string{}
	for _, section := range sections[1:] {
		heading, body, _ := strings.Cut(section, "\n")
		name, flags, _ := strings.Cut(heading, " ")
		if flags != "" {
			flags = " flags=" + flags
		}
		sum := sha1.Sum([]byte("#!lua" + flags + "\n" + sections[0] + "\n" + body))
		names[hex.EncodeToString(sum[:])] = name
	}
	return names
}

// Set begins a trouble, or ends it with Fine.
func (p *Proxy) Set(t Trouble) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.healed != nil {
		close(p.healed)
		p.healed = nil
	}
	if t != Fine {
		p.healed = make(chan struct{})
	}
	p.trouble.Store(int32(t))
	if t == Resetter {
		for c := range p.conns {
			reset(c)
		}
	}
}

// wait waits until a trouble is over.
func (p *Proxy) wait() {
	p.mu.Lock()
	healed := p.healed
	p.mu.Unlock()
	if healed != nil {
		<-healed
	}
}

func (p *Proxy) is(troubles ...Trouble) bool {
	now := Trouble(p.trouble.Load())
	for _, t := range troubles {
		if now == t {
			return true
		}
	}
	return false
}

// reset ends a connection with RST instead of FIN.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // a connection that is gone needs no reset
	}
	c.Close()
}

// Door listens for one process in place of a server, until Close. It returns its address.
func (p *Proxy) Door(r *Replica, server string) (string, error) {
	l, err := p.listen()
	if err != nil {
		return "", err
	}
	go accept(l, func(c net.Conn) { p.serve(c, r, server) })
	return l.Addr().String(), nil
}

// listen opens a door that nobody stands behind yet.
func (p *Proxy) listen() (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		p.doors = append(p.doors, l)
	}
	return l, err
}

// accept serves connections until the listener ends.
func accept(l net.Listener, serve func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go serve(c)
	}
}

// Close ends all troubles and closes all doors.
func (p *Proxy) Close() error {
	var errs []error
	for _, l := range p.doors {
		errs = append(errs, l.Close())
	}
	p.Set(Fine)
	return errors.Join(errs...)
}

// serve carries one connection, a batch of commands at a time, until one side ends.
func (p *Proxy) serve(client net.Conn, r *Replica, target string) {
	p.mu.Lock()
	p.conns[client] = true
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.conns, client)
		p.mu.Unlock()
		client.Close()
	}()
	if p.is(Resetter) {
		reset(client)
		return
	}
	server, err := net.DialTimeout("tcp", target, 2*time.Second)
	if err != nil {
		return
	}
	defer server.Close()
	w := &wire{proxy: p, replica: r, client: client, server: server, from: bufio.NewReaderSize(client, 64<<10), back: bufio.NewReaderSize(server, 64<<10)}
	for err == nil {
		err = w.batch()
	}
	if errors.Is(err, errCut) {
		reset(client)
	}
}

// wire is one connection through the proxy.
type wire struct {
	proxy          *Proxy
	replica        *Replica
	client, server net.Conn
	from, back     *bufio.Reader
}

// batch passes on what the client has sent so far, and the answers.
func (w *wire) batch() error {
	var points []*Point // nil for what is no script
	var out []byte
	for first := true; first || w.from.Buffered() > 0; first = false {
		f, err := readFrame(w.from)
		if err != nil {
			return err
		}
		p := w.point(f)
		if p != nil {
			if err := w.proxy.hook(*p); err != nil {
				return err
			}
		}
		points, out = append(points, p), append(out, f.raw...)
		if len(f.args) > 0 && strings.Contains(strings.ToLower(f.args[0]), "subscribe") {
			return w.listen(out)
		}
	}
	if w.proxy.is(Black) {
		w.proxy.wait()
	}
	if _, err := w.server.Write(out); err != nil {
		return err
	}
	for _, p := range points {
		f, err := readFrame(w.back)
		if err != nil {
			return err
		}
		if err := w.answer(p, f); err != nil {
			return err
		}
	}
	return nil
}

// answer passes an answer on.
func (w *wire) answer(p *Point, f frame) error {
	if p != nil {
		p.After = true
		p.Answer, p.Stale = f.result()
		if p.Name == clockName {
			if err := f.later(time.Duration(w.proxy.ahead.Load())); err != nil {
				return err
			}
		}
		if err := w.proxy.hook(*p); err != nil {
			return err
		}
	}
	if w.proxy.is(Black, OneWay) {
		w.proxy.wait()
	}
	for w.proxy.is(Trickle) && len(f.raw) > 1 {
		if _, err := w.client.Write(f.raw[:1]); err != nil {
			return err
		}
		f.raw = f.raw[1:]
		time.Sleep(time.Second)
	}
	_, err := w.client.Write(f.raw)
	return err
}

// listen carries a connection on which Redis speaks unasked.
func (w *wire) listen(out []byte) error {
	if _, err := w.server.Write(out); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = w.from.WriteTo(w.server) // it ends with either side
		w.server.Close()
	}()
	_, err := w.back.WriteTo(w.client)
	w.client.Close()
	<-done
	return errors.Join(err, net.ErrClosed)
}

// point is the place of a command, nil when it is no script of ours.
func (w *wire) point(f frame) *Point {
	if len(f.args) == 1 && strings.EqualFold(f.args[0], clockName) {
		return &Point{Store: true, Name: clockName, Replica: w.replica}
	}
	if len(f.args) < 3 {
		return nil
	}
	digest := f.args[1]
	switch strings.ToLower(f.args[0]) {
	case "evalsha":
	case "eval":
		sum := sha1.Sum([]byte(f.args[1]))
		digest = hex.EncodeToString(sum[:])
	default:
		return nil
	}
	p := &Point{Store: true, Name: w.proxy.scripts[digest], Replica: w.replica}
	for _, arg := range f.args[2:] {
		if len(arg) > 128 {
			continue // sealed
		}
		p.Lanes = append(p.Lanes, lanesIn(arg)...)
		if p.Owner == "" && len(arg) == ownerLen && isHex(arg) {
			p.Owner = arg
		}
	}
	return p
}

// ownerLen is the length of the name of a claim's holder (ledger.NewOwner).
const ownerLen = 16

func isHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }
