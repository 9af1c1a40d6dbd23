package provider

import (
	"math"
	"strconv"
	"strings"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/sandbox"
)

// Limits of a plugin's process where its manifest says nothing else. Memory gets headroom for the runtime's
// own: the limit is on address space that may be written, not on what is used.
const (
	defaultMemory  = 256 << 20
	memoryHeadroom = 512 << 20
	maxFile        = 1 << 30
	maxFiles       = 1024
)

// Promise says how far one machine keeps a field of a deployment.
type Promise struct{ Field, Kept string }

// Promises says how far the fields of a deployment are kept here, for doctor. A process is no container:
//   - limits.memory bounds the private writable memory of a process (RLIMIT_DATA, with 512 MiB of headroom for
//     what runtimes reserve and do not use) and is GOMEMLIMIT of a Go program. It is set on Linux only.
//   - limits.cpu is GOMAXPROCS of a Go program, rounded up. Other programs may take more.
//   - environment is set. A function of ours that has one runs as a process of its own.
//   - secrets are files in the folder HEARTH_SECRETS of a confined process; our own functions read them all.
//   - requests, constraints, readOnlyRootFilesystem and GPUs are shown and change nothing.
//
// A function that runs inside the provider's process has no limits of its own.
func Promises() []Promise {
	return []Promise{
		{"limits.memory", "of a function that is a process, on Linux: its private writable memory may not pass the limit by more than 512 MiB; Go programs collect garbage earlier to stay below it"},
		{"limits.cpu", "of a Go program that is a process: threads that run at the same time, rounded up; no share of the processor is enforced"},
		{"environment", "set; a function of ours that has one runs as a process of its own"},
		{"secrets", "files of the function alone for plugins and other programs; our own functions read the whole folder"},
		{"requests, constraints", "shown, and without effect: there is one machine"},
		{"readonly_root_filesystem", "shown, and without effect: a process sees the files of its user"},
	}
}

// limitsOf returns the limits of a deployment's process.
func limitsOf(d Deployment, prog program) sandbox.Limits {
	limits := sandbox.Limits{}
	if prog.confined {
		limits.File, limits.Files = maxFile, maxFiles
	}
	if memory := memoryOf(d, prog); memory > 0 {
		limits.Data = memory + memoryHeadroom
	}
	return limits
}

// memoryOf returns how many bytes a deployment's process may use, 0 for no limit: what the deployment says,
// else what a plugin says of itself, else for a confined process a default.
func memoryOf(d Deployment, prog program) int64 {
	declared := int64(0)
	if prog.function.Manifest != nil {
		declared = prog.function.Manifest().Limits.Memory
	}
	switch {
	case d.Limits != nil && d.Limits.Memory != "":
		memory, _ := quantity(d.Limits.Memory) // it was checked
		return int64(memory)
	case declared > 0:
		return declared
	case prog.confined:
		return defaultMemory
	default:
		return 0
	}
}

// garbage is GOGC of our own plugins: the first collection comes at 16 MB of heap, not at 4 MB, which would be in
// the middle of the start. Memory is bounded by GOMEMLIMIT all the same.
const garbage = "400"

// boundsOf are the variables by which a Go program keeps to its limits.
func boundsOf(d Deployment, prog program) []string {
	var env []string
	if memory := memoryOf(d, prog); memory > 0 {
		env = append(env, "GOMEMLIMIT="+strconv.FormatInt(memory, 10))
		if d.Env["GOGC"] == "" && !prog.foreign {
			env = append(env, "GOGC="+garbage)
		}
	}
	if d.Limits != nil && d.Limits.CPU != "" {
		cpu, _ := quantity(d.Limits.CPU) // it was checked
		env = append(env, "GOMAXPROCS="+strconv.Itoa(int(math.Ceil(cpu))))
	}
	return env
}

// suffixes of quantities and what they multiply by, longest first.
var suffixes = []struct {
	text   string
	factor float64
}{
	{"Ki", 1 << 10}, {"Mi", 1 << 20}, {"Gi", 1 << 30}, {"Ti", 1 << 40}, {"m", 1e-3}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12},
}

// maxQuantity bounds a quantity: more than any machine has, and its bytes fit into an int64.
const maxQuantity = 1 << 50

// quantity reads an amount as Kubernetes writes it: 128Mi, 0.5, 250m.
// https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
func quantity(text string) (float64, error) {
	number, factor := text, 1.0
	for _, s := range suffixes {
		if rest, found := strings.CutSuffix(text, s.text); found {
			number, factor = rest, s.factor
			break
		}
	}
	value, err := strconv.ParseFloat(number, 64)
	if value *= factor; err != nil || !(value > 0) || value > maxQuantity {
		return 0, fault.New(fault.Invalid, "want an amount such as 128Mi or 250m, not %.40q", text)
	}
	return value, nil
}
