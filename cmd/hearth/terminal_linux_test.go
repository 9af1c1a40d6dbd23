package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hearthfaas/hearth/shared/flow"
)

// terminal opens a pseudo-terminal: what a program sees, and where a person sits (pty(7), ptmx(4)).
func terminal(t *testing.T) (program, person *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo-terminals here: ", err)
	}
	t.Cleanup(func() { person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return program, person
}

// onTerminal runs the program on a terminal where somebody types keys, and returns what the screen got.
func (f *fake) onTerminal(keys string, args ...string) (int, string) {
	f.t.Helper()
	program, person := terminal(f.t)
	if _, err := io.WriteString(person, keys); err != nil {
		f.t.Fatal(err)
	}
	var screen bytes.Buffer
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(&screen, person) // ends with EIO when nobody has the other side open
	}()
	set := map[string]string{"HEARTH_GATEWAY": f.URL, "HEARTH_TOKEN": "ht_owner", "HEARTH_DATA": f.t.TempDir(), "HEARTH_TIMEZONE": "UTC"}
	a := &app{in: program, out: program, err: program, lookup: func(name string) (string, bool) {
		v, ok := set[name]
		return v, ok
	}}
	code := a.run(f.t.Context(), args)
	program.Close()
	<-read
	text := strings.ReplaceAll(screen.String(), "\r\n", "\n")
	return code, strings.TrimPrefix(text, strings.ReplaceAll(keys, "\r\n", "\n")) // the terminal's own echo
}

func TestDoAsksOnATerminal(t *testing.T) {
	for keys, want := range map[string]int{"y\n": 0, "是\n": 0, "\n": 7, "nope\n": 7} {
		f := newFake(t)
		f.reply = plan
		f.script["r3f-aaaaaaaaaa"] = works
		f.decided = func(v *flow.View, _, _ string) { approved(v) }
		code, screen := f.onTerminal(keys, "do", "report")
		if code != want || !strings.Contains(screen, "Carry it out? [y/N]") {
			t.Errorf("%q: exit %d\n%s", keys, code, screen)
		}
	}
}

func TestStopAsksOnATerminal(t *testing.T) {
	for keys, want := range map[string]int{"y\n": 1, "\n": 0} {
		f := newFake(t)
		f.extra["POST /function/system-tasks/stop"] = func([]byte) (any, error) { return map[string]any{"stopped": []string{}}, nil }
		if code, screen := f.onTerminal(keys, "stop"); code != 0 || len(f.requests) != want {
			t.Errorf("%q: exit %d, %v\n%s", keys, code, f.requests, screen)
		}
	}
}

func TestDraftsGrowOnATerminal(t *testing.T) {
	f := newFake(t)
	f.reply = func(f *fake, p post) {
		f.say(p.Session, map[string]any{"type": "draft", "seq": 1, "text": "First. "})
		f.say(p.Session, map[string]any{"type": "draft", "seq": 1, "text": "Second."})
		f.say(p.Session, answerEvent(1, "First. Second. Third.", ""))
	}
	if code, screen := f.onTerminal("", "chat", "hello"); code != 0 || screen != "First. Second. Third.\n" {
		t.Errorf("exit %d %q", code, screen)
	}
	f = newFake(t)
	f.reply = func(f *fake, p post) {
		f.say(p.Session, map[string]any{"type": "draft", "seq": 1, "text": "I sent it."})
		f.say(p.Session, answerEvent(1, "I cannot send mails.", ""))
	}
	if code, screen := f.onTerminal("", "chat", "hello"); code != 0 || screen != "I sent it.\n\nI cannot send mails.\n" {
		t.Errorf("exit %d %q", code, screen)
	}
}

func TestProgressStaysOnOneLine(t *testing.T) {
	f := newFake(t)
	f.addRun(report("r3f-aaaaaaaaaa"))
	f.script["r3f-aaaaaaaaaa"] = append([]func(*flow.View){approved}, works...)
	code, screen := f.onTerminal("", "runs", "watch", "r3f-aaaaaaaaaa")
	for _, want := range []string{
		"running Fill a workbook (sheet)\r\x1b[K✓ Fill a workbook",
		"\x1b[1mSTEP   PLUGIN",
	} {
		if code != 0 || !strings.Contains(screen, want) {
			t.Errorf("exit %d, no %q in\n%q", code, want, screen)
		}
	}
}
