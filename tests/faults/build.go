package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Programs are what a cluster is made of.
type Programs struct {
	Hearth, World, Effect, Judge string
	Lua                          string // the scripts that Hearth was built with
}

const module = "github.com/hearthfaas/hearth"

// Build builds the programs into a folder. overlay, if any, is a file for go build -overlay, and lua the scripts
// that it puts into Hearth.
func Build(dir, overlay, lua string) (Programs, error) {
	p := Programs{Lua: lua}
	if lua == "" {
		out, err := exec.Command("go", "list", "-f", "{{.Dir}}", module+"/shared/ledger").Output()
		if err != nil {
			return p, fmt.Errorf("find the scripts: %w", err)
		}
		p.Lua = filepath.Join(strings.TrimSpace(string(out)), "scripts.lua")
	}
	for path, name := range map[*string]string{
		&p.Hearth: "cmd/hearth", &p.World: "tests/faults/world", &p.Effect: "tests/faults/effect", &p.Judge: "tests/faults/judge",
	} {
		*path = filepath.Join(dir, filepath.Base(name))
		args := []string{"build", "-o", *path}
		if overlay != "" && name == "cmd/hearth" {
			args = append(args, "-overlay", overlay)
		}
		if out, err := exec.Command("go", append(args, module+"/"+name)...).CombinedOutput(); err != nil {
			return p, fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	return p, nil
}

// Overlay writes a file of the product with edits into a folder: anchors that stand there once, and what comes in
// their place. It returns what Build takes; lua is "" for a file that has no scripts.
func Overlay(dir, file string, edits [][2]string) (overlay, lua string, err error) {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", "", fmt.Errorf("find the module: %w", err)
	}
	original := filepath.Join(strings.TrimSpace(string(root)), filepath.FromSlash(file))
	raw, err := os.ReadFile(original)
	if err != nil {
		return "", "", err
	}
	text := string(raw)
	for _, edit := range edits {
		if n := strings.Count(text, edit[0]); n != 1 {
			return "", "", fmt.Errorf("%s: the anchor %q stands there %d times, not once: mend tests/faults", file, edit[0], n)
		}
		text = strings.Replace(text, edit[0], edit[1], 1)
	}
	patched := filepath.Join(dir, filepath.Base(file))
	if strings.HasSuffix(patched, ".lua") {
		lua = patched
	}
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{original: patched}})
	if err != nil {
		return "", "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, lua, errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(patched, []byte(text), 0o600), os.WriteFile(overlay, list, 0o600))
}
