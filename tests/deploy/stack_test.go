// Package deploy holds what is true of the files that other tools read: stack files, images and templates.
package deploy

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/openfaas/go-sdk/stack"

	"github.com/hearthfaas/hearth/functions/catalog"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/plugin"
)

// root is the repository's, as the tests see it.
const root = "../.."

// read parses a stack file as faas-cli does: with what its environment has in place of ${NAME}.
func read(t *testing.T, name string) *stack.Services {
	t.Helper()
	services, err := stack.ParseYAMLFile(root+"/"+name, "", "", true)
	if err != nil {
		t.Fatal(err)
	}
	return services
}

func TestStackHasEachFunction(t *testing.T) {
	one, few := read(t, "stack.yml").Functions, read(t, "stack.ce.yml").Functions
	if len(one) != len(catalog.All()) || len(few) > 12 {
		t.Errorf("%d functions, and %d in groups, of %d", len(one), len(few), len(catalog.All()))
	}
	places := few["system-tasks"].Environment[gateway.GroupsSetting]
	for _, f := range catalog.All() {
		if _, found := one[f.Name]; !found {
			t.Errorf("%s is not in stack.yml: hearth stack", f.Name)
		}
		_, alone := few[f.Name]
		together := slices.ContainsFunc(strings.Fields(places), func(group string) bool {
			name, members, _ := strings.Cut(group, "=")
			_, deployed := few[name]
			return deployed && slices.Contains(strings.Split(members, ","), f.Name)
		})
		if alone == together {
			t.Errorf("%s is in stack.ce.yml alone: %v, in a group: %v", f.Name, alone, together)
		}
	}
}

// TestStackIsPortable keeps to what the Community Edition takes too (faas-netes refuses other labels of
// scaling with 400), and to what our image needs.
func TestStackIsPortable(t *testing.T) {
	for _, name := range []string{"stack.yml", "stack.ce.yml"} {
		for service, f := range read(t, name).Functions {
			at := name + ": " + service
			if f.Image != "ghcr.io/hearthfaas/hearth:latest" || f.FProcess != "hearth fn "+service || !f.SkipBuild || f.Language != "" || !f.ReadOnlyRootFilesystem {
				t.Errorf("%s: %+v", at, f)
			}
			if f.Labels != nil {
				portable(t, at, *f.Labels)
			}
			if f.Limits == nil || !strings.HasSuffix(f.Limits.Memory, "Mi") || f.Requests == nil {
				t.Errorf("%s has no limits", at)
			}
			nested(t, at, f.Environment)
			for variable, value := range f.Environment {
				if strings.ContainsAny(value, "${}") || slices.Contains([]string{"ENCRYPTION_KEY", "REDIS_URL"}, variable) {
					t.Errorf("%s: %s=%s", at, variable, value)
				}
			}
		}
	}
}

func portable(t *testing.T, at string, labels map[string]string) {
	t.Helper()
	for label, value := range labels {
		n, err := strconv.Atoi(value)
		if known := []string{"com.openfaas.scale.min", "com.openfaas.scale.max"}; !slices.Contains(known, label) || err != nil || n > 5 {
			t.Errorf("%s: %s=%s", at, label, value)
		}
	}
}

// nested wants each to wait longer than what it waits for.
func nested(t *testing.T, at string, environment map[string]string) {
	t.Helper()
	var times []time.Duration
	for _, name := range []string{"exec_timeout", "write_timeout", "read_timeout"} {
		d, err := time.ParseDuration(environment[name])
		if err != nil {
			t.Errorf("%s: %s: %v", at, name, err)
		}
		times = append(times, d)
	}
	if times[0] < fn.DefaultTimeout || times[1] <= times[0] || times[2] <= times[0] {
		t.Errorf("%s: %v", at, times)
	}
}

// TestPluginsOfTheStack have their manifests, as they are, and no secret of ours but the public key.
func TestPluginsOfTheStack(t *testing.T) {
	one, few := read(t, "stack.yml").Functions, read(t, "stack.ce.yml").Functions
	ours := []string{"encryption-key", "redis-url", "basic-auth-password", "s3-access-key", "s3-secret-key", "openai-api-key"}
	for _, f := range catalog.All() {
		if f.Manifest == nil {
			continue
		}
		want, err := json.Marshal(f.Manifest())
		if err != nil {
			t.Fatal(err)
		}
		own, together := one[f.Name], few["plugins"]
		for place, got := range map[string]string{
			"stack.yml":    (*own.Annotations)[manifest.Annotation],
			"stack.ce.yml": (*together.Annotations)[manifest.GroupAnnotation+gateway.Member(f.Name)],
		} {
			if !sameJSON(t, got, string(want)) {
				t.Errorf("%s: the manifest of %s arrives as\n%s\nnot\n%s", place, f.Name, got, want)
			}
		}
		for _, secrets := range [][]string{own.Secrets, together.Secrets} {
			if secrets[0] != plugin.KeySecret || slices.ContainsFunc(secrets, func(name string) bool { return slices.Contains(ours, name) }) {
				t.Errorf("%s: %v", f.Name, secrets)
			}
		}
	}
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if err := errors.Join(json.Unmarshal([]byte(a), &x), json.Unmarshal([]byte(b), &y)); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(x, y)
}

func TestPumpHasASchedule(t *testing.T) {
	pump := read(t, "stack.yml").Functions["system-pump"]
	if a := *pump.Annotations; a["topic"] != "cron-function" || a["schedule"] != "* * * * *" {
		t.Errorf("%v", a)
	}
}

// TestFunctionsCanBeAppended adds a function as faas-cli new --append does: at the end of the file.
func TestFunctionsCanBeAppended(t *testing.T) {
	raw, err := os.ReadFile(root + "/stack.yml")
	if err != nil {
		t.Fatal(err)
	}
	raw = append(raw, "  plugin-weather:\n    lang: plugin-go\n    handler: ./plugin-weather\n    image: plugin-weather:latest\n"...)
	services, err := stack.ParseYAMLData(raw, "", "", true)
	if err != nil {
		t.Fatal(err)
	}
	if f := services.Functions["plugin-weather"]; f.Language != "plugin-go" || len(services.Functions) != len(catalog.All())+1 {
		t.Errorf("%+v", f)
	}
	if !slices.Equal(services.StackConfiguration.CopyExtraPaths, []string{"./shared", "./go.mod", "./go.sum"}) {
		t.Errorf("%v", services.StackConfiguration)
	}
}
