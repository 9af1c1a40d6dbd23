package faults

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/hearthfaas/hearth/shared/redisd"
)

// Store is the store of a cluster: one redis-server, or several behind Sentinels.
type Store interface {
	Client() *redis.Client                              // past the proxy, for looking
	URL() string                                        // past the proxy
	Through(p *Proxy, r *Replica) (url string, _ error) // as a process reaches it
	Kill() error                                        // ends the server that takes writes, without warning
	Start() error                                       // starts it again
	Stop() error                                        // ends all for good
}

// Redis is one redis-server with a folder of its own, which syncs each write.
type Redis struct {
	dir, addr, password string
	args                []string
	cmd                 *exec.Cmd
	client              *redis.Client
}

// StartRedis starts a redis-server in a folder, with further arguments.
func StartRedis(dir, password string, args ...string) (*Redis, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	s := &Redis{dir: dir, addr: addr, password: password, args: args}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	s.client = redis.NewClient(&redis.Options{
		Addr: addr, Password: password, Protocol: 2, DisableIdentity: true, MaxRetries: -1,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	return s, s.Start()
}

// freeAddr returns an address that nobody listens on.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// Client is a client past the proxy, for looking.
func (s *Redis) Client() *redis.Client { return s.client }

// URL leads to the server past the proxy.
func (s *Redis) URL() string { return s.at(s.addr) }

func (s *Redis) at(addr string) string { return "redis://:" + s.password + "@" + addr + "/0" }

// Through opens a door for a process.
func (s *Redis) Through(p *Proxy, r *Replica) (string, error) {
	door, err := p.Door(r, s.addr)
	return s.at(door), err
}

// Start starts the server and waits until it has read its data.
func (s *Redis) Start() error {
	if _, err := redisd.Mend(s.dir); err != nil { // as hearth up does, and docs/redis.md asks of others
		return err
	}
	host, port, _ := strings.Cut(s.addr, ":")
	conf := filepath.Join(s.dir, "redis.conf") // the password is for nobody's process list
	text := fmt.Sprintf("bind %s\nport %s\nrequirepass %s\ndir %q\nlogfile %q\nsave \"\"\nappendonly yes\nappendfsync always\nmaxmemory-policy noeviction\n",
		host, port, s.password, s.dir, filepath.Join(s.dir, "redis.log"))
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return err
	}
	s.cmd = exec.Command("redis-server", append([]string{conf}, s.args...)...)
	s.cmd.Dir, s.cmd.Env, s.cmd.SysProcAttr = s.dir, []string{"LC_ALL=C"}, withUs()
	if err := s.cmd.Start(); err != nil {
		return err
	}
	return s.await(time.Minute)
}

// await waits until the server serves.
func (s *Redis) await(limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return poll(ctx, 20*time.Millisecond, func() error { return s.client.Ping(ctx).Err() })
}

// Kill ends the server without warning.
func (s *Redis) Kill() error {
	err := s.cmd.Process.Kill()
	_ = s.cmd.Wait() // killed, as was wanted
	return err
}

// Stop ends the server for good.
func (s *Redis) Stop() error { return errors.Join(s.Kill(), s.client.Close()) }

// Cut takes bytes off the end of the log of a server that is down, as a power failure does on a disk that said
// more than it did. It returns how many there were to take.
func (s *Redis) Cut(bytes int64) (int64, error) {
	logs, err := filepath.Glob(filepath.Join(s.dir, "appendonlydir", "*.incr.aof"))
	if err != nil || len(logs) == 0 {
		return 0, errors.Join(err, fmt.Errorf("no append-only file in %s", s.dir))
	}
	last := logs[len(logs)-1]
	info, err := os.Stat(last)
	if err != nil {
		return 0, err
	}
	bytes = min(bytes, info.Size())
	return bytes, os.Truncate(last, info.Size()-bytes)
}

// poll does something until it succeeds or ctx ends.
func poll(ctx context.Context, every time.Duration, do func() error) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		err := do()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}
