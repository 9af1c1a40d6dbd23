package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
)

// The outcomes of a check.
const (
	fine   = "ok"
	poor   = "warning" // it works, and something is missing
	broken = "broken"  // something that is required does not work
)

// finding is what a check found. Mend is the command that mends it.
type finding struct {
	Check  string `json:"check"`
	State  string `json:"state"`
	Detail string `json:"detail"`
	Mend   string `json:"mend,omitempty"`
}

func newDoctorCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "doctor", Short: "What is missing here, with the command that mends it", Args: takes(cobra.NoArgs),
		Long: "Looks at the gateway, the store, the model and this machine. Exits with 1 if something that is required does not work.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := a.printer(cmd)
			if err != nil {
				return err
			}
			env, conf, err := a.env()
			if err != nil {
				return p.findings([]finding{of("settings", err, "")})
			}
			d := doctor{env: env, conf: conf}
			return p.findings(d.examine(cmd.Context()))
		},
	}
	addOutput(cmd)
	return cmd
}

// findings writes what was found, and is exit code 1 if something is broken.
func (p *printer) findings(list []finding) error {
	raw, err := json.Marshal(map[string]any{"checks": list})
	if err != nil {
		return fault.As(fault.Internal, err, "encode the findings")
	}
	bad := false
	for _, f := range list {
		bad = bad || f.State == broken
	}
	err = p.show(raw, func() {
		mark := map[string]string{fine: "✓", poor: "!", broken: "✗"}
		for _, f := range list {
			p.print("%s %-12s %s", mark[f.State], f.Check, f.Detail)
			if f.Mend != "" {
				p.print("  %-12s → %s", "", f.Mend)
			}
		}
	})
	if err == nil && bad {
		return exit(1)
	}
	return err
}

// doctor examines a deployment from this machine.
type doctor struct {
	env  *fn.Env
	conf config
}

func (d *doctor) examine(ctx context.Context) []finding {
	defer d.env.Close()
	list := d.gateway(ctx)
	list = append(append(list, d.store(ctx)...), d.model(ctx))
	list = append(list, d.secrets()...)
	list = append(list, d.mail(), d.zone(), d.disk(), d.program("redis-server", "keeps the store when nothing else does", "redis-server"),
		d.program("llama-server", "serves a GGUF file in MODEL_PATH", "llama-server"),
		d.program("chromium", "runs the tests of the page", "chromium", "chromium-browser", "google-chrome"))
	return append(list, promises()...)
}

// of is a finding about an error. What mends it is the error's own next command, or else mend; an error
// that sends people here has none.
func of(check string, err error, mend string) finding {
	f := finding{check, broken, fault.Text(err), mend}
	if e, ok := errors.AsType[*fault.Error](err); ok && e.Next != "" {
		f.Detail = strings.TrimSuffix(f.Detail, " (next: "+e.Next+")")
		if e.Next != "hearth doctor" {
			f.Mend = e.Next
		}
	}
	return f
}

// secrets looks at the folder that holds the keys of the deployment.
func (d *doctor) secrets() []finding {
	dir := d.env.Secrets
	mend := "chmod -R go-rwx " + dir
	switch open, err := openToOthers(dir); {
	case os.IsNotExist(err) && !exists(d.conf.data):
		return []finding{{"secrets", fine, "hearth up makes them in " + dir + " when it first starts", ""}}
	case err != nil:
		return []finding{{"secrets", broken, dir + " cannot be read", "ls -la " + dir}}
	case open != "":
		return []finding{{"secrets", broken, "others on this machine can read " + open, mend}}
	}
	list := []finding{{"secrets", fine, dir + " is closed to others", ""}}
	if _, err := d.env.Vault(); err != nil {
		list = append(list, of("key", err, "put the key this data was made with into "+filepath.Join(dir, "encryption-key")))
	}
	return list
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// openToOthers returns the first path at and below dir that others can read, "" for none.
func openToOthers(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	paths := []string{dir}
	for _, e := range entries {
		paths = append(paths, filepath.Join(dir, e.Name()))
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return "", err
		}
		if info.Mode().Perm()&0o077 != 0 {
			return path, nil
		}
	}
	return "", nil
}

// zone looks at the zone that days and hours are in.
func (d *doctor) zone() finding {
	zone, err := d.env.Zone()
	if err != nil {
		return of("time zone", err, "HEARTH_TIMEZONE=Asia/Shanghai, or install the data: sudo apt-get install tzdata")
	}
	return finding{"time zone", fine, zone.String(), ""}
}
