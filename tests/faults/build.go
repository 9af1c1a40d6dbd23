package faults

import (
	"fmt"
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
