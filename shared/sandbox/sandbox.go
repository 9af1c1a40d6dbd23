// Package sandbox starts the processes of functions and bounds what each can use.
//
// So far a process gets its own process group, its own folder, no environment and no open files but the
// given ones, limits on data, file size and descriptors (on Linux), and it dies with its starter. It is not yet
// kept from other files, the network or system calls: nothing here may claim that it is.
package sandbox

import (
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Spec says what to start and what it gets. Nothing is inherited.
type Spec struct {
	Path   string     // the program
	Args   []string   // without the program's own name
	Env    []string   // the whole environment, NAME=value
	Dir    string     // working folder
	Files  []*os.File // descriptors 3, 4 … of the process; the caller closes its own after Start
	Output io.Writer  // takes stdout and stderr
	Limits Limits
}

// Limits bound the resources of a process. Zero is no limit.
type Limits struct {
	Data  int64 // bytes of private writable memory
	File  int64 // bytes of the largest file it may write
	Files int64 // open descriptors
}

// outputDelay is how long the output of a dead process may be held open by something it left behind.
const outputDelay = time.Second

// Launcher starts processes, all from one thread that lives as long as the Launcher: the kernel's
// parent-death signal is tied to the thread that forked, not to its process.
type Launcher struct {
	jobs chan func()
	done chan struct{}
}

// NewLauncher returns a launcher. Close ends it.
func NewLauncher() *Launcher {
	l := &Launcher{jobs: make(chan func()), done: make(chan struct{})}
	go l.run()
	return l
}

func (l *Launcher) run() {
	runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
	defer close(l.done)
	for job := range l.jobs {
		job()
	}
}

// Close ends the launcher's thread; the kernel kills what it started and is still running. Start must not
// be called any more.
func (l *Launcher) Close() {
	close(l.jobs)
	<-l.done
}

// Process is a started process.
type Process struct {
	cmd    *exec.Cmd
	exited chan struct{}
	err    error // of Wait; read after exited
	once   sync.Once
}

// Start starts a process. The error is Unavailable when the program cannot be started.
func (l *Launcher) Start(spec Spec) (*Process, error) {
	cmd := &exec.Cmd{
		Path: spec.Path, Args: append([]string{spec.Path}, spec.Args...), Env: spec.Env, Dir: spec.Dir,
		ExtraFiles: spec.Files, Stdout: spec.Output, Stderr: spec.Output,
		SysProcAttr: attributes(), WaitDelay: outputDelay,
	}
	if cmd.Env == nil {
		cmd.Env = []string{} // nil would inherit ours
	}
	started := make(chan error, 1)
	l.jobs <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return nil, fault.As(fault.Unavailable, err, "%s cannot be started", spec.Path)
	}
	p := &Process{cmd: cmd, exited: make(chan struct{})}
	go p.wait()
	if err := limit(cmd.Process.Pid, spec.Limits); err != nil {
		p.Kill()
		<-p.exited
		return nil, fault.As(fault.Unavailable, err, "the limits of %s cannot be set", spec.Path)
	}
	return p, nil
}

func (p *Process) wait() {
	p.err = p.cmd.Wait()
	p.signalGroup(syscall.SIGKILL) // what it left behind in its group
	close(p.exited)
}

// Pid returns the process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Exited is closed when the process is gone and its output is complete.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Err waits for the end and says how it came: nil for exit status 0.
func (p *Process) Err() error {
	<-p.exited
	return p.err
}

// Stop asks the process to end, kills its group when it has not ended after grace, and waits.
func (p *Process) Stop(grace time.Duration) {
	p.once.Do(func() { _ = p.cmd.Process.Signal(syscall.SIGTERM) }) // a process already gone needs no signal
	p.Await(grace)
}

// Await waits for a process that is about to end by itself, and kills its group when it has not after grace.
func (p *Process) Await(grace time.Duration) {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.exited:
	case <-timer.C:
		p.Kill()
		<-p.exited
	}
}

// Kill kills the process and its group at once, without waiting.
func (p *Process) Kill() {
	select {
	case <-p.exited: // its id may be somebody else's by now
	default:
		p.signalGroup(syscall.SIGKILL)
	}
}

// signalGroup signals the process group, whose id is the process's. The group may be empty already.
func (p *Process) signalGroup(sig syscall.Signal) { _ = syscall.Kill(-p.cmd.Process.Pid, sig) }
