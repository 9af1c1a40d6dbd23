package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// startHearth starts "hearth up" with fresh data, and pairs the one who writes, so that nothing is measured
// but messages of somebody known.
func (b *bench) startHearth(ctx context.Context, inline string) (*target, error) {
	dir, err := os.MkdirTemp(b.dir, "data-")
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, b.binary, "up", "--addr", "127.0.0.1:0", "--data", dir, "--inline", inline)
	cmd.Env = append(os.Environ(), "OPENAI_BASE_URL="+b.world.model+"/v1", "TELEGRAM_API_URL="+b.world.platform,
		"TELEGRAM_BOT_TOKEN="+token, "TELEGRAM_WEBHOOK_SECRET="+secret, "REDIS_URL=")
	out, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop := func() error {
		return errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait())
	}
	address, err := ready(out)
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	t := &target{url: address + "/function/adapter-telegram", ready: time.Since(start), pid: cmd.Process.Pid, stop: stop}
	if err := b.pair(ctx, t, address, filepath.Join(dir, "owner.token")); err != nil {
		return nil, errors.Join(err, stop())
	}
	return t, nil
}

// ready waits for the greeting and returns the address in it.
func ready(out io.Reader) (string, error) {
	lines := bufio.NewScanner(out)
	address := ""
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 2 && fields[0] == "ready" {
			address = fields[1]
		}
		if len(fields) > 0 && fields[0] == "Try:" {
			go func() { _, _ = io.Copy(io.Discard, out) }() // ends with the process
			return address, nil
		}
	}
	return "", errors.New("hearth up ended before it was ready")
}

var pairingCode = regexp.MustCompile(`hearth pair ([A-Z2-7]{8})`)

// pair makes the one who writes known: they say hello, and the owner says the code that the bot shows.
func (b *bench) pair(ctx context.Context, t *target, address, tokenFile string) error {
	if _, _, err := b.world.one(t.url); err != nil {
		return err
	}
	b.world.mu.Lock()
	code := pairingCode.FindStringSubmatch(b.world.texts[b.world.last])
	b.world.mu.Unlock()
	if code == nil {
		return errors.New("the bot shows no pairing code")
	}
	owner, err := os.ReadFile(tokenFile)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address+"/function/system-auth/pair", strings.NewReader(fmt.Sprintf(`{"code":%q}`, code[1])))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(owner)))
	resp, err := b.world.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("pairing was answered %s", resp.Status)
	}
	// Adapters keep an identity for five seconds: wait until the new one is known.
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		if _, _, err := b.world.one(t.url); err != nil {
			return err
		}
		b.world.mu.Lock()
		known := !strings.Contains(b.world.texts[b.world.last], "pair")
		b.world.mu.Unlock()
		if known {
			return nil
		}
	}
	return errors.New("the pairing is not seen")
}

// sumMemory adds up the first column of ps in MB, without redis-server.
func sumMemory(out string) float64 {
	total := 0.0
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) < 2 || strings.Contains(line, "redis-server") {
			continue
		}
		kb, _ := strconv.ParseFloat(fields[0], 64)
		total += kb / 1024
	}
	return total
}
