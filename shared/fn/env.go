package fn

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/vault"
)

// maxSecret bounds a secret's file.
const maxSecret = 64 << 10

// Env is what a function sees of its surroundings. All functions of one process share one Env, so that
// they share its connections too.
type Env struct {
	Log       *slog.Logger
	Now       func() time.Time
	Lookup    func(name string) (string, bool) // settings, as os.LookupEnv
	Secrets   string                           // the folder of secret files
	Transport http.RoundTripper                // how to reach the gateway; nil for plain HTTP

	mu      sync.Mutex
	shared  map[string]*slot
	closers []io.Closer
}

// OSEnv is the environment of a process: its variables, its secrets folder and its clock. It is the one
// place outside cmd/ that reads variables. A setting that is no variable may be a secret file, because some
// hold a password: redis-url is REDIS_URL.
func OSEnv(log *slog.Logger) *Env {
	env := &Env{Log: log, Now: time.Now, Lookup: os.LookupEnv}
	env.Secrets = env.Setting("HEARTH_SECRETS", "/var/openfaas/secrets")
	env.Lookup = func(name string) (string, bool) {
		if v, found := os.LookupEnv(name); found {
			return v, true
		}
		file := strings.ToLower(strings.ReplaceAll(name, "_", "-"))
		text, err := readSecret(filepath.Join(env.Secrets, file))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			log.Warn("a setting's secret cannot be read", "secret", file, "err", err)
		}
		return text, err == nil
	}
	return env
}

// Setting returns a setting, or def when it is missing or blank.
func (e *Env) Setting(name, def string) string {
	if v, ok := e.Lookup(name); ok && strings.TrimSpace(v) != "" {
		return strings.TrimSpace(v)
	}
	return def
}

// Secret returns a secret, read anew on each call so that a rotated one is used at once: the file name in
// the secrets folder, else the variable of the same name in upper case with "_" for "-" and ".". A
// missing, blank or unreadable secret is an error, never an empty string.
func (e *Env) Secret(name string) (string, error) {
	if strings.ContainsAny(name, "/\\") || strings.HasPrefix(name, ".") {
		return "", fault.New(fault.Invalid, "not a secret's name: %q", name)
	}
	variable := strings.NewReplacer("-", "_", ".", "_").Replace(strings.ToUpper(name))
	text, err := readSecret(filepath.Join(e.Secrets, name))
	if errors.Is(err, fs.ErrNotExist) {
		text, err = e.Setting(variable, ""), nil
	}
	if err != nil {
		return "", fault.As(fault.Unavailable, err, "the secret %s cannot be read", name)
	}
	if text = strings.TrimSpace(text); text == "" {
		return "", fault.New(fault.Unauthorized, "the secret %s is missing or blank", name).
			Try("put it into the file " + name + " of the secrets folder, or into " + variable)
	}
	return text, nil
}

func readSecret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxSecret))
	return string(raw), err
}

// Vault returns the deployment's vault. Plugins have none.
func (e *Env) Vault() (*vault.Vault, error) {
	return Share(e, "vault", func() (*vault.Vault, error) {
		key, err := e.Secret("encryption-key")
		if err != nil {
			return nil, fault.Wrap(err, "every function but plugins needs ENCRYPTION_KEY")
		}
		return vault.Parse(key)
	})
}

// Share returns the process's one value of that name, opening it on first use. A value that is an
// io.Closer is closed by Close. A failed open is tried again next time. open may share other values.
func Share[T any](e *Env, name string, open func() (T, error)) (T, error) {
	s := e.slot(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.filled {
		return s.value.(T), nil
	}
	v, err := open()
	if err != nil {
		var zero T
		return zero, err
	}
	s.value, s.filled = v, true
	if c, ok := any(v).(io.Closer); ok {
		e.mu.Lock()
		e.closers = append(e.closers, c)
		e.mu.Unlock()
	}
	return v, nil
}

// slot is where a shared value is or will be.
type slot struct {
	mu     sync.Mutex
	value  any
	filled bool
}

func (e *Env) slot(name string) *slot {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.shared == nil {
		e.shared = map[string]*slot{}
	}
	if e.shared[name] == nil {
		e.shared[name] = &slot{}
	}
	return e.shared[name]
}

// Close closes what Share opened, newest first.
func (e *Env) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var errs []error
	for _, c := range slices.Backward(e.closers) {
		errs = append(errs, c.Close())
	}
	e.closers, e.shared = nil, nil
	return errors.Join(errs...)
}

// Logger returns a logger of the call in ctx, which knows its function and id.
func Logger(ctx context.Context, fallback *slog.Logger) *slog.Logger {
	if c, ok := ctx.Value(callKey{}).(call); ok {
		return c.logger()
	}
	return fallback
}

// Zone returns the zone that days and hours are in unless a task names its own: HEARTH_TIMEZONE, else the
// host's. It always has an IANA name, so that it means the same on every machine.
func (e *Env) Zone() (*time.Location, error) {
	name := e.Setting("HEARTH_TIMEZONE", hostZone(e.Setting("TZ", "")))
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fault.As(fault.Invalid, err, "not a time zone: %q", name).At("HEARTH_TIMEZONE").Try("an IANA name, such as Asia/Shanghai")
	}
	return zone, nil
}

// hostZone finds the name of the host's zone: TZ, else where /etc/localtime points to, else UTC.
func hostZone(tz string) string {
	if name := strings.TrimPrefix(tz, ":"); name != "" {
		return name
	}
	target, err := os.Readlink("/etc/localtime")
	if _, name, found := strings.Cut(target, "zoneinfo/"); err == nil && found {
		return name
	}
	return "UTC"
}
