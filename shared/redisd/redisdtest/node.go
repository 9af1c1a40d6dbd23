// Package redisdtest starts real redis-servers for tests, alone, behind Sentinel and as a cluster, and breaks
// them: kill -9, a stop, a lost tail of the append-only file, a link that passes nothing on.
package redisdtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	// readyTime bounds the start of a server, and whatever else is waited for.
	readyTime = time.Minute // a busy machine takes that long to agree on a failover
	pollEvery = 10 * time.Millisecond
)

// Need skips the test where there is no redis-server on the PATH.
func Need(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("SKIP: no redis-server on the PATH (make dev-setup installs it)")
	}
}

// Node is a redis-server, or a Sentinel, at an address that it keeps.
type Node struct {
	Addr string
	*redis.Client

	dir  string
	args []string
	cmd  *exec.Cmd
	gone chan struct{} // closed when the process has ended
}

// Server starts a server with its own data and these further arguments. It ends with the test.
func Server(t testing.TB, args ...string) *Node {
	t.Helper()
	Need(t)
	n, err := StartServer(t.TempDir(), args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Stop)
	return n
}

// StartServer starts a server that keeps its data in dir. The caller stops it.
func StartServer(dir string, args ...string) (*Node, error) {
	addresses, err := freeAddresses(1)
	if err != nil {
		return nil, err
	}
	return startServer(dir, addresses[0], args...)
}

func startServer(dir, address string, args ...string) (*Node, error) {
	host, port, _ := net.SplitHostPort(address)
	return start(dir, address, append([]string{
		"--bind", host, "--port", port, "--dir", dir, "--save", "", "--appendonly", "yes", "--appendfsync", "everysec",
		"--maxmemory-policy", "noeviction", "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1",
	}, args...)...)
}

// start starts a process that speaks Redis' protocol and waits until it serves.
func start(dir, address string, args ...string) (*Node, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	n := &Node{Addr: address, dir: dir, args: args}
	n.Client = redis.NewClient(&redis.Options{
		Addr: address, Protocol: 2, DisableIdentity: true, MaxRetries: -1, ContextTimeoutEnabled: true, PoolSize: 4,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	if err := n.Restart(); err != nil {
		n.Stop()
		return nil, err
	}
	return n, nil
}

// Restart starts the process of a node that is not running, with the data that are there.
func (n *Node) Restart() error {
	log, err := os.OpenFile(filepath.Join(n.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return err
	}
	// A file that may not grow is an error of the write then, as on a full disk, and not the end.
	n.cmd = exec.Command("/bin/sh", append([]string{"-c", `trap "" XFSZ; exec "$0" "$@"`, program}, n.args...)...)
	n.cmd.Dir, n.cmd.Stdout, n.cmd.Stderr = n.dir, log, log
	n.cmd.Env = []string{"LC_ALL=C"}
	if err := n.cmd.Start(); err != nil {
		return err
	}
	n.gone = make(chan struct{})
	go func(cmd *exec.Cmd, gone chan struct{}) { // ends with the process, which Stop kills
		_ = cmd.Wait()
		close(gone)
	}(n.cmd, n.gone)
	return Until(n.Addr+" serves", func(ctx context.Context) error {
		select {
		case <-n.gone:
			raw, _ := os.ReadFile(log.Name())
			return fatal{fmt.Errorf("redis-server %s ended at once: %s", n.Addr, raw)}
		default:
			return n.Ping(ctx).Err()
		}
	})
}

// PID is the process id.
func (n *Node) PID() int { return n.cmd.Process.Pid }

// Kill ends the process at once and waits for its end. What it wrote to files stays.
func (n *Node) Kill() error {
	if err := n.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-n.gone
	return nil
}

// Pause stops the process: its connections stay open, and nothing answers.
func (n *Node) Pause() error { return n.signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (n *Node) Resume() error { return n.signal(syscall.SIGCONT) }

func (n *Node) signal(s syscall.Signal) error {
	select {
	case <-n.gone:
		return nil
	default:
		return n.cmd.Process.Signal(s)
	}
}

// Stop ends the node for good.
func (n *Node) Stop() {
	if n.gone != nil {
		_ = n.Kill() // it has ended already, then
	}
	_ = n.Close()
}

// AOF returns the path of the file that the server appends to, and its size in bytes.
func (n *Node) AOF() (path string, size int64, err error) {
	files, err := filepath.Glob(filepath.Join(n.dir, "appendonlydir", "*.incr.aof"))
	if err != nil || len(files) == 0 {
		return "", 0, errors.Join(err, fmt.Errorf("no append-only file in %s", n.dir))
	}
	path = files[len(files)-1]
	info, err := os.Stat(path)
	if err != nil {
		return "", 0, err
	}
	return path, info.Size(), nil
}

// CutAOF takes the last bytes off the append-only file of a node that was killed: what a power failure may do
// where not every write is synced.
func (n *Node) CutAOF(bytes int64) error {
	path, size, err := n.AOF()
	if err != nil {
		return err
	}
	return os.Truncate(path, max(0, size-bytes))
}

// fatal is an error that waiting cannot mend.
type fatal struct{ error }

// Until polls a condition until it holds. What names it in the error.
func Until(what string, holds func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), readyTime)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := holds(ctx)
		if err == nil {
			return nil
		}
		if _, hopeless := errors.AsType[fatal](err); hopeless {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not seen that %s: %w", what, err)
		case <-tick.C:
		}
	}
}

// freeAddresses returns addresses on the loopback that nobody listens on.
func freeAddresses(n int) ([]string, error) {
	var list []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // after all are found, so that none comes twice
		list = append(list, l.Addr().String())
	}
	return list, nil
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}
