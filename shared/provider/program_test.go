package provider_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/openfaas/faas-provider/types"

	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/provider"
)

func TestImages(t *testing.T) {
	r := start(t, foreign("registry:5000/acme/tool", "acme/pinned:1.2", "acme/exact:1@sha256:ab", "acme/digest@sha256:cd"))
	for image, found := range map[string]bool{
		"hearth": true, "hearth:1.2": true, "ghcr.io/acme/hearth:1": true, "localhost:5000/hearth@sha256:00": true, "a/hearth:1@sha256:00": true,
		"registry:5000/acme/tool": true, "registry:5000/acme/tool:9": true, "registry:5000/acme/tool:9@sha256:00": true,
		"acme/pinned:1.2": true, "acme/pinned:1.2@sha256:00": true, "acme/pinned:1.3": false, "acme/pinned": false,
		"acme/exact:1@sha256:ab": true, "acme/exact:1@sha256:00": false, "acme/digest:7@sha256:cd": true, "acme/digest": false,
		"hearth/other": false, "nginx:latest": false, "nothearth": false, "hearthy:1": false,
	} {
		spec := fine()
		spec.Image = image
		if !strings.HasSuffix(strings.Split(strings.Split(image, "@")[0], ":")[0], "hearth") {
			spec.EnvVars = map[string]string{"role": "echo"}
		}
		code, got := r.system("POST", "/system/functions", encoded(t, spec))
		if found != (code == http.StatusAccepted) || !found && (code != http.StatusBadRequest || !strings.Contains(got, "HEARTH_IMAGES")) {
			t.Errorf("%s answers %d %s", image, code, got)
		}
		if !found {
			continue
		}
		if code, got := r.call("POST", "/function/mine", "hi"); code != 200 || got != "hi" {
			t.Errorf("%s: a call answers %d %s", image, code, got)
		}
		r.must("DELETE", "/system/functions", `{"functionName":"mine"}`)
	}
}

func TestProcesses(t *testing.T) {
	r := start(t)
	for process, code := range map[string]int{
		"hearth fn sink": 202, "./hearth fn sink": 202, "/usr/bin/hearth  fn  sink": 202,
		"": 400, "hearth fn nobody": 400, "hearth fn": 400, "sh -c x": 400, "other fn sink": 400, "hearth up sink": 400,
	} {
		spec := fine()
		spec.EnvProcess = process
		if got, text := r.system("POST", "/system/functions", encoded(t, spec)); got != code {
			t.Errorf("%q answers %d %s", process, got, text)
		} else if code == 202 {
			r.must("DELETE", "/system/functions", `{"functionName":"mine"}`)
		}
	}
}

// TestForeignPlugin deploys a plugin that is not part of the executable, as faas-cli does: planners find it
// by its annotation, and it gets the public key and its secrets, and nothing of ours.
func TestForeignPlugin(t *testing.T) {
	r := start(t, foreign("acme/weather"), func(c *provider.Config) {
		c.Environ = []string{"ENCRYPTION_KEY=canary", "REDIS_URL=canary", "OPENAI_API_KEY=canary", "TZ=Asia/Shanghai"}
	})
	r.secret("weather-key", "sunny")
	r.secret("slack-bot-token", "canary")
	m := `{"id":"weather","title":{"en":"Weather","zh":"天气"},"effect":"read","limits":{"memory_bytes":134217728}}`
	spec := types.FunctionDeployment{
		Service: "plugin-weather", Image: "acme/weather:1.0", EnvProcess: "./weather", Secrets: []string{"weather-key", provider.CallKeySecret},
		EnvVars: map[string]string{"role": "plugin-probe", "PATH": "/evil"}, Annotations: &map[string]string{manifest.Annotation: m},
	}
	if code, err := r.client().Deploy(t.Context(), spec); code != 202 || err != nil {
		t.Fatalf("Deploy answers %d, %v", code, err)
	}
	i := slices.IndexFunc(r.list(), func(s types.FunctionStatus) bool { return s.Name == "plugin-weather" })
	if got := (*r.list()[i].Annotations)[manifest.Annotation]; got != m {
		t.Errorf("its annotation is %s", got)
	}
	_, got := r.call("GET", "/function/plugin-weather", "")
	for _, want := range []string{
		"secret hearth-call-key ", "secret weather-key -rw------- sunny\n", "env fprocess=./weather\n", "env role=plugin-probe\n", "env TZ=Asia/Shanghai\n",
		"env GOMEMLIMIT=134217728\n", "env OPENFAAS_NAME=plugin-weather\n", "dir " + filepath.Join(r.data, "work", "plugin-weather"),
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	for _, canary := range []string{"canary", "PATH=/evil"} {
		if strings.Contains(got, canary) {
			t.Errorf("it sees %q:\n%s", canary, got)
		}
	}
	r.must("DELETE", "/system/functions", `{"functionName":"plugin-weather"}`)
	r.end()
	for _, use := range []string{"grants", "work"} {
		if _, err := os.Stat(filepath.Join(r.data, use, "plugin-weather")); !os.IsNotExist(err) {
			t.Errorf("%s of a removed plugin stays: %v", use, err)
		}
	}
}

func TestForeignProgramHasNoName(t *testing.T) {
	r := start(t, foreign("acme/tool"), func(c *provider.Config) { c.Environ = []string{"ENCRYPTION_KEY=canary", "REDIS_URL=canary"} })
	spec := types.FunctionDeployment{Service: "system-tool", Image: "acme/tool", EnvVars: map[string]string{"role": "plugin-probe"}}
	r.must("POST", "/system/functions", encoded(t, spec))
	if _, got := r.call("GET", "/function/system-tool", ""); strings.Contains(got, "canary") || !strings.Contains(got, "secret hearth-call-key") {
		t.Errorf("a program that is not ours, under the name of ours, sees\n%s", got)
	}
}

func TestOwnPluginKeepsItsManifest(t *testing.T) {
	r := start(t, func(c *provider.Config) { c.Environ = []string{"DATABASE_URL=sqlite:x", "ENCRYPTION_KEY=canary"} })
	before := (*r.describe("plugin-probe").Annotations)[manifest.Annotation]
	spec := types.FunctionDeployment{
		Service: "plugin-probe", Image: "ghcr.io/acme/hearth:2", Annotations: &map[string]string{manifest.Annotation: "{}", "a": "b"},
		EnvVars: map[string]string{"colour": "red", "DATABASE_URL": "sqlite:theirs"}, Limits: &types.FunctionResources{Memory: "64Mi", CPU: "1500m"},
	}
	r.must("PUT", "/system/functions", encoded(t, spec))
	after := r.describe("plugin-probe")
	if (*after.Annotations)[manifest.Annotation] != before || (*after.Annotations)["a"] != "b" || after.Image != spec.Image {
		t.Errorf("it is %+v", after)
	}
	_, got := r.call("GET", "/function/plugin-probe", "")
	for _, want := range []string{"env colour=red\n", "env DATABASE_URL=sqlite:theirs\n", "env GOMEMLIMIT=67108864\n", "env GOMAXPROCS=2\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "canary") {
		t.Errorf("it sees\n%s", got)
	}
}
