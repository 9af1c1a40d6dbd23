// Package provider is the OpenFaaS API for one machine: it deploys, invokes and queues functions as a gateway
// does, and runs them inside its own process or as processes that start on the first call.
//
// It makes a span of each call and exports them by itself, as OTLP in JSON. OpenTelemetry's SDK with its HTTP
// exporter (v1.47.0) does more, but links gRPC: 12 MB of executable and 6 MB of memory, in each function's
// process too, since all are one executable.
package provider

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/sandbox"
)

// Namespace is the one namespace of this provider, named as OpenFaaS names its default.
const Namespace = "openfaas-fn"

// Self is the image of the functions that are part of the running executable.
const Self = "hearth"

// User is the user of basic auth; the password is the secret PasswordSecret.
const (
	User           = "admin"
	PasswordSecret = "basic-auth-password"
)

// Defaults of Config.
const (
	DefaultIdle     = 5 * time.Minute
	DefaultDrain    = 4 * time.Second
	DefaultInflight = 128
)

// stopGrace is how long a process may take to end after it was asked to, on top of the drain time.
const stopGrace = time.Second

// sweepEvery is how often it is looked for processes that should stop, or should run.
const sweepEvery = 5 * time.Second

// Config says what a provider serves and how. Env, Logs, Data and Command are required.
type Config struct {
	Functions []fn.Function     // of the running executable, in the order they are listed
	Env       *fn.Env           // of inline functions; the settings, secrets and clock of everything else
	Logs      *Logs             // where the lines of processes go, and /system/logs reads
	Inline    bool              // run all but plugins inside this process
	Keep      []string          // functions that run from the start and are never stopped for being idle
	Needed    []string          // functions that cannot be removed, for the provider's owner calls them itself
	Data      string            // folder of what must survive: deployments, the async queue, the plugins' work folders
	Command   []string          // program and arguments that, followed by a name, serve a function of ours
	Images    map[string]string // programs that stand for images, by REPOSITORY[:TAG][@DIGEST]
	Environ   []string          // environment of our own functions as processes; plugins get of it what they are granted
	Hosts     []string          // names besides localhost under which the provider is called
	TLS       bool              // Hosts are reached by HTTPS, which something in front of us ends
	Home      string            // where GET / leads; empty for nowhere
	Version   string            // of the executable, for /system/info
	Idle      time.Duration     // how long a process lives without calls; default DefaultIdle
	Drain     time.Duration     // how long calls in flight may take after the end was asked for; default DefaultDrain
	Inflight  int               // async calls of one function at the same time; default DefaultInflight

	// After calls f once after d, unless stop comes first. Nil is the machine's clock.
	After func(d time.Duration, f func()) (stop func() bool)
}

// Provider serves functions. Serve runs it once; Transport works from New on.
type Provider struct {
	config    Config
	env       *fn.Env
	log       *slog.Logger
	logs      *Logs
	registry  *registry
	metrics   *metrics
	mux       *http.ServeMux // everything but calls of functions
	launcher  *sandbox.Launcher
	sockets   string // private folder of the processes' sockets
	spool     *spool
	book      *book
	born      time.Time
	deploying sync.Mutex // held while deployments change
	granting  sync.Mutex // held while plugins' folders are laid out
	keeping   sync.Mutex // held while secrets change
	calls     crew       // calls inside the process, and the queue's workers
	hosts     crew       // the watchers of processes

	queueing  sync.Mutex        // held while a queue is looked up
	queues    map[string]*queue // async calls, by function
	callbacks *queue
	timetable timetable
	tracer    *tracer
	port      atomic.Int32 // that Serve listens on
	keyed     sync.Mutex   // held while the callbacks' key is read or made

	life     context.Context // ends when inline functions and their calls must
	end      context.CancelFunc
	drain    context.Context // ends when streams must: before life
	draining context.CancelFunc
}

// New returns a provider with its functions deployed and its queue read back from Data. None of them has
// started. Serve must follow, for it frees what New took.
func New(config Config) (*Provider, error) {
	config.Idle = cmp.Or(config.Idle, DefaultIdle)
	config.Drain = cmp.Or(config.Drain, DefaultDrain)
	config.Inflight = cmp.Or(config.Inflight, DefaultInflight)
	if config.After == nil {
		config.After = func(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }
	}
	p := &Provider{
		config: config, env: config.Env, log: config.Env.Log, logs: config.Logs,
		registry: newRegistry(), metrics: newMetrics(), timetable: timetable{rows: map[string]*row{}},
		queues: map[string]*queue{}, born: config.Env.Now(),
	}
	p.callbacks = p.newCallbacks()
	p.life, p.end = context.WithCancel(context.Background())
	p.drain, p.draining = context.WithCancel(p.life)
	p.mux = p.routes()
	if err := p.open(); err != nil {
		p.end()
		return nil, err
	}
	return p, nil
}

// open takes the folders, the spool and the launcher, and deploys the functions.
func (p *Provider) open() error {
	for _, dir := range []string{"async", "work"} {
		if err := os.MkdirAll(filepath.Join(p.config.Data, dir), 0o700); err != nil {
			return fault.As(fault.Unavailable, err, "the data folder cannot be written")
		}
	}
	var err error
	if p.book, err = openBook(filepath.Join(p.config.Data, "deployments.json")); err != nil {
		return err
	}
	sockets, err := socketFolder(p.config.Data)
	if err != nil {
		return fault.As(fault.Unavailable, err, "no folder for sockets")
	}
	spool, waiting, err := openSpool(filepath.Join(p.config.Data, "async", "spool"), p.log)
	if err != nil {
		return errors.Join(err, os.RemoveAll(sockets))
	}
	if p.tracer, err = newTracer(p.env, p.metrics.lost); err != nil {
		p.log.Error("calls are not traced", "err", err)
	}
	p.sockets, p.spool, p.launcher = sockets, spool, sandbox.NewLauncher()
	for _, s := range p.standing() {
		p.publish(s)
	}
	p.requeue(waiting)
	p.forgetRemoved()
	return nil
}

// maxFolder is how long the path of the sockets' folder may be: a socket's is at most 107 bytes long
// (unix(7)), and each has a folder of its own in there.
const maxFolder = 90

// socketFolder makes an empty private folder: in the data folder, where the next start finds what a crash
// left of it, unless the path would be too long.
func socketFolder(data string) (string, error) {
	dir, err := filepath.Abs(filepath.Join(data, "run"))
	if err != nil || len(dir) > maxFolder {
		return os.MkdirTemp("", "hearth-")
	}
	return dir, errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700))
}

// Serve serves on l, which it closes, until ctx ends. Then it lets calls in flight finish within the drain
// time, stops the processes and closes the queue; what was queued and not done is on disk. A listener
// that other machines can reach is refused unless the basic-auth password is set.
func (p *Provider) Serve(ctx context.Context, l net.Listener) error {
	if err := p.guard(l.Addr()); err != nil {
		return errors.Join(err, l.Close(), p.shut(ctx))
	}
	if tcp, ok := l.Addr().(*net.TCPAddr); ok {
		p.port.Store(int32(tcp.Port))
	}
	server := &http.Server{
		Handler: p.Handler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	var loops sync.WaitGroup
	loops.Go(func() { p.sweepUntil(ctx) })
	loops.Go(func() { p.cronUntil(ctx) })
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.config.Drain)
	defer cancel()
	p.draining()
	for _, s := range p.registry.list() {
		s.place.drain()
	}
	err = errors.Join(err, finish(limit, server), p.shut(limit))
	loops.Wait()
	return err
}

// finish waits for the server's calls in flight, and cuts those that are left at the limit.
func finish(limit context.Context, server *http.Server) error {
	err := server.Shutdown(limit)
	if errors.Is(err, context.DeadlineExceeded) {
		return server.Close()
	}
	return err
}

// shut ends everything that New and the calls started.
func (p *Provider) shut(limit context.Context) error {
	p.draining()
	p.calls.wait(limit)
	p.end()
	p.deploying.Lock() // what is being deployed ends with life
	for _, s := range p.registry.list() {
		p.hosts.start(s.place.close)
	}
	p.deploying.Unlock()
	rest, cancel := context.WithTimeout(context.WithoutCancel(limit), 2*stopGrace)
	defer cancel()
	p.hosts.wait(rest)
	if p.calls.wait(rest); rest.Err() != nil {
		p.log.Warn("functions that do not end with their context were left behind")
	}
	p.launcher.Close()
	p.tracer.close()
	return errors.Join(p.spool.close(), os.RemoveAll(p.sockets))
}

// guard refuses to serve other machines without a password on /system.
func (p *Provider) guard(addr net.Addr) error {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || tcp.IP.IsLoopback() {
		return nil
	}
	if _, err := p.env.Secret(PasswordSecret); err != nil {
		return fault.As(fault.Forbidden, err, "%s can be reached by other machines and /system has no password", addr).
			Try("listen on 127.0.0.1, or put a password into the secret " + PasswordSecret)
	}
	return nil
}

func (p *Provider) sweepUntil(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		p.Sweep(p.env.Now())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Sweep stops the processes that have had no call for the idle time at now, starts the functions that are
// kept and do not run, and renews the plugins' secrets. Serve calls it by itself.
func (p *Provider) Sweep(now time.Time) {
	for _, s := range p.registry.list() {
		s.place.sweep(now)
	}
}
