package provider

import (
	"encoding/base64"
	"errors"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/sandbox"
)

// CallKeySecret is the secret by which plugins verify calls: the public key, base64.
const CallKeySecret = "hearth-call-key"

// Limits of a plugin's process where its manifest says nothing else. Memory gets headroom for the runtime's
// own: the limit is on address space that may be written, not on what is used.
const (
	defaultMemory  = 256 << 20
	memoryHeadroom = 512 << 20
	maxFile        = 1 << 30
	maxFiles       = 1024
)

// searchPath is the PATH of plugins.
const searchPath = "/usr/local/bin:/usr/bin:/bin"

// spec says how a function becomes a process: our own functions with our environment, plugins with nothing
// but what was granted.
func (p *Provider) spec(d Deployment, f fn.Function) (sandbox.Spec, error) {
	command := append(p.config.Command[1:len(p.config.Command):len(p.config.Command)], d.Name)
	spec := sandbox.Spec{Path: p.config.Command[0], Args: command, Env: []string{
		"HEARTH_LISTEN=fd:3", "OPENFAAS_NAME=" + d.Name, "OPENFAAS_NAMESPACE=" + Namespace,
	}}
	if !f.Plugin() {
		dir, err := os.Getwd()
		spec.Dir = dir
		spec.Env = append(append([]string(nil), p.config.Environ...), spec.Env...)
		return spec, err
	}
	granted, err := p.grant(d)
	if err != nil {
		return spec, err
	}
	memory := int64(defaultMemory)
	if f.Manifest != nil && f.Manifest.Limits.Memory > 0 {
		memory = f.Manifest.Limits.Memory
	}
	spec.Env = append(spec.Env, granted...)
	spec.Env = append(spec.Env, "GOMEMLIMIT="+strconv.FormatInt(memory, 10))
	spec.Limits = sandbox.Limits{Data: memory + memoryHeadroom, File: maxFile, Files: maxFiles}
	spec.Dir = p.folder("work", d.Name)
	return spec, nil
}

// folder returns a private folder of a function in the data folder.
func (p *Provider) folder(use, name string) string { return filepath.Join(p.config.Data, use, name) }

// grant lays out what a plugin may know: its folders, the granted secrets as files, and the granted settings,
// which it returns with the rest of the environment.
func (p *Provider) grant(d Deployment) ([]string, error) {
	work, secrets := p.folder("work", d.Name), p.folder("grants", d.Name)
	for _, dir := range []string{work, secrets} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fault.As(fault.Unavailable, err, "no folder for %s", d.Name)
		}
	}
	env := []string{
		"PATH=" + searchPath, "HEARTH_SECRETS=" + secrets, "HEARTH_WORK=" + work, "HOME=" + work, "TMPDIR=" + work,
	}
	for _, pair := range p.config.Environ {
		name, _, _ := strings.Cut(pair, "=")
		if name == "TZ" || name == "HEARTH_TIMEZONE" || granted(d.Secrets, name) {
			env = append(env, pair)
		}
	}
	return env, p.grantSecrets(secrets, d.Secrets)
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
		if !granted(grants, entry.Name()) {
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
