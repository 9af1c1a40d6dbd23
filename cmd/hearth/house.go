package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/demo"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/mailbox"
	"github.com/hearthfaas/hearth/shared/model"
	"github.com/hearthfaas/hearth/shared/policy"
	"github.com/hearthfaas/hearth/shared/provider"
	"github.com/hearthfaas/hearth/shared/redisd"
	"github.com/hearthfaas/hearth/shared/vault"
)

// house is everything of "hearth up" around the functions: the store, the mailbox, the model, and the
// settings that tell the functions where they are.
type house struct {
	data       string
	secrets    string
	cwd        string
	executable string
	addr       string
	zone       string
	env        *fn.Env
	settings   map[string]string // that we found out, on top of what people set
	said       map[string]string // for the banner
	tip        string
	volatile   bool
	token      string // the local owner's
	closers    []func() error
}

// ownerLife is how long the local owner's token works. Each start makes a new one.
const ownerLife = 366 * 24 * time.Hour

// start brings up what the functions need. What it started is stopped by stop, also after an error.
func start(ctx context.Context, c config, l net.Listener, log *slog.Logger) (*house, error) {
	h := &house{data: c.data, addr: reachable(l.Addr()), settings: map[string]string{}, said: map[string]string{}}
	var err error
	if h.executable, err = os.Executable(); err != nil {
		return h, fault.As(fault.Internal, err, "our own program cannot be found")
	}
	if h.cwd, err = os.Getwd(); err != nil {
		return h, fault.As(fault.Internal, err, "the working folder")
	}
	h.env = &fn.Env{Log: log, Now: time.Now, Lookup: func(name string) (string, bool) {
		if v, ok := h.settings[name]; ok {
			return v, true
		}
		return c.lookup(name)
	}}
	h.secrets = h.env.Setting("HEARTH_SECRETS", filepath.Join(c.data, "secrets"))
	h.env.Secrets = h.secrets
	h.set("HEARTH_DATA", c.data)
	h.set("HEARTH_SECRETS", h.secrets)
	h.set("HEARTH_GATEWAY", "http://"+h.addr)
	zone, err := h.env.Zone()
	if err != nil {
		return h, err
	}
	h.zone = zone.String()
	h.set("HEARTH_TIMEZONE", h.zone)
	for _, step := range []func(context.Context) error{h.keys, h.store, h.files, h.mail, h.database, h.model} {
		if err := step(ctx); err != nil {
			return h, err
		}
	}
	return h, nil
}

func (h *house) set(name, value string) { h.settings[name] = value }

// stop ends what start began, newest first.
func (h *house) stop() error {
	var errs []error
	if h.env != nil {
		errs = append(errs, h.env.Close())
	}
	for i := len(h.closers) - 1; i >= 0; i-- {
		errs = append(errs, h.closers[i]())
	}
	return errors.Join(errs...)
}

// keys makes the secrets of a first start, and the local owner's token of each.
func (h *house) keys(context.Context) error {
	if err := os.MkdirAll(h.secrets, 0o700); err != nil {
		return fault.As(fault.Unavailable, err, "the secrets folder cannot be made").At(h.secrets)
	}
	if _, err := h.env.Secret("encryption-key"); fault.Is(err, fault.Unauthorized) {
		if err := writeSecret(filepath.Join(h.secrets, "encryption-key"), vault.Generate()); err != nil {
			return err
		}
	}
	if _, err := h.env.Secret(provider.PasswordSecret); fault.Is(err, fault.Unauthorized) {
		password := make([]byte, 18)
		rand.Read(password)
		if err := writeSecret(filepath.Join(h.secrets, provider.PasswordSecret), base64.RawURLEncoding.EncodeToString(password)); err != nil {
			return err
		}
	}
	v, err := h.env.Vault()
	if err != nil {
		return err
	}
	h.token = v.Issue(vault.Token{For: "user", ID: "owner", Role: string(policy.Owner), Expires: time.Now().Add(ownerLife).Unix()})
	return writeSecret(filepath.Join(h.data, "owner.token"), h.token)
}

// writeSecret writes a file that only we can read, all of it or nothing.
func writeSecret(path, text string) error {
	temporary := path + ".new"
	if err := os.WriteFile(temporary, []byte(text+"\n"), 0o600); err != nil {
		return fault.As(fault.Unavailable, err, "cannot be written").At(path)
	}
	if err := os.Rename(temporary, path); err != nil {
		return fault.As(fault.Unavailable, err, "cannot be written").At(path)
	}
	return nil
}

// store finds or starts Redis.
func (h *house) store(ctx context.Context) error {
	if address := h.env.Setting("REDIS_URL", ""); address != "" {
		h.said["store"] = "Redis at REDIS_URL"
		h.volatile = strings.Contains(address, ledger.VolatileFlag)
		return nil
	}
	dir := filepath.Join(h.data, "redis")
	server, err := redisd.Start(ctx, dir, h.env.Log)
	if err != nil {
		return err
	}
	h.closers = append(h.closers, server.Stop)
	h.set("REDIS_URL", server.URL)
	h.volatile = server.Kind == redisd.Memory
	h.said["store"] = map[redisd.Kind]string{
		redisd.Child:   "redis-server " + server.Version + ", its data in " + dir,
		redisd.Adopted: "redis-server " + server.Version + ", taken over from the process before us, its data in " + dir,
		redisd.Memory:  "in memory: there is no redis-server on the PATH",
	}[server.Kind]
	return nil
}

func (h *house) files(context.Context) error {
	h.said["files"] = "the folder " + filepath.Join(h.data, "blobs")
	if endpoint := h.env.Setting("S3_ENDPOINT", ""); endpoint != "" {
		h.said["files"] = "S3 at " + endpoint
	}
	return nil
}

// mail starts the local mailbox where no mail server is set.
func (h *house) mail(ctx context.Context) error {
	if h.env.Setting("SMTP_URL", "") != "" {
		h.said["mail"] = "the server of SMTP_URL"
		return nil
	}
	dir := filepath.Join(h.data, "mail")
	server, err := mailbox.Serve(context.WithoutCancel(ctx), mailbox.Open(dir), time.Now, h.env.Log)
	if err != nil {
		return err
	}
	h.closers = append(h.closers, func() error {
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		return server.Close(limit)
	})
	h.set("SMTP_URL", server.URL())
	h.set("HEARTH_MAILBOX", dir)
	h.said["mail"] = "a local mailbox: nothing leaves this machine. See: hearth mail list"
	return nil
}

// database lays down the demo database where no other is set.
func (h *house) database(ctx context.Context) error {
	if h.env.Setting("DATABASE_URL", "") != "" {
		h.said["database"] = "the one of DATABASE_URL"
		return nil
	}
	path := filepath.Join(h.data, "demo.db")
	zone, err := h.env.Zone()
	if err != nil {
		return err
	}
	if err := demo.Database(ctx, path, time.Now().In(zone)); err != nil {
		return err
	}
	h.set("DATABASE_URL", "sqlite://"+path)
	h.said["database"] = "demo data in " + path
	return nil
}

// model finds a model: the one that is set, one in a file, one that runs on this machine, or none.
func (h *house) model(ctx context.Context) error {
	switch path := h.env.Setting("MODEL_PATH", ""); {
	case h.env.Setting("OPENAI_BASE_URL", "") != "":
	case path != "":
		local, err := model.Serve(ctx, h.env, path)
		if err != nil {
			return err
		}
		h.closers = append(h.closers, func() error {
			local.Stop()
			return nil
		})
		h.set("OPENAI_BASE_URL", local.BaseURL)
	default:
		if found := model.Probe(ctx); len(found) > 0 {
			h.set("OPENAI_BASE_URL", found[0].BaseURL)
		}
	}
	m, err := model.Open(ctx, h.env)
	if err != nil {
		return err
	}
	h.said["model"] = m.Name()
	if m.Builtin() {
		h.tip = "connect a language model: OPENAI_BASE_URL=http://localhost:11434/v1 make run"
		return nil
	}
	ready, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := m.Ready(ready); err != nil {
		return fault.Wrap(err, "the model at %s", h.env.Setting("OPENAI_BASE_URL", ""))
	}
	h.said["model"] = m.Name()
	return nil
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return cmp.Or(strings.Trim(info.Main.Version, "()"), "devel")
}

// holder says which process has a port, where that can be found out.
func holder(port string) string {
	if pid := pidOfPort(port); pid != "" {
		return " by process " + pid
	}
	return ""
}
