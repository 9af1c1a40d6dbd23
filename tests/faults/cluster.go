package faults

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/vault"
	"github.com/hearthfaas/hearth/tests/faults/record"
)

// replicas is how many processes each function has.
var replicas = map[string]int{
	"adapter-telegram": 2, "planner-intent": 2, "planner-execute": 2, "planner-rollback": 2, "planner-reply": 2,
	"system-pump": 1, "system-tasks": 1, "system-auth": 1, "plugin-effect": 1,
}

// owner is the person who writes in all chats but those of Cluster.people.
const owner = 7

// Cluster is the bundle at work, with everything around it.
type Cluster struct {
	Dir   string
	Seed  uint64
	Redis Store
	Proxy *Proxy

	programs Programs
	hooks    hooks
	secrets  map[string]string
	vault    *vault.Vault
	ledger   *ledger.Ledger
	gateway  *gateway
	server   *http.Server
	url      string // of the gateway
	world    *exec.Cmd
	worldURL string
	output   *os.File
	posted   *record.Log
	stops    *record.Log
	all      []*Replica

	mu      sync.Mutex
	updates int64
	people  map[int64]bool // chats of somebody who writes there alone
}

// hooks are all that look at points. Any may break a connection.
type hooks struct {
	mu  sync.RWMutex
	all map[int]Hook
	n   int
}

func (h *hooks) add(hook Hook) (remove func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all == nil {
		h.all = map[int]Hook{}
	}
	h.n++
	n := h.n
	h.all[n] = hook
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.all, n)
	}
}

func (h *hooks) at(p Point) error {
	h.mu.RLock()
	var all []Hook
	for _, hook := range h.all {
		all = append(all, hook)
	}
	h.mu.RUnlock()
	var errs []error
	for _, hook := range all {
		errs = append(errs, hook(p))
	}
	return errors.Join(errs...)
}

// Hook adds a hook until remove is called.
func (c *Cluster) Hook(hook Hook) (remove func()) { return c.hooks.add(hook) }

// Start starts a cluster on one redis-server in an empty folder. What was started is stopped by Stop, also after an
// error.
func Start(ctx context.Context, dir string, seed uint64, programs Programs) (*Cluster, error) {
	return startOn(ctx, dir, seed, programs, func(c *Cluster) (Store, error) {
		return StartRedis(filepath.Join(dir, "redis"), c.secrets["redis-password"])
	})
}

// StartBehind is Start on a primary with replicas behind Sentinels.
func StartBehind(ctx context.Context, dir string, seed uint64, programs Programs) (*Cluster, error) {
	return startOn(ctx, dir, seed, programs, func(*Cluster) (Store, error) { return StartSentinel(filepath.Join(dir, "redis")) })
}

func startOn(ctx context.Context, dir string, seed uint64, programs Programs, store func(*Cluster) (Store, error)) (*Cluster, error) {
	c := &Cluster{Dir: dir, Seed: seed, programs: programs}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return c, err
	}
	var err error
	if c.output, err = os.Create(filepath.Join(dir, "output.log")); err != nil {
		return c, err
	}
	if c.posted, err = record.Open(filepath.Join(dir, record.PostedFile)); err != nil {
		return c, err
	}
	if c.stops, err = record.Open(filepath.Join(dir, record.StopFile)); err != nil {
		return c, err
	}
	for _, step := range []func(context.Context) error{c.startWorld, c.makeSecrets} {
		if err := step(ctx); err != nil {
			return c, err
		}
	}
	if c.Proxy, err = NewProxy(programs.Lua, c.hooks.at); err != nil {
		return c, err
	}
	redis, err := store(c)
	if err != nil {
		return c, err
	}
	c.Redis = redis
	for _, step := range []func(context.Context) error{c.openLedger, c.startFunctions, c.settleIn} {
		if err := step(ctx); err != nil {
			return c, err
		}
	}
	return c, nil
}

// startWorld starts the outside.
func (c *Cluster) startWorld(context.Context) error {
	c.world = exec.Command(c.programs.World, "-dir", c.Dir, "-seed", fmt.Sprint(c.Seed))
	c.world.Stderr, c.world.SysProcAttr = c.output, withUs()
	out, err := c.world.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.world.Start(); err != nil {
		return err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	c.worldURL = strings.TrimSpace(line)
	return err
}

// makeSecrets makes canaries: none of them may be found in anything that the bundle says. They follow from the
// seed, and so do the names of lanes and runs.
func (c *Cluster) makeSecrets(context.Context) error {
	sum := sha256.Sum256(fmt.Appendf(nil, "faults/%d", c.Seed))
	canary := func(name string) string { return fmt.Sprintf("canary-%s-%x", name, sum[:6]) }
	c.secrets = map[string]string{
		"encryption-key": base64.StdEncoding.EncodeToString(sum[:]), "telegram-bot-token": "110201543:" + canary("bot"),
		"telegram-webhook-secret": canary("hook"), "basic-auth-password": canary("basic"), "openai-api-key": canary("model"),
		"redis-password": canary("redis"),
	}
	var err error
	if c.vault, err = vault.Parse(c.secrets["encryption-key"]); err != nil {
		return err
	}
	c.secrets["hearth-call-key"] = base64.StdEncoding.EncodeToString(c.vault.CallKey())
	for folder, names := range map[string][]string{
		"secrets": {"encryption-key", "telegram-bot-token", "telegram-webhook-secret", "basic-auth-password", "openai-api-key", "hearth-call-key"},
		"grants":  {"hearth-call-key"},
	} {
		if err := os.MkdirAll(filepath.Join(c.Dir, folder), 0o700); err != nil {
			return err
		}
		for _, name := range names {
			if err := os.WriteFile(filepath.Join(c.Dir, folder, name), []byte(c.secrets[name]), 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}

// openLedger opens a ledger past the proxy. It names lanes; nothing is read or written with it.
func (c *Cluster) openLedger(ctx context.Context) (err error) {
	c.ledger, err = ledger.Dial(ctx, c.Redis.URL(), c.vault)
	return err
}

// startFunctions starts the gateway and all processes.
func (c *Cluster) startFunctions(ctx context.Context) error {
	c.gateway = newGateway(c.secrets["basic-auth-password"], c.hooks.at)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c.url = "http://" + l.Addr().String()
	c.server = &http.Server{Handler: c.gateway}
	go func() { _ = c.server.Serve(l) }() // ends with Stop
	text, err := exec.Command(c.programs.Effect, "manifest").Output()
	if err != nil {
		return fmt.Errorf("the manifest of the plugin: %w", err)
	}
	c.gateway.manifest["plugin-effect"] = string(text)
	for name, n := range replicas {
		for i := range n {
			r, err := c.replica(name, i)
			if err != nil {
				return err
			}
			c.all = append(c.all, r)
			c.gateway.replicas[name] = append(c.gateway.replicas[name], r)
		}
	}
	for _, r := range c.all {
		go r.keep() // ends with Replica.Stop
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, r := range c.all {
		if err := r.Ready(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) replica(name string, number int) (*Replica, error) {
	r := &Replica{Function: name, Number: number, output: c.output, ended: make(chan struct{})}
	if name == "plugin-effect" {
		work := filepath.Join(c.Dir, "work")
		r.command = []string{c.programs.Effect}
		r.environ = func(*Replica) []string {
			return []string{"HEARTH_LISTEN=fd:3", "HEARTH_SECRETS=" + filepath.Join(c.Dir, "grants"), "EFFECT_URL=" + c.worldURL, "HEARTH_WORK=" + work, "TMPDIR=" + work}
		}
		return r, os.MkdirAll(work, 0o700)
	}
	store, err := c.Redis.Through(c.Proxy, r)
	if err != nil {
		return nil, err
	}
	r.command = []string{c.programs.Hearth, "fn", name}
	r.environ = func(*Replica) []string {
		return []string{
			"PATH=" + os.Getenv("PATH"), "HEARTH_LISTEN=fd:3", "HEARTH_SECRETS=" + filepath.Join(c.Dir, "secrets"), "HEARTH_DATA=" + filepath.Join(c.Dir, "data"),
			"HEARTH_GATEWAY=" + c.url, "REDIS_URL=" + store,
			"OPENAI_BASE_URL=" + c.worldURL + "/v1", "TELEGRAM_API_URL=" + c.worldURL, "HEARTH_TIMEZONE=UTC", "HEARTH_RECALL=0s",
		}
	}
	return r, nil
}

// Replicas returns the processes of some functions, all without names.
func (c *Cluster) Replicas(names ...string) []*Replica {
	var found []*Replica
	for _, r := range c.all {
		if len(names) == 0 || slices.Contains(names, r.Function) {
			found = append(found, r)
		}
	}
	return found
}

// World sets how much goes wrong outside, and who has left.
func (c *Cluster) World(ctx context.Context, rates map[string]float64, gone ...int64) error {
	_, err := c.send(ctx, http.MethodPost, c.worldURL+"/control", map[string]any{"rates": rates, "gone": gone}, nil)
	return err
}

// send sends JSON and returns the status, with an error for all but success.
func (c *Cluster) send(ctx context.Context, method, url string, in any, header http.Header) (int, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s: %s: %.300s", url, resp.Status, said)
	}
	return resp.StatusCode, err
}

// Stop stops everything.
func (c *Cluster) Stop() error {
	var errs []error
	for _, r := range c.all {
		r.Stop()
	}
	if c.Proxy != nil {
		errs = append(errs, c.Proxy.Close())
	}
	if c.server != nil {
		errs = append(errs, c.server.Close())
		c.gateway.close()
	}
	if c.ledger != nil {
		errs = append(errs, c.ledger.Close())
	}
	if c.Redis != nil {
		errs = append(errs, c.Redis.Stop())
	}
	if c.world != nil && c.world.Process != nil {
		_ = c.world.Process.Kill()
		_ = c.world.Wait() // killed, as was wanted
	}
	for _, f := range []interface{ Close() error }{c.posted, c.stops, c.output} {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
