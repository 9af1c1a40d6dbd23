package faults

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Replica is one process of a function. It is started again whenever it ends.
type Replica struct {
	Function string
	Number   int

	command []string
	environ func(r *Replica) []string
	output  io.Writer

	mu      sync.Mutex
	cmd     *exec.Cmd
	addr    string
	stopped bool // by SIGSTOP
	over    bool
	kills   int
	client  *http.Client
	ended   chan struct{}
}

// keep runs the process until Stop.
func (r *Replica) keep() {
	defer close(r.ended)
	for {
		cmd, err := r.launch()
		if err != nil {
			fmt.Fprintf(r.output, "%s does not start: %v\n", r, err)
			if r.finished() {
				return
			}
			time.Sleep(100 * time.Millisecond)
			continue
		}
		if cmd == nil {
			return
		}
		if err := cmd.Wait(); err != nil && cmd.ProcessState.ExitCode() >= 0 { // not by a signal
			fmt.Fprintf(r.output, "%s ends: %v\n", r, err)
		}
	}
}

func (r *Replica) finished() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.over
}

func (r *Replica) String() string { return fmt.Sprintf("%s/%d", r.Function, r.Number) }

// launch starts the process on a listener that is open already, so that no call is refused meanwhile.
func (r *Replica) launch() (*exec.Cmd, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return nil, nil
	}
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	defer l.Close()
	f, err := l.File()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	cmd := exec.Command(r.command[0], r.command[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles, cmd.SysProcAttr = r.environ(r), r.output, r.output, []*os.File{f}, withUs()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	r.cmd, r.addr, r.stopped = cmd, l.Addr().String(), false
	r.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}}
	return cmd, nil
}

// Ready waits until the process serves.
func (r *Replica) Ready(ctx context.Context) error {
	return poll(ctx, 20*time.Millisecond, func() error {
		addr, client := r.at()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/_/ready", nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return fmt.Errorf("%s: %w", r, err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", r, resp.Status)
		}
		return nil
	})
}

func (r *Replica) at() (string, *http.Client) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.client == nil {
		return r.addr, http.DefaultClient
	}
	return r.addr, r.client
}

// Kill ends the process without warning.
func (r *Replica) Kill() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cmd != nil {
		r.kills++
		_ = r.cmd.Process.Kill() // it may have ended by itself
	}
}

// Halt stops the process in the middle of whatever it does, and lets it go on after a while.
func (r *Replica) Halt(d time.Duration) {
	r.mu.Lock()
	cmd := r.cmd
	if cmd == nil || r.stopped {
		r.mu.Unlock()
		return
	}
	r.stopped = true
	_ = cmd.Process.Signal(syscall.SIGSTOP) // it may have ended by itself
	r.mu.Unlock()
	time.Sleep(d)
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = cmd.Process.Signal(syscall.SIGCONT) // as above
	if r.cmd == cmd {
		r.stopped = false
	}
}

// takes reports whether a gateway would send calls there: a stopped process answers no probe.
func (r *Replica) takes() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.stopped && r.cmd != nil
}

// Stop ends the process for good.
func (r *Replica) Stop() {
	r.mu.Lock()
	r.over = true
	if r.cmd != nil {
		_ = r.cmd.Process.Kill() // it may have ended by itself
	}
	r.mu.Unlock()
	<-r.ended
}
