package fn

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/manifest"
)

// drainTime bounds how long a host waits for calls in flight after SIGTERM.
const drainTime = 30 * time.Second

// Run is the whole main of a program that is one function: it serves f as Main does, in the environment of
// the process, with its log on stderr, until SIGTERM. With the argument "manifest" it writes what the plugin
// says of itself instead: the value of manifest.Annotation where it is deployed. It returns the exit code.
func Run(f Function, args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	if len(args) == 1 && args[0] == "manifest" && f.Manifest != nil {
		return describe(f.Manifest(), log)
	}
	if err := Main(ctx, f, OSEnv(log)); err != nil {
		log.Error("the function does not serve", "function", f.Name, "err", fault.Text(err))
		return 1
	}
	return 0
}

func describe(m *manifest.Manifest, log *slog.Logger) int {
	text, err := json.Marshal(m)
	if err == nil {
		_, err = os.Stdout.Write(text)
	}
	if err != nil {
		log.Error("the manifest cannot be written", "err", err)
		return 1
	}
	return 0
}

// Main serves f where Listen listens. It returns after SIGTERM (ctx ends) once the calls in flight are done.
func Main(ctx context.Context, f Function, env *Env) error {
	l, err := Listen(ctx, env)
	if err != nil {
		return err
	}
	return Serve(ctx, f, env, l)
}

// Listen returns the listener of a function's process: the address in HEARTH_LISTEN, or the listener that
// it was given as descriptor N (fd:N), else $port (default 8080) of all interfaces, as a container does.
func Listen(ctx context.Context, env *Env) (net.Listener, error) {
	addr := env.Setting("HEARTH_LISTEN", ":"+env.Setting("port", "8080"))
	if number, given := strings.CutPrefix(addr, "fd:"); given {
		return inherited(number)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fault.As(fault.Unavailable, err, "cannot listen on %s", addr)
	}
	return l, nil
}

// inherited returns the listener that the process was started with.
func inherited(number string) (net.Listener, error) {
	fd, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return nil, fault.New(fault.Invalid, "want fd:N, not fd:%.100s", number).At("HEARTH_LISTEN")
	}
	f := os.NewFile(uintptr(fd), "listener")
	defer f.Close() // the listener is a duplicate
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fault.As(fault.Invalid, err, "descriptor %d is no listener", fd).At("HEARTH_LISTEN")
	}
	return l, nil
}

// Serve is Main on a listener, which it closes. While it takes calls, the file HEARTH_LOCK is there, for
// hosts that look for a file instead of asking /_/health.
func Serve(ctx context.Context, f Function, env *Env, l net.Listener) error {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	defer env.Close()
	host, err := NewHost(life, f, env)
	if err != nil {
		l.Close()
		return err
	}
	unlock, err := lock(env.Setting("HEARTH_LOCK", ""))
	if err != nil {
		l.Close()
		return err
	}
	server := &http.Server{
		Handler: host, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog:    slog.NewLogLogger(env.Log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return life },
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	select {
	case err := <-served:
		return errors.Join(err, unlock())
	case <-ctx.Done():
	}
	err = unlock()
	host.Drain()
	if f.Streams {
		end() // streams never end by themselves
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if late := server.Shutdown(limit); late != nil {
		return errors.Join(err, late, server.Close())
	}
	return err
}

// lock makes the file that says that calls are taken, and returns what removes it. Without a path there is
// none.
func lock(path string) (unlock func() error, err error) {
	if path == "" {
		return func() error { return nil }, nil
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		return nil, fault.As(fault.Unavailable, err, "cannot be written").At("HEARTH_LOCK")
	}
	return func() error {
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}, nil
}
