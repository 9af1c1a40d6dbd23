package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/hearthfaas/hearth/functions/catalog"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/plugin"
)

// The stack files, and the line in them behind which people's own functions stand: faas-cli new --append
// puts them there.
const (
	stackFile   = "stack.yml"
	stackFileCE = "stack.ce.yml"
	stackEnd    = "  # Functions below this line are yours: hearth stack keeps them.\n"
)

// stackHead is what stands before the functions. copy is for functions that are built from our templates.
const stackHead = `# Written by "%s" from the functions and their manifests. faas-cli takes what stands in braces from its
# environment; docs/openfaas.md says what else is needed.
version: 1.0
provider:
  name: openfaas
  gateway: http://127.0.0.1:8080
configuration:
  copy:
    - ./shared
    - ./go.mod
    - ./go.sum
functions:
`

func newStackCommand(a *app) *cobra.Command {
	var ce, check bool
	cmd := &cobra.Command{
		Use:   "stack",
		Short: "Write stack.yml for faas-cli deploy",
		Long: `Writes stack.yml, with which faas-cli deploys all functions to OpenFaaS, or with --ce stack.ce.yml: there several
functions are deployed as one, because the Community Edition takes 15.`,
		Args: takes(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			path, command := stackFile, "hearth stack"
			if ce {
				path, command = stackFileCE, "hearth stack --ce"
			}
			return a.stack(path, command, ce, check)
		},
	}
	cmd.Flags().BoolVar(&ce, "ce", false, "for OpenFaaS Community Edition")
	cmd.Flags().BoolVar(&check, "check", false, "change nothing, and fail if the file is not what would be written")
	return cmd
}

// stack writes a stack file, or checks it.
func (a *app) stack(path, command string, ce, check bool) error {
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault.As(fault.Unavailable, err, "cannot be read").At(path)
	}
	text, err := stackText(command, catalog.All(), ce)
	if err != nil {
		return err
	}
	_, own, _ := strings.Cut(string(old), stackEnd)
	text += stackEnd + own
	switch {
	case text == string(old):
		return nil
	case check:
		return fault.New(fault.Conflict, "is not what the functions say").At(path).Try(command)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return fault.As(fault.Unavailable, err, "cannot be written").At(path)
	}
	fmt.Fprintln(a.err, "wrote", path)
	return nil
}

// stackText is our part of a stack file.
func stackText(command string, all []fn.Function, ce bool) (string, error) {
	deployed, groups := all, map[string][]fn.Function{}
	if ce {
		deployed, groups = grouped(all)
	}
	names := map[string][]string{}
	for group, members := range groups {
		for _, f := range members {
			names[group] = append(names[group], f.Name)
		}
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, stackHead, command)
	for _, f := range deployed {
		members := groups[f.Name]
		if members == nil {
			members = []fn.Function{f}
		}
		s, err := deployment(f, members, gateway.WriteGroups(names))
		if err != nil {
			return "", err
		}
		raw, err := yaml.Marshal(map[string]stackFunction{f.Name: s})
		if err != nil {
			return "", fault.As(fault.Internal, err, "write %s", f.Name)
		}
		for line := range strings.Lines(string(raw)) {
			text.WriteString("  " + line)
		}
	}
	return text.String(), nil
}

// stackFunction is a function in a stack file.
// https://docs.openfaas.com/reference/yaml/
type stackFunction struct {
	Image       string            `yaml:"image"`
	Process     string            `yaml:"fprocess"`
	SkipBuild   bool              `yaml:"skip_build"`
	ReadOnly    bool              `yaml:"readonly_root_filesystem"`
	Environment map[string]string `yaml:"environment"`
	Secrets     []string          `yaml:"secrets,omitempty"`
	Limits      map[string]string `yaml:"limits"`
	Requests    map[string]string `yaml:"requests"`
	Labels      map[string]string `yaml:"labels,omitempty"`
	Annotations map[string]string `yaml:"annotations,omitempty"`
}

// stackImage is the one image of all functions.
const stackImage = "${REGISTRY:-ghcr.io/hearthfaas}/hearth:${TAG:-latest}"

// What a function's process takes: memory of our own ones, and what a plugin needs beside what its calls may
// take. In MiB.
const (
	ownMemory    = 256
	pluginMemory = 128
)

// slack is how much longer a platform waits than the function works, so that a late answer still goes out.
const slack = 5 * time.Second

// streamTime is how long an answer may stay open: adapter-web ends streams after an hour.
const streamTime = time.Hour

// deployment says how f, which serves members, is deployed.
func deployment(f fn.Function, members []fn.Function, groups string) (stackFunction, error) {
	s := stackFunction{
		Image: stackImage, Process: "hearth fn " + f.Name, SkipBuild: true, ReadOnly: true,
		Environment: map[string]string{"HEARTH_TIMEZONE": "${HEARTH_TIMEZONE:-UTC}"},
		Annotations: map[string]string{},
	}
	if groups != "" && !members[0].Plugin() {
		s.Environment[gateway.GroupsSetting] = groups
	}
	if f.Name == "system-pump" {
		s.Labels = map[string]string{"com.openfaas.scale.min": "1", "com.openfaas.scale.max": "1"}
		s.Annotations["topic"], s.Annotations["schedule"] = "cron-function", "* * * * *"
	}
	limit, memory := time.Duration(0), int64(0)
	for _, m := range members {
		limit = max(limit, timeOf(m))
		if err := s.add(m, len(members) > 1); err != nil {
			return s, err
		}
		memory += memoryOf(m)
	}
	s.Environment["exec_timeout"] = limit.String()
	s.Environment["write_timeout"], s.Environment["read_timeout"] = (limit + slack).String(), (limit + slack).String()
	s.Limits = map[string]string{"memory": fmt.Sprintf("%dMi", memory)}
	s.Requests = map[string]string{"memory": "64Mi", "cpu": "20m"}
	return s, nil
}

// add gives a deployment what one of its functions needs.
func (s *stackFunction) add(f fn.Function, grouped bool) error {
	secrets, settings, err := needsOf(f)
	if err != nil {
		return err
	}
	for _, name := range secrets {
		s.Secrets = appendNew(s.Secrets, name)
	}
	for _, name := range settings {
		s.Environment[name] = "${" + name + "}"
	}
	if f.Manifest == nil {
		return nil
	}
	text, err := json.Marshal(f.Manifest())
	if err != nil {
		return fault.As(fault.Internal, err, "the manifest of %s", f.Name)
	}
	annotation := manifest.Annotation
	if grouped {
		annotation = manifest.GroupAnnotation + gateway.Member(f.Name)
	}
	// faas-cli would take a ${name} for one of its own; JSON has another way to write it.
	s.Annotations[annotation] = strings.ReplaceAll(string(text), "$", `\u0024`)
	return nil
}

func timeOf(f fn.Function) time.Duration {
	if f.Streams {
		return streamTime
	}
	return max(f.Timeout, fn.DefaultTimeout)
}

func memoryOf(f fn.Function) int64 {
	if f.Manifest == nil {
		return ownMemory
	}
	return f.Manifest().Limits.Memory>>20 + pluginMemory
}

// needsOf returns the secrets and settings that a function reads. A plugin gets the public call key and what
// its manifest names; OpenFaaS has no patterns, so that DATABASE_*_URL is for the operator to add.
func needsOf(f fn.Function) (secrets, settings []string, err error) {
	if f.Manifest == nil {
		secrets, found := needs[f.Name]
		if !found {
			return nil, nil, fault.New(fault.Internal, "cmd/hearth/needs.go does not say what %s reads", f.Name)
		}
		return secrets, append(settingsFor(secrets), reads[f.Name]...), nil
	}
	secrets = []string{plugin.KeySecret}
	for _, name := range f.Manifest().Grants.Secrets {
		secret := strings.ToLower(strings.ReplaceAll(name, "_", "-"))
		switch {
		case strings.Contains(name, "*"):
		case name == secret, strings.HasSuffix(name, "_URL"): // an address may hold a password
			secrets = append(secrets, secret)
		default:
			settings = append(settings, name)
		}
	}
	return secrets, settings, nil
}
