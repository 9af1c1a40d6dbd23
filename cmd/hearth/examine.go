package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/model"
	"github.com/hearthfaas/hearth/shared/provider"
	"github.com/hearthfaas/hearth/shared/vault"
)

const (
	checkTime = 5 * time.Second  // of one check that asks somebody
	maxSkew   = 30 * time.Second // between the gateway's clock and ours; calls are signed with the time
	leastDisk = 1 << 30          // bytes free below which work may stop
)

// gateway looks at the gateway, its clock, and whether we are signed in.
func (d *doctor) gateway(ctx context.Context) []finding {
	c := stranger(d.env, d.conf)
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	resp, err := c.send(ctx, http.MethodGet, "/healthz", nil, nil)
	if fault.Is(err, fault.Unavailable) {
		return []finding{{"gateway", broken, "nothing answers at " + c.base, "hearth up, or set HEARTH_GATEWAY"}, d.port(ctx)}
	}
	if err != nil {
		return []finding{of("gateway", err, "another program may listen there; see what does, or set HEARTH_GATEWAY")}
	}
	resp.Body.Close()
	list := []finding{{"gateway", fine, c.base + " answers", ""}, skew(resp.Header.Get("Date"), d.env.Now())}
	if c.token, err = token(d.env, d.conf); err != nil {
		return append(list, of("sign-in", err, ""))
	}
	me, _, err := fetch[grant](ctx, c, http.MethodGet, authPath+"me", nil)
	if err != nil {
		return append(list, of("sign-in", err, "set HEARTH_TOKEN to what hearth user token NAME prints where hearth up runs"))
	}
	return append(list, finding{"sign-in", fine, fmt.Sprintf("you are %s (%s)", me.User, me.Role), ""}, d.password(ctx, c))
}

// port tells why hearth up could not listen.
func (d *doctor) port(ctx context.Context) finding {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", d.conf.addr)
	if err != nil {
		return finding{"port", broken, d.conf.addr + " cannot be listened on: another program may have it", "hearth up --addr 127.0.0.1:0"}
	}
	l.Close()
	return finding{"port", fine, d.conf.addr + " is free", ""}
}

// skew compares the gateway's clock (the Date header, in whole seconds) with ours.
func skew(date string, now time.Time) finding {
	there, err := http.ParseTime(date)
	if err != nil {
		return finding{"clock", poor, "the gateway does not tell its time", ""}
	}
	if off := now.Sub(there).Abs(); off > maxSkew {
		return finding{"clock", broken, "differs from the gateway's by " + span(off), "sudo timedatectl set-ntp true"}
	}
	return finding{"clock", fine, "agrees with the gateway's", ""}
}

// password tries the basic auth of /system, where its secret is at hand.
func (d *doctor) password(ctx context.Context, c *client) finding {
	password, err := d.env.Secret(provider.PasswordSecret)
	if err != nil {
		return finding{"basic auth", poor, "the password of /system is not at hand here", "hearth doctor, where hearth up runs"}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/system/info", nil)
	if err != nil {
		return of("basic auth", err, "")
	}
	req.SetBasicAuth(provider.User, password)
	resp, err := c.http.Do(req)
	if err == nil {
		defer resp.Body.Close()
		err = fault.Read(resp)
	}
	if err != nil {
		return of("basic auth", err, "restart hearth up, which reads the secret "+provider.PasswordSecret+" anew")
	}
	return finding{"basic auth", fine, "the password of /system works", ""}
}

// store looks at REDIS_URL as a function does when it starts, or at what hearth up will use without it.
func (d *doctor) store(ctx context.Context) []finding {
	address := d.env.Setting("REDIS_URL", "")
	if address == "" {
		if _, err := exec.LookPath("redis-server"); err == nil {
			return []finding{{"store", fine, "hearth up starts a redis-server of its own", ""}}
		}
		return []finding{{"store", poor, "hearth up keeps everything in memory: it is gone when it stops", install("redis-server")}}
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	l, err := ledger.Dial(ctx, address, vault.New([vault.KeySize]byte{})) // nothing is written
	if err != nil {
		return []finding{of("store", err, "check REDIS_URL: redis-cli -u \"$REDIS_URL\" PING")}
	}
	defer l.Close()
	if l.Volatile() {
		return []finding{{"store", poor, "the store at REDIS_URL keeps everything in memory", "take " + ledger.VolatileFlag + " off REDIS_URL"}}
	}
	list := []finding{{"store", fine, "the store at REDIS_URL answers and keeps what it is given", ""}}
	for _, weak := range l.Weak() {
		list = append(list, finding{"store", poor, weak.What, weak.Mend})
	}
	return list
}

// model looks at the model that the settings name, or at what hearth up will find without one.
func (d *doctor) model(ctx context.Context) finding {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	if d.env.Setting("OPENAI_BASE_URL", "") != "" {
		m, err := model.Open(ctx, d.env)
		if err == nil {
			err = m.Ready(ctx)
		}
		if err != nil {
			return of("model", err, "curl $OPENAI_BASE_URL/models")
		}
		return finding{"model", fine, "the server at OPENAI_BASE_URL answers", ""}
	}
	if path := d.env.Setting("MODEL_PATH", ""); path != "" {
		return modelFile(path)
	}
	if found := model.Probe(ctx); len(found) > 0 {
		return finding{"model", fine, fmt.Sprintf("%s at %s, which hearth up uses", found[0].Runtime, found[0].BaseURL), ""}
	}
	return finding{"model", poor, "none: the built-in engine plans by rules and cannot talk", "OPENAI_BASE_URL=http://HOST:8000/v1 hearth up"}
}

// modelFile looks at MODEL_PATH: a GGUF file needs llama-server, a folder the vLLM of gpu-runtime.
func modelFile(path string) finding {
	info, err := os.Stat(path)
	if err != nil {
		return finding{"model", broken, "MODEL_PATH cannot be read: " + path, "ls -la " + path}
	}
	if info.IsDir() {
		return finding{"model", fine, "MODEL_PATH is a model folder", ""}
	}
	if _, err := exec.LookPath("llama-server"); err != nil {
		return finding{"model", broken, "MODEL_PATH needs llama-server, which is not on PATH", install("llama-server")}
	}
	return finding{"model", fine, "llama-server serves " + filepath.Base(path), ""}
}

// program looks for one of names on PATH.
func (d *doctor) program(check, why string, names ...string) finding {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return finding{check, fine, path, ""}
		}
	}
	return finding{check, poor, "not on PATH; it " + why, install(check)}
}

// install is the command that installs a program on this system.
func install(program string) string {
	if program == "llama-server" {
		return "brew install llama.cpp, or https://github.com/ggml-org/llama.cpp/releases"
	}
	if runtime.GOOS == "darwin" {
		return "brew install " + strings.TrimSuffix(program, "-server")
	}
	return "sudo apt-get install " + program
}

// mail looks at who letters come from: a plan would fail only at the step that sends.
func (d *doctor) mail() finding {
	server := d.env.Setting("SMTP_URL", "")
	if server == "" {
		return finding{"mail", fine, "a local mailbox: nothing leaves this machine", ""}
	}
	u, err := url.Parse(server)
	if err != nil {
		return of("mail", err, "SMTP_URL=smtp://user:password@host:port")
	}
	if !strings.Contains(u.User.Username(), "@") && d.env.Setting("HEARTH_MAIL_FROM", "") == "" {
		return finding{"mail", poor, "letters have no sender: the user in SMTP_URL is no address", "set HEARTH_MAIL_FROM=assistant@example.com"}
	}
	return finding{"mail", fine, "by " + u.Host, ""}
}

// promises say how far the limits of deployments are kept on one machine.
func promises() []finding {
	var list []finding
	for _, p := range provider.Promises() {
		list = append(list, finding{"deployment", fine, p.Field + ": " + p.Kept, ""})
	}
	return list
}

// disk looks at the space where the data folder is, or will be.
func (d *doctor) disk() finding {
	dir := d.conf.data
	for !exists(dir) && filepath.Dir(dir) != dir {
		dir = filepath.Dir(dir)
	}
	free, err := freeSpace(dir)
	if err != nil {
		return finding{"disk", poor, "the free space of " + dir + " is not known", ""}
	}
	text := fmt.Sprintf("%.1f GiB free at %s", float64(free)/(1<<30), dir)
	if free < leastDisk {
		return finding{"disk", broken, text, "free some space, or move the data folder: hearth up --data DIR"}
	}
	return finding{"disk", fine, text, ""}
}
