package provider

import (
	"regexp"
	"slices"
	"strings"

	"github.com/hearthfaas/hearth/shared/fault"
)

// maxName is the length of a DNS label, which a function's name is on Kubernetes.
const maxName = 63

var functionName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

// checkName refuses what is no name of a function on any OpenFaaS.
func checkName(name, field string) error {
	switch {
	case name == "":
		return fault.New(fault.Invalid, "the name of the function is missing").At(field)
	case len(name) > maxName || !functionName.MatchString(name):
		return fault.New(fault.Invalid, "%.100q is no name of a function: want %d of a-z, 0-9 and inner dashes at most", name, maxName).At(field)
	}
	return nil
}

// Bounds of limits: below the first nothing runs, above the second no machine is.
const (
	leastMemory = 1 << 20
	mostCPU     = 4096
)

// check refuses a deployment that cannot be kept as it stands.
func (d Deployment) check() error {
	if err := checkName(d.Name, "service"); err != nil {
		return err
	}
	if d.Image == "" {
		return fault.New(fault.Invalid, "the image is missing").At("image")
	}
	for name, value := range d.Env {
		if err := checkVariable(name, value); err != nil {
			return err
		}
	}
	if err := d.checkLabels(); err != nil {
		return err
	}
	if d.Limits == nil {
		return nil
	}
	if text := d.Limits.Memory; text != "" {
		if memory, err := quantity(text); err != nil || memory < leastMemory {
			return fault.New(fault.Invalid, "want an amount of at least 1Mi, such as 128Mi, not %.40q", text).At("limits.memory")
		}
	}
	if text := d.Limits.CPU; text != "" {
		if cpu, err := quantity(text); err != nil || cpu > mostCPU {
			return fault.New(fault.Invalid, "want a number of processors, such as 0.5 or 500m, not %.40q", text).At("limits.cpu")
		}
	}
	return nil
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// reserved are variables that no deployment sets: those that say who a function is and how it is reached,
// and those by which something else than its program would be loaded.
var reserved = []string{
	"OPENFAAS_NAME", "OPENFAAS_NAMESPACE", "GOMEMLIMIT", "GOMAXPROCS",
	"GLIBC_TUNABLES", "GCONV_PATH", "BASH_ENV", "NODE_OPTIONS", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP",
	"JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "PERL5LIB", "PERL5OPT", "RUBYLIB", "RUBYOPT",
}

// loaders begin the names of variables of dynamic linkers (ld.so(8), dyld(1)).
var loaders = []string{"LD_", "DYLD_"}

// ownSettings are the settings of ours that a deployment may set.
var ownSettings = append([]string{"HEARTH_TIMEZONE"}, lent...)

// checkVariable refuses a variable that would change whose secrets a function sees or what code it runs.
func checkVariable(name, value string) error {
	upper := strings.ToUpper(name)
	begins := func(prefix string) bool { return strings.HasPrefix(upper, prefix) }
	switch {
	case !variableName.MatchString(name) || strings.ContainsRune(value, 0):
		return fault.New(fault.Invalid, "%.100q is no name of a variable, or its value has a zero byte", name).At("envVars")
	case slices.Contains(withheld, variable(name)), slices.Contains(reserved, upper), slices.ContainsFunc(loaders, begins),
		begins("HEARTH_") && !slices.Contains(ownSettings, upper):
		return fault.New(fault.Invalid, "a deployment cannot set %s", name).At("envVars." + name)
	}
	return nil
}

// checkSecrets refuses secrets that a plugin never gets, and for a program that is not ours those that do
// not exist, as OpenFaaS does. Our own functions say themselves, on the call that needs it, what is missing.
func (p *Provider) checkSecrets(d Deployment, prog program) error {
	for _, name := range d.Secrets {
		if err := checkSecretName(name); err != nil {
			return err
		}
		if !prog.confined || name == CallKeySecret {
			continue
		}
		if !granted(d.Secrets, name) {
			return fault.New(fault.Invalid, "the secret %s is of the house: no plugin gets it", name).At("secrets")
		}
		if _, err := p.env.Secret(name); err != nil && prog.foreign {
			return fault.As(fault.Invalid, err, "the secret %s does not exist or cannot be read", name).At("secrets").Try("faas-cli secret create " + name)
		}
	}
	return nil
}
