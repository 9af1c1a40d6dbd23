package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hearthfaas/hearth/shared/demo"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/vault"
)

// layDown puts the demo's template and task there, once per data folder: what people change or delete
// stays changed.
func (h *house) layDown(ctx context.Context) error {
	mark := filepath.Join(h.data, "demo.done")
	if exists(mark) && !h.volatile {
		return nil
	}
	template, err := demo.Template()
	if err != nil {
		return err
	}
	g, err := gateway.Open(h.env, "hearth-up")
	if err != nil {
		return err
	}
	put := map[string]any{"owner": "templates", "path": "/templates/report.xlsx", "content": template, "keep": true}
	if err := g.Call(ctx, "system-files/put", vault.Call{User: "owner", Role: "owner"}, put, nil); err != nil && !fault.Is(err, fault.Conflict) {
		return fault.Wrap(err, "lay down /templates/report.xlsx")
	}
	if err := h.call(ctx, http.MethodPut, "/function/system-tasks/daily_report_gen", demo.TaskFile(), nil); err != nil {
		return fault.Wrap(err, "lay down the task daily_report_gen")
	}
	return writeSecret(mark, "the demo data was laid down")
}

// signInCode asks for the code of a sign-in link for the owner.
func (h *house) signInCode(ctx context.Context) (string, error) {
	var out struct {
		Code string `json:"code"`
	}
	err := h.call(ctx, http.MethodPost, "/function/system-auth/tokens", []byte(`{"user":"owner","role":"owner","link":true}`), &out)
	return out.Code, err
}

// call calls a function as the owner.
func (h *house) call(ctx context.Context, method, path string, body []byte, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+h.addr+path, bytes.NewReader(body))
	if err != nil {
		return fault.As(fault.Internal, err, "request for %s", path)
	}
	req.Header.Set("Authorization", "Bearer "+h.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fault.As(fault.Unavailable, err, "%s does not answer", path)
	}
	defer resp.Body.Close()
	if err := fault.Read(resp); err != nil || out == nil {
		return err
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fault.As(fault.Internal, err, "the answer of %s", path)
	}
	return nil
}

// pidOfPort finds the process that listens on a TCP port of this machine, on Linux; "" where it cannot.
func pidOfPort(port string) string {
	n, err := strconv.Atoi(port)
	if err != nil {
		return ""
	}
	inode := listening(n)
	if inode == "" {
		return ""
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*") // only a malformed pattern is an error
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && target == "socket:["+inode+"]" {
			return strings.Split(link, "/")[2]
		}
	}
	return ""
}

// listening returns the inode of the socket that listens on a port (proc(5), /proc/net/tcp: local address
// in the second field, state 0A, inode in the tenth).
func listening(port int) string {
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(raw)) {
			f := strings.Fields(line)
			if len(f) < 10 || f[3] != "0A" {
				continue
			}
			_, hex, _ := strings.Cut(f[1], ":")
			if n, err := strconv.ParseInt(hex, 16, 32); err == nil && int(n) == port {
				return f[9]
			}
		}
	}
	return ""
}
