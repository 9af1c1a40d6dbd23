package tests

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program is the bundle's one binary, built once for all tests of this process.
var program = sync.OnceValues(func() (string, error) {
	path := filepath.Join(programDir, "hearth")
	out, err := exec.Command("go", "build", "-o", path, "../cmd/hearth").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return path, nil
})

var programDir string

func TestMain(m *testing.M) {
	var err error
	if programDir, err = os.MkdirTemp("", "hearth-tests-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(programDir) // what stays is in the folder for temporary files
	os.Exit(code)
}

// The two placements that every story runs in: our own functions inside the provider's process, and each
// in a process of its own.
var placements = []string{"trusted", "none"}

// startTime bounds a start, and stopTime an end that was asked for.
const (
	startTime = 40 * time.Second
	stopTime  = 20 * time.Second
)

// bundle is a running "hearth up". It is started with nothing of our environment but the PATH.
type bundle struct {
	data     string
	settings map[string]string
	url      string

	process *exec.Cmd
	read    *os.File // the reading end of what it says
	said    *transcript
	ended   chan struct{} // closed once the process has ended
}

// launch starts a bundle and waits until it is ready. After an error nothing runs.
func launch(data string, settings map[string]string) (*bundle, error) {
	b := &bundle{data: data, settings: maps.Clone(settings)}
	return b, b.start("127.0.0.1:0")
}

// transcript is what a bundle said so far.
type transcript struct {
	mu    sync.Mutex
	lines []string
	ready chan struct{} // closed at the line that says that all is ready
}

func (s *transcript) add(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, line)
	if strings.HasPrefix(line, "  Try:") {
		close(s.ready)
	}
}

func (s *transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.lines, "\n")
}

func (b *bundle) start(addr string) error {
	path, err := program()
	if err != nil {
		return err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	b.process = exec.Command(path, "up", "--addr", addr, "--data", b.data)
	b.process.Stderr, b.process.Env, b.process.Dir = write, b.environ(), filepath.Dir(b.data)
	b.said, b.read, b.ended = &transcript{ready: make(chan struct{})}, read, make(chan struct{})
	err = b.process.Start()
	write.Close()
	if err != nil {
		read.Close()
		return err
	}
	go func() { // until the pipe is closed here, or nobody holds its other end
		for lines := bufio.NewScanner(read); lines.Scan(); {
			b.said.add(lines.Text())
		}
	}()
	go func() {
		_ = b.process.Wait() // ProcessState has it
		close(b.ended)
	}()
	return b.becomeReady()
}

func (b *bundle) becomeReady() error {
	limit := time.NewTimer(startTime)
	defer limit.Stop()
	select {
	case <-b.said.ready:
		found := regexp.MustCompile(`(?m)^  ready +(\S+)`).FindStringSubmatch(b.said.String())
		b.url = found[1]
		return nil
	case <-b.ended:
		return fmt.Errorf("hearth up ended at its start:\n%s", b.said)
	case <-limit.C:
		return errors.Join(fmt.Errorf("hearth up is not ready after %s:\n%s", startTime, b.said), b.stop())
	}
}

// environ is the bundle's environment: the PATH and the settings.
func (b *bundle) environ() []string {
	environ := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(b.data), "TMPDIR=" + os.TempDir()}
	for name, value := range b.settings {
		environ = append(environ, name+"="+value)
	}
	return environ
}

// stop asks the bundle to end, and waits for it.
func (b *bundle) stop() error {
	defer b.read.Close()
	if b.gone() {
		return nil
	}
	if err := b.process.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	limit := time.NewTimer(stopTime)
	defer limit.Stop()
	select {
	case <-b.ended:
	case <-limit.C:
		return errors.Join(fmt.Errorf("hearth up does not end within %s of SIGTERM:\n%s", stopTime, b.said), b.kill())
	}
	if code := b.process.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("hearth up ends with %d:\n%s", code, b.said)
	}
	return nil
}

func (b *bundle) gone() bool {
	select {
	case <-b.ended:
		return true
	default:
		return false
	}
}

// kill ends the bundle's main process without warning.
func (b *bundle) kill() error {
	err := b.process.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	<-b.ended
	return err
}

// restart starts the bundle again after its end, on the same data and at the same address.
func (b *bundle) restart() error {
	b.read.Close()
	return b.start(strings.TrimPrefix(b.url, "http://"))
}

// functions returns the processes of functions by name: descendants of ours that were started as "fn NAME".
func (b *bundle) functions() map[string][]int {
	found := map[string][]int{}
	queue := []int{b.process.Process.Pid}
	for len(queue) > 0 {
		pid := queue[0]
		queue = append(queue[1:], children(pid)...)
		if name := functionOf(pid); name != "" {
			found[name] = append(found[name], pid)
		}
	}
	return found
}

// functionOf returns the function that a process serves, "" for none or when it has ended.
func functionOf(pid int) string {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	args := strings.Split(strings.TrimRight(string(raw), "\x00"), "\x00")
	if len(args) < 2 || args[len(args)-2] != "fn" {
		return ""
	}
	return args[len(args)-1]
}

// children reads proc(5), task/TID/children.
func children(pid int) []int {
	var all []int
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // only a malformed pattern is an error
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue // the thread ended meanwhile
		}
		for _, field := range strings.Fields(string(raw)) {
			if child, err := strconv.Atoi(field); err == nil {
				all = append(all, child)
			}
		}
	}
	return all
}

// killFunction ends the processes of a function without warning and reports whether there were any.
func (b *bundle) killFunction(name string) bool {
	pids := b.functions()[name]
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended by itself
	}
	return len(pids) > 0
}

// client leaves time for long polls, and keeps no connection that could die with a restart.
var client = &http.Client{Timeout: 70 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// call calls a path of the gateway as the owner, or as whom a token is for. out may be nil; a *[]byte gets
// the body as it is.
func (b *bundle) call(ctx context.Context, token, method, path string, in, out any) (status int, err error) {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return 0, err
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, b.url+path, body)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	if resp.StatusCode >= 300 {
		return resp.StatusCode, fmt.Errorf("%s %s: %s: %.500s", method, path, resp.Status, raw)
	}
	if plain, ok := out.(*[]byte); ok {
		*plain = raw
		return resp.StatusCode, nil
	}
	if out == nil {
		return resp.StatusCode, nil
	}
	return resp.StatusCode, json.Unmarshal(raw, out)
}

// owner is the token of the person at this machine.
func (b *bundle) owner() (string, error) {
	raw, err := os.ReadFile(filepath.Join(b.data, "owner.token"))
	return strings.TrimSpace(string(raw)), err
}

// event is a line of a session's log, as every client gets it.
type event struct {
	ID       string `json:"-"`
	Type     string `json:"type"`
	Key      string `json:"key"`
	Seq      int64  `json:"seq"`
	Text     string `json:"text"`
	Markdown string `json:"markdown"`
	Run      string `json:"run"`
	State    string `json:"state"`
	Repeated bool   `json:"repeated"`
	Buttons  [][]struct {
		Value string `json:"value"`
	} `json:"buttons"`
}
