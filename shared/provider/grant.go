package provider

import (
	"encoding/base64"
	"errors"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/sandbox"
)

// CallKeySecret is the secret by which plugins verify calls: the public key, base64.
const CallKeySecret = "hearth-call-key"

// searchPath is the PATH of plugins.
const searchPath = "/usr/local/bin:/usr/bin:/bin"

// spec says how a function becomes a process: our own functions with our environment, plugins and foreign
// programs with nothing but what was granted. What the deployment sets comes after both; what we set comes
// last.
func (p *Provider) spec(d Deployment, prog program) (sandbox.Spec, error) {
	spec := sandbox.Spec{Path: prog.command[0], Args: prog.command[1:], Limits: limitsOf(d, prog)}
	fixed := []string{"HEARTH_LISTEN=fd:3", "OPENFAAS_NAME=" + d.Name, "OPENFAAS_NAMESPACE=" + Namespace}
	var err error
	if prog.confined {
		var granted []string
		granted, err = p.grant(d.Name, prog.grants)
		spec.Dir = p.folder("work", d.Name)
		spec.Env = granted
		fixed = append(fixed, p.confines(d.Name)...)
	} else {
		spec.Dir, err = os.Getwd()
		spec.Env = slices.Clone(p.config.Environ)
	}
	for _, name := range slices.Sorted(maps.Keys(d.Env)) {
		if value := d.Env[name]; value != "" || prog.foreign { // a stack file gives our settings blank that nobody chose
			spec.Env = append(spec.Env, name+"="+value)
		}
	}
	if prog.foreign && d.Process != "" {
		fixed = append(fixed, "fprocess="+d.Process)
	}
	spec.Env = append(append(spec.Env, fixed...), boundsOf(d, prog)...)
	return spec, err
}

// folder returns a private folder of a function in the data folder.
func (p *Provider) folder(use, name string) string { return filepath.Join(p.config.Data, use, name) }

// confines are the variables that say where a plugin's folders are.
func (p *Provider) confines(name string) []string {
	work := p.folder("work", name)
	return []string{
		"PATH=" + searchPath, "HEARTH_SECRETS=" + p.folder("grants", name), "HEARTH_WORK=" + work, "HOME=" + work, "TMPDIR=" + work,
	}
}

// grant lays out what a plugin may know: its folders, the granted secrets as files, and the granted settings,
// which it returns.
func (p *Provider) grant(name string, grants []string) ([]string, error) {
	p.granting.Lock()
	defer p.granting.Unlock()
	secrets := p.folder("grants", name)
	for _, dir := range []string{p.folder("work", name), secrets} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fault.As(fault.Unavailable, err, "no folder for %s", name)
		}
	}
	var env []string
	for _, pair := range p.config.Environ {
		name, _, _ := strings.Cut(pair, "=")
		if name == "TZ" || name == "HEARTH_TIMEZONE" || granted(grants, name) {
			env = append(env, pair)
		}
	}
	return env, p.grantSecrets(secrets, grants)
}

// withheld are the secrets and settings that no plugin gets, whatever it was granted.
var withheld = []string{"ENCRYPTION_KEY", "REDIS_URL", "BASIC_AUTH_PASSWORD"}

// lent are the settings of ours that a plugin may be granted. The others say where our secrets are.
var lent = []string{"HEARTH_MAIL_FROM"}

// granted reports whether a secret or setting is among grants. Both are one namespace: smtp-url is SMTP_URL.
// A "*" in a grant stands for any characters, as in DATABASE_*_URL.
func granted(grants []string, name string) bool {
	name = variable(name)
	if slices.Contains(withheld, name) || strings.HasPrefix(name, "HEARTH_") && !slices.Contains(lent, name) {
		return false
	}
	return slices.ContainsFunc(grants, func(pattern string) bool {
		matched, err := path.Match(variable(pattern), name)
		return err == nil && matched
	})
}

// variable returns the name of a secret as an environment variable.
func variable(name string) string {
	return strings.NewReplacer("-", "_", ".", "_").Replace(strings.ToUpper(name))
}

// grantSecrets makes dir hold the call key and the granted secrets as they are now, and nothing else.
func (p *Provider) grantSecrets(dir string, grants []string) error {
	v, err := p.env.Vault()
	if err != nil {
		return err
	}
	files := map[string]string{CallKeySecret: base64.StdEncoding.EncodeToString(v.CallKey())}
	present, err := os.ReadDir(p.env.Secrets)
	if err != nil {
		return fault.As(fault.Unavailable, err, "the secrets folder cannot be read")
	}
	for _, entry := range present {
		if strings.HasPrefix(entry.Name(), ".") || !granted(grants, entry.Name()) {
			continue
		}
		// A plugin says for itself that a secret is blank, on the call that needs it.
		text, err := p.env.Secret(entry.Name())
		if err != nil && !fault.Is(err, fault.Unauthorized) {
			return err
		}
		files[entry.Name()] = text
	}
	return mirror(dir, files)
}

// mirror makes the folder hold these files and no others.
func mirror(dir string, files map[string]string) error {
	old, err := os.ReadDir(dir)
	if err != nil {
		return fault.As(fault.Unavailable, err, "the folder of a plugin's secrets cannot be read")
	}
	for _, entry := range old {
		if _, ok := files[entry.Name()]; !ok {
			err = errors.Join(err, os.Remove(filepath.Join(dir, entry.Name())))
		}
	}
	for name, text := range files {
		err = errors.Join(err, replaceFile(filepath.Join(dir, name), text))
	}
	if err != nil {
		return fault.As(fault.Unavailable, err, "a plugin's secrets cannot be laid out")
	}
	return nil
}

// replaceFile gives a file new text at once: readers never see half of it.
func replaceFile(path, text string) error {
	if old, err := os.ReadFile(path); err == nil && string(old) == text {
		return nil
	}
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
