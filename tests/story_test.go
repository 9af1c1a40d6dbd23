package tests

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/xuri/excelize/v2"
)

// TestStories runs the scripts: each tells one story over the whole bundle, in both placements. Besides
// the commands of testscript they have those of commands.
func TestStories(t *testing.T) {
	noModel(t, nil)
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	for _, placement := range placements {
		t.Run(placement, func(t *testing.T) {
			testscript.Run(t, testscript.Params{
				Dir: "script", Cmds: commands, RequireUniqueNames: true, Condition: condition,
				Setup: func(env *testscript.Env) error {
					env.Setenv("HEARTH_INLINE", placement)
					env.Setenv("HEARTH_DATA", filepath.Join(env.WorkDir, "data"))
					env.Setenv("HEARTH_RECALL", "100ms")
					env.Setenv("HEARTH_TIMEZONE", "UTC")
					env.Setenv("PATH", filepath.Dir(path)+string(os.PathListSeparator)+env.Getenv("PATH"))
					return nil
				},
			})
		})
	}
}

func condition(name string) (bool, error) { return false, fmt.Errorf("no condition %q", name) }

// commands are what scripts can do besides testscript's own.
var commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"up":          up,
	"exits":       exits,
	"capture":     capture,
	"wait-for":    waitFor,
	"fetch":       fetch,
	"cells":       cells,
	"dates":       dates,
	"mail-server": mailServer,
}

// settingsOfScripts are what scripts set with env and a bundle gets from them.
var settingsOfScripts = []string{"HEARTH_INLINE", "HEARTH_RECALL", "HEARTH_TIMEZONE", "HEARTH_MAIL_FROM", "SMTP_URL"}

// up starts the bundle of a script, with more settings as NAME=VALUE.
func up(ts *testscript.TestScript, neg bool, args []string) {
	settings := map[string]string{}
	for _, name := range settingsOfScripts {
		if value := ts.Getenv(name); value != "" {
			settings[name] = value
		}
	}
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		settings[name] = value
	}
	b, err := launch(ts.Getenv("HEARTH_DATA"), settings)
	if neg || err != nil {
		ts.Fatalf("up: %v", err)
	}
	ts.Defer(func() {
		if err := b.stop(); err != nil {
			ts.Logf("%v", err)
			panic("the bundle does not end well: see the log") // too late for ts.Fatalf
		}
	})
	ts.Setenv("HEARTH_GATEWAY", b.url)
}

// exits runs a program that must end with an exit code: exits CODE PROGRAM ARGS…
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, not %d", got, want)
	}
}

// waitFor runs a program until its output matches, for a minute: wait-for PROGRAM ARGS… -- PATTERN
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	end := slices.Index(args, "--")
	if neg || end < 1 || end != len(args)-2 {
		ts.Fatalf("usage: wait-for PROGRAM ARGS... -- PATTERN")
	}
	pattern, err := regexp.Compile("(?m)" + args[end+1])
	ts.Check(err)
	for limit := time.Now().Add(time.Minute); time.Now().Before(limit); {
		ts.Check(ts.Exec(args[0], args[1:end]...))
		if pattern.MatchString(ts.ReadFile("stdout")) {
			return
		}
	}
	ts.Fatalf("stdout never matched %s", pattern)
}

// capture keeps what the first group of a pattern finds in a file: capture NAME PATTERN [stdout|stderr|FILE]
func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: capture NAME PATTERN [FILE]")
	}
	file := "stdout"
	if len(args) == 3 {
		file = args[2]
	}
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	found := pattern.FindStringSubmatch(ts.ReadFile(file))
	if len(found) < 2 {
		ts.Fatalf("%s does not match %s:\n%s", file, args[1], ts.ReadFile(file))
	}
	ts.Setenv(args[0], found[1])
}

// fetch gets a path of the gateway as the owner: fetch PATH FILE. ! fetch PATH is content with any refusal.
func fetch(ts *testscript.TestScript, neg bool, args []string) {
	if neg != (len(args) == 1) || len(args) == 0 || len(args) > 2 {
		ts.Fatalf("usage: fetch PATH FILE, or ! fetch PATH")
	}
	b := &bundle{data: ts.Getenv("HEARTH_DATA"), url: ts.Getenv("HEARTH_GATEWAY")}
	token, err := b.owner()
	ts.Check(err)
	var body []byte
	status, err := b.call(context.Background(), token, "GET", args[0], nil, &body)
	switch {
	case status == 0:
		ts.Fatalf("%v", err)
	case neg && err == nil:
		ts.Fatalf("%s is there", args[0])
	case !neg && err != nil:
		ts.Fatalf("%v", err)
	case !neg:
		ts.Check(os.WriteFile(ts.MkAbs(args[1]), body, 0o600))
	}
}

// cells prints the cells of a workbook, a line for each row.
func cells(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: cells FILE")
	}
	book, err := excelize.OpenFile(ts.MkAbs(args[0]))
	ts.Check(err)
	defer book.Close()
	for _, sheet := range book.GetSheetList() {
		rows, err := book.GetRows(sheet)
		ts.Check(err)
		for _, row := range rows {
			fmt.Fprintln(ts.Stdout(), strings.Join(row, "\t"))
		}
	}
}

// dates prints the days that a file names, each once.
func dates(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: dates FILE")
	}
	days := regexp.MustCompile(`\b\d{4}-\d\d-\d\d\b`).FindAllString(ts.ReadFile(args[0]), -1)
	slices.Sort(days)
	for _, day := range slices.Compact(days) {
		fmt.Fprintln(ts.Stdout(), day)
	}
}

// mailServer sets SMTP_URL to a server that takes a mail's envelope and refuses its content for good.
func mailServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || args[0] != "refuses" {
		ts.Fatalf("usage: mail-server refuses")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return refusal{}, nil }))
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	ts.Defer(func() {
		server.Close()
		<-served
	})
	ts.Setenv("SMTP_URL", "smtp://"+l.Addr().String())
}

// refusal is a session of the server of mailServer.
type refusal struct{}

func (refusal) Mail(string, *smtp.MailOptions) error { return nil }
func (refusal) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (refusal) Reset()                               {}
func (refusal) Logout() error                        { return nil }

func (refusal) Data(r io.Reader) error {
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "not from you"}
}
