package faults

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/hearthfaas/hearth/shared/redisd/redisdtest"
)

// lag is for how long a primary goes on alone before it dies.
const lag = 150 * time.Millisecond

// Sentinel is a primary with two replicas and three Sentinels. Each process gets doors to all of them, so that it
// finds the primary as it does anywhere, and all that it says still passes the proxy.
type Sentinel struct {
	*redisdtest.Failover
	client *redis.Client
	dead   *redisdtest.Node
}

// StartSentinel starts the servers in a folder. They have no password.
func StartSentinel(dir string) (*Sentinel, error) {
	f, err := redisdtest.StartSentinel(dir)
	if err != nil {
		return nil, err
	}
	s := &Sentinel{Failover: f}
	s.client = redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: redisdtest.MasterName, SentinelAddrs: s.addresses(f.Sentinels), Protocol: 2, DisableIdentity: true,
	})
	return s, nil
}

func (s *Sentinel) addresses(nodes []*redisdtest.Node) []string {
	var all []string
	for _, n := range nodes {
		all = append(all, n.Addr)
	}
	return all
}

// Client is a client past the proxy, for looking.
func (s *Sentinel) Client() *redis.Client { return s.client }

// URL leads to the store past the proxy.
func (s *Sentinel) URL() string { return s.Failover.URL }

// Through opens doors for a process: one to each server, and one to each Sentinel, which names the doors.
func (s *Sentinel) Through(p *Proxy, r *Replica) (string, error) {
	ports := map[string]string{} // of doors, by those behind them
	address := s.Failover.URL
	for _, n := range s.Nodes {
		door, err := p.Door(r, n.Addr)
		if err != nil {
			return "", err
		}
		ports[portOf(n.Addr)] = portOf(door)
	}
	var guides []net.Listener
	for _, n := range s.Sentinels {
		l, err := p.listen()
		if err != nil {
			return "", err
		}
		guides = append(guides, l)
		ports[portOf(n.Addr)] = portOf(l.Addr().String())
		address = strings.Replace(address, n.Addr, l.Addr().String(), 1)
	}
	for i, n := range s.Sentinels {
		go accept(guides[i], func(c net.Conn) { guide(c, n.Addr, ports) })
	}
	return address, nil
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

// port is a port that the system gave: all of these have five digits, so that a text keeps its length.
var port = regexp.MustCompile(`\b[0-9]{5}\b`)

// guide carries a connection to a Sentinel, which tells of doors instead of servers.
func guide(client net.Conn, target string, ports map[string]string) {
	defer client.Close()
	server, err := net.DialTimeout("tcp", target, 2*time.Second)
	if err != nil {
		return
	}
	defer server.Close()
	go func() { // ends with either side
		_, _ = bufio.NewReader(client).WriteTo(server)
		server.Close()
	}()
	for back := bufio.NewReader(server); ; {
		line, err := back.ReadBytes('\n')
		if err != nil {
			return
		}
		told := port.ReplaceAllFunc(line, func(p []byte) []byte {
			if door, ok := ports[string(p)]; ok {
				return []byte(door)
			}
			return p
		})
		if _, err := client.Write(told); err != nil {
			return
		}
	}
}

// Kill ends the primary without warning.
func (s *Sentinel) Kill() error {
	var err error
	if s.dead, err = s.inStep(); err != nil {
		return err
	}
	return s.dead.Kill()
}

// Start starts what Kill has ended, and waits until there is one primary with two replicas.
func (s *Sentinel) Start() error {
	if err := s.dead.Restart(); err != nil {
		return err
	}
	_, err := s.inStep()
	return err
}

// inStep waits until both replicas follow the primary, which it returns, and have all that it has. Faults begin from
// there: the store survives one at a time. While a replica catches up, another failure may lose what the primary
// took meanwhile (docs/redis.md).
func (s *Sentinel) inStep() (primary *redisdtest.Node, err error) {
	err = redisdtest.Until("two replicas follow a primary", func(ctx context.Context) error {
		if primary, err = s.Master(ctx); err != nil {
			return err
		}
		info, err := primary.Info(ctx, "replication").Result()
		if err != nil {
			return err
		}
		if n := strings.Count(info, "state=online"); n < 2 || !strings.Contains(info, "role:master") {
			return fmt.Errorf("%s has %d replicas", primary.Addr, n)
		}
		return caughtUp(ctx, primary.Client, 2)
	})
	return primary, err
}

// caughtUp asks so many replicas to confirm all that their primary did up to now.
func caughtUp(ctx context.Context, primary *redis.Client, replicas int) error {
	var wait *redis.Cmd
	_, err := primary.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.Ping(ctx) // WAIT is about what came before it on its connection
		wait = p.Do(ctx, "wait", replicas, 500)
		return nil
	})
	if err != nil {
		return err
	}
	n, err := wait.Int()
	if err == nil && n < replicas {
		err = fmt.Errorf("%d of %d replicas have caught up", n, replicas)
	}
	return err
}

// failover cuts both replicas off: they stand still and their connections are gone, so what the primary takes from
// then on reaches nobody. It dies like that, and the Sentinels make a primary of one of them. The old one comes
// back and follows.
func (s *Sentinel) failover(ctx context.Context) error {
	old, err := s.inStep()
	if err != nil {
		return err
	}
	var others []*redisdtest.Node
	for _, n := range s.Nodes {
		if n != old {
			others = append(others, n)
			err = errors.Join(err, n.Pause())
		}
	}
	err = errors.Join(err, old.Do(ctx, "client", "kill", "type", "replica").Err(), sleep(ctx, lag), old.Kill())
	for _, n := range others {
		err = errors.Join(err, n.Resume())
	}
	if err != nil {
		return err
	}
	s.dead = old
	err = redisdtest.Until("another primary is there", func(ctx context.Context) error {
		n, err := s.Master(ctx)
		if err == nil && n == old {
			err = fmt.Errorf("still %s", n.Addr)
		}
		return err
	})
	return errors.Join(err, s.Start())
}

// Stop ends all processes.
func (s *Sentinel) Stop() error {
	s.Failover.Stop()
	return s.client.Close()
}
