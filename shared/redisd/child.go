package redisd

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
)

const (
	// loadTime bounds how long a server may take to read its data at the start.
	loadTime = 10 * time.Minute
	// stopTime bounds how long a server may take to end after SIGTERM.
	stopTime = 10 * time.Second
	// The pause before a server that died is started again, which doubles up to its bound.
	firstPause = 50 * time.Millisecond
	maxPause   = 5 * time.Second
	// pollEvery is how often a server is asked that cannot be waited for.
	pollEvery = 5 * time.Millisecond
)

// child is the redis-server of a folder. It holds the folder's lock by a descriptor that it inherited, so
// that never two servers write the same data, whoever started them.
type child struct {
	program string
	dir     string
	log     *slog.Logger
	end     context.CancelFunc // of keep
	ended   chan struct{}      // closed after keep

	// The fields below belong to keep once it runs.
	adopted bool
	version string
	watched *conn // ends when the server does
	err     error // of the server's end
}

// state is what the next start has to know. It is a file beside the data, readable by us only.
type state struct {
	Port     int    `json:"port"`
	Password string `json:"password"`
	PID      int    `json:"pid"` // the last one known; what counts is who answers with the password
}

// startChild takes over the folder's server if it is alive, or starts it, and keeps it running until it is
// stopped.
func startChild(ctx context.Context, program, dir string, log *slog.Logger) (*Server, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.As(fault.Unavailable, err, "no folder for the store's data")
	}
	dir, err := filepath.Abs(dir) // it becomes the server's own folder
	if err != nil {
		return nil, fault.As(fault.Unavailable, err, "no folder for the store's data")
	}
	c := &child{program: program, dir: dir, log: log, ended: make(chan struct{})}
	st, err := c.readState()
	if err != nil {
		return nil, err
	}
	if err := c.obtain(ctx, &st); err != nil {
		return nil, err
	}
	s := &Server{URL: "redis://:" + st.Password + "@" + address(st.Port) + "/0", Kind: Child, Version: c.version, stop: c.stop}
	if c.adopted {
		s.Kind = Adopted
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	c.end = end
	go c.keep(life, st)
	return s, nil
}

// obtain adopts the living server of the folder or starts one, and says in st which.
func (c *child) obtain(ctx context.Context, st *state) error {
	if c.adopt(ctx, st) {
		return nil
	}
	if err := c.clear(ctx, *st); err != nil {
		return err
	}
	return c.start(ctx, st)
}

func (c *child) path(name string) string { return filepath.Join(c.dir, name) }

// readState returns the state that an earlier run left, or a new one.
func (c *child) readState() (state, error) {
	raw, err := os.ReadFile(c.path("hearth.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return state{Password: newPassword()}, nil
	}
	var st state
	if err == nil {
		err = json.Unmarshal(raw, &st)
	}
	if err != nil || st.Password == "" {
		return st, fault.As(fault.Unavailable, err, "what is known of the store cannot be read").At(c.path("hearth.json")).
			Try("stop its redis-server and remove the file")
	}
	return st, nil
}

func (c *child) writeState(st state) error {
	raw, err := json.Marshal(st)
	if err != nil {
		return err
	}
	return replaceFile(c.path("hearth.json"), raw)
}

func newPassword() string {
	var b [24]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// adopt takes over the server that answers at the known port with the known password and has our folder.
func (c *child) adopt(ctx context.Context, st *state) bool {
	c.adopted = st.Port != 0 && c.attach(ctx, st) == nil
	return c.adopted
}

// attach connects to a server and makes sure that it is the folder's and serves.
func (c *child) attach(ctx context.Context, st *state) error {
	r, err := dial(ctx, st.Port, st.Password)
	if err != nil {
		return err
	}
	if err := c.recognise(r, st); err != nil {
		r.Close()
		return err
	}
	c.watched = r
	return nil
}

func (c *child) recognise(r *conn, st *state) error {
	info, err := r.info()
	if err != nil {
		return err
	}
	if info["loading"] == "1" {
		return errLoading
	}
	if file := info["config_file"]; file != c.path("redis.conf") {
		return fmt.Errorf("the server at port %d has the configuration %q", st.Port, file)
	}
	c.version = info["redis_version"]
	st.PID, err = strconv.Atoi(info["process_id"])
	return err
}

var errLoading = errors.New("the server is loading its data")

// clear ends a server that holds the folder and cannot be adopted: one that hangs, or still loads. Only a
// process that is certainly it is signalled.
func (c *child) clear(ctx context.Context, st state) error {
	lock, err := c.lock()
	if err == nil {
		return lock.Close()
	}
	if st.PID == 0 || !isServer(st.PID, st.Port) {
		return fault.As(fault.Unavailable, err, "another server uses the data in %s", c.dir).
			Try("fuser " + c.path("lock") + " names it")
	}
	c.log.Warn("the store of an earlier run does not answer and is stopped", "pid", st.PID)
	return c.terminate(ctx, st.PID)
}

// isServer reports whether pid is a redis-server on our port, by the title it gives itself.
func isServer(pid, port int) bool {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	title := strings.TrimRight(string(raw), "\x00 ")
	return err == nil && strings.HasSuffix(strings.TrimSpace(title), address(port)) && strings.Contains(title, "-server ")
}

// terminate ends a server and waits until it has let go of the folder. When nobody holds that, the server
// is gone already, and its id may be somebody else's.
func (c *child) terminate(ctx context.Context, pid int) error {
	if lock, err := c.lock(); err == nil {
		return lock.Close()
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	_ = syscall.Kill(pid, syscall.SIGTERM) // it may have gone by itself
	_ = syscall.Kill(pid, syscall.SIGCONT) // a stopped one ends when it goes on
	lock, err := c.waitLock(limit)
	if err != nil {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
		defer cancel()
		lock, err = c.waitLock(last)
	}
	if err != nil {
		return fault.As(fault.Unavailable, err, "the store's process %d does not end", pid)
	}
	return lock.Close()
}

// lock takes the folder's lock, which is held as long as the file or a duplicate of it is open.
func (c *child) lock() (*os.File, error) {
	f, err := os.OpenFile(c.path("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// waitLock waits for the folder's lock.
func (c *child) waitLock(ctx context.Context) (*os.File, error) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		f, err := c.lock()
		if err == nil {
			return f, nil
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-tick.C:
		}
	}
}

// start starts a server, at the port it had before if that is free.
func (c *child) start(ctx context.Context, st *state) error {
	lock, err := c.lock()
	if err != nil {
		return fault.As(fault.Unavailable, err, "another server uses the data in %s", c.dir)
	}
	defer lock.Close() // the server has its own
	c.mend()
	if st.Port, err = freePort(ctx, st.Port); err != nil {
		return fault.As(fault.Unavailable, err, "no free port for the store")
	}
	if err := errors.Join(c.writeConfig(*st), c.writeState(*st)); err != nil {
		return fault.As(fault.Unavailable, err, "the store's folder cannot be written").At(c.dir)
	}
	cmd := exec.Command(c.program, c.path("redis.conf"))
	cmd.Dir, cmd.Env, cmd.ExtraFiles = c.dir, []string{"LC_ALL=C"}, []*os.File{lock}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us; we end it when it is no longer needed
	if err := cmd.Start(); err != nil {
		return fault.As(fault.Unavailable, err, "%s cannot be started", c.program)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }() // ends with the server, which may outlive us
	st.PID = cmd.Process.Pid
	if err = c.writeState(*st); err == nil {
		err = c.await(ctx, st, exited)
	}
	if err != nil {
		lock.Close() // or it could not be seen that the server is gone
		return errors.Join(err, c.terminate(ctx, cmd.Process.Pid))
	}
	return nil
}

// mend takes an unfinished transaction off the log. Where that cannot be done the server says what is wrong.
func (c *child) mend() {
	taken, err := Mend(c.dir)
	if err != nil {
		c.log.Warn("the store's log could not be looked at", "err", err)
	} else if taken > 0 {
		c.log.Warn("the store's log ended within a transaction, which is taken off", "bytes", taken)
	}
}

// await waits until a server that was started serves.
func (c *child) await(ctx context.Context, st *state, exited <-chan error) error {
	ctx, cancel := context.WithTimeout(ctx, loadTime)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := c.attach(ctx, st)
		if err == nil {
			return nil
		}
		select {
		case err := <-exited:
			return fault.As(fault.Unavailable, err, "the store's redis-server ended at once: %s", c.lastWords()).
				Try("see " + c.path("redis.log"))
		case <-ctx.Done():
			return fault.As(fault.Unavailable, err, "the store did not get ready").Try("see " + c.path("redis.log"))
		case <-tick.C:
		}
	}
}

// lastWords returns the last line of the server's log.
func (c *child) lastWords() string {
	raw, err := os.ReadFile(c.path("redis.log"))
	if err != nil {
		return "it left no log"
	}
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	return lines[len(lines)-1]
}

// freePort returns the wanted port if it is free, else another that is.
func freePort(ctx context.Context, want int) (int, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address(want))
	if err != nil {
		l, err = lc.Listen(ctx, "tcp", address(0))
	}
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// keep starts the server again whenever it dies. When life ends, it ends the server.
func (c *child) keep(life context.Context, st state) {
	defer close(c.ended)
	for life.Err() == nil {
		watched := c.watched
		stop := context.AfterFunc(life, func() { watched.Close() })
		watched.closed()
		stop()
		watched.Close()
		if life.Err() == nil {
			c.log.Error("the store has died and is started again", "pid", st.PID)
			c.restart(life, &st)
		}
	}
	c.err = c.terminate(life, st.PID)
}

// restart tries until the server runs again or life ends.
func (c *child) restart(life context.Context, st *state) {
	port := st.Port
	for pause := firstPause; life.Err() == nil; pause = min(2*pause, maxPause) {
		st.Port = port
		err := c.obtain(life, st)
		if err == nil && st.Port == port {
			c.log.Info("the store is back", "pid", st.PID)
			return
		}
		if err == nil {
			// Others hold its URL already, so it must be there that it comes back.
			err = errors.Join(fmt.Errorf("port %d is taken by another process", port), c.terminate(life, st.PID))
		}
		c.log.Error("the store cannot be started", "err", err, "again_in", pause)
		timer := time.NewTimer(pause)
		select {
		case <-life.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// stop ends the server in order.
func (c *child) stop() error {
	c.end()
	<-c.ended
	return c.err
}
