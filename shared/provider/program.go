package provider

import (
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/manifest"
)

// program is what a deployment runs.
type program struct {
	function fn.Function // of the running executable, or the bounds of another program, under the deployed name
	of       string      // the name of that function in the running executable
	command  []string    // serves it as a process
	foreign  bool        // not part of the running executable
	confined bool        // gets nothing but what was granted
	grants   []string    // secrets and settings, where it is confined
}

// resolve finds the program of a deployment: that of Config.Images for its image, else, where the image is
// the bundle's own, the function of the running executable that its process or else its name says. An own
// plugin gets the annotation of the executable's manifest. Everything wrong is Invalid.
func (p *Provider) resolve(d *Deployment) (program, error) {
	if path, found := p.image(d.Image); found && d.Image != Self {
		return foreignProgram(*d, path)
	}
	if repository, _, _ := splitImage(d.Image); path.Base(repository) != Self {
		return program{}, fault.New(fault.Invalid, "no program stands for the image %.200q here: containers are not run on one machine", d.Image).
			At("image").Try("set HEARTH_IMAGES=" + repository + "=/path/to/its/program")
	}
	name, err := processName(*d)
	if err != nil {
		return program{}, err
	}
	i := slices.IndexFunc(p.config.Functions, func(f fn.Function) bool { return f.Name == name })
	if i < 0 {
		return program{}, fault.New(fault.Invalid, "this hearth has no function %.100q", name).At("envProcess").
			Try("deploy stack.yml here, not stack.ce.yml; or name one function, as in: fprocess: hearth fn system-tasks")
	}
	f := p.config.Functions[i]
	own := program{of: name, confined: f.Plugin(), command: append(slices.Clone(p.config.Command), name)}
	if f.Manifest != nil {
		m := f.Manifest()
		d.Annotations[manifest.Annotation] = annotationOf(*m)
		own.grants = slices.Concat(m.Grants.Secrets, d.Secrets)
	}
	f.Name = d.Name
	own.function = f
	return own, nil
}

// processName returns the function that a deployment of our own image names: "hearth fn NAME" with any path
// before it, else the service's own name.
func processName(d Deployment) (string, error) {
	words := strings.Fields(d.Process)
	switch {
	case len(words) == 0:
		return d.Name, nil
	case len(words) == 3 && path.Base(words[0]) == Self && words[1] == "fn":
		return words[2], nil
	default:
		return "", fault.New(fault.Invalid, "want hearth fn NAME, not %.100q", d.Process).At("envProcess")
	}
}

// foreignProgram is the program behind an image that is not ours. What it says of itself in its annotations
// bounds its calls; it gets the secrets that the deployment names and nothing else.
func foreignProgram(d Deployment, path string) (program, error) {
	if info, err := os.Stat(path); err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
		return program{}, fault.New(fault.Invalid, "the program of the image %.200q cannot be executed: %s", d.Image, path).At("image")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return program{}, fault.As(fault.Invalid, err, "the program of the image %.200q", d.Image).At("image")
	}
	f := fn.Function{Name: d.Name, Timeout: fn.DefaultTimeout}
	if text, found := d.Annotations[manifest.Annotation]; found {
		m := &manifest.Manifest{}
		if err := json.Unmarshal([]byte(text), m); err != nil {
			return program{}, fault.As(fault.Invalid, err, "the manifest is no JSON of a manifest").At("annotations." + manifest.Annotation)
		}
		if want := "plugin-" + strings.ReplaceAll(m.ID, "_", "-"); d.Name != want {
			return program{}, fault.New(fault.Invalid, "the plugin %.100q is called by the name %.100q", m.ID, want).At("service")
		}
		f.Manifest = func() *manifest.Manifest { return m }
		f.Timeout = max(f.Timeout, m.Limits.Wall+fn.DefaultTimeout) // files come and go besides
	}
	if limit, err := time.ParseDuration(d.Env["exec_timeout"]); err == nil && limit > 0 {
		f.Timeout = limit
	}
	return program{function: f, command: []string{path}, foreign: true, confined: true, grants: d.Secrets}, nil
}

// image returns the configured program of an image: of its exact reference, else without its digest, its
// tag, or both.
func (p *Provider) image(reference string) (string, bool) {
	repository, tag, digest := splitImage(reference)
	for _, name := range []string{reference, repository + tag, repository + digest, repository} {
		if path, found := p.config.Images[name]; found {
			return path, true
		}
	}
	return "", false
}

// splitImage takes an image reference apart: REPOSITORY[:TAG][@DIGEST]. The tag and the digest keep their
// marks. A colon before the last slash is a registry's port.
func splitImage(reference string) (repository, tag, digest string) {
	repository = reference
	if at := strings.IndexByte(repository, '@'); at >= 0 {
		repository, digest = repository[:at], repository[at:]
	}
	if colon := strings.LastIndexByte(repository, ':'); colon > strings.LastIndexByte(repository, '/') {
		repository, tag = repository[:colon], repository[colon:]
	}
	return repository, tag, digest
}
