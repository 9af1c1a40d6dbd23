package provider

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/openfaas/faas-provider/types"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
)

// Bounds of a secret: what Kubernetes allows as a name, and what a function reads of its file.
const (
	maxSecretName = 253
	maxSecret     = 64 << 10
)

var secretName = regexp.MustCompile(`^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$`)

func checkSecretName(name string) error {
	if len(name) > maxSecretName || !secretName.MatchString(name) {
		return fault.New(fault.Invalid, "%.100q is no name of a secret: want a-z, 0-9, inner dashes and dots", name).At("name")
	}
	return nil
}

// sealingKey is the secret that everything at rest is sealed with.
const sealingKey = "encryption-key"

// listSecrets answers with the names. Values never leave.
func (p *Provider) listSecrets(w http.ResponseWriter, r *http.Request) {
	if err := inNamespace(r, ""); err != nil {
		fault.Write(w, err)
		return
	}
	entries, err := os.ReadDir(p.env.Secrets)
	if err != nil {
		fault.Write(w, fault.As(fault.Unavailable, err, "the secrets folder cannot be read"))
		return
	}
	list := []types.Secret{}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") || e.IsDir() {
			continue
		}
		list = append(list, types.Secret{Name: e.Name(), Namespace: Namespace})
	}
	fn.Reply(w, http.StatusOK, list)
}

// changingSecret makes a handler of something that changes a secret. Those that are given out as copies are
// renewed before it answers, so that the next call sees the change.
func (p *Provider) changingSecret(do func(path string, asked types.Secret) error) http.HandlerFunc {
	return accepting(func(w http.ResponseWriter, r *http.Request) error {
		var asked types.Secret
		if err := readRequest(w, r, &asked); err != nil {
			return err
		}
		if err := inNamespace(r, asked.Namespace); err != nil {
			return err
		}
		if err := checkSecretName(asked.Name); err != nil {
			return err
		}
		p.keeping.Lock()
		defer p.keeping.Unlock()
		if err := do(filepath.Join(p.env.Secrets, asked.Name), asked); err != nil {
			return err
		}
		for _, s := range p.registry.list() {
			s.place.renew()
		}
		return nil
	})
}

func createSecret(path string, asked types.Secret) error {
	if _, err := os.Lstat(path); err == nil || asked.Name == CallKeySecret { // hearth makes that one itself
		return fault.New(fault.Conflict, "the secret %s exists", asked.Name).Try("faas-cli secret update " + asked.Name)
	}
	return writeSecret(path, asked)
}

func updateSecret(path string, asked types.Secret) error {
	if _, err := os.Lstat(path); err != nil {
		return missingSecret(asked.Name)
	}
	if asked.Name == sealingKey {
		return fault.New(fault.Forbidden, "what is stored is sealed with the secret %s: it cannot be changed here", asked.Name)
	}
	return writeSecret(path, asked)
}

func deleteSecret(path string, asked types.Secret) error {
	if asked.Name == sealingKey || asked.Name == PasswordSecret {
		return fault.New(fault.Forbidden, "nothing works without the secret %s: it cannot be removed", asked.Name)
	}
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return missingSecret(asked.Name)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return fault.As(fault.Unavailable, err, "the secret %s cannot be removed", asked.Name)
	}
	return nil
}

func missingSecret(name string) error {
	return fault.New(fault.NotFound, "there is no secret %s", name).Try("faas-cli secret create " + name)
}

// writeSecret stores the value of a secret. rawValue is for bytes that are no text, as OpenFaaS has it.
func writeSecret(path string, asked types.Secret) error {
	value := asked.RawValue
	if asked.Value != "" {
		value = []byte(asked.Value)
	}
	switch {
	case len(strings.TrimSpace(string(value))) == 0:
		return fault.New(fault.Invalid, "the secret %s has no value", asked.Name).At("value")
	case len(value) > maxSecret:
		return fault.New(fault.TooLarge, "the secret %s has more than %d bytes", asked.Name, maxSecret).At("value")
	}
	if err := writeDurably(path, value); err != nil {
		return fault.As(fault.Unavailable, err, "the secret %s cannot be stored", asked.Name)
	}
	return nil
}
