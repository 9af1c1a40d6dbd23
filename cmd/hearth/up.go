package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/hearthfaas/hearth/functions/catalog"
	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/provider"
)

func newUpCommand(a *app) *cobra.Command {
	flags := map[string]string{}
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start everything on this machine",
		Args:  takes(cobra.NoArgs),
	}
	names := map[string][2]string{
		"addr":   {"HEARTH_ADDR", "where to listen, HOST:PORT; port 0 takes a free one (default 127.0.0.1:8080)"},
		"data":   {"HEARTH_DATA", "the data folder (default ./.hearth)"},
		"inline": {"HEARTH_INLINE", "trusted: our own functions run in this process; none: each has its own (default trusted)"},
	}
	for flag, about := range names {
		cmd.Flags().String(flag, "", about[1])
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		for flag, about := range names {
			if cmd.Flags().Changed(flag) {
				flags[about[0]] = cmd.Flags().Lookup(flag).Value.String()
			}
		}
		config, err := readConfig(a, flags)
		if err != nil {
			return err
		}
		return up(cmd.Context(), config, a.err)
	}
	return cmd
}

// up starts everything, says so on w, and serves until ctx ends.
func up(ctx context.Context, c config, w io.Writer) (err error) {
	lock, err := lockData(c.data)
	if err != nil {
		return err
	}
	defer lock.Close()
	logs := provider.NewLogs()
	log := slog.New(logs.Handler(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn})))
	l, err := listen(ctx, c.addr)
	if err != nil {
		return err
	}
	h, err := start(ctx, c, l, log)
	defer func() { err = errors.Join(err, h.stop()) }()
	if err != nil {
		l.Close()
		return err
	}
	p, err := provider.New(provider.Config{
		Functions: catalog.All(), Env: h.env, Logs: logs, Inline: c.inline, Data: c.data, Command: []string{h.executable, "fn"},
		Environ: c.environ(h.settings), Images: c.images, Keep: []string{"system-pump"}, Needed: needed(), Hosts: h.hosts(), TLS: strings.HasPrefix(h.url(), "https://"), Home: "/function/system-console/", Version: version(),
	})
	if err != nil {
		l.Close()
		return err
	}
	h.env.Transport = p.Transport()
	return h.serve(ctx, p, l, w)
}

// needed are the functions that "hearth up" itself calls when it starts.
func needed() []string { return []string{"system-pump", "system-files", "system-tasks", "system-auth"} }

// serve runs the provider, and beside it what is not a function: the links, and the first greeting.
func (h *house) serve(ctx context.Context, p *provider.Provider, l net.Listener, w io.Writer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ends := make(chan error, 2)
	go func() { ends <- p.Serve(ctx, l) }()
	go func() { ends <- h.greet(ctx, w) }()
	first := <-ends
	if first != nil && ctx.Err() == nil {
		cancel(first)
	}
	return errors.Join(first, <-ends)
}

// greet wakes the pump, lays down what a first start needs, says what runs, and keeps up the links.
func (h *house) greet(ctx context.Context, w io.Writer) error {
	if err := h.wake(ctx); err != nil {
		return ended(ctx, err)
	}
	if err := h.layDown(ctx); err != nil {
		return ended(ctx, err)
	}
	code, err := h.signInCode(ctx)
	if err != nil {
		return ended(ctx, err)
	}
	h.banner(w, code)
	return ended(ctx, channel.Link(ctx, h.env, catalog.All()))
}

// ended is err, unless it only says that everything ends.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// wake starts the pump: its loop runs from its first call on.
func (h *house) wake(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+h.addr+"/function/system-pump", nil)
	if err != nil {
		return fault.As(fault.Internal, err, "call the pump")
	}
	client := &http.Client{Timeout: 30 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return fault.As(fault.Unavailable, err, "the pump does not start")
	}
	defer resp.Body.Close()
	return fault.Wrap(fault.Read(resp), "start the pump")
}

// lockData makes the data folder ours alone, until the file is closed.
func lockData(data string) (io.Closer, error) {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, fault.As(fault.Unavailable, err, "the data folder cannot be made").At(data)
	}
	path := filepath.Join(data, "lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fault.As(fault.Unavailable, err, "the data folder cannot be written").At(data)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fault.New(fault.Conflict, "another hearth runs on this data folder").At(data).Try("hearth up --data DIR --addr 127.0.0.1:0")
	}
	return f, nil
}

// listen takes the address, or says who has it.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		_, port, _ := net.SplitHostPort(addr)
		return nil, fault.New(fault.Conflict, "%s is in use%s", addr, holder(port)).Try("hearth up --addr 127.0.0.1:0")
	}
	if err != nil {
		return nil, fault.As(fault.Invalid, err, "cannot listen on %s: %v", addr, errors.Unwrap(err)).At("HEARTH_ADDR")
	}
	return l, nil
}

// reachable is the address by which this machine reaches a listener.
func reachable(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if ok && tcp.IP.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp.Port))
	}
	return addr.String()
}

// hosts are the names under which we may be called, besides localhost and addresses.
func (h *house) hosts() []string {
	public, err := url.Parse(h.url())
	if err != nil || public.Hostname() == "" {
		return nil
	}
	return []string{strings.ToLower(public.Hostname())}
}

func (h *house) url() string {
	return strings.TrimRight(h.env.Setting("HEARTH_PUBLIC_URL", "http://"+h.addr), "/")
}

// banner says what runs.
func (h *house) banner(w io.Writer, code string) {
	line := func(name, what string) { fmt.Fprintf(w, "  %-9s %s\n", name, what) }
	fmt.Fprintln(w)
	if h.volatile {
		fmt.Fprintln(w, "  ******************************************************************************")
		fmt.Fprintln(w, "  *  IN MEMORY: sessions, tasks and runs are lost when this process ends.      *")
		fmt.Fprintln(w, "  *  Install redis-server (make dev-setup), or set REDIS_URL, to keep them.    *")
		fmt.Fprintln(w, "  ******************************************************************************")
	}
	line("ready", h.url())
	line("store", h.said["store"])
	line("files", h.said["files"])
	line("model", h.said["model"])
	line("mail", h.said["mail"])
	line("database", h.said["database"])
	line("zone", h.zone)
	fmt.Fprintln(w)
	line("sign in", h.url()+"/function/system-console/#code="+code+"  (once, within 15 minutes)")
	line("faas-cli", "faas-cli login -g http://"+h.addr+" -u admin --password-stdin < "+filepath.Join(h.secrets, provider.PasswordSecret))
	if h.tip != "" {
		line("tip", h.tip)
	}
	fmt.Fprintln(w)
	program := "hearth"
	if rel, err := filepath.Rel(h.cwd, h.executable); err == nil && !strings.HasPrefix(rel, "..") {
		program = "./" + rel
	}
	prefix := ""
	if h.addr != "127.0.0.1:8080" {
		prefix = "HEARTH_GATEWAY=http://" + h.addr + " "
	}
	if data := filepath.Join(h.cwd, ".hearth"); h.data != data {
		prefix += "HEARTH_DATA=" + h.data + " "
	}
	fmt.Fprintf(w, "  Try:  %s%s do \"%s\"\n\n", prefix, program, "生成今天的销售报表并发邮件给 team@example.com")
}
