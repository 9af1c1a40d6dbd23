package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// TestImageHasItsSources copies into the image all that the program is built of.
func TestImageHasItsSources(t *testing.T) {
	dockerfile := text(t, "deploy/Dockerfile")
	var copied []string
	for line := range strings.Lines(dockerfile) {
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[0] != "COPY" || strings.HasPrefix(fields[1], "--") {
			continue
		}
		copied = append(copied, fields[1:len(fields)-1]...)
	}
	ignore := strings.Split(text(t, "deploy/Dockerfile.dockerignore"), "\n")
	for _, name := range copied {
		if _, err := os.Stat(filepath.Join(root, name)); err != nil || !slices.Contains(ignore, "!"+name) {
			t.Errorf("%s: %v, in the build's context: %v", name, err, slices.Contains(ignore, "!"+name))
		}
	}
	list := exec.Command("go", "list", "-deps", "-f", "{{if .Module}}{{if .Module.Main}}{{.ImportPath}}{{end}}{{end}}", "./cmd/hearth")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := strings.Fields(string(out))
	for _, p := range packages {
		folder, _, _ := strings.Cut(strings.TrimPrefix(p, "github.com/hearthfaas/hearth/"), "/")
		if !slices.Contains(copied, folder) {
			t.Errorf("%s is not copied", p)
		}
	}
	if len(packages) < 20 || !slices.Contains(copied, "go.sum") {
		t.Errorf("%d packages, %v", len(packages), copied)
	}
	for _, line := range []string{"USER 10001:10001", "HEARTH_LOCK=/tmp/.lock", "HEALTHCHECK ", `ENTRYPOINT ["hearth"]`, `CMD ["fn"]`} {
		if !strings.Contains(dockerfile, line) {
			t.Errorf("no %s", line)
		}
	}
}

// compose is the part of the Compose specification that our file uses; anything else in it is a mistake.
// https://github.com/compose-spec/compose-spec/blob/main/spec.md
type compose struct {
	Name     string              `yaml:"name"`
	Services map[string]service  `yaml:"services"`
	Volumes  map[string]struct{} `yaml:"volumes"`
}

type service struct {
	Image string `yaml:"image"`
	Build struct {
		Context    string `yaml:"context"`
		Dockerfile string `yaml:"dockerfile"`
	} `yaml:"build"`
	Command     []string          `yaml:"command"`
	Environment map[string]string `yaml:"environment"`
	EnvFile     []struct {
		Path     string `yaml:"path"`
		Required bool   `yaml:"required"`
	} `yaml:"env_file"`
	Ports    []string `yaml:"ports"`
	Volumes  []string `yaml:"volumes"`
	ReadOnly bool     `yaml:"read_only"`
	Tmpfs    []string `yaml:"tmpfs"`
	Drop     []string `yaml:"cap_drop"`
	Security []string `yaml:"security_opt"`
	IPC      string   `yaml:"ipc"`
	Deploy   struct {
		Resources struct {
			Reservations struct {
				Devices []struct {
					Driver       string   `yaml:"driver"`
					Count        int      `yaml:"count"`
					Capabilities []string `yaml:"capabilities"`
				} `yaml:"devices"`
			} `yaml:"reservations"`
		} `yaml:"resources"`
	} `yaml:"deploy"`
	Healthcheck struct {
		Test        []string `yaml:"test"`
		Interval    string   `yaml:"interval"`
		StartPeriod string   `yaml:"start_period"`
	} `yaml:"healthcheck"`
	DependsOn map[string]struct {
		Condition string `yaml:"condition"`
	} `yaml:"depends_on"`
	Restart string `yaml:"restart"`
}

func TestCompose(t *testing.T) {
	var c compose
	raw := text(t, "deploy/compose.yml")
	if err := yaml.UnmarshalWithOptions([]byte(raw), &c, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	hearth, vllm, redis := c.Services["hearth"], c.Services["vllm"], c.Services["redis"]
	gpus := vllm.Deploy.Resources.Reservations.Devices
	if len(gpus) != 1 || gpus[0].Driver != "nvidia" || gpus[0].Count != 1 || !slices.Equal(gpus[0].Capabilities, []string{"gpu"}) {
		t.Errorf("GPUs: %+v", gpus)
	}
	if !slices.Contains(vllm.Volumes, "./models:/models:ro") || !strings.HasPrefix(vllm.Command[1], "${MODEL_PATH:?") {
		t.Errorf("models: %v %v", vllm.Volumes, vllm.Command)
	}
	if !slices.Contains(hearth.Volumes, "./config:/config") || !strings.HasPrefix(hearth.Environment["ENCRYPTION_KEY"], "${ENCRYPTION_KEY:?") || !hearth.ReadOnly {
		t.Errorf("hearth: %+v", hearth)
	}
	if !slices.Equal(hearth.Ports, []string{"127.0.0.1:8080:8080"}) || len(redis.Ports)+len(vllm.Ports) > 0 {
		t.Error("more than the gateway can be reached from outside")
	}
	if i := slices.Index(redis.Command, "--appendonly"); i < 0 || redis.Command[i+1] != "yes" || !slices.Contains(redis.Command, "noeviction") {
		t.Errorf("redis: %v", redis.Command)
	}
	for name, s := range c.Services {
		if len(s.Healthcheck.Test) == 0 || s.Restart == "" || s.Image == "" {
			t.Errorf("%s: %+v", name, s)
		}
		for volume := range strings.SplitSeq(strings.Join(s.Volumes, "\n"), "\n") {
			from, _, _ := strings.Cut(volume, ":")
			if _, named := c.Volumes[from]; !named && !strings.HasPrefix(from, "./") {
				t.Errorf("%s: the volume %q is nowhere", name, from)
			}
		}
	}
	for name := range hearth.DependsOn {
		if _, found := c.Services[name]; !found {
			t.Errorf("it waits for %s", name)
		}
	}
	if _, err := os.Stat(filepath.Join(root, "deploy", hearth.Build.Context, hearth.Build.Dockerfile)); err != nil {
		t.Error(err)
	}
}

// text returns a file of the repository.
func text(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
